"""A small real server of the protocol, on a real socket: without any (+) unless asked for some."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import uuid
import zipfile
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from infinity_frames.protocol.spec import Generator, Linear, Parameter

TOKEN = "tok-3f9a-secret"
UNLUCKY, TOO_DEAR = 1313, 1414
"""Values of lighting_power that this server refuses, and that an account cannot pay."""
TEST_GENERATOR = Generator(
    "visionfit-v0.4.0",
    "0.4.0",
    (
        Parameter("scene", "str", "GYM_1", choices=("GYM_1", "BEDROOM_2")),
        Parameter("exercise", "str", "PUSHUP", choices=("PUSHUP", "UPPERCUT-LEFT")),
        Parameter("num_reps", "int", 1, min=1, max=20),
        Parameter("lighting_power", "float", 100.0, min=0, max=2000),
        Parameter("camera_height", "float", 0.75, min=0.1, max=2.75, unit="m"),
        Parameter("image_height", "int", 256, min=128, max=512),
        Parameter("trim_start_frac", "float", 0.0, min=0, max=0.9),
        Parameter("trim_end_frac", "float", 0.0, min=0, max=0.9),
        Parameter("add_wall_art", "bool", False),
        Parameter("state", "uuid"),
    ),
    (Linear({"trim_start_frac": 1, "trim_end_frac": 1}, max=0.9),),
)


def archive_of(job: dict[str, Any]) -> bytes:
    """A small result zip, its one top folder named by the job."""
    job_json = {"name": job["name"], "params": job["param_values"]}
    return zip_of({f"{job['id']}/job.json": json.dumps(job_json).encode()})


def zip_of(
    files: Mapping[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_STORED
) -> bytes:
    """A zip; the same files make the same bytes, whatever the time."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as opened:
        for name, content in files.items():
            info = zipfile.ZipInfo(name) if isinstance(name, str) else name
            opened.writestr(info, content, compression)
    return out.getvalue()


