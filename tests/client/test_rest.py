"""The REST client against real sockets: every endpoint, every refusal, every broken connection."""

from __future__ import annotations

import copy
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, cast

import pytest
from base_server import TEST_GENERATOR, TOKEN, TOO_DEAR, UNLUCKY, BaseServer
from fault_server import (
    Fault,
    FaultServer,
    answer,
    cut_after,
    dribble,
    dribble_head,
    drop,
    hang,
    lose_answer,
)

import infinity_frames as inf
from infinity_frames.client.http import Backoff, Limits, RestClient
from infinity_frames.client.http import header_deadline as punctual
from infinity_frames.protocol import errors

ALL = ("idempotency", "tags", "cancel", "account", "status", "batch_id")
NAME = TEST_GENERATOR.name
WINDOW = (datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1))


def run(**values: object) -> dict[str, object]:
    return {"name": NAME, "is_preview": False, "param_values": {"num_reps": 1, **values}}


@pytest.fixture(params=[(), ALL], ids=["base", "extended"])
def server(request: pytest.FixtureRequest) -> Iterator[FaultServer]:
    with FaultServer(extensions=request.param) as running:
        yield running


@pytest.fixture
def base() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def extended() -> Iterator[FaultServer]:
    with FaultServer(extensions=ALL) as running:
        yield running


def quick(server: BaseServer) -> RestClient:
    return RestClient(server.url, TOKEN, limits=Limits(connect=1, read=0.3, total=1.5))


def test_every_endpoint_answers(server: FaultServer) -> None:
    rest = RestClient(server.url, TOKEN)
    assert [item["name"] for item in rest.generators()] == [NAME]
    assert rest.generator(NAME)["params"][0]["name"] == "scene"
    assert rest.estimate("x", [run(), run(num_reps=3)]) == [10, 30]
    batch = rest.create_batch("x", [run(), run(num_reps=3)])
    assert rest.batch(batch["id"])["job_runs"][1]["param_values"] == {"num_reps": 3}
    assert "param_values" not in rest.batch_summary(batch["id"])["job_runs"][0]
    job = batch["job_runs"][1]["id"]
    assert rest.job(job, is_preview=False)["param_values"] == {"num_reps": 3}
    assert [row["id"] for row in rest.batches(*WINDOW)] == [batch["id"]]
    assert rest.counts(*WINDOW)[NAME]["jobs"] == 2
    assert rest.has("idempotency") == ("idempotency" in server.extensions)
    if server.extensions:
        assert rest.account()["samples_remaining"] == 90
        assert rest.cancel_batch(batch["id"])["id"] == batch["id"]


def test_what_is_not_there_has_its_own_error(server: FaultServer) -> None:
    rest = RestClient(server.url, TOKEN)
    with pytest.raises(errors.UnknownGenerator):
        rest.generator("nope")
    with pytest.raises(errors.UnknownBatch):
        rest.batch("nope")
    with pytest.raises(errors.UnknownBatch):
        rest.batch_summary("../jobs")  # an id is one segment of a path, whatever it holds
    with pytest.raises(errors.UnknownJob):
        rest.job("nope", is_preview=True)


def test_a_wrong_token_is_named_as_such_and_never_repeated(server: FaultServer) -> None:
    rest = RestClient(server.url, "wrong-token-9")
    with pytest.raises(errors.AuthenticationError) as caught:
        rest.generators()
    # This server echoes the token in its answer.
    shown = f"{caught.value}{caught.value!r}{caught.value.where}{rest!r}{vars(caught.value)}"
    assert "wrong-token-9" not in shown
    assert "***" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).problem == caught.value.problem


def test_no_local_variable_of_a_traceback_shows_the_token(server: FaultServer) -> None:
    with pytest.raises(errors.AuthenticationError) as caught:
        inf.Session(token="wrong-" + "token-9", server=server.url)
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "wrong-token-9" not in "".join(trace.format())


