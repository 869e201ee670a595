"""Requests of older clients and of web pages, and requests that are refused."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from wire_client import batch, fetch

from infinity_frames.engine.generators.camera_parameters import PHOTOGRAPHY

pytestmark = pytest.mark.slow


# Clients of the base protocol


def cast_default(parameter):
    """Convert a default as clients of the base protocol do."""
    kinds: dict[str, Callable[[Any], Any]] = {
        "int": int,
        "float": float,
        "bool": bool,
        "str": str,
        "uuid": lambda value: value,
    }
    return kinds[parameter["type"]](parameter["default_value"])


def test_a_client_of_the_base_protocol_can_cast_every_default(client):
    names = [one["name"] for one in client.get("/api/jobs/").json()]
    for name in names:
        described = client.get(f"/api/jobs/{name}/").json()
        params = {one["name"]: cast_default(one) for one in described["params"]}
        given_ = {key: value for key, value in params.items() if value is not None}
        answer = client.post("/api/batch/estimate/", batch(given_, generator=name))
        assert answer.status_code == 200, answer.text


def test_parameters_beyond_the_base_protocol_are_shown_to_clients_that_know_them(client):
    def shown(**headers):
        answer = client.http.get(f"{client.url}/api/jobs/visionfit-v0.4.0/", headers=headers)
        return [one["name"] for one in answer.json()["params"]]

    base, all_ = shown(), shown(**{"Infinity-Extensions": "parameters, other"})
    assert set(all_) - set(base) == {"random_seed", *PHOTOGRAPHY}
    assert "state" in base
    assert len(base) == len(all_) - 1 - len(PHOTOGRAPHY)


# Requests of web pages, and the docs page


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:1234", 200),
        ("[::1]:99", 200),
        ("192.168.7.7", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example:80", 403),
        ("", 403),
        ("[::1", 403),
    ],
)
def test_a_foreign_host_name_is_refused(client, host, status):
    answer = client.http.get(f"{client.url}/api/jobs/", headers={"Host": host})
    assert answer.status_code == status
    if status == 403:
        assert "--allow-host" in answer.json()["detail"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_a_foreign_page_changes_nothing(client, origin):
    answer = client.http.post(
        f"{client.url}/api/batch/", json=batch({}), headers={"Origin": origin}
    )
    assert answer.status_code == 403
    own = client.http.post(
        f"{client.url}/api/batch/", json=batch({}), headers={"Origin": client.url}
    )
    assert own.status_code == 201


def test_the_docs_page_loads_nothing_from_foreign_hosts(client):

    page = client.http.get(f"{client.url}/docs").text
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    assert "://" not in page
    for source in sources:
        assert source.startswith("/")
        assert fetch(client.url + source).ok


@pytest.mark.parametrize("depth", [10, 300, 900, 100_000])
def test_requests_that_are_too_deep_are_refused(client, depth):
    deep = "[" * depth + "]" * depth
    for body in (
        deep,
        '{"name": ' + deep + ', "job_runs": []}',
        '{"name": "x", "job_runs": ' + deep + "}",
        '{"name": "x", "job_runs": [{"name": "toy-v1.0.0", "param_values": {"frames": '
        + deep
        + "}}]}",
        '{"name": "x", "job_runs": [{"name": "toy-v1.0.0", "tags": {"a": ' + deep + "}}]}",
    ):
        answer = client.post("/api/batch/", data=body)
        if depth == 10 and "tags" in body:
            assert answer.status_code == 201
        else:
            assert 400 <= answer.status_code < 500, answer.text
            assert answer.json()["detail"]


def test_requests_that_are_too_wide_are_refused(client):
    wide = [{f"p{job}_{n}": 1 for n in range(500)} for job in range(100)]
    start = time.monotonic()
    answer = client.submit(*wide)
    assert answer.status_code == 400
    assert "parameters" in answer.json()["detail"]
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b'{"name": NaN}', b"null", b'"x"', b"[]"])
def test_requests_that_are_not_json_objects_are_refused(client, body):
    for path in ("/api/batch/", "/api/batch/estimate/", "/api/jobs/run/", "/api/jobs/preview/"):
        answer = client.post(path, data=body)
        assert answer.status_code == 400
        assert answer.json()["detail"]
