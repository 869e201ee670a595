"""Every endpoint and every refusal of the protocol, over HTTP, against a real engine."""

import hashlib
import io
import json
import threading
import zipfile
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import requests
from engine_fixtures import eventually, shared_engine, toys  # noqa: F401
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_client import WireClient, batch, fetch, new_key

TOY = "toy-v1.0.0"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def client(shared_engine):  # noqa: F811
    with WireClient(shared_engine.url, shared_engine.token) as made:
        yield made


@pytest.fixture(scope="module")
def stranger(shared_engine):  # noqa: F811
    with WireClient(shared_engine.url, shared_engine.new_token("stranger")) as made:
        yield made


@pytest.fixture(scope="module")
def done(client):
    """A finished batch of two jobs."""
    made = client.submit({"frames": 4, "random_seed": 7}, {"kilobytes": 300}, name="done").json()
    return client.finished(made["id"])


def test_generators_are_listed_and_described(client):
    listed = client.get("/api/jobs/").json()
    assert {"name": TOY, "version": "1.0.0"} in listed
    described = client.get(f"/api/jobs/{TOY}/").json()
    frames = next(one for one in described["params"] if one["name"] == "frames")
    assert frames["type"] == "int"
    assert frames["default_value"] == 3
    assert frames["options"] == {"min": 1, "max": 1000}
    assert described["options"] == {"preview": True}
    assert described["constraints"] == [{"terms": {"start": 1, "end": 1}, "max": 0.9}]


def test_a_generator_that_cannot_be_imported_leaves_the_others_alone(client):
    names = {one["name"] for one in client.get("/api/jobs/").json()}
    assert {TOY, "sound-v1.0.0"} <= names
    assert "broken-v1.0.0" not in names
    assert client.get("/api/jobs/broken-v1.0.0/").status_code == 404


def test_a_submitted_batch_runs_and_its_results_hold_what_was_asked(client):
    answer = client.submit({"frames": 5}, {}, name="first")
    assert answer.status_code == 201
    made = answer.json()
    assert made["name"] == "first"
    assert datetime.fromisoformat(made["created"]).utcoffset() == timedelta(0)
    assert [job["in_progress"] for job in made["job_runs"]] == [True, True]
    assert [job["estimated_samples"] for job in made["job_runs"]] == [5, 3]
    assert made["job_runs"][1]["param_values"] == {
        "frames": 3, "size": 1.0, "start": 0.0, "end": 0.0, "behaviour": "work",
        "seconds": 0.0, "kilobytes": 1, "loud": False,
    }  # fmt: skip

    ended = client.finished(made["id"])
    assert [job["id"] for job in ended["job_runs"]] == [job["id"] for job in made["job_runs"]]
    for job in ended["job_runs"]:
        assert job["status"] == "completed"
        content = fetch(job["result_url"]).content
        assert hashlib.sha256(content).hexdigest() == job["sha256"]
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.testzip() is None
            assert {name.split("/")[0] for name in archive.namelist()} == {job["id"]}
            about = json.loads(archive.read(f"{job['id']}/job.json"))
            labels = json.loads(archive.read(f"{job['id']}/labels.json"))
        assert about["name"] == TOY
        assert about["params"] == job["param_values"]
        assert about["seed"] == job["seed"]
        assert len(labels["draws"]) == job["num_samples"] == job["param_values"]["frames"]


def test_a_worker_prepares_a_generator_once(client):
    ended = client.finished(client.submit(*[{}] * 12).json()["id"])
    assert {_labels(job)["prepared"] for job in ended["job_runs"]} == {1}


def test_a_summary_is_the_batch_without_parameters(client, done):
    summary = client.summary(done["id"])
    assert {key: summary[key] for key in ("id", "name", "created")} == {
        key: done[key] for key in ("id", "name", "created")
    }
    assert all("param_values" not in job for job in summary["job_runs"])
    assert [job["id"] for job in summary["job_runs"]] == [job["id"] for job in done["job_runs"]]


