"""Accounts, their tokens, and their samples: granted, reserved, settled.

For every account ``granted = reserved + settled + left``. Entries are only added, never changed. A
batch reserves the estimates of its jobs; the transaction that ends a job releases its estimate and
books the samples it rendered. The ledger's unique job id makes the database refuse a second entry,
so every job is settled exactly once, whenever a process crashes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection

from infinity_frames.engine.service.ports import Store
from infinity_frames.engine.service.stores.tables import accounts, jobs, ledger, now, tokens
from infinity_frames.io.atomic import write_atomically
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import AuthenticationError, EngineError, NotEnoughSamples

__all__ = [
    "MAX_GRANT",
    "Balance",
    "account_of_token",
    "balance",
    "ensure_own_token",
    "is_own_account",
    "list_tokens",
    "new_token",
    "reserve",
    "revoke_token",
    "settle",
]

OWN_ACCOUNT = "embedded"
MAX_GRANT = 2**53
"""Largest number of samples that can be granted at once."""

_NAME_LENGTH = 12
_ID_LENGTH = 12


@dataclass(frozen=True)
class Balance:
    """Samples reserved by and left to an account; ``left`` is None for unmetered accounts."""

    reserved: int
    left: int | None


def balance(connection: Connection, account_id: int) -> Balance:
    """Return the current balance of an account."""
    row = connection.execute(sa.select(accounts).where(accounts.c.id == account_id)).one()
    left = row.granted - row.reserved - row.settled if row.metered else None
    return Balance(reserved=row.reserved, left=left)


def reserve(connection: Connection, account_id: int, batch_id: str, samples: int) -> None:
    """Reserve the estimated samples of new jobs.

    Raises
    ------
    NotEnoughSamples
        The account has fewer samples left than the jobs need.
    """
    left = balance(connection, account_id).left
    if left is not None and samples > left:
        raise NotEnoughSamples(
            f"The jobs need {samples} samples and the account has {left} left.",
            advice="Submit fewer jobs, reduce the samples per job (fewer repetitions, a lower "
            "frame rate, previews), or grant the account more samples with "
            "`infinity-frames token NAME --samples N`.",
            needed=samples,
            left=left,
        )
    _book(connection, account_id, batch_id=batch_id, reserved=samples)


def settle(connection: Connection, finished: sa.ColumnElement[bool]) -> None:
    """Settle the jobs that `finished` selects: release estimates, deduct rendered samples.

    Parameters
    ----------
    connection : Connection
        Open transaction; the same transaction must mark the jobs as finished.
    finished : SQL condition over `jobs`
        Selects the finished jobs. Their column ``samples`` has the number of rendered samples; NULL
        counts as 0.
    """
    samples = sa.func.coalesce(jobs.c.samples, 0)
    entries = sa.select(
        jobs.c.account_id,
        jobs.c.batch_id,
        jobs.c.id,
        sa.literal(0),
        -jobs.c.estimated,
        samples,
        sa.literal(now()),
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
    """Create a token for the account of that name; create the account if it is missing.

    Parameters
    ----------
    connection : Connection
        A writing transaction.
    name : str
        Name of the account.
    samples : int, optional
        Samples to grant on top of the present balance; None creates an unmetered account.

    Returns
    -------
    str
        The token; the store keeps only its digest.

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
        values = {"name": name, "metered": samples is not None, "created": now()}
        made = sa.insert(accounts).values(values).returning(accounts.c.id)
        account_id = connection.execute(made).scalar_one()
    else:
        account_id = row.id
    if samples:
        _book(connection, account_id, granted=samples)
    return _issue(connection, account_id)


def account_of_token(connection: Connection, token: str) -> int:
    """Return the account of a token.

    Raises
    ------
    AuthenticationError
        The token is unknown.
    """
    # Tokens are ASCII; look any other text up as a token that cannot exist.
    token = token if token.isascii() else ""
    row = connection.execute(
        sa.select(tokens).where(tokens.c.name == token[:_NAME_LENGTH])
    ).one_or_none()
    # Compare unknown names too, so that the duration reveals nothing.
    expected = row.digest if row is not None else bytes(32)
    if not hmac.compare_digest(_digest(token), expected) or row is None:
        raise AuthenticationError(
            "The token is not valid on this server.",
            advice="Check the token; `infinity-frames token` prints one for your own engine.",
        )
    return int(row.account_id)


def is_own_account(connection: Connection, account_id: int) -> bool:
    """Return whether an account is that of the engine's own token."""
    query = sa.select(accounts.c.name).where(accounts.c.id == account_id)
    return connection.execute(query).scalar() == OWN_ACCOUNT


def list_tokens(connection: Connection, account_id: int | None = None) -> list[dict[str, str]]:
    """List id, account and creation time of the tokens of one account, or of all."""
    query = sa.select(tokens.c.digest, accounts.c.name, tokens.c.created).join(accounts)
    if account_id is not None:
        query = query.where(tokens.c.account_id == account_id)
    rows = connection.execute(query.order_by(tokens.c.created))
    return [
        {"id": _token_id(digest), "account": name, "created": created}
        for digest, name, created in rows
    ]


def revoke_token(
    connection: Connection, token_id: str, account_id: int | None = None
) -> dict[str, str] | None:
    """Delete a token, of one account or of any; return its entry of `list_tokens`, None if unknown.

    The account, its jobs and its samples stay.
    """
    for listed in list_tokens(connection, account_id):
        if listed["id"] == token_id:
            names = connection.execute(sa.select(tokens.c.name, tokens.c.digest)).all()
            (name,) = [row.name for row in names if _token_id(row.digest) == token_id]
            connection.execute(sa.delete(tokens).where(tokens.c.name == name))
            return listed
    return None


def ensure_own_token(store: Store, home: Home) -> str:
    """Return the home's own token, of an unmetered account; replace it if missing or invalid."""
    try:
        token = home.token_file.read_text("ascii").strip()
        with store.read() as connection:
            account_of_token(connection, token)
    except (OSError, UnicodeError, AuthenticationError):
        with store.write() as connection:
            token = new_token(connection, OWN_ACCOUNT)
            # Write the file before the commit: after a crash, a token that only the file has is
            # replaced at the next start; one that only the store has would be lost.
            write_atomically(home.token_file, token.encode(), private=True)
    return token


def _issue(connection: Connection, account_id: int) -> str:
    token = secrets.token_urlsafe(36)
    connection.execute(
        sa.insert(tokens).values(
            name=token[:_NAME_LENGTH],
            digest=_digest(token),
            account_id=account_id,
            created=now(),
        )
    )
    return token


def _token_id(digest: bytes) -> str:
    # Derived from the digest, so that an id shows no part of its token.
    return digest.hex()[:_ID_LENGTH]


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
            created=now(),
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
