"""Sign-in of browsers: a one-time code becomes a session, which a cookie carries.

A program that holds a token asks for a code and opens a browser with it. The browser exchanges the
code for a session. Neither a page nor an address ever contains the token. The store keeps digests
of codes and sessions, so that every engine of a shared store accepts them, each code once.
"""

from __future__ import annotations

import hashlib
import secrets
import time

import orjson
import sqlalchemy as sa
from fastapi import Request
from sqlalchemy import Connection

from infinity_frames.engine.service.ledger import account_of_token
from infinity_frames.engine.service.stores.tables import secrets as secrets_table
from infinity_frames.engine.service.stores.tables import tokens
from infinity_frames.protocol.errors import AuthenticationError

__all__ = [
    "CODE_LIFETIME_S",
    "SESSION_LIFETIME_S",
    "account_of_session",
    "cookie_name",
    "end_session",
    "new_code",
    "start_session",
]

CODE_LIFETIME_S = 120
SESSION_LIFETIME_S = 12 * 3600
_CODE, _SESSION = "sign-in code ", "session "
_ADVICE = "Sign in with `infinity-frames open` or `Session.open()`."


def new_code(connection: Connection, token: str) -> str:
    """Create a one-time code for the account of a token; delete codes and sessions that expired.

    Raises
    ------
    AuthenticationError
        The token is unknown.
    """
    account_of_token(connection, token)
    _delete_expired(connection)
    name = connection.execute(
        sa.select(tokens.c.name).where(tokens.c.digest == hashlib.sha256(token.encode()).digest())
    ).scalar_one()
    return _store(connection, _CODE, {"token": name}, CODE_LIFETIME_S)


def start_session(connection: Connection, code: str) -> str:
    """Exchange a code for a session; the code is deleted.

    Returns
    -------
    str
        The session's secret, the value of the cookie.

    Raises
    ------
    AuthenticationError
        The code is unknown, was used, or has expired.
    """
    name = _name(_CODE, code)
    found = _find(connection, name)
    removed = connection.execute(sa.delete(secrets_table).where(secrets_table.c.name == name))
    if found is None or not removed.rowcount:
        raise AuthenticationError(
            "This sign-in code was used before or has expired.", advice=_ADVICE
        )
    return _store(connection, _SESSION, {"token": found["token"]}, SESSION_LIFETIME_S)


def account_of_session(connection: Connection, secret: str) -> int:
    """Return the account of a session; it ends when its token is revoked.

    Raises
    ------
    AuthenticationError
        The session is unknown or has expired, or its token was revoked.
    """
    found = _find(connection, _name(_SESSION, secret))
    account = None
    if found is not None:
        query = sa.select(tokens.c.account_id).where(tokens.c.name == found["token"])
        account = connection.execute(query).scalar()
    if account is None:
        raise AuthenticationError("This browser is not signed in, or no longer.", advice=_ADVICE)
    return int(account)


def end_session(connection: Connection, secret: str) -> None:
    """Delete a session."""
    name = _name(_SESSION, secret)
    connection.execute(sa.delete(secrets_table).where(secrets_table.c.name == name))


def cookie_name(request: Request) -> str:
    """Return the name of the cookie of this engine: browsers share cookies between ports."""
    return f"infinity-session-{request.url.port or 80}"


def _name(kind: str, secret: str) -> str:
    return kind + hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _store(connection: Connection, kind: str, content: dict[str, str], lifetime: int) -> str:
    secret = secrets.token_urlsafe(32)
    value = orjson.dumps({**content, "expires": time.time() + lifetime})
    connection.execute(sa.insert(secrets_table).values(name=_name(kind, secret), value=value))
    return secret


def _find(connection: Connection, name: str) -> dict[str, str] | None:
    query = sa.select(secrets_table.c.value).where(secrets_table.c.name == name)
    value = connection.execute(query).scalar()
    if value is None:
        return None
    found = orjson.loads(value)
    return found if found["expires"] > time.time() else None


def _delete_expired(connection: Connection) -> None:
    name = secrets_table.c.name
    ours = name.startswith(_CODE, autoescape=True) | name.startswith(_SESSION, autoescape=True)
    rows = connection.execute(sa.select(secrets_table).where(ours)).all()
    old = [row.name for row in rows if orjson.loads(row.value)["expires"] <= time.time()]
    if old:
        connection.execute(sa.delete(secrets_table).where(name.in_(old)))
