"""HTTPS with a certificate of one's own, and log lines that programs can read."""

import json
import shutil
import subprocess

import pytest
import requests
from wire_client import WireClient

pytestmark = pytest.mark.slow


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for localhost, and its key."""
    openssl = shutil.which("openssl") or pytest.skip("openssl is not installed")
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


def test_an_engine_serves_https_and_its_commands_check_the_certificate(
    idle_engine, certificate, monkeypatch
):
    chain, key = certificate
    options = ("--tls-cert", str(chain), "--tls-key", str(key), "--allow-host", "localhost")
    idle_engine.start("--workers", "1", *options)
    assert idle_engine.url.startswith("https://localhost:")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{idle_engine.url}/health", timeout=20)
    headers = {"Authorization": f"Token {idle_engine.token}"}
    listed = requests.get(
        f"{idle_engine.url}/api/batch/", headers=headers, verify=str(chain), timeout=20
    )
    assert listed.status_code == 200
    unchecked = idle_engine.command("status")
    assert "Traceback" not in unchecked.stderr
    idle_engine.environment["REQUESTS_CA_BUNDLE"] = str(chain)
    status = idle_engine.command("status")
    assert status.returncode == 0, status.stderr
    assert "https://localhost:" in status.stdout


def test_a_certificate_that_cannot_be_used_is_refused(idle_engine, certificate, tmp_path):
    chain, key = certificate
    other = tmp_path / "other.pem"
    other.write_text("no key")
    for options in (
        ["--tls-cert", str(tmp_path / "missing.pem")],
        ["--tls-cert", str(chain), "--tls-key", str(other)],
        ["--tls-key", str(key)],
    ):
        refused = idle_engine.command("serve", *options)
        assert refused.returncode == 1
        assert "--tls-cert" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_log_lines_are_json_objects_with_the_ids_of_job_and_batch(idle_engine):
    idle_engine.start("--workers", "1", "--log-format", "json")
    with WireClient(idle_engine.url, idle_engine.token) as client:
        made = client.submit({"behaviour": "refuse"}).json()
        (job,) = client.finished(made["id"])["job_runs"]
    lines = [line for line in idle_engine.log().splitlines() if line.startswith("{")]
    entries = [json.loads(line) for line in lines]
    (entry,) = [entry for entry in entries if entry.get("job") == job["id"]]
    assert entry["batch"] == made["id"]
    assert entry["level"] == "warning"
    assert "The toy will not." in entry["message"]
    assert {"time", "logger"} <= entry.keys()
