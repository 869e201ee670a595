"""A client of the REST protocol, written from the protocol alone: no code of ours."""

import time
import uuid
from typing import Any, Self

import requests

Json = dict[str, Any]


class WireClient:
    """One token at one server."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.headers["Accept"] = "application/json"
        if token is not None:
            self.http.headers["Authorization"] = f"Token {token}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.http.get(self.url + path, params=params, timeout=30, allow_redirects=False)

    def post(
        self, path: str, body: Any = None, *, key: str | None = None, **more: Any
    ) -> requests.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        more.setdefault("json", body)
        return self.http.post(
            self.url + path, headers=headers, timeout=60, allow_redirects=False, **more
        )

    def submit(
        self,
        *jobs: Json,
        name: str = "a batch",
        generator: str = "toy-v1.0.0",
        is_preview: bool = False,
        **more: Any,
    ) -> requests.Response:
        return self.post(
            "/api/batch/",
            batch(*jobs, name=name, generator=generator, is_preview=is_preview),
            **more,
        )

    def batch(self, batch_id: str) -> Json:
        return _object(self.get(f"/api/batch/{batch_id}/"))

    def summary(self, batch_id: str) -> Json:
        return _object(self.get(f"/api/batch/{batch_id}/summary/"))

    def finished(self, batch_id: str, timeout: float = 30.0) -> Json:
        """The batch once no job of it is in progress."""
        deadline = time.monotonic() + timeout
        while any(job["in_progress"] for job in self.summary(batch_id)["job_runs"]):
            assert time.monotonic() < deadline, self.summary(batch_id)
            time.sleep(0.03)
        return self.batch(batch_id)

    def account(self) -> Json:
        return _object(self.get("/api/account/"))


def batch(
    *jobs: Json, name: str = "a batch", generator: str = "toy-v1.0.0", is_preview: bool = False
) -> Json:
    """The body of a batch of one generator."""
    runs = [{"name": generator, "is_preview": is_preview, "param_values": job} for job in jobs]
    return {"name": name, "job_runs": runs}


def _object(response: requests.Response) -> Json:
    found = response.json()
    assert isinstance(found, dict), found
    return found


def fetch(url: str, **headers: str) -> requests.Response:
    """A result, without Authorization."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(url, headers=named, timeout=30)


def new_key() -> str:
    return str(uuid.uuid4())
