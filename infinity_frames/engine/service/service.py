"""What the engine does for one request, free of HTTP: store, signer and dispatcher in one place."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from infinity_frames.engine.service import ledger, queue
from infinity_frames.engine.service import repository as records
from infinity_frames.engine.service import requests as submission
from infinity_frames.engine.service.dispatcher import Dispatcher
from infinity_frames.engine.service.repository import Linker
from infinity_frames.engine.service.signing import Signer
from infinity_frames.engine.service.stores import database as store
from infinity_frames.engine.service.stores.database import Store, idempotency
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import RequestRejected, UnknownJob

__all__ = ["Once", "Service"]

_Places = Callable[[Connection], tuple[str, str | None]]


@dataclass(frozen=True)
class Once:
    """What makes a repeated request known: its key, and a digest of what was sent."""

    key: str
    digest: bytes

    @classmethod
    def of(cls, key: str, path: str, body: bytes) -> Once:
        """The identity of a request to `path`."""
        return cls(key, hashlib.sha256(path.encode() + b"\0" + body).digest())


@dataclass
class Service:
    """The engine behind its API.

    Parameters
    ----------
    home : Home
        Where the results are.
    store : Store
        Batches, jobs, accounts.
    signer : Signer
        Of result URLs.
    dispatcher : Dispatcher
        Renders what is queued.
    """

    home: Home
    store: Store
    signer: Signer
    dispatcher: Dispatcher
    _accounts: dict[bytes, int] = field(default_factory=dict)

    def account(self, token: str) -> int:
        """The account of a token; remembered, since every request brings one.

        Raises
        ------
        AuthenticationError
            It is no token of this engine.
        """
        digest = hashlib.sha256(token.encode()).digest()
        found = self._accounts.get(digest)
        if found is None:
            with self.store.read() as connection:
                found = ledger.account_of_token(connection, token)
            self._accounts[digest] = found
        return found

    def submit(self, account: int, body: bytes, once: Once | None, link: Linker) -> bytes:
        """Queue a batch; the batch object."""
        with self.store.read() as connection:
            replay = self._replay(connection, account, once, link)
            if replay is not None:
                return orjson.dumps(replay)
            name, requests = submission.parse_batch(submission.parse(body))
            prepared = submission.prepare(connection, account, requests)

        def place(connection: Connection) -> tuple[str, None]:
            batch_id = records.new_batch(connection, account, name)
            records.add_jobs(connection, account, batch_id, prepared)
            return batch_id, None

        return orjson.dumps(self._create(account, once, link, place))

    def submit_single(
        self, account: int, body: bytes, once: Once | None, link: Linker, *, is_preview: bool
    ) -> bytes:
        """Queue one job, in the batch named or in a new one; the job object."""
        with self.store.read() as connection:
            replay = self._replay(connection, account, once, link)
            if replay is not None:
                return orjson.dumps(replay["job_runs"][0])
            parsed = submission.parse(body)
            request = submission.parse_single(parsed, is_preview=is_preview)
            given = parsed.get("batch_id")
            if given is not None:
                records.batch_row(connection, account, str(given))
            prepared = submission.prepare(connection, account, [request])

        def place(connection: Connection) -> tuple[str, str]:
            batch_id = given or records.new_batch(connection, account, request.generator)
            (job_id,) = records.add_jobs(connection, account, batch_id, prepared)
            return batch_id, job_id

        return orjson.dumps(self._create(account, once, link, place)["job_runs"][0])

    def estimate(self, account: int, body: bytes) -> bytes:
        """Samples of each job of a batch that is not submitted."""
        _, requests = submission.parse_batch(submission.parse(body))
        with self.store.read() as connection:
            prepared = submission.prepare(connection, account, requests)
        return orjson.dumps([job.estimated for job in prepared])

    def batch(self, account: int, batch_id: str, link: Linker, *, summary: bool) -> bytes:
        """A batch object."""
        message = self.dispatcher.message()
        with self.store.read() as connection:
            row = records.batch_row(connection, account, batch_id)
            found = records.batch_json(connection, row, link, summary=summary, message=message)
        return orjson.dumps(found)

    def progress(self, account: int, batch_id: str, since: int) -> tuple[bytes, int]:
        """What changed in a batch after a revision of it, and where in that the ids begin."""
        message = self.dispatcher.message()
        with self.store.read() as connection:
            row = records.batch_row(connection, account, batch_id)
            found = orjson.dumps(records.progress_json(connection, row, since, message))
        return found, found.rindex(b'"id":')

    def cancel(self, account: int, batch_id: str) -> None:
        """End what has not finished of a batch."""
        with self.store.write() as connection:
            records.batch_row(connection, account, batch_id)
            running = queue.cancel(connection, batch_id)
        self.dispatcher.cancel(running)

    def jobs(
        self, account: int, is_preview: bool, batch_id: str | None, limit: int, link: Linker
    ) -> bytes:
        """Job objects of one kind."""
        with self.store.read() as connection:
            rows = records.find_jobs(connection, account, is_preview, batch_id, limit)
            return orjson.dumps([records.job_json(row, link) for row in rows])

    def job(self, account: int, is_preview: bool, job_id: str, link: Linker) -> bytes:
        """A job object."""
        with self.store.read() as connection:
            return orjson.dumps(
                records.job_json(records.job_row(connection, account, job_id, is_preview), link)
            )

    def archive_sha256(self, job_id: str) -> str:
        """Digest of a finished job's archive.

        Raises
        ------
        UnknownJob
            The job has no archive.
        """
        with self.store.read() as connection:
            digest = connection.execute(
                sa.select(store.jobs.c.sha256).where(store.jobs.c.id == job_id)
            ).scalar()
        if digest is None:
            raise UnknownJob("This job has no archive.", advice="Ask for the job's status.")
        return str(digest)

    def _create(
        self, account: int, once: Once | None, link: Linker, place: _Places
    ) -> dict[str, Any]:
        with self.store.write() as connection:
            # Looked up again under the write lock: the same request may have come twice at once.
            replay = self._replay(connection, account, once, link)
            if replay is not None:
                return replay
            batch_id, job_id = place(connection)
            if once is not None:
                connection.execute(
                    sa.insert(idempotency).values(
                        account_id=account,
                        key=once.key,
                        digest=once.digest,
                        batch_id=batch_id,
                        job_id=job_id,
                        created=store.now(),
                    )
                )
            # Answered from the same transaction: what is refused from here on was not created.
            answer = self._as_created(connection, account, batch_id, job_id, link)
        self.dispatcher.wake()
        return answer

    def _replay(
        self, connection: Connection, account: int, once: Once | None, link: Linker
    ) -> dict[str, Any] | None:
        if once is None:
            return None
        row = connection.execute(
            sa.select(idempotency).where(
                idempotency.c.account_id == account, idempotency.c.key == once.key
            )
        ).one_or_none()
        if row is None:
            return None
        if row.digest != once.digest:
            raise RequestRejected(
                "This Idempotency-Key was used for another request.",
                advice="Send a new key with a new request; repeat a key only with the same body.",
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
        row = records.batch_row(connection, account, batch_id)
        return records.as_created(records.batch_json(connection, row, link, job_id=job_id))
