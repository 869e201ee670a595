"""Big archives to download, and what must be there after it: shared by the tests of downloads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from base_server import TOKEN, BaseServer, zip_of

from infinity_frames import Batch, Session
from infinity_frames.client.http import Limits, RetryPolicy

SIZE = 300_000


def big_archive(job: dict[str, Any]) -> bytes:
    """The job's own bytes, too many for one read from a socket."""
    body = {"name": job["name"], "params": job["param_values"]}
    return zip_of(
        {
            f"{job['id']}/job.json": json.dumps(body).encode(),
            f"{job['id']}/data.bin": (job["id"].encode() * (SIZE // 36 + 1))[:SIZE],
        }
    )


def submit(server: BaseServer, count: int = 3, **more: Any) -> Batch:
    session = Session(token=TOKEN, server=server.url)
    session.rest.limits = Limits(connect=1, read=1, total=10)
    return session.submit([{"num_reps": n % 20 + 1} for n in range(count)], batch_name="n", **more)


def assert_whole(folder: Path, jobs: list[str]) -> None:
    for job in jobs:
        names = {path.name for path in (folder / job).iterdir()}
        assert names == {"job.json", "data.bin"}
        data = (folder / job / "data.bin").read_bytes()
        assert len(data) == SIZE
        assert data.startswith(job.encode())
    assert list((folder / ".infinity" / "incoming").iterdir()) == []


def fetches(server: BaseServer) -> int:
    return server.count("GET", "/results/")


def impatient(batch: Batch, path: Path) -> None:
    """Download, and give up at the first failure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch.origin.rest, "retry", RetryPolicy(attempts=2))
        batch.download(path, quiet=True)