def test_a_session_is_not_pickled_with_its_token(server: FaultServer) -> None:
    session = inf.Session(token=TOKEN, server=server.url)
    assert TOKEN not in f"{vars(session.rest)}{vars(session.origin)}{session.rest}"
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(errors.SessionError, match="Open a Session there"):
            copied(session)


def test_refusals_carry_what_the_server_says(server: FaultServer) -> None:
    rest = RestClient(server.url, TOKEN)
    with pytest.raises(errors.NotEnoughSamples) as poor:
        rest.create_batch("x", [run(lighting_power=TOO_DEAR)])
    assert (poor.value.where["needed"], poor.value.where["left"]) == (140, 90)
    with pytest.raises(errors.InvalidJobs) as invalid:
        rest.create_batch("x", [run(lighting_power=UNLUCKY)])
    broken = invalid.value.violations
    assert broken[["position", "parameter", "rule", "value"]].values.tolist() == [
        [0, "lighting_power", "max", str(UNLUCKY)]
    ]
    assert server.batches == {}


@pytest.mark.parametrize(
    ("status", "data", "error"),
    [
        (403, {"detail": "Not yours."}, errors.RequestRejected),
        (400, {"num_reps": ["Too many."]}, errors.RequestRejected),
        (422, {"detail": [{"loc": ["x"]}]}, errors.RequestRejected),
        (500, {"detail": "Oops."}, errors.ServerFault),
        (200, "no object", errors.ServerFault),
        (200, {"id": "b"}, errors.ServerFault),
        (200, {"id": "b", "job_runs": [{"name": "x"}]}, errors.ServerFault),
        (200, {"id": "b", "job_runs": [{"id": "x"}, {"id": "x"}]}, errors.ServerFault),
        (200, {"id": "b", "job_runs": [{"id": "x", "param_values": 3}]}, errors.ServerFault),
    ],
)
def test_other_answers(
    base: FaultServer, status: int, data: object, error: type[Exception]
) -> None:
    base.fail("GET", "/api/batch/", answer(status, data))
    with pytest.raises(error):
        RestClient(base.url, TOKEN).batch("b")


QUEUED: dict[str, list[Any]] = {
    "id": ["x"], "status": ["queued"], "error": [None], "num_samples": [None], "started": [None],
    "finished": [None],
}  # fmt: skip


def test_a_poll_told_in_columns_is_a_batch_object() -> None:
    with FaultServer(extensions=(*ALL, "since")) as server:
        progress = {"id": "b", "revision": 3, "changed": QUEUED | {"later": ["unheard of"]}}
        server.fail("GET", "/api/batch/b/summary/?since=2", answer(200, progress))
        found = RestClient(server.url, TOKEN).batch_summary("b", since=2)
    job = {key: column[0] for key, column in QUEUED.items()}
    assert found == {"id": "b", "revision": 3, "job_runs": [job]}


