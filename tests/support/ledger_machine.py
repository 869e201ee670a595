"""A state machine of accounts and jobs: granted = reserved + settled + left, in whatever order."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from infinity_frames.engine.service import ledger, queue, repository
from infinity_frames.engine.service.ports import Store
from infinity_frames.engine.service.requests import NewJob
from infinity_frames.engine.service.stores import tables
from infinity_frames.engine.service.stores.sqlite import SqliteStore
from infinity_frames.protocol.errors import NotEnoughSamples

T = TypeVar("T")
GRANTED = 60


class Crash(Exception):
    """The process dies before its transaction commits."""


class Books(RuleBasedStateMachine):
    """Two accounts; their jobs submitted, leased, ended, lost, cancelled by engines that die."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store: Any = SqliteStore(Path(self.folder.name) / "engine.sqlite")
        self.owner = 0
        self.leased: list[tuple[str, str]] = []
        self.stale: list[tuple[str, str]] = []
        self.batches: list[str] = []

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def transact(self, crashes: bool, work: Callable[[sa.Connection], T]) -> T | None:
        """Do `work` in a transaction; where it crashes, nothing of it may remain."""
        try:
            with self.store.write() as connection:
                result = work(connection)
                if crashes:
                    raise Crash
                return result
        except Crash:
            return None

    @initialize()
    def accounts(self) -> None:
        with self.store.write() as connection:
            ledger.new_token(connection, "metered", GRANTED)
            ledger.new_token(connection, "free")

    @rule(
        account=st.sampled_from([1, 2]),
        estimates=st.lists(st.integers(0, 25), min_size=1, max_size=4),
        crashes=st.booleans(),
    )
    def submit(self, account: int, estimates: list[int], crashes: bool) -> None:
        jobs = [NewJob("toy", False, {}, {}, 1, estimate) for estimate in estimates]
        left = self.left(account)

        def work(connection: sa.Connection) -> str:
            batch_id = repository.new_batch(connection, account, "batch")
            repository.add_jobs(connection, account, batch_id, jobs)
            return batch_id

        if left is not None and sum(estimates) > left:
            with pytest.raises(NotEnoughSamples) as refusal:
                self.transact(crashes, work)
            assert refusal.value.where == {"needed": sum(estimates), "left": left}
            return
        batch_id = self.transact(crashes, work)
        if batch_id:
            self.batches.append(batch_id)

    @rule(count=st.integers(1, 3), crashes=st.booleans())
    def lease(self, count: int, crashes: bool) -> None:
        rows = self.transact(crashes, lambda c: queue.lease(c, str(self.owner), count))
        self.leased += [(row.id, str(self.owner)) for row in rows or ()]

    @precondition(lambda self: self.leased)
    @rule(
        ending=st.sampled_from(["complete", "fail", "lose", "return"]),
        samples=st.integers(0, 40),
        crashes=st.booleans(),
        again=st.booleans(),
    )
    def end(self, ending: str, samples: int, crashes: bool, again: bool) -> None:
        job_id, owner = self.leased[0]

        def work(connection: sa.Connection) -> bool:
            for _ in range(1 + again):
                match ending:
                    case "complete":
                        queue.complete(connection, job_id, owner, samples, "digest")
                    case "fail":
                        queue.fail(connection, job_id, owner, "it broke")
                    case "lose" | "return":
                        counted = ending == "lose"
                        queue.release(connection, job_id, owner, "it died", counted=counted)
            return True

        if self.transact(crashes, work):
            self.stale.append(self.leased.pop(0))

    @precondition(lambda self: self.stale)
    @rule(samples=st.integers(0, 40), data=st.data())
    def hear_of_a_job_too_late(self, samples: int, data: st.DataObject) -> None:
        job_id, owner = data.draw(st.sampled_from(self.stale))
        if (job_id, owner) not in self.leased:
            with self.store.write() as connection:
                before = self.row(connection, job_id)
                if before.lease != owner:
                    assert not queue.complete(connection, job_id, owner, samples, "late")
                    assert self.row(connection, job_id) == before

    @precondition(lambda self: self.batches)
    @rule(data=st.data(), crashes=st.booleans())
    def cancel(self, data: st.DataObject, crashes: bool) -> None:
        batch_id = data.draw(st.sampled_from(self.batches))
        stopped = self.transact(crashes, lambda c: queue.cancel(c, batch_id))
        ended = [pair for pair in self.leased if pair[0] in (stopped or ())]
        self.stale += ended
        self.leased = [pair for pair in self.leased if pair not in ended]

    @rule(crashes=st.booleans(), data=st.data())
    def restart(self, crashes: bool, data: st.DataObject) -> None:
        running = [job_id for job_id, _ in self.leased]
        rendering = {job_id for job_id in running if data.draw(st.booleans())}

        def work(connection: sa.Connection) -> bool:
            queue.recover(connection, rendering)
            return True

        if self.transact(crashes, work):
            self.stale += self.leased
            self.leased = []
            self.owner += 1

    @invariant()
    def the_books_balance(self) -> None:
        with self.store.read() as connection:
            for account in connection.execute(sa.select(tables.accounts)).all():
                entries = connection.execute(
                    sa.select(
                        *(
                            sa.func.coalesce(sa.func.sum(tables.ledger.c[name]), 0)
                            for name in ("granted", "reserved", "settled")
                        )
                    ).where(tables.ledger.c.account_id == account.id)
                ).one()
                assert tuple(entries) == (account.granted, account.reserved, account.settled)
                mine = tables.jobs.c.account_id == account.id
                jobs = connection.execute(sa.select(tables.jobs).where(mine)).all()
                busy = [job for job in jobs if job.status in ("queued", "running")]
                assert account.reserved == sum(job.estimated for job in busy)
                done = [job for job in jobs if job.status == "completed"]
                assert account.settled == sum(job.samples for job in done)
                assert all(job.samples is None for job in jobs if job.status != "completed")
                balance = ledger.balance(connection, account.id)
                if account.metered:
                    assert balance.reserved + account.settled + balance.left == GRANTED
                else:
                    assert balance.left is None

    @invariant()
    def leases_are_known_and_attempts_bounded(self) -> None:
        with self.store.read() as connection:
            jobs = connection.execute(sa.select(tables.jobs)).all()
        running = {(job.id, job.lease) for job in jobs if job.status == "running"}
        assert running == set(self.leased)
        assert all(job.attempts <= queue.MAX_ATTEMPTS for job in jobs)
        assert all((job.finished is None) == (job.status in ("queued", "running")) for job in jobs)

    def left(self, account: int) -> int | None:
        with self.store.read() as connection:
            return ledger.balance(connection, account).left

    def row(self, connection: sa.Connection, job_id: str) -> sa.Row[Any]:
        return connection.execute(sa.select(tables.jobs).where(tables.jobs.c.id == job_id)).one()


def check_ledger(store: Store) -> None:
    """Granted = reserved + settled + left for every account, in the ledger and in the sums."""
    with store.read() as connection:
        for account in connection.execute(sa.select(tables.accounts)).all():
            sums = [
                sa.func.coalesce(sa.func.sum(tables.ledger.c[name]), 0)
                for name in ("granted", "reserved", "settled")
            ]
            mine = tables.ledger.c.account_id == account.id
            entries = connection.execute(sa.select(*sums).where(mine)).one()
            assert tuple(entries) == (account.granted, account.reserved, account.settled)
