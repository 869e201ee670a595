"""A server of the base protocol in a process of its own, with canned answers and a latency.

It has one batch of finished previews, whatever is submitted, so that a client alone is measured.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import orjson

BATCH = "00000000-0000-4000-8000-ffffffffffff"
TOKEN = "bench"  # noqa: S105 - opens nothing


@contextmanager
def stub(
    description: dict[str, Any],
    params: list[dict[str, Any]],
    *,
    latency: float = 0.0,
    size: int = 0,
) -> Iterator[str]:
    """The address of a stub while the block runs.

    Parameters
    ----------
    description : dict
        Of its one generator.
    params : list of dict
        Parameters of the jobs of its one batch.
    latency : float
        Seconds before each answer.
    size : int
        Bytes of each job's archive; 0 for none.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    given = (description, params, latency, size, there)
    process = context.Process(target=_serve, args=given, daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("stop")
        process.join()


def job_id(number: int) -> str:
    """The id of a job of the batch."""
    return f"00000000-0000-4000-8000-{number:012d}"


def _serve(
    description: dict[str, Any],
    params: list[dict[str, Any]],
    latency: float,
    size: int,
    pipe: Connection,
) -> None:
    with tempfile.TemporaryDirectory(prefix="infinity-bench-") as scratch:
        folder = Path(scratch)
        for number in range(len(params) if size else 0):
            _write_archive(folder, job_id(number), size)
        server = _Server(("127.0.0.1", 0), _Handler)
        server.latency, server.folder = latency, folder
        server.answers = _answers(description, params, f"http://127.0.0.1:{server.server_port}")
        pipe.send(f"http://127.0.0.1:{server.server_port}")
        server.timeout = 0.05
        while not pipe.poll():
            server.handle_request()


def _write_archive(folder: Path, job: str, size: int) -> None:
    noise = np.random.default_rng(0).bytes(min(size, 1 << 20))
    with zipfile.ZipFile(folder / f"{job}.zip", "w") as archive:
        archive.writestr(f"{job}/job.json", '{"name": "bench", "params": {}}')
        with archive.open(zipfile.ZipInfo(f"{job}/noise.bin"), "w") as member:
            for _ in range(max(size // len(noise), 1)):
                member.write(noise)


def _answers(
    description: dict[str, Any], params: list[dict[str, Any]], url: str
) -> dict[str, bytes]:
    summary = [
        {
            "id": job_id(number),
            "name": description["name"],
            "is_preview": True,
            "in_progress": False,
            "result_url": f"{url}/results/{job_id(number)}.zip",
            "batch_id": BATCH,
        }
        for number in range(len(params))
    ]
    about = {"id": BATCH, "name": "bench", "created": "2026-01-31T12:00:00+00:00"}
    full = [{**job, "param_values": given} for job, given in zip(summary, params, strict=True)]
    listed = [{"name": description["name"], "version": description["version"]}]
    answers: dict[str, Any] = {
        "/api/jobs/": listed,
        f"/api/jobs/{description['name']}/": description,
        "/api/batch/": {**about, "job_runs": full},
        f"/api/batch/{BATCH}/": {**about, "job_runs": full},
        f"/api/batch/{BATCH}/summary/": {**about, "job_runs": summary},
        **{f"/api/job_previews/{job['id']}/": job for job in full},
    }
    return {path: orjson.dumps(answer) for path, answer in answers.items()}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    latency: float
    folder: Path
    answers: dict[str, bytes]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(self.server.latency)
        path = self.path.partition("?")[0]
        if path.startswith("/results/"):
            self._send_archive(self.server.folder / path.rpartition("/")[2])
            return
        answer = self.server.answers.get(path, b'{"detail": "There is no such thing."}')
        self.send_response(200 if path in self.server.answers else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET  # noqa: N815 - the name that http.server asks for

    def _send_archive(self, path: Path) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        with path.open("rb") as file:
            self.connection.sendfile(file)

    def log_message(self, *_: Any) -> None:
        pass