@pytest.mark.parametrize(
    "changed",
    [
        None, [], {}, {"id": ["x"]}, QUEUED | {"id": "x"}, QUEUED | {"id": [3]},
        QUEUED | {"status": []}, {key: column * 2 for key, column in QUEUED.items()},
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_are_a_fault(changed: object) -> None:
    with FaultServer(extensions=(*ALL, "since")) as server:
        server.fail("GET", "/api/batch/b/", answer(200, {"id": "b", "changed": changed}))
        with pytest.raises(errors.ServerFault):
            RestClient(server.url, TOKEN).batch_summary("b", since=0)


def test_a_page_that_is_no_api_is_a_fault_not_a_traceback(base: FaultServer) -> None:
    def page(server, handler, *_):
        handler.send_response(200)
        handler.send_header("Content-Length", "6")
        handler.end_headers()
        handler.wfile.write(b"<html>")

    base.fail("GET", "/api/jobs/", page)
    with pytest.raises(errors.ServerFault, match="is not JSON"):
        RestClient(base.url, TOKEN).generators()


@pytest.mark.parametrize("estimate", [[1], [1, 2, 3], [1, 2.5], {"a": 1}])
def test_an_estimate_must_fit_the_jobs(base: FaultServer, estimate: object) -> None:
    base.fail("POST", "/api/batch/estimate/", answer(200, estimate))
    with pytest.raises(errors.ServerFault):
        RestClient(base.url, TOKEN).estimate("x", [run(), run()])


@pytest.mark.parametrize("counts", [3, {"x": []}, {"x": {"samples": "many"}}])
def test_counts_are_whole_numbers(base: FaultServer, counts: object) -> None:
    base.fail("GET", "/api/job_runs/counts/", answer(200, {"counts_by_generator": counts}))
    with pytest.raises(errors.ServerFault):
        RestClient(base.url, TOKEN).counts(datetime.now(UTC), datetime.now(UTC))


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_waited_for(server: FaultServer, status: int) -> None:
    rest = RestClient(server.url, TOKEN)
    rest.generators()
    server.fail("POST", "/api/batch/", answer(status, {"detail": "Busy."}, Retry_After="1"))
    started = time.monotonic()
    rest.create_batch("x", [run()])
    assert 1.0 <= time.monotonic() - started < 2
    assert len(server.batches) == 1


def test_retry_after_may_be_a_date(base: FaultServer) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    base.fail("GET", "/api/jobs/", answer(503, {}, Retry_After=when))
    started = time.monotonic()
    RestClient(base.url, TOKEN).generators()
    assert 0.5 <= time.monotonic() - started < 3


def test_a_wait_longer_than_the_limit_is_not_begun(base: FaultServer) -> None:
    base.fail("GET", "/api/jobs/", answer(503, {"detail": "Busy."}, Retry_After="3600"))
    started = time.monotonic()
    with pytest.raises(errors.ServerFault, match="Busy"):
        quick(base).generators()
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("fault", [drop, cut_after(10), answer(502, {}), answer(503, {})])
def test_reading_survives_a_broken_answer(base: FaultServer, fault: object) -> None:
    base.fail("GET", "/api/jobs/", fault, fault)  # type: ignore[arg-type]
    assert RestClient(base.url, TOKEN).generators()[0]["name"] == NAME
    assert base.faults == []


def test_a_batch_whose_answer_cannot_be_read_may_exist(server: FaultServer) -> None:
    server.fail("POST", "/api/batch/", answer(201, {"id": "b"}))
    with pytest.raises(errors.SubmissionUnknown, match="get_batches_last_n_days"):
        RestClient(server.url, TOKEN).create_batch("x", [run()])


def test_what_json_cannot_hold_is_said_before_it_is_sent(server: FaultServer) -> None:
    with pytest.raises(errors.FrameError, match="tags"):
        RestClient(server.url, TOKEN).create_batch("x", [run(), {"tags": {"note": "\ud800"}}])
    assert server.batches == {}


def test_a_lost_answer_never_makes_two_batches(extended: FaultServer) -> None:
    rest = RestClient(extended.url, TOKEN)
    extended.fail("POST", "/api/batch/", drop, lose_answer, lose_answer)
    batch = rest.create_batch("x", [run()])
    assert list(extended.batches) == [batch["id"]]
    posts = [r for r in extended.requests if r[0] == "POST"]
    assert len(posts) == 4
    assert len({headers["idempotency-key"] for _, _, headers, _ in posts}) == 1
    again = rest.create_batch("x", [run()])
    assert again["id"] != batch["id"]  # asked for twice, made twice


@pytest.mark.parametrize("fault", [drop, lose_answer, hang(1), answer(504, {}), answer(500, {})])
def test_a_server_that_cannot_tell_repeats_is_not_asked_twice(
    base: FaultServer, fault: object
) -> None:
    base.fail("POST", "/api/batch/", fault)  # type: ignore[arg-type]
    with pytest.raises(errors.SubmissionUnknown, match="get_batches_last_n_days"):
        quick(base).create_batch("x", [run()])
    assert base.count("POST") == 1


def test_a_batch_that_cannot_have_arrived_is_sent_again(base: FaultServer) -> None:
    rest = RestClient(base.url, TOKEN)
    rest.generators()
    base.stop()
    rest._http.close()  # the pooled connection would still reach the old server's thread
    threading.Timer(0.4, base.start).start()
    batch = rest.create_batch("x", [run()])
    assert list(base.batches) == [batch["id"]]


def test_nobody_there() -> None:
    with BaseServer() as gone:
        url = gone.url
    with pytest.raises(errors.ServerUnreachable) as caught:
        RestClient(url, TOKEN).generators()
    assert isinstance(caught.value, ConnectionError)
    with pytest.raises(errors.ServerUnreachable):
        RestClient(url, TOKEN).create_batch("x", [run()])


@pytest.mark.parametrize("fault", [hang(5), dribble(0.05), dribble_head(0.05, 5)])
def test_a_server_that_hangs_is_given_up_in_time(base: FaultServer, fault: Fault) -> None:
    base.fail("GET", "/api/jobs/", *[fault] * 9)
    started = time.monotonic()
    with pytest.raises(errors.RequestTimeout) as caught:
        quick(base).generators()
    assert time.monotonic() - started < 2.3
    assert isinstance(caught.value, TimeoutError)


def test_a_server_that_moved_is_found_again() -> None:
    with BaseServer() as first:
        rest = RestClient(first.url, TOKEN, locate=lambda: second.url)
        rest.generators()
    with BaseServer() as second:
        rest._http.close()
        assert rest.generators()[0]["name"] == NAME
        assert rest.url == second.url


def test_a_large_batch_goes_over_a_slow_line() -> None:
    """Sending takes longer than connecting may; no piece of it does."""

    def read_slowly(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            (length,) = map(int, re.findall(rb"Content-Length: (\d+)", head))
            left = length - len(head.split(b"\r\n\r\n", 1)[1])
            while left > 0:
                left -= len(connection.recv(min(65536, left)))
                time.sleep(0.01)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        reading = threading.Thread(target=read_slowly, args=(listening,), daemon=True)
        reading.start()
        port = listening.getsockname()[1]
        rest = RestClient(f"http://127.0.0.1:{port}", TOKEN, limits=Limits(0.3, 5, 20))
        assert rest.estimate("x", [{"note": "x" * 12_000_000}]) == [1]
        reading.join()


def test_a_line_too_slow_for_a_batch_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        port = listening.getsockname()[1]
        rest = RestClient(f"http://127.0.0.1:{port}", TOKEN, limits=Limits(0.4, 0.4, 1.5))
        started = time.monotonic()
        with pytest.raises((errors.RequestTimeout, errors.ServerUnreachable)):
            rest.estimate("x", [{"note": "x" * 12_000_000}])
        assert time.monotonic() - started < 4


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_a_hanging_call_at_once(base: FaultServer) -> None:
    base.fail("GET", "/api/jobs/", *[hang(30)] * 3)
    code = (
        "from infinity_frames.client.http import RestClient; "
        f"RestClient({base.url!r}, 't').generators()"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
    while not base.requests:
        time.sleep(0.02)
    started = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=10)
    assert time.monotonic() - started < 1
    assert b"KeyboardInterrupt" in said


def test_clients_that_fail_together_do_not_come_back_together():
    backoff = [Backoff(first=1.0, longest=4.0) for _ in range(40)]
    for failures, longest in enumerate((1.0, 2.0, 4.0, 4.0), start=1):
        waits = [pauses.pause(failures) for pauses in backoff]
        assert len(set(waits)) == len(waits)
        assert all(0.5 * longest <= wait <= longest for wait in waits)


def test_a_connection_that_cannot_be_shut_down_leaves_the_others_watched():
    class Stubborn:
        def shutdown(self, how):
            raise AttributeError("shutdown")

    watch, late = punctual._Watch(), threading.Event()
    with watch.hanging_up(cast("socket.socket", Stubborn()), 0.01, late):
        assert late.wait(5)
    here, there = socket.socketpair()
    with here, there, watch.hanging_up(here, 0.01, threading.Event()):
        there.settimeout(5)
        assert there.recv(1) == b""
