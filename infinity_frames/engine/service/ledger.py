"""Accounts, their tokens, and the samples they have: granted, reserved, settled.

For every account ``granted = reserved + settled + left``. Entries are only ever added; a job's
reservation is taken with its batch and given back in the very transaction that ends the job, which
also books what was rendered. A database that refuses a second entry for a job makes that happen
exactly once, whatever crashes when.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infinity_frames.engine.service.home import write_whole
from infinity_frames.engine.service.stores import database as store
from infinity_frames.engine.service.stores.database import accounts, jobs, ledger, tokens
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import AuthenticationError, EngineError, NotEnoughSamples

__all__ = [
    "Balance",
    "account_of_token",
    "balance",
    "ensure_own_token",
    "new_token",
    "reserve",
    "settle",
]

OWN_ACCOUNT = "embedded"
_NAME_LENGTH = 12


@dataclass(frozen=True)
class Balance:
    """What an account has; ``left`` is None where it is not metered."""

    reserved: int
    left: int | None


def balance(connection: Connection, account_id: int) -> Balance:
    """What the account has now."""
    row = connection.execute(sa.select(accounts).where(accounts.c.id == account_id)).one()
    left = row.granted - row.reserved - row.settled if row.metered else None
    return Balance(reserved=row.reserved, left=left)


def reserve(connection: Connection, account_id: int, batch_id: str, samples: int) -> None:
    """Set the estimate of new jobs aside.

    Raises
    ------
    NotEnoughSamples
        The account has fewer left.
    """
    left = balance(connection, account_id).left
    if left is not None and samples > left:
        raise NotEnoughSamples(
            f"This needs {samples} samples and the account has {left} left.",
            advice="Submit fewer jobs, ask for fewer samples per job (fewer repetitions, a lower "
            "frame rate, previews), or have more samples granted to the account "
            "(infinity-frames token NAME --samples N).",
            needed=samples,
            left=left,
        )
    _book(connection, account_id, batch_id=batch_id, reserved=samples)


def settle(connection: Connection, finished: sa.ColumnElement[bool]) -> None:
    """Book the jobs that `finished` selects: estimate given back, rendered samples deducted.

    Parameters
    ----------
    connection : Connection
        The transaction that also ended those jobs.
    finished : SQL condition over `jobs`
        Jobs that this transaction ends; ``samples`` says what each rendered, NULL nothing.
    """
    samples = sa.func.coalesce(jobs.c.samples, 0)
    entries = sa.select(
        jobs.c.account_id,
        jobs.c.batch_id,
        jobs.c.id,
        sa.literal(0),
        -jobs.c.estimated,
        samples,
        sa.literal(store.now()),
    ).where(finished)
    columns = ["account_id", "batch_id", "job_id", "granted", "reserved", "settled", "created"]
    sums = connection.execute(
        sa.select(jobs.c.account_id, sa.func.sum(jobs.c.estimated), sa.func.sum(samples))
        .where(finished)
        .group_by(jobs.c.account_id)
    ).all()
    connection.execute(sa.insert(ledger).from_select(columns, entries))
    for account_id, estimated, rendered in sums:
        _add(connection, account_id, reserved=-estimated, settled=rendered)


def new_token(connection: Connection, name: str, samples: int | None = None) -> str:
    """Make a token for the account of that name, which is made where there is none.

    Parameters
    ----------
    connection : Connection
        A writing transaction.
    name : str
        Name of the account.
    samples : int, optional
        Samples granted to it, on top of what it has; None makes an account without a meter.

    Returns
    -------
    str
        The token; the store keeps only a digest of it.

    Raises
    ------
    EngineError
        Samples are granted to an account that is not metered.
    """
    row = connection.execute(sa.select(accounts).where(accounts.c.name == name)).one_or_none()
    if samples is not None and not (name != OWN_ACCOUNT if row is None else row.metered):
        raise EngineError(
            f"The account {name!r} is not metered, so it cannot be granted samples.",
            advice="Name another account, or leave out --samples.",
        )
    if row is None:
        values = {"name": name, "metered": samples is not None, "created": store.now()}
        made = sa.insert(accounts).values(values).returning(accounts.c.id)
        account_id = connection.execute(made).scalar_one()
    else:
        account_id = row.id
    if samples:
        _book(connection, account_id, granted=samples)
    return _issue(connection, account_id)


def account_of_token(connection: Connection, token: str) -> int:
    """The account a token stands for.

    Raises
    ------
    AuthenticationError
        There is no such token.
    """
    # Ours are ASCII; anything else is looked up as a token that cannot be.
    token = token if token.isascii() else ""
    row = connection.execute(
        sa.select(tokens).where(tokens.c.name == token[:_NAME_LENGTH])
    ).one_or_none()
    # An unknown name is compared too, so that the time taken tells nothing.
    expected = row.digest if row is not None else bytes(32)
    if not hmac.compare_digest(_digest(token), expected) or row is None:
        raise AuthenticationError(
            "The token is not one of this server's.",
            advice="Check it; `infinity-frames token` prints one for an engine of yours.",
        )
    return int(row.account_id)


def ensure_own_token(db: store.Store, home: Home) -> str:
    """The token in the home, of an account without a meter; made where it is missing or stale."""
    try:
        token = home.token_file.read_text("ascii").strip()
        with db.read() as connection:
            account_of_token(connection, token)
    except (OSError, UnicodeError, AuthenticationError):
        with db.write() as connection:
            token = new_token(connection, OWN_ACCOUNT)
            # Written before the commit: a token in the file that the store lacks is replaced at
            # the next start, one in the store that no file holds would be lost.
            write_whole(home.token_file, token.encode())
    return token


def _issue(connection: Connection, account_id: int) -> str:
    token = secrets.token_urlsafe(36)
    connection.execute(
        sa.insert(tokens).values(
            name=token[:_NAME_LENGTH],
            digest=_digest(token),
            account_id=account_id,
            created=store.now(),
        )
    )
    return token


def _digest(token: str) -> bytes:
    # Tokens are 288 random bits: no dictionary helps against a plain digest.
    return hashlib.sha256(token.encode()).digest()


def _book(
    connection: Connection,
    account_id: int,
    *,
    batch_id: str | None = None,
    granted: int = 0,
    reserved: int = 0,
) -> None:
    connection.execute(
        sa.insert(ledger).values(
            account_id=account_id,
            batch_id=batch_id,
            granted=granted,
            reserved=reserved,
            created=store.now(),
        )
    )
    _add(connection, account_id, granted=granted, reserved=reserved)


def _add(
    connection: Connection,
    account_id: int,
    *,
    granted: int = 0,
    reserved: int = 0,
    settled: int = 0,
) -> None:
    connection.execute(
        sa.update(accounts)
        .where(accounts.c.id == account_id)
        .values(
            granted=accounts.c.granted + granted,
            reserved=accounts.c.reserved + reserved,
            settled=accounts.c.settled + settled,
        )
    )