def test_a_preview_is_one_sample(client):
    made = client.submit({"frames": 50}, is_preview=True).json()
    (job,) = client.finished(made["id"])["job_runs"]
    assert (job["is_preview"], job["estimated_samples"], job["num_samples"]) == (True, 1, 1)
    assert client.get(f"/api/job_previews/{job['id']}/").json()["param_values"]["frames"] == 50
    assert client.get(f"/api/job_runs/{job['id']}/").status_code == 404


def test_previews_of_a_generator_without_them_are_refused(client):
    answer = client.submit({}, generator="sound-v1.0.0", is_preview=True)
    assert answer.status_code == 400
    assert "no previews" in answer.json()["detail"]


def test_estimates_come_in_order_and_a_preview_is_one(client):
    body = batch({"frames": 9}, {}, {"frames": 2})
    body["job_runs"][1] = {"name": "sound-v1.0.0", "param_values": {"frames": 11}}
    body["job_runs"].append({"name": TOY, "is_preview": True, "param_values": {"frames": 800}})
    answer = client.post("/api/batch/estimate/", body)
    assert (answer.status_code, answer.json()) == (200, [9, 11, 2, 1])


def test_jobs_of_a_batch_are_found_by_kind(client):
    body = batch({"frames": 2}, {"frames": 3})
    body["job_runs"][0]["is_preview"] = True
    made = client.post("/api/batch/", body).json()
    preview, standard = made["job_runs"]
    (found,) = client.get("/api/job_previews/", batch_id=made["id"]).json()
    assert (found["id"], found["param_values"]["frames"]) == (preview["id"], 2)
    (found,) = client.get("/api/job_runs/", batch_id=made["id"]).json()
    assert found["id"] == standard["id"]
    assert standard["id"] in {job["id"] for job in client.get("/api/job_runs/").json()}
    assert client.get(f"/api/job_runs/{standard['id']}/").json()["batch_id"] == made["id"]


def test_the_older_way_submits_one_job_and_may_add_to_a_batch(client):
    first = client.post("/api/jobs/run/", {"name": TOY, "param_values": {"frames": 2}})
    assert first.status_code == 201
    batch_id = first.json()["batch_id"]
    more = {"name": TOY, "param_values": {}, "batch_id": batch_id}
    second = client.post("/api/jobs/preview/", more)
    assert (second.status_code, second.json()["batch_id"]) == (201, batch_id)
    ended = client.finished(batch_id)
    assert [job["id"] for job in ended["job_runs"]] == [first.json()["id"], second.json()["id"]]
    assert [job["num_samples"] for job in ended["job_runs"]] == [2, 1]
    assert client.post("/api/jobs/run/", {**more, "batch_id": UNKNOWN}).status_code == 404


def test_batches_are_listed_oldest_first_within_a_window(client):
    before = datetime.now(UTC)
    ids = [client.submit({}, name=f"listed {n}").json()["id"] for n in range(3)]
    after = datetime.now(UTC)
    client.submit({}, name="too late")
    window = {"start_time": before.isoformat(), "end_time": after.isoformat()}
    assert [one["id"] for one in client.get("/api/batch/", **window).json()] == ids
    elsewhere = {key: _in_zone(value, 5) for key, value in window.items()}
    assert [one["id"] for one in client.get("/api/batch/", **elsewhere).json()] == ids
    # Clients that paste a time into the URL do not escape its plus.
    pasted = client.get(f"/api/batch/?start_time={before.isoformat()}&end_time={after.isoformat()}")
    assert [one["id"] for one in pasted.json()] == ids
    assert [one["id"] for one in client.get("/api/batch/", **window, limit=1).json()] == ids[-1:]


def test_counts_are_samples_and_jobs_per_generator(client):
    before = datetime.now(UTC).isoformat()
    client.finished(client.submit({"frames": 5}, {"frames": 6}).json()["id"])
    counts = client.get("/api/job_runs/counts/", start_time=before).json()
    assert counts == {"counts_by_generator": {TOY: {"jobs": 2, "samples": 11}}}
    nothing = client.get("/api/job_runs/counts/", end_time="2001-01-01T00:00:00Z").json()
    assert nothing == {"counts_by_generator": {}}


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "0001-01-01T00:00:00+23:00", "9"])
def test_a_time_that_is_none_is_refused(client, text):
    for path in ("/api/batch/", "/api/job_runs/counts/"):
        answer = client.get(path, start_time=text)
        assert answer.status_code == 400
        assert "start_time" in answer.json()["detail"]


