"""Commands on an engine: demo, serve, stop, status, open, list, logs, token, clean."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import EngineError

__all__ = [
    "clean",
    "demo",
    "list_batches",
    "logs",
    "open_pages",
    "serve",
    "status",
    "stop",
    "token",
]

_MAX_LISTED = 200


def demo(options: argparse.Namespace) -> None:
    """Run the demo."""
    from infinity_frames.cli import demo

    demo.main(options.path)


def serve(options: argparse.Namespace) -> None:
    """Run an engine in the foreground."""
    _require_engine()
    from infinity_frames.engine.service.main import Settings, serve
    from infinity_frames.engine.service.retention import Retention
    from infinity_frames.web.engine_pages import add_pages

    settings = Settings(
        host=options.host,
        port=options.port,
        workers=options.workers,
        idle_timeout=options.idle_timeout,
        job_timeout=options.job_timeout,
        job_memory=options.job_memory,
        allowed_hosts=tuple(options.allow_host),
        retention=Retention(options.keep, options.keep_bytes),
        database=options.database,
        archives=options.archives,
        runner=options.runner,
        certificate=_certificate(options),
        log_format=options.log_format,
    )
    serve(Home.at(options.home), settings, lambda url: print(url, flush=True), add_pages)


def _certificate(options: argparse.Namespace) -> Any:
    from infinity_frames.engine.service.tls import Certificate

    if options.tls_cert is None:
        if options.tls_key is not None:
            raise EngineError("--tls-key needs --tls-cert.", advice="Give both PEM files.")
        return None
    return Certificate(options.tls_cert, options.tls_key)


def stop(options: argparse.Namespace) -> None:
    """Stop the engine."""
    from infinity_frames.launcher import stop_engine

    print("stopped" if stop_engine(options.home) else "no engine was running")


def status(options: argparse.Namespace) -> None:
    """Print what the engine does: address, jobs by status, generators."""
    from infinity_frames.launcher import find_engine

    home = Home.at(options.home)
    url = find_engine(home.path)
    print(f"home        {home.path}")
    if url is None:
        print("engine      not running; a Session or `infinity-frames serve` starts it")
        return
    rest = _rest(options, url)
    address = home.address() or {}
    print(f"engine      {url}, process {address.get('pid')}, version {address.get('version')}")
    jobs: dict[str, int] = {}
    since = datetime.now(UTC) - timedelta(days=7)
    batches = rest.batches(since, datetime.now(UTC) + timedelta(days=1))[-_MAX_LISTED:]
    message = None
    for batch in batches:
        summary = rest.batch_summary(str(batch["id"]))
        message = message or summary.get("message")
        for name, count in _by_status(summary).items():
            jobs[name] = jobs.get(name, 0) + count
    counts = ", ".join(f"{count} {name}" for name, count in sorted(jobs.items())) or "none"
    print(f"jobs        {counts} (7 days, {len(batches)} batches)")
    if message:
        print(f"delayed     {message}")
    print(f"generators  {', '.join(str(item['name']) for item in rest.generators()) or 'none'}")
    for name, reason in rest.broken_generators().items():
        print(f"broken      {name}: {reason}")


def open_pages(options: argparse.Namespace) -> None:
    """Open the engine's pages in a browser, signed in."""
    from infinity_frames.client.sign_in import open_pages

    url = open_pages(_rest(options), browser=not options.print)
    if options.print:
        print(url)


def list_batches(options: argparse.Namespace) -> None:
    """Print the latest batches, or the jobs of one."""
    import pandas as pd

    from infinity_frames.cli.output import write_frame

    rest = _rest(options)
    if options.batch is not None:
        columns = ["id", "status", "name", "is_preview", "num_samples", "error"]
        rows = rest.batch_summary(options.batch)["job_runs"]
        write_frame(pd.DataFrame(rows).reindex(columns=columns), options.format)
        return
    now = datetime.now(UTC)
    listed = rest.batches(now - timedelta(days=options.days), now + timedelta(days=1))
    rows = [_batch_row(rest.batch_summary(str(item["id"]))) for item in listed[-_MAX_LISTED:]]
    columns = ["id", "created", "name", "jobs", "completed", "failed", "cancelled", "in_progress"]
    write_frame(pd.DataFrame(rows, columns=columns), options.format)