class BaseServer:
    """The protocol in memory. Jobs are done at once unless `done` is False or said otherwise.

    Parameters
    ----------
    extensions
        Which (+) it has: idempotency, tags, cancel, account, status, batch_id.
    archive
        Makes a job's zip.
    """

    def __init__(
        self,
        *,
        extensions: Collection[str] = (),
        generators: Collection[Generator] = (TEST_GENERATOR,),
        archive: Callable[[dict[str, Any]], bytes] = archive_of,
        done: bool = True,
    ) -> None:
        self.extensions, self.archive, self.done = set(extensions), archive, done
        self.generators = {generator.name: generator for generator in generators}
        self.tokens = {TOKEN: "account"}
        self.batches: dict[str, dict[str, Any]] = {}
        self.failing: dict[str, str] = {}  # job id -> reason
        self.unfinished: set[str] = set()
        self.keys: dict[str, str] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.permits: dict[str, str] = {}  # signature -> job id
        self.message: str | None = None
        self.lock = threading.RLock()
        self.port = 0

    # Running

    def start(self) -> Self:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except OSError:
                    self.close_connection = True

            def do_GET(self) -> None:
                server.serve(self)

            do_POST = do_GET  # noqa: N815 - the name that http.server asks for

            def log_message(self, *args: Any) -> None:
                pass

        class Http(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self.http = Http(("127.0.0.1", self.port), Handler)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *args: Any) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, method: str, beginning: str = "") -> int:
        return sum(m == method and p.startswith(beginning) for m, p, _, _ in self.requests)

    # Answering

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append((handler.command, handler.path, headers, body))
        self.handle(handler, headers, body)

    def handle(self, handler: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes) -> None:
        path = urlsplit(handler.path).path
        if path.startswith("/results/"):
            self.send_result(handler, path.split("/")[2], headers)
            return
        status, answer = self.answer(handler.command, handler.path, headers, body)
        self.send_json(handler, status, answer)

    def send_json(
        self, handler: BaseHTTPRequestHandler, status: int, answer: Any, **extra: str
    ) -> None:
        content = json.dumps(answer).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        if self.extensions:
            handler.send_header("Infinity-Extensions", ", ".join(sorted(self.extensions)))
        for name, value in extra.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    def answer(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        if headers.get("authorization", "").removeprefix("Token ") not in self.tokens:
            return 401, {"detail": f"Invalid token {headers.get('authorization')!r}."}
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        data = json.loads(body) if body else {}
        with self.lock:
            match method, parts.path.strip("/").split("/")[1:]:
                case "GET", ["jobs"]:
                    return 200, [
                        {"name": g.name, "version": g.version} for g in self.generators.values()
                    ]
                case "GET", ["jobs", name] if name in self.generators:
                    return 200, self.described(self.generators[name])
                case "POST", ["batch", "estimate"]:
                    runs = data["job_runs"]
                    return 200, [
                        1 if run["is_preview"] else 10 * run["param_values"]["num_reps"]
                        for run in runs
                    ]
                case "POST", ["batch"]:
                    return self.create(data, headers.get("idempotency-key"))
                case "GET", ["batch"]:
                    batches = [
                        {key: batch[key] for key in ("id", "name", "created")}
                        for batch in self.batches.values()
                        if query["start_time"] <= batch["created"] <= query["end_time"]
                    ]
                    return 200, batches
                case "GET", ["batch", batch] if batch in self.batches:
                    return 200, self.shown(batch, full=True)
                case "GET", ["batch", batch, "summary"] if batch in self.batches:
                    return 200, self.shown(batch, full=False)
                case "POST", ["batch", batch, "cancel"] if "cancel" in self.extensions:
                    for job in self.batches[batch]["job_runs"]:
                        if self.state(job) == "running":
                            job["cancelled"] = True
                    return 200, self.shown(batch, full=False)
                case "GET", ["job_runs", "counts"]:
                    jobs = [j for b in self.batches.values() for j in b["job_runs"]]
                    counts = {"samples": 10 * len(jobs), "jobs": len(jobs)}
                    return 200, {"counts_by_generator": {"visionfit-v0.4.0": counts}}
                case "GET", ["job_previews" | "job_runs" as kind, job_id]:
                    for known in self.batches.values():
                        for job in known["job_runs"]:
                            wanted = job["is_preview"] == (kind == "job_previews")
                            if job["id"] == job_id and wanted:
                                return 200, self.shown_job(job, full=True)
                case "GET", ["account"] if "account" in self.extensions:
                    return 200, {"samples_remaining": 90, "samples_reserved": 10}
        return 404, {"detail": f"There is nothing at {parts.path}."}

    def described(self, generator: Generator) -> dict[str, Any]:
        out = generator.to_json()
        if not self.extensions:
            out.pop("constraints")
            for parameter in out["params"]:
                for extra in ("sampling", "unit", "groups"):
                    parameter.pop(extra, None)
        return out

    def create(self, data: dict[str, Any], key: str | None) -> tuple[int, Any]:
        if "idempotency" in self.extensions and key in self.keys:
            return 201, self.shown(self.keys[key], full=True)
        powers = [run["param_values"].get("lighting_power") for run in data["job_runs"]]
        if UNLUCKY in powers:
            broken = {"parameter": "lighting_power", "rule": "max", "value": UNLUCKY}
            broken |= {"job": powers.index(UNLUCKY), "message": "Unlucky."}
            return 400, {"detail": "Unlucky jobs.", "errors": [broken]}
        if TOO_DEAR in powers:
            return 402, {"detail": "Needs 140 samples, 90 are left.", "needed": 140, "left": 90}
        batch = {
            "id": str(uuid.uuid4()),
            "name": data["name"],
            "created": datetime.now(UTC).isoformat(),
        }
        batch["job_runs"] = [
            {"id": str(uuid.uuid4()), "batch_id": batch["id"], **run} for run in data["job_runs"]
        ]
        self.batches[batch["id"]] = batch
        if not self.done:
            self.unfinished |= {job["id"] for job in batch["job_runs"]}
        if key is not None:
            self.keys[key] = batch["id"]
        return 201, self.shown(batch["id"], full=True)

    def state(self, job: dict[str, Any]) -> str:
        if job.get("cancelled"):
            return "cancelled"
        if job["id"] in self.unfinished:
            return "running"
        return "failed" if job["id"] in self.failing else "completed"

    def shown(self, batch_id: str, *, full: bool) -> dict[str, Any]:
        batch = self.batches[batch_id]
        out = {**batch, "job_runs": [self.shown_job(job, full=full) for job in batch["job_runs"]]}
        if self.message and self.extensions:
            out["message"] = self.message
        return out

    def shown_job(self, job: dict[str, Any], *, full: bool) -> dict[str, Any]:
        state = self.state(job)
        out = {
            "id": job["id"],
            "name": job["name"],
            "is_preview": job["is_preview"],
            "in_progress": state == "running",
            "result_url": self.permit(job["id"]) if state == "completed" else None,
        }
        if full:
            out["param_values"] = job["param_values"]
        if "tags" in self.extensions:
            out["tags"] = job.get("tags", {})
        if "batch_id" in self.extensions:
            out["batch_id"] = job["batch_id"]
        if "status" in self.extensions:
            out |= {"status": state, "error": self.failing.get(job["id"]), "seed": 7}
            out |= {"estimated_samples": 10, "num_samples": 10 if state == "completed" else None}
            if state == "completed":
                out["sha256"] = hashlib.sha256(self.archive(job)).hexdigest()
        return out

    def permit(self, job_id: str) -> str:
        with self.lock:
            for signature, known in self.permits.items():
                if known == job_id:
                    return f"{self.url}/results/{signature}"
            signature = uuid.uuid4().hex
            self.permits[signature] = job_id
            return f"{self.url}/results/{signature}"

    def job(self, job_id: str) -> dict[str, Any]:
        return next(
            job for b in self.batches.values() for job in b["job_runs"] if job["id"] == job_id
        )

    def send_result(
        self, handler: BaseHTTPRequestHandler, signature: str, headers: dict[str, str]
    ) -> None:
        if signature not in self.permits:
            self.send_json(handler, 403, {"detail": "This address has expired."})
            return
        content = self.archive(self.job(self.permits[signature]))
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        start, stop, ranged = 0, len(content), False
        if (asked := headers.get("range")) and headers.get("if-range", etag) == etag:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start = int(first) if first else max(0, len(content) - int(last))
            stop = min(int(last) + 1, len(content)) if first and last else len(content)
            ranged = start > 0 or bool(last)
        if start and start >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206 if ranged else 200)
        if ranged:
            handler.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(stop - start))
        handler.end_headers()
        self.send_body(handler, content[start:stop])

    def send_body(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        handler.wfile.write(content)