def test_tags_travel_with_the_job(client):
    body = batch({})
    body["job_runs"][0]["tags"] = {"split": "train", "fold": 3}
    made = client.post("/api/batch/", body).json()
    assert made["job_runs"][0]["tags"] == {"split": "train", "fold": 3}
    assert client.batch(made["id"])["job_runs"][0]["tags"] == {"split": "train", "fold": 3}


def test_numbers_as_text_are_numbers(client):
    made = client.submit({"frames": "4", "size": "1.02"}).json()
    values = made["job_runs"][0]["param_values"]
    assert (values["frames"], values["size"]) == (4, 1.02)


# Seeds


def test_a_seed_given_is_kept_and_zero_is_a_seed(client):
    jobs = [{"random_seed": 0}, {"random_seed": 5}, {"random_seed": None}, {}]
    seeds = [job["seed"] for job in client.submit(*jobs).json()["job_runs"]]
    assert seeds[:2] == [0, 5]
    assert seeds[2] != seeds[3]


def test_state_repeats_the_decisions_of_an_earlier_job(client, done):
    first = done["job_runs"][0]
    repeat = {"state": first["id"].upper(), "frames": 4}
    other = {"state": first["id"], "frames": 4, "random_seed": 8}
    again, different = client.finished(client.submit(repeat, other).json()["id"])["job_runs"]
    assert again["seed"] == first["seed"] == 7
    assert different["seed"] == 8
    assert _labels(again)["draws"] == _labels(first)["draws"] != _labels(different)["draws"]


def test_state_must_name_a_job_of_this_account(client, stranger, done):
    theirs = done["job_runs"][0]["id"]
    for who, state in ((client, UNKNOWN), (stranger, theirs)):
        answer = who.submit({}, {"state": state})
        assert answer.status_code == 400
        (error,) = answer.json()["errors"]
        assert (error["job"], error["parameter"], error["value"]) == (1, "state", state)


# Refusals


def test_broken_rules_are_named_all_at_once(client):
    body = batch({}, {"frames": 0, "color": "red"}, {"start": 0.5, "end": 0.5})
    body["job_runs"].insert(1, {"name": "sound-v1.0.0", "param_values": {"loud": "perhaps"}})
    answer = client.post("/api/batch/", body)
    assert answer.status_code == 400
    found = {(e["job"], e["parameter"], e["rule"]): e["value"] for e in answer.json()["errors"]}
    assert found[1, "loud", "type"] == "perhaps"
    assert found[2, "frames", "min"] == 0
    assert found[2, "color", "unknown"] == "red"
    assert (3, "constraint") in {(job, rule) for job, _, rule in found}
    assert "job 1" in answer.json()["detail"]
    assert client.post("/api/batch/estimate/", body).status_code == 400


def test_tags_among_the_parameters_are_refused(client):
    (error,) = client.submit({"tag_mine": 1}).json()["errors"]
    assert (error["parameter"], error["rule"]) == ("tag_mine", "unknown")


RUN = {"name": TOY, "param_values": {}}