def logs(options: argparse.Namespace) -> None:
    """Print the end of the engine's log, or why a job failed."""
    if options.job is not None:
        print(_reason(_rest(options), options.job))
        return
    file = Home.at(options.home).log_file
    try:
        text = file.read_text("utf-8", "replace")
    except FileNotFoundError:
        raise EngineError(
            f"There is no log {file}.",
            advice="Only an engine started by a Session writes one; `serve` logs to its terminal.",
        ) from None
    except OSError as error:
        raise EngineError(f"The log {file} cannot be read: {error.strerror or error}.") from None
    for line in text.splitlines()[-options.lines :] if options.lines else ():
        print(line)


def token(options: argparse.Namespace) -> None:
    """Print a new token, list the ids of all tokens, or revoke one."""
    _require_engine()
    from infinity_frames.engine.service.main import issue_token, list_tokens, revoke_token

    home = Home.at(options.home)
    if options.revoke is not None:
        revoked = revoke_token(home, options.revoke, options.database)
        print(f"revoked {revoked['id']} of account {revoked['account']}")
    elif options.list:
        import pandas as pd

        from infinity_frames.cli.output import write_frame

        write_frame(
            pd.DataFrame(list_tokens(home, options.database), columns=["id", "account", "created"]),
            "table",
        )
    else:
        print(issue_token(home, options.name, options.samples, options.database))


def clean(options: argparse.Namespace) -> None:
    """Delete the archives that are no longer kept."""
    _require_engine()
    from infinity_frames.engine.service.main import clean
    from infinity_frames.engine.service.retention import Retention

    if options.keep is None and options.keep_bytes is None:
        raise EngineError(
            "Nothing was deleted: no rule says what to keep.",
            advice="Give --keep TIME, such as 30d, or --keep-bytes SIZE, such as 200GB.",
        )
    retention = Retention(options.keep, options.keep_bytes)
    expired = clean(
        Home.at(options.home),
        retention,
        dry_run=options.dry_run,
        database=options.database,
        archives=options.archives,
    )
    verb = "would be deleted" if options.dry_run else "were deleted"
    print(f"the archives of {expired.jobs} jobs ({expired.bytes / 1e6:.1f} MB) {verb}")


def _require_engine() -> None:
    from infinity_frames.launcher import require_engine

    require_engine()


def _rest(options: argparse.Namespace, url: str | None = None) -> Any:
    """Connect to the named server, else to the running engine, which is not started."""
    from infinity_frames.client.http import RestClient
    from infinity_frames.client.http.proof import EngineProof
    from infinity_frames.client.origin import EMBEDDED, connect, server_name
    from infinity_frames.launcher import find_engine, read_token

    server = None if options.home is not None else server_name(getattr(options, "server", None))
    if url is None and server not in (None, EMBEDDED):
        return connect(str(server), None)
    home = Home.at(options.home)
    url = url or find_engine(home.path)
    if url is None:
        raise EngineError(
            f"No engine runs for {home.path}.",
            advice="Start it with `infinity-frames serve`, or name another --home.",
        )
    return RestClient(url, read_token(home.path), check=EngineProof(home.proof_key_file))


def _by_status(batch: Mapping[str, Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for job in batch["job_runs"]:
        counts[job["status"]] = counts.get(job["status"], 0) + 1
    return counts


def _batch_row(batch: Mapping[str, Any]) -> dict[str, Any]:
    counts = _by_status(batch)
    return {
        "id": batch["id"],
        "created": str(batch["created"])[:19],
        "name": batch["name"],
        "jobs": len(batch["job_runs"]),
        "completed": counts.get("completed", 0),
        "failed": counts.get("failed", 0),
        "cancelled": counts.get("cancelled", 0),
        "in_progress": counts.get("queued", 0) + counts.get("running", 0),
    }


def _reason(rest: Any, job_id: str) -> str:
    from infinity_frames.protocol.errors import UnknownJob

    try:
        job, is_preview = rest.job(job_id, is_preview=False), False
    except UnknownJob:
        job, is_preview = rest.job(job_id, is_preview=True), True
    text = rest.traceback(job_id, is_preview=is_preview) if rest.has("traceback") else None
    return "\n".join(filter(None, [f"{job['status']}: {job.get('error') or 'no error'}", text]))
