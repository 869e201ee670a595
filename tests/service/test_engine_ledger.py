"""granted = reserved + settled + left, whatever happens to jobs, and in whatever order."""

from contextlib import closing

import pytest
from hypothesis import settings
from ledger_machine import Books

from infinity_frames.engine.service import ledger, queue, repository
from infinity_frames.engine.service.requests import NewJob
from infinity_frames.engine.service.stores.sqlite import SqliteStore
from infinity_frames.protocol.errors import AuthenticationError, EngineError

TestBooks = pytest.mark.slow(Books.TestCase)
TestBooks.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


@pytest.fixture
def books(tmp_path):
    with closing(SqliteStore(tmp_path / "engine.sqlite")) as made:
        yield made


def test_a_token_stands_for_its_account_and_is_not_kept(books, tmp_path):
    with books.write() as connection:
        token = ledger.new_token(connection, "one", 5)
        other = ledger.new_token(connection, "two")
        assert ledger.account_of_token(connection, token) == 1
        assert ledger.account_of_token(connection, other) == 2
        for wrong in (token[:-1], token + "x", token[:12], other[:12] + token[12:], "", "\udcff"):
            with pytest.raises(AuthenticationError):
                ledger.account_of_token(connection, wrong)
    books.close()
    for file in tmp_path.iterdir():
        assert token.encode() not in file.read_bytes()


def test_samples_are_granted_on_top(books):
    with books.write() as connection:
        ledger.new_token(connection, "one", 5)
        ledger.new_token(connection, "one", 7)
        ledger.new_token(connection, "one")
        assert ledger.balance(connection, 1).left == 12
        ledger.new_token(connection, "free")
        with pytest.raises(EngineError, match="not metered"):
            ledger.new_token(connection, "free", 1)


def test_a_database_of_another_version_is_refused(books, tmp_path):
    with books.write() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 99")
    with pytest.raises(EngineError, match="another version"):
        SqliteStore(tmp_path / "engine.sqlite")


def test_what_an_owner_that_died_says_late_is_not_heard(books):
    with books.write() as connection:
        ledger.new_token(connection, "one", 10)
        batch_id = repository.new_batch(connection, 1, "batch")
        (job_id,) = repository.add_jobs(
            connection, 1, batch_id, [NewJob("toy", False, {}, {}, 1, 4)]
        )
        queue.lease(connection, "dead", 1)
        queue.recover(connection, {job_id})
        queue.lease(connection, "alive", 1)
        assert not queue.complete(connection, job_id, "dead", 9, "digest")
        assert not queue.fail(connection, job_id, "dead", "it broke")
        queue.release(connection, job_id, "dead", "it died", counted=True)
        assert ledger.balance(connection, 1) == ledger.Balance(reserved=4, left=6)
        assert queue.complete(connection, job_id, "alive", 5, "digest")
        assert ledger.balance(connection, 1) == ledger.Balance(reserved=0, left=5)
