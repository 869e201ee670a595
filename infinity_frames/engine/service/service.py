"""The engine's operations, independent of HTTP: they combine store, archives and dispatcher."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from infinity_frames.engine.service import ledger, queue, repository, requests, sign_in
from infinity_frames.engine.service.dispatcher import Dispatcher
from infinity_frames.engine.service.ports import Archives, Store
from infinity_frames.engine.service.repository import Linker
from infinity_frames.engine.service.signing import Signer
from infinity_frames.engine.service.stores.tables import idempotency, jobs, now
from infinity_frames.protocol.errors import RequestRejected, UnknownJob

__all__ = ["IdempotencyKey", "Service"]

# Tokens can be revoked by another process, which takes effect within this time.
_TOKEN_CACHE_S = 1.0
_MAX_CACHED_TOKENS = 10_000
# Adds jobs in a transaction; returns the batch id, and the job id for a single job.
_AddJobs = Callable[[Connection], tuple[str, str | None]]


@dataclass(frozen=True)
class IdempotencyKey:
    """Identifies a repeated request: its ``Idempotency-Key``, and a digest of path and body."""

    key: str
    digest: bytes

    @classmethod
    def of(cls, key: str, path: str, body: bytes) -> IdempotencyKey:
        """Build the key of a request to `path`."""
        return cls(key, hashlib.sha256(path.encode() + b"\0" + body).digest())


@dataclass
class Service:
    """The operations behind the API.

    Parameters
    ----------
    store : Store
        Holds accounts, batches and jobs.
    archives : Archives
        Hold the results.
    signer : Signer
        Signs result URLs.
    dispatcher : Dispatcher
        Renders queued jobs.
    proof_key : bytes
        Proves to local clients that this is the engine of its home.
    """

    store: Store
    archives: Archives
    signer: Signer
    dispatcher: Dispatcher
    proof_key: bytes
    _accounts: dict[bytes, tuple[int, float]] = field(default_factory=dict)

    def account(self, token: str) -> int:
        """Return the account of a token; cached for a moment, since every request carries one.

        Raises
        ------
        AuthenticationError
            The token is unknown.
        """
        return self._account("token", token, ledger.account_of_token)

    def session_account(self, secret: str) -> int:
        """Return the account of a signed-in browser, from the value of its cookie.

        Raises
        ------
        AuthenticationError
            The session is unknown or has expired.
        """
        return self._account("session", secret, sign_in.account_of_session)

    def _account(self, kind: str, secret: str, look_up: Callable[[Connection, str], int]) -> int:
        digest = hashlib.sha256(f"{kind} {secret}".encode("utf-8", "replace")).digest()
        account, until = self._accounts.get(digest, (0, 0.0))
        if time.monotonic() > until:
            if len(self._accounts) > _MAX_CACHED_TOKENS:
                self._accounts.clear()
            with self.store.read() as connection:
                account = look_up(connection, secret)
            self._accounts[digest] = account, time.monotonic() + _TOKEN_CACHE_S
        return account

    def forget_tokens(self) -> None:
        """Look every token up again, since one was revoked."""
        self._accounts.clear()

    def submit(self, account: int, body: bytes, key: IdempotencyKey | None, link: Linker) -> bytes:
        """Queue a batch and return the batch object."""
        with self.store.read() as connection:
            replay = self._replay(connection, account, key, link)
            if replay is not None:
                return orjson.dumps(replay)
            name, job_requests = requests.parse_batch(requests.parse(body))
            prepared = requests.prepare(connection, account, job_requests)

        def add_jobs(connection: Connection) -> tuple[str, None]:
            batch_id = repository.new_batch(connection, account, name)
            repository.add_jobs(connection, account, batch_id, prepared)
            return batch_id, None

        return orjson.dumps(self._create(account, key, link, add_jobs))

    def submit_single(
        self,
        account: int,
        body: bytes,
        key: IdempotencyKey | None,
        link: Linker,
        *,
        is_preview: bool,
    ) -> bytes:
        """Queue one job in the named batch or a new one; return the job object."""
        with self.store.read() as connection:
            replay = self._replay(connection, account, key, link)
            if replay is not None:
                return orjson.dumps(replay["job_runs"][0])
            parsed = requests.parse(body)
            request = requests.parse_single(parsed, is_preview=is_preview)
            given = parsed.get("batch_id")
            if given is not None:
                repository.batch_row(connection, account, str(given))
            prepared = requests.prepare(connection, account, [request])

        def add_jobs(connection: Connection) -> tuple[str, str]:
            batch_id = given or repository.new_batch(connection, account, request.generator)
            (job_id,) = repository.add_jobs(connection, account, batch_id, prepared)
            return batch_id, job_id

        return orjson.dumps(self._create(account, key, link, add_jobs)["job_runs"][0])

    def estimate(self, account: int, body: bytes) -> bytes:
        """Return the estimated samples of each job, without submitting the batch."""
        _, job_requests = requests.parse_batch(requests.parse(body))
        with self.store.read() as connection:
            prepared = requests.prepare(connection, account, job_requests)
        return orjson.dumps([job.estimated for job in prepared])

    def batch(self, account: int, batch_id: str, link: Linker, *, summary: bool) -> bytes:
        """Return a batch object."""
        message = self.dispatcher.message()
        with self.store.read() as connection:
            row = repository.batch_row(connection, account, batch_id)
            found = repository.batch_json(connection, row, link, summary=summary, message=message)
        return orjson.dumps(found)

    def progress(self, account: int, batch_id: str, since: int) -> tuple[bytes, int]:
        """Return the changes of a batch after a revision, and the offset where the ids begin."""
        message = self.dispatcher.message()
        with self.store.read() as connection:
            row = repository.batch_row(connection, account, batch_id)
            found = orjson.dumps(repository.progress_json(connection, row, since, message))
        return found, found.rindex(b'"id":')

    def cancel(self, account: int, batch_id: str) -> None:
        """Cancel the unfinished jobs of a batch."""
        with self.store.write() as connection:
            repository.batch_row(connection, account, batch_id)
            running = queue.cancel(connection, batch_id)
        self.dispatcher.cancel(running)

    def jobs(
        self, account: int, is_preview: bool, batch_id: str | None, limit: int, link: Linker
    ) -> bytes:
        """Return the job objects of one kind."""
        with self.store.read() as connection:
            rows = repository.find_jobs(connection, account, is_preview, batch_id, limit)
            return orjson.dumps([repository.job_json(row, link) for row in rows])

    def job(self, account: int, is_preview: bool, job_id: str, link: Linker) -> bytes:
        """Return a job object."""
        with self.store.read() as connection:
            return orjson.dumps(
                repository.job_json(
                    repository.job_row(connection, account, job_id, is_preview), link
                )
            )

    def archive_sha256(self, job_id: str) -> str:
        """Return the SHA-256 of a finished job's archive.

        Raises
        ------
        UnknownJob
            The job has no archive.
        RequestRejected
            The archive has expired (410).
        """
        with self.store.read() as connection:
            row = connection.execute(
                sa.select(jobs.c.sha256, jobs.c.expired).where(jobs.c.id == job_id)
            ).one_or_none()
        if row is not None and row.expired is not None:
            raise RequestRejected(
                f"The archive of this job expired at {row.expired} under the engine's retention "
                "rules.",
                advice="Submit the job again with `state` set to its id: it renders the same "
                "again.",
                status=410,
            )
        if row is None or row.sha256 is None:
            raise UnknownJob("This job has no archive.", advice="GET the job to see its status.")
        return str(row.sha256)

    def _create(
        self, account: int, key: IdempotencyKey | None, link: Linker, add_jobs: _AddJobs
    ) -> dict[str, Any]:
        with self.store.write() as connection:
            # Look again under the write lock: the same request may have arrived twice at once.
            replay = self._replay(connection, account, key, link)
            if replay is not None:
                return replay
            batch_id, job_id = add_jobs(connection)
            if key is not None:
                connection.execute(
                    sa.insert(idempotency).values(
                        account_id=account,
                        key=key.key,
                        digest=key.digest,
                        batch_id=batch_id,
                        job_id=job_id,
                        created=now(),
                    )
                )
            # Read in the same transaction, so that an error from here on creates nothing.
            created = self._as_created(connection, account, batch_id, job_id, link)
        self.dispatcher.wake()
        return created

    def _replay(
        self, connection: Connection, account: int, key: IdempotencyKey | None, link: Linker
    ) -> dict[str, Any] | None:
        if key is None:
            return None
        row = connection.execute(
            sa.select(idempotency).where(
                idempotency.c.account_id == account, idempotency.c.key == key.key
            )
        ).one_or_none()
        if row is None:
            return None
        if row.digest != key.digest:
            raise RequestRejected(
                "This Idempotency-Key was used for another request.",
                advice="Use a new key for a new request; repeat a key only with the same body.",
                status=422,
            )
        return self._as_created(connection, account, row.batch_id, row.job_id, link)

    def _as_created(
        self,
        connection: Connection,
        account: int,
        batch_id: str,
        job_id: str | None,
        link: Linker,
    ) -> dict[str, Any]:
        row = repository.batch_row(connection, account, batch_id)
        return repository.as_created(repository.batch_json(connection, row, link, job_id=job_id))
