"""Every endpoint of the protocol, over HTTP, against a real engine."""

import hashlib
import io
import json
import threading
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from engine_fixtures import eventually
from wire_client import WireClient, batch, fetch, new_key

TOY = "toy-v1.0.0"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


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


def test_the_same_request_at_the_same_moment_creates_one_batch(shared_engine):
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
    made = client.submit(*[{"seconds": 600}] * 4).json()
    eventually(lambda: "running" in _statuses(client.summary(made["id"])))
    first = client.post(f"/api/batch/{made['id']}/cancel/")
    assert first.status_code == 200
    assert set(_statuses(first.json())) == {"cancelled"}
    assert not any(job["in_progress"] for job in first.json()["job_runs"])
    assert client.post(f"/api/batch/{made['id']}/cancel").json() == first.json()
    # The workers are free again long before the jobs would have ended.
    client.finished(client.submit({}).json()["id"])
    assert client.batch(made["id"]) == first.json()


def test_the_answer_to_a_cancellation_can_be_what_changed(client):
    made = client.submit(*[{"seconds": 2.0}] * 6).json()
    path = f"/api/batch/{made['id']}/"
    seen = client.get(f"{path}summary/", since=0).json()["revision"]
    first = client.post(f"{path}cancel/", params={"since": seen}).json()
    assert {job["status"] for job in _rows(first)} == {"cancelled"}
    assert {job["id"] for job in _rows(first)} == {job["id"] for job in made["job_runs"]}
    again = client.post(f"{path}cancel/", params={"since": first["revision"]}).json()
    assert again == {**first, "changed": {key: [] for key in first["changed"]}}
    assert client.post(f"{path}cancel/", params={"since": "x"}).status_code == 400


def test_cancelling_keeps_what_is_finished(client, done):
    done_now = client.batch(done["id"])
    answer = client.post(f"/api/batch/{done['id']}/cancel/").json()
    # The address of a result holds the time at which it expires, which moves on every hour.
    urls = [[job.pop("result_url") for job in found["job_runs"]] for found in (done_now, answer)]
    assert answer["job_runs"] == done_now["job_runs"]
    assert [fetch(url).content for url in urls[0]] == [fetch(url).content for url in urls[1]]


def _statuses(found):
    return [job["status"] for job in found["job_runs"]]


def _labels(job):
    with zipfile.ZipFile(io.BytesIO(fetch(job["result_url"]).content)) as archive:
        return json.loads(archive.read(f"{job['id']}/labels.json"))


def _rows(progress):
    """The columns of what changed, a job at a time."""
    columns = progress["changed"]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _in_zone(text, hours):
    return datetime.fromisoformat(text).astimezone(timezone(timedelta(hours=hours))).isoformat()


def test_a_poll_tells_what_changed_since_the_one_before(client):
    made = client.submit(*[{}] * 3, {"behaviour": "refuse"}).json()
    path = f"/api/batch/{made['id']}/summary/"
    known: dict[str, Any] = {}
    revision = 0
    for _ in range(500):
        answer = client.get(path, since=revision).json()
        assert answer["revision"] >= revision
        revision = answer["revision"]
        known |= {job["id"]: job for job in _rows(answer)}
        if all(job["status"] in ("completed", "failed") for job in known.values()):
            break
    assert _rows(client.get(path, since=revision).json()) == []
    full = {job["id"]: job for job in client.batch(made["id"])["job_runs"]}
    assert known.keys() == full.keys()
    for job_id, job in known.items():
        assert job.items() <= full[job_id].items()
        assert "param_values" not in job
    again = client.get(path, since=0).json()
    assert {job["id"]: job for job in _rows(again)} == known


def test_a_long_poll_is_compressed_for_who_asks_for_that(client):
    made = client.submit(*[{"behaviour": "refuse"}] * 300).json()
    client.finished(made["id"])
    path = f"/api/batch/{made['id']}/summary/"
    for params in ({}, {"since": 0}):
        plain, packed = (
            client.http.get(
                client.url + path, params=params, headers={"Accept-Encoding": coding}, timeout=30
            )
            for coding in ("identity", "gzip")
        )
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in packed.headers["Vary"]
        assert int(packed.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2
        assert packed.content == plain.content
        assert all(job["id"] in packed.text for job in made["job_runs"])
    refused = client.http.get(
        client.url + path, headers={"Accept-Encoding": "gzip;q=0"}, timeout=30
    )
    assert "Content-Encoding" not in refused.headers


@pytest.mark.parametrize("since", ["-1", "1.5", "x", "9" * 30, "\u0661"])
def test_a_since_that_is_no_revision_is_refused(client, done, since):
    refused = client.get(f"/api/batch/{done['id']}/summary/", since=since)
    assert refused.status_code == 400
    assert "since" in refused.json()["detail"]
