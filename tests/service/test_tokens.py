"""Tokens are listed without being shown, and revoked; the command and the API do both."""

import json

import pytest
from engine_fixtures import eventually
from wire_client import WireClient, fetch

pytestmark = pytest.mark.slow


@pytest.fixture
def admin(idle_engine):
    idle_engine.start("--workers", "1")
    with WireClient(idle_engine.url, idle_engine.token) as made:
        yield made


def test_a_revoked_token_is_refused_and_the_others_are_not(admin, idle_engine):
    made = admin.post("/api/tokens/", {"account": "lab", "samples": 10})
    assert made.status_code == 201
    token, other = made.json()["token"], idle_engine.new_token("lab")
    with WireClient(admin.url, token) as lab, WireClient(admin.url, other) as second:
        assert lab.account()["samples_remaining"] == 10
        listed = lab.get("/api/tokens/").json()
        assert [one["account"] for one in listed] == ["lab", "lab"]
        everything = admin.get("/api/tokens/")
        assert {one["account"] for one in everything.json()} == {"lab", "embedded"}
        for shown in (token, other, idle_engine.token):
            for start in range(len(shown) - 8):
                assert shown[start : start + 8] not in everything.text
        assert lab.post("/api/tokens/", {"account": "mine"}).status_code == 403
        own = next(one for one in everything.json() if one["account"] == "embedded")
        foreign = lab.http.delete(f"{lab.url}/api/tokens/{own['id']}/")
        assert foreign.status_code == 404
        assert admin.http.delete(f"{admin.url}/api/tokens/{listed[0]['id']}/").ok
        assert lab.get("/api/account/").status_code == 401
        assert second.account()["samples_remaining"] == 10
        # The command takes effect on a running engine too.
        done = idle_engine.command("token", "--revoke", listed[1]["id"])
        assert (done.returncode, done.stdout.split()[0]) == (0, "revoked")
        eventually(lambda: second.get("/api/account/").status_code == 401)
        assert admin.get("/api/account/").ok


def test_the_command_lists_tokens_without_showing_them(idle_engine):
    token = idle_engine.new_token("lab")
    listed = idle_engine.command("token", "--list")
    assert "lab" in listed.stdout
    assert token[:8] not in listed.stdout
    unknown = idle_engine.command("token", "--revoke", "no-such-id")
    assert unknown.returncode == 1
    assert "--list" in unknown.stderr


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"account": ""},
        {"account": "a\0b"},
        {"account": "a" * 201},
        {"account": 3},
        {"account": "a", "samples": -1},
        {"account": "a", "samples": 2**60},
        {"account": "a", "samples": True},
        {"account": "embedded", "samples": 5},
    ],
)
def test_a_bad_request_for_a_token_is_refused(client, body):
    answer = client.post("/api/tokens/", body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_commands_tell_of_engine_jobs_and_failures(idle_engine, tmp_path):
    assert "not running" in idle_engine.command("status").stdout
    missing = idle_engine.command("list")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "infinity-frames serve" in missing.stderr
    idle_engine.start("--workers", "1")
    with WireClient(idle_engine.url, idle_engine.token) as client:
        made = client.submit({}, {"behaviour": "raise"}, name="two").json()
        failed = client.finished(made["id"])["job_runs"][1]
    status = idle_engine.command("status").stdout
    assert idle_engine.url in status
    assert "1 completed, 1 failed" in status
    assert "toy-v1.0.0" in status
    assert "leaver-v1.0.0: SystemExit: needs CUDA" in status
    (row,) = json.loads(idle_engine.command("list", "--format", "json").stdout)
    assert (row["id"], row["jobs"], row["completed"], row["failed"]) == (made["id"], 2, 1, 1)
    jobs = idle_engine.command("list", made["id"], "--format", "csv").stdout.splitlines()
    assert len(jobs) == 3
    assert "the toy broke" in jobs[2]
    reason = idle_engine.command("logs", failed["id"]).stdout
    assert reason.startswith("failed: ValueError: the toy broke\nTraceback")
    assert idle_engine.command("logs", "nothing").returncode == 1
    assert idle_engine.token not in status + reason
    version = idle_engine.command("--version").stdout
    assert version.startswith("infinity-frames ")


def test_a_result_needs_no_token_but_tokens_do(client):
    assert fetch(f"{client.url}/api/tokens/").status_code == 401
