"""Which session a frame belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from infinity_frames.client.connect import EMBEDDED, server_named
from infinity_frames.protocol.errors import FrameError, SessionError
from infinity_frames.protocol.schemas import context

if TYPE_CHECKING:
    from infinity_frames.session import Session

__all__ = ["opened", "remember", "session_for"]

opened: list[Session] = []
"""Every session of this process, one per server, generator and account.

They are kept for good: were one forgotten with its last variable, its frames would silently be
submitted with another token.
"""
_for_frames: list[Session] = []
"""Those that were opened here, for some frame's sake."""


def remember(session: Session) -> None:
    """Note a session that was opened, in place of an earlier one for the same account."""
    opened[:] = [one for one in opened if not _same(one, session)]
    opened.append(session)


def session_for(frame: pd.DataFrame, session: Session | None = None) -> Session:
    """The session a frame's verbs use.

    `session` wins; else the one opened in this process for the frame's server and generator; else
    one is opened, but only for ``$INFINITY_SERVER`` or the embedded engine: what a file says of its
    server never decides where a token goes.

    Raises
    ------
    FrameError
        The frame does not say which generator it is for.
    SessionError
        No session fits, or several with different tokens do.
    """
    if session is not None:
        return session
    known = context(frame)
    server, generator = known.get("server"), _generator(frame, known)
    fitting = [
        one
        for one in opened
        if one.generator == generator and (server is None or one.server == server)
    ]
    # One that the user opened comes before one that was opened for some frame's sake.
    fitting = [one for one in fitting if one not in _for_frames] or fitting
    if fitting:
        first, *others = fitting
        if any(o.server != first.server or not first.rest.same_account(o.rest) for o in others):
            raise SessionError(
                f"Several sessions for {generator} are open, with different servers or tokens.",
                advice="Say which with session=.",
                generator=generator,
            )
        return first
    allowed = {EMBEDDED, server_named(None)}
    if server is not None and server not in allowed:
        raise SessionError(
            f"This frame is of {server}, and no session for {generator} is open there.",
            advice=f'Open one and keep it: session = Session("{generator}", server="{server}"), or '
            "pass another with session=.",
            server=server,
            generator=generator,
        )
    from infinity_frames.session import Session  # which registers itself here

    new = Session(generator, server=server)
    _for_frames.append(new)
    return new


def _same(one: Session, other: Session) -> bool:
    same_place = one.server == other.server and one.generator == other.generator
    return same_place and one.rest.same_account(other.rest)


def _generator(frame: pd.DataFrame, known: Mapping[str, str]) -> str:
    if "generator" in frame.columns and (names := frame["generator"].dropna().unique()).size:
        if len(names) > 1:
            raise FrameError(
                f"This frame holds jobs of several generators ({', '.join(map(str, names))}).",
                advice="Take the rows of one of them at a time.",
            )
        return str(names[0])
    if "generator" not in known:
        raise FrameError(
            "This frame does not say which generator it is for; merge, pivot, CSV and SQL drop it.",
            advice="Put it back with session.jobs(frame), or pass session=.",
        )
    return known["generator"]
