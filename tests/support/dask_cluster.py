"""A real Dask cluster for tests: a scheduler and workers as programs of their own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
from engine_fixtures import eventually

# Lost nodes are noticed within seconds instead of minutes.
FAST = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "10s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
    "DASK_DISTRIBUTED__DASHBOARD__LINK": "",
}


def free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


class DaskCluster:
    """A scheduler with workers; `environment` is what the workers see."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        hidden = ("INFINITY_DATABASE", "INFINITY_TOKEN", "AWS_SECRET_ACCESS_KEY")
        bare = {name: value for name, value in os.environ.items() if name not in hidden}
        self.environment = {**bare, **FAST, **environment}
        self.port = free_port()
        self.scheduler: subprocess.Popen | None = None
        self.workers: dict[str, subprocess.Popen] = {}

    @property
    def runner(self) -> str:
        return f"dask://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start_scheduler(self) -> "DaskCluster":
        self.scheduler = self._run(
            "scheduler", "scheduler", "--host", "127.0.0.1", "--port", str(self.port),
            "--no-dashboard",
        )  # fmt: skip
        eventually(self._answers, timeout=60)
        return self

    def start_worker(self, name: str, threads: int = 1, **environment: str) -> "DaskCluster":
        self.workers[name] = self._run(
            f"worker-{name}", "worker", self.address, "--nthreads", str(threads), "--name", name,
            "--no-dashboard", "--local-directory", str(self.folder / name),
            "--memory-limit", "2GB", **environment,
        )  # fmt: skip
        return self

    def kill_scheduler(self) -> None:
        assert self.scheduler is not None
        _kill(self.scheduler)

    def kill_worker(self, name: str) -> None:
        """Kill a node at once: the Dask worker, its nanny and everything that they started."""
        _kill(self.workers.pop(name))

    def close(self) -> None:
        for process in [*self.workers.values(), self.scheduler]:
            if process is not None:
                _kill(process)

    def log(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def _run(self, log: str, *arguments: str, **environment: str) -> subprocess.Popen:
        with (self.folder / f"{log}.log").open("ab") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                env={**self.environment, **environment},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        return False


def _kill(process: subprocess.Popen) -> None:
    found = []
    with contextlib.suppress(psutil.Error):
        found = psutil.Process(process.pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for one in found:
        with contextlib.suppress(psutil.Error):
            one.kill()
    process.wait(30)
