"""What the engine refuses, and how it says so: never a failure, always a reason."""

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_client import batch

TOY = "toy-v1.0.0"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


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


def test_what_is_no_parameter_belongs_in_the_tags(client):
    mine = {"tag_size": 1, "note": [2], "frame": 3, "color": None}
    errors = client.submit({}, mine).json()["errors"]
    assert {(error["job"], error["rule"]) for error in errors} == {(1, "unknown")}
    says = {error["parameter"]: error["message"] for error in errors}
    assert says == {
        "tag_size": f"{TOY} has no parameter tag_size; put your own values in 'tags'",
        "note": f"{TOY} has no parameter note; put your own values in 'tags'",
        "frame": f"{TOY} has no parameter frame; did you mean frames?",
    }
    assert "put your own values in 'tags'. " in client.submit({"note": 1}).json()["detail"]


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
def test_a_missing_or_wrong_token_is_401(shared_engine, header):
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


def _references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
