"""The command ``infinity-frames``: demo, serve, stop, token, sql."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from infinity_frames.cli import authoring
from infinity_frames.io.home import Home
from infinity_frames.protocol.errors import InfinityError

__all__ = ["main"]

_MAX_SAMPLES = 2**53


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        Exit code: 0, or 1 after an error, which is printed as a sentence.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except InfinityError as error:
        print(f"infinity-frames: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="infinity-frames", description="Batches of synthetic data as pandas frames."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="render a small batch, label it, plot it")
    demo.add_argument("path", nargs="?", type=Path, default=Path("demo"))
    demo.set_defaults(run=_demo)

    serve = commands.add_parser("serve", help="run an engine in the foreground")
    serve.add_argument("--host", default="127.0.0.1", help="address (default: this machine only)")
    serve.add_argument("--port", type=_port, default=0, help="port (default: a free one)")
    serve.add_argument("--workers", type=_positive, help="jobs at once (default: one per core)")
    serve.add_argument(
        "--idle-timeout",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="leave after S seconds without work or calls (default: never)",
    )
    serve.add_argument(
        "--job-timeout",
        type=_seconds,
        metavar="S",
        help="fail a job after S seconds (default: ten minutes and 5 s a sample)",
    )
    serve.add_argument(
        "--job-memory",
        type=_positive,
        metavar="MB",
        help="fail a job that takes more (default: its share of 3/4 of the machine's memory)",
    )
    serve.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="accept requests for this host name too, for example behind a proxy; repeatable",
    )
    serve.set_defaults(run=_serve)

    stop = commands.add_parser("stop", help="stop the engine; unfinished jobs go on later")
    stop.set_defaults(run=_stop)

    token = commands.add_parser("token", help="print a token for an engine")
    token.add_argument("name", nargs="?", help="account (default: the engine's own)")
    token.add_argument(
        "--samples", type=_samples, metavar="N", help="meter the account, and grant it N more"
    )
    token.set_defaults(run=_token)

    for command in (serve, stop, token):
        command.add_argument("--home", type=Path, help="the engine's folder")

    sql = commands.add_parser("sql", help="ask SQL of downloaded results")
    sql.add_argument("path", type=Path, help="a batch folder, or a folder of them")
    sql.add_argument("query", help="SQL over jobs, images, annotations, keypoints, ...")
    sql.set_defaults(run=_sql)

    authoring.add_commands(commands)
    return parser


def _demo(options: argparse.Namespace) -> None:
    from infinity_frames.cli import demo

    demo.main(options.path)


def _serve(options: argparse.Namespace) -> None:
    from infinity_frames.launcher import require_engine

    require_engine()
    from infinity_frames.engine.service.main import Settings, serve

    settings = Settings(
        host=options.host,
        port=options.port,
        workers=options.workers,
        idle_timeout=options.idle_timeout,
        job_timeout=options.job_timeout,
        allowed_hosts=tuple(options.allow_host),
        job_memory=None if options.job_memory is None else options.job_memory * 2**20,
    )
    serve(Home.at(options.home), settings, lambda url: print(url, flush=True))


def _stop(options: argparse.Namespace) -> None:
    from infinity_frames.launcher import stop_engine

    print("stopped" if stop_engine(options.home) else "no engine was running")


def _token(options: argparse.Namespace) -> None:
    from infinity_frames.launcher import require_engine

    require_engine()
    from infinity_frames.engine.service.main import issue_token

    print(issue_token(Home.at(options.home), options.name, options.samples))


def _sql(options: argparse.Namespace) -> None:
    from infinity_frames.data import read_results, run_sql

    print(run_sql(read_results(options.path), options.query).to_string())


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value < 65536:
        raise argparse.ArgumentTypeError("must be 0 to 65535")
    return value


def _samples(text: str) -> int:
    value = int(text)
    if not 0 <= value <= _MAX_SAMPLES:
        raise argparse.ArgumentTypeError(f"must be 0 to {_MAX_SAMPLES}")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more seconds")
    return value