@pytest.mark.parametrize(
    "body",
    [
        None, [], 3, "text", {}, {"name": "x"}, {"name": 3, "job_runs": [RUN]},
        {"name": "x", "job_runs": []}, {"name": "x", "job_runs": {}}, {"job_runs": [RUN]},
        {"name": "x", "job_runs": [3]}, {"name": "x", "job_runs": [{}]},
        {"name": "x", "job_runs": [{"name": "nobody", "param_values": {}}]},
        {"name": "x", "job_runs": [{"name": ["toy"], "param_values": {}}]},
        {"name": "x", "job_runs": [{**RUN, "param_values": []}]},
        {"name": "x", "job_runs": [{**RUN, "is_preview": "yes"}]},
        {"name": "x", "job_runs": [{**RUN, "tags": "red"}]},
        {"name": "x", "job_runs": [{**RUN, "tags": {"long": "x" * 20_000}}]},
        {"name": "x" * 2000, "job_runs": [RUN]},
        {"name": "x", "job_runs": [{**RUN, "param_values": {"frames": [1]}}]},
        {"name": "x", "job_runs": [{**RUN, "param_values": {"frames": {"a": 1}}}]},
        {"name": "x", "job_runs": [{**RUN, "param_values": {"frames": 10**30}}]},
        {"name": "x", "job_runs": [{**RUN, "param_values": {"frames": True}}]},
        {"name": "x", "job_runs": [{**RUN, "param_values": {"state": "me"}}]},
        {"name": "x", "job_runs": [{**RUN, "param_values": {"": None, "\x00": 1}}]},
    ],
)  # fmt: skip
def test_bodies_of_the_wrong_shape_are_refused_with_a_reason(client, body):
    for path in ("/api/batch/", "/api/batch/estimate/"):
        answer = client.post(path, body)
        assert answer.status_code == 400, answer.text
        assert len(answer.json()["detail"]) > 20


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"\xff\xfe", b'{"name": NaN}', b'{"name": Infinity}', b"[" * 100_000,
        b'{"a":' * 5_000, b'{"name": "\\ud800"}', b'{"name": 1e999}', b"\x00" * 100,
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/api/batch/", "/api/jobs/run/", "/api/jobs/preview/"])
def test_bodies_that_are_no_json_are_refused(client, path, text):
    answer = client.post(path, data=text)
    assert answer.status_code == 400
    assert "JSON" in answer.json()["detail"]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([TOY, "work", UNKNOWN, "3"])
)
json_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
names = st.sampled_from(["frames", "size", "start", "behaviour", "loud", "state", "random_seed"])
some_jobs = st.dictionaries(names | st.text(max_size=4), json_values, max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(some_jobs, min_size=1, max_size=3))
def test_no_parameters_whatever_make_the_engine_fail(client, jobs):
    answer = client.post("/api/batch/estimate/", batch(*jobs))
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert answer.json()["errors"]


def test_a_body_past_the_limit_is_refused_and_told_so(client):
    body = b'{"name": "' + b"x" * (65 * 2**20) + b'"}'
    answer = client.post("/api/batch/", data=body)
    assert answer.status_code == 413
    assert "64 MB" in answer.json()["detail"]


@pytest.mark.parametrize("header", [None, "", "Token", "Token wrong", "Bearer x", "Token \xff"])
def test_a_missing_or_wrong_token_is_401(shared_engine, header):  # noqa: F811
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    for path in ("/api/jobs/", "/api/account/", f"/api/batch/{UNKNOWN}/"):
        answer = requests.get(shared_engine.url + path, headers=headers, timeout=10)
        assert answer.status_code == 401
        assert answer.json()["detail"]
        assert "idempotency" in answer.headers["Infinity-Extensions"]


def test_another_account_sees_nothing(client, stranger, done):
    job = done["job_runs"][0]["id"]
    for path in (
        f"/api/batch/{done['id']}/",
        f"/api/batch/{done['id']}/summary/",
        f"/api/job_runs/{job}/",
        f"/api/job_runs/?batch_id={done['id']}",
        f"/api/job_previews/?batch_id={done['id']}",
    ):
        assert client.get(path).status_code == 200
        assert stranger.get(path).status_code == 404
        unknown = path.replace(done["id"], UNKNOWN).replace(job, UNKNOWN)
        assert client.get(unknown).status_code == 404
    assert stranger.post(f"/api/batch/{done['id']}/cancel/").status_code == 404
    assert done["id"] not in {one["id"] for one in stranger.get("/api/batch/").json()}
    more = {"name": TOY, "param_values": {}, "batch_id": done["id"]}
    assert stranger.post("/api/jobs/run/", more).status_code == 404


def test_unknown_paths_and_methods_are_refused_in_the_same_form(client):
    for answer, status in (
        (client.get("/api/nothing/"), 404),
        (client.get("/nothing"), 404),
        (client.post("/api/jobs/", {}), 405),
        (client.get("/api/jobs/nobody/"), 404),
        (client.get("/api/job_runs/", limit="many"), 400),
        (client.get("/api/job_runs/", limit=0), 400),
    ):
        assert answer.status_code == status
        assert answer.json()["detail"]
        assert "idempotency" in answer.headers["Infinity-Extensions"]


