"""Requests made from the OpenAPI page, valid and not: answered as the page says, never with 500.

``FUZZ=100 pytest tests/service/test_wire_fuzz.py`` makes a hundred of each kind.
"""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ENDPOINTS = [
    "GET /api/jobs/",
    "GET /api/jobs/{generator}/",
    "POST /api/batch/",
    "POST /api/batch/estimate/",
    "GET /api/batch/",
    "GET /api/batch/{batch_id}/",
    "GET /api/batch/{batch_id}/summary/",
    "POST /api/batch/{batch_id}/cancel/",
    "GET /api/job_runs/counts/",
    "GET /api/account/",
    "GET /api/job_runs/",
    "GET /api/job_runs/{job_id}/",
    "GET /api/job_runs/{job_id}/traceback/",
    "POST /api/jobs/run/",
    "GET /api/job_previews/",
    "GET /api/job_previews/{job_id}/",
    "GET /api/job_previews/{job_id}/traceback/",
    "POST /api/jobs/preview/",
    "GET /api/results/{archive}/",
    "GET /api/tokens/",
    "POST /api/sessions/",
    "POST /api/tokens/",
    "DELETE /api/tokens/{token_id}/",
]
EXAMPLES = int(os.environ.get("FUZZ", "10"))


@pytest.fixture(scope="module")
def page(client):
    return schemathesis.openapi.from_url(client.url + "/openapi.json")


def test_every_endpoint_of_the_page_is_tried(page):
    operations = [one.ok() for one in page.get_all_operations()]
    assert sorted(f"{one.method.upper()} {one.path}" for one in operations) == sorted(ENDPOINTS)


def fuzz(operation, mode, client, prepare=lambda case: None):
    token = client.http.headers["Authorization"]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def check(case):
        # What is generated for it would only ever test the 401.
        case.headers = {**(case.headers or {}), "Authorization": token}
        prepare(case)
        response = case.call(timeout=30)
        case.validate_response(response, checks=CHECKS)

    check()


def has_something_to_get_wrong(operation):
    return bool(operation.body) or bool(operation.query)


@pytest.mark.timeout(300 + 10 * EXAMPLES)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_any_request(page, client, endpoint):
    method, path = endpoint.split()
    operation = page[path][method]
    fuzz(operation, GenerationMode.POSITIVE, client)
    if has_something_to_get_wrong(operation):
        fuzz(operation, GenerationMode.NEGATIVE, client)


@pytest.mark.timeout(300 + 10 * EXAMPLES)
@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if "{" in one or "POST" in one])
def test_requests_about_what_is_there(page, client, done, endpoint):
    method, path = endpoint.split()
    there = {
        "generator": "toy-v1.0.0",
        "batch_id": done["id"],
        "job_id": done["job_runs"][0]["id"],
        "archive": done["job_runs"][0]["id"] + ".zip",
        "token_id": "not-there",
    }

    def prepare(case):
        case.path_parameters = {name: there[name] for name in case.path_parameters or {}}
        if isinstance(case.body, dict):
            for job in [case.body, *case.body.get("job_runs", ())]:
                if "param_values" in job:
                    job["param_values"] = {"loud": True}
            for job in case.body.get("job_runs") or [case.body]:
                job["name"] = there["generator"]
            case.body.pop("batch_id", None)

    fuzz(page[path][method], GenerationMode.POSITIVE, client, prepare)
