"""Balances, result archives, and jobs that go wrong, over HTTP."""

import numpy as np
import pytest
import requests
from engine_fixtures import eventually
from wire_client import WireClient, batch, fetch

TOY = "toy-v1.0.0"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


# Accounts


def test_an_unmetered_account_has_no_balance(client):
    assert client.account()["samples_remaining"] is None


def test_estimates_are_reserved_and_what_was_rendered_is_settled(shared_engine):
    with WireClient(shared_engine.url, shared_engine.new_token("metered", 100)) as it:
        assert it.account() == {"samples_remaining": 100, "samples_reserved": 0}
        slow = it.submit({"frames": 30, "seconds": 3.5}, {"frames": 10}, {"behaviour": "raise"})
        assert it.account() == {"samples_remaining": 57, "samples_reserved": 43}
        it.post(f"/api/batch/{slow.json()['id']}/cancel/")
        eventually(lambda: it.account()["samples_reserved"] == 0)
        left = it.account()["samples_remaining"]
        assert left in (90, 100), "a cancelled and a failed job cost nothing"

        refused = it.submit({"frames": 60}, {"frames": 60})
        assert refused.status_code == 402
        answer = refused.json()
        assert (answer["needed"], answer["left"]) == (120, left)
        assert "120" in answer["detail"]
        assert str(left) in answer["detail"]
        assert it.account()["samples_remaining"] == left

        it.finished(it.submit({"frames": 20, "behaviour": "overrun"}).json()["id"])
        assert it.account() == {"samples_remaining": left - 200, "samples_reserved": 0}
        assert it.submit({"frames": 1}).status_code == 402
        assert it.post("/api/batch/estimate/", batch({})).json() == [3]

        shared_engine.new_token("metered", 500)
        assert it.account()["samples_remaining"] == left + 300


# Results


def test_results_resume_where_they_were_cut(done):
    url = done["job_runs"][1]["result_url"]
    whole = fetch(url)
    etag, size = whole.headers["ETag"], len(whole.content)
    assert etag.strip('"') == done["job_runs"][1]["sha256"]
    assert int(whole.headers["Content-Length"]) == size > 300_000
    assert whole.headers["Accept-Ranges"] == "bytes"

    rest = fetch(url, Range="bytes=100000-", If_Range=etag)
    assert rest.status_code == 206
    assert rest.headers["Content-Range"] == f"bytes 100000-{size - 1}/{size}"
    assert rest.content == whole.content[100_000:]
    assert fetch(url, Range="bytes=-10").content == whole.content[-10:]
    assert fetch(url, Range="bytes=5-9").content == whole.content[5:10]

    stale = fetch(url, Range="bytes=100000-", If_Range='"another"')
    assert (stale.status_code, stale.content) == (200, whole.content)
    assert fetch(url, Range="bytes=-0").status_code == 416
    past = fetch(url, Range=f"bytes={size}-", If_Range=etag)
    assert past.status_code == 416
    assert past.headers["Content-Range"] == f"bytes */{size}"
    assert past.json()["detail"]
    for nonsense in ("bytes=x-y", "lines=1-2", "bytes=-", "bytes", "bytes=5-2"):
        assert fetch(url, Range=nonsense).content == whole.content

    head = requests.head(url, timeout=10)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(size))


def test_an_altered_result_url_opens_nothing(client, done):
    first, second = (job["result_url"] for job in done["job_runs"])
    path, _, query = first.partition("?")
    fields = dict(pair.split("=") for pair in query.split("&"))
    later = {**fields, "expires": str(int(fields["expires"]) + 1)}
    forged = {**fields, "signature": "A" * len(fields["signature"])}
    for attempt in (
        path,
        _url(path, later),
        _url(path, forged),
        _url(path, {**fields, "signature": ""}),
        _url(path, {**fields, "expires": "soon"}),
        _url(path, {**fields, "expires": "\u0663"}),
        _url(second.partition("?")[0], fields),
        _url(path.replace(".zip", ".zip/../token"), fields),
    ):
        answer = fetch(attempt)
        assert answer.status_code == 404, attempt
        assert answer.json()["detail"]
    assert fetch(first).status_code == 200


# One bad job


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        ("raise", "ValueError: the toy broke"),
        ("refuse", "The toy will not. Ask it for something else."),
        ("die", "exit code 9. It was tried 3 times."),
        ("hang", "longer than its limit of 4 s"),
        ("hoard", "more memory than its limit"),
    ],
)
def test_a_job_that_goes_wrong_fails_alone_and_says_why(client, behaviour, says):
    made = client.submit({}, {"behaviour": behaviour}, {}, {}).json()
    ended = client.finished(made["id"])
    assert _statuses(ended) == ["completed", "failed", "completed", "completed"]
    failed = ended["job_runs"][1]
    assert says in failed["error"]
    assert failed["result_url"] is None
    assert failed["num_samples"] is None


def test_a_job_whose_worker_died_by_chance_is_tried_again(client):
    seed = int(np.random.default_rng().integers(2**31))
    made = client.submit({"behaviour": "die_once", "random_seed": seed}).json()
    assert _statuses(client.finished(made["id"])) == ["completed"]


def _statuses(found):
    return [job["status"] for job in found["job_runs"]]


def _url(path, fields):
    return path + "?" + "&".join(f"{name}={value}" for name, value in fields.items())