def test_paths_work_without_their_last_slash(client, done):
    job = done["job_runs"][0]["id"]
    for path in ("/api/jobs", f"/api/batch/{done['id']}/summary", f"/api/job_runs/{job}"):
        assert client.get(path).status_code == 200
    answer = client.post("/api/batch", batch({"frames": 2}))
    assert answer.status_code == 201
    assert answer.json()["job_runs"][0]["param_values"]["frames"] == 2


def test_the_api_describes_itself(client):
    described = requests.get(client.url + "/openapi.json", timeout=10).json()
    paths = described["paths"]
    assert "post" in paths["/api/batch/"]
    body = paths["/api/batch/"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"name", "job_runs"}
    assert requests.get(client.url + "/docs", timeout=10).status_code == 200
    references = set(_references(described))
    known = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert references <= known


# Idempotency and cancelling


def test_a_repeated_key_creates_nothing_and_answers_the_same(client):
    key, body = new_key(), batch({"frames": 2}, {}, name="once")
    first = client.post("/api/batch/", body, key=key)
    client.finished(first.json()["id"])
    second = client.post("/api/batch/", body, key=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    other = client.post("/api/batch/", batch({}, name="twice"), key=key)
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json()["detail"]


def test_the_older_way_knows_keys_too(client):
    key, body = new_key(), {"name": TOY, "param_values": {"frames": 2}}
    first, second = (client.post("/api/jobs/run/", body, key=key).json() for _ in range(2))
    assert first == second
    assert len(client.batch(first["batch_id"])["job_runs"]) == 1
    assert client.post("/api/jobs/preview/", body, key=key).status_code == 422


def test_keys_of_two_accounts_do_not_meet(client, stranger):
    key, body = new_key(), batch({}, name="mine")
    ids = {who.post("/api/batch/", body, key=key).json()["id"] for who in (client, stranger)}
    assert len(ids) == 2


def test_the_same_request_at_the_same_moment_creates_one_batch(shared_engine):  # noqa: F811
    key, body, ids = new_key(), batch(*[{}] * 20, name="race"), []

    def send():
        with WireClient(shared_engine.url, shared_engine.token) as one:
            ids.append(one.post("/api/batch/", body, key=key).json()["id"])

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 6
    assert len(set(ids)) == 1


def test_a_cancelled_batch_stops_and_may_be_cancelled_again(client):
    made = client.submit(*[{"seconds": 3.5}] * 4).json()
    eventually(lambda: "running" in _statuses(client.summary(made["id"])))
    first = client.post(f"/api/batch/{made['id']}/cancel/")
    assert first.status_code == 200
    assert set(_statuses(first.json())) == {"cancelled"}
    assert not any(job["in_progress"] for job in first.json()["job_runs"])
    assert client.post(f"/api/batch/{made['id']}/cancel").json() == first.json()
    # The workers are free again at once.
    client.finished(client.submit({}).json()["id"], timeout=3)
    assert client.batch(made["id"]) == first.json()


def test_cancelling_keeps_what_is_finished(client, done):
    assert client.post(f"/api/batch/{done['id']}/cancel/").json()["job_runs"] == done["job_runs"]


# Accounts


def test_an_unmetered_account_has_no_balance(client):
    assert client.account()["samples_remaining"] is None


def test_estimates_are_reserved_and_what_was_rendered_is_settled(shared_engine):  # noqa: F811
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
    past = fetch(url, Range=f"bytes={size}-", If_Range=etag)
    assert past.status_code == 416
    assert past.headers["Content-Range"] == f"bytes */{size}"
    assert past.json()["detail"]
    for nonsense in ("bytes=x-y", "lines=1-2", "bytes=-", "bytes"):
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


def _labels(job):
    with zipfile.ZipFile(io.BytesIO(fetch(job["result_url"]).content)) as archive:
        return json.loads(archive.read(f"{job['id']}/labels.json"))


def _in_zone(text, hours):
    from datetime import timezone

    return datetime.fromisoformat(text).astimezone(timezone(timedelta(hours=hours))).isoformat()


def _url(path, fields):
    return path + "?" + "&".join(f"{name}={value}" for name, value in fields.items())


def _references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
