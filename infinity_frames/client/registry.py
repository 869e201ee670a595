"""Which origin (server, generator and account) a frame belongs to."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from infinity_frames.client.origin import EMBEDDED, HasOrigin, Origin, server_name
from infinity_frames.protocol.errors import FrameError, SessionError
from infinity_frames.protocol.schemas import context

__all__ = ["forget", "opened", "origin_for", "remember"]

opened: list[Origin] = []
"""Every origin of this process, one per server, generator and account.

They are kept until their Session is closed explicitly. If one were dropped together with its last
Session, its frames would silently be submitted with another token.
"""
_for_frames: list[Origin] = []
"""Origins that were opened here because a frame needed one, not by the user."""


def remember(origin: Origin) -> None:
    """Note an origin that was opened, in place of an earlier one for the same account."""
    for earlier in [one for one in opened if one.same_account(origin)]:
        origin.batches |= earlier.batches
        opened.remove(earlier)
    opened.append(origin)


def forget(origin: Origin) -> None:
    """Drop an origin whose Session was closed; frames no longer find it by themselves."""
    for places in (opened, _for_frames):
        places[:] = [one for one in places if one is not origin]


def origin_for(frame: pd.DataFrame, session: HasOrigin | None = None) -> Origin:
    """Find the origin that a frame's verbs use.

    Parameters
    ----------
    frame : DataFrame
        Its ``generator`` column and its context decide.
    session : Session, optional
        Wins over everything else.

    Returns
    -------
    Origin
        That of `session`; else the one opened in this process for the frame's server and
        generator, or, if there are several, the one through which this process submitted or
        fetched the frame's batches; else a new one, but only for ``$INFINITY_SERVER`` or the
        embedded engine: a frame read from a file never decides where a token is sent.

    Raises
    ------
    FrameError
        The frame does not say which generator it is for.
    SessionError
        No session fits, or several with different tokens do.
    """
    if session is not None:
        return session.origin
    known = context(frame)
    server, generator = known.get("server"), _generator(frame, known)
    fitting = [
        one
        for one in opened
        if one.generator == generator and (server is None or one.server == server)
    ]
    # An origin that the user opened comes before one that was opened for a frame.
    by_user = [one for one in fitting if one not in _for_frames]
    fitting = _that_know_the_batches(frame, fitting) or by_user or fitting
    if fitting:
        first, *others = fitting
        if any(o.server != first.server or not first.rest.same_account(o.rest) for o in others):
            raise SessionError(
                f"Several sessions for {generator} are open, with different servers or tokens.",
                advice="Choose one with session=.",
                generator=generator,
            )
        return first
    allowed = {EMBEDDED, server_name(None)}
    if server is not None and server not in allowed:
        raise SessionError(
            f"This frame belongs to {server}, and no session for {generator} is open there.",
            advice=f'Open one and keep it: session = Session("{generator}", server="{server}"), or '
            "pass another with session=.",
            server=server,
            generator=generator,
        )
    new = Origin.open(generator, server=server)
    remember(new)
    _for_frames.append(new)
    return new


def _that_know_the_batches(frame: pd.DataFrame, origins: list[Origin]) -> list[Origin]:
    """Origins that know every batch of the frame; none for a frame without batches."""
    if "batch_id" not in frame.columns:
        return []
    batches = set(frame["batch_id"].dropna().astype(str))
    return [one for one in origins if batches and batches <= one.batches]


def _generator(frame: pd.DataFrame, known: Mapping[str, str]) -> str:
    if "generator" in frame.columns and (names := frame["generator"].dropna().unique()).size:
        if len(names) > 1:
            raise FrameError(
                f"This frame holds jobs of several generators ({', '.join(map(str, names))}).",
                advice="Select the rows of one generator at a time.",
            )
        return str(names[0])
    if "generator" not in known:
        raise FrameError(
            "This frame does not say which generator it is for; merge, pivot, CSV and SQL drop it.",
            advice="Put it back with session.jobs(frame), or pass session=.",
        )
    return known["generator"]
