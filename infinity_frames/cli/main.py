"""The command ``infinity-frames``: engine, jobs and results from a terminal."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from infinity_frames.cli import authoring, engine, results
from infinity_frames.cli.arguments import (
    duration,
    host_name,
    lines,
    megabytes,
    port,
    positive,
    samples,
    seconds,
    size,
)
from infinity_frames.cli.config import options_of_file
from infinity_frames.cli.terminal import Terminal, printable
from infinity_frames.protocol.errors import InfinityError

__all__ = ["main"]

_Commands = argparse._SubParsersAction


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default the arguments of the process.

    Returns
    -------
    int
        Exit code: 0; 1 after an error, which is printed as a sentence; 130 after Ctrl-C; 141 if
        the reader of the output went away.
    """
    parser = _parser()
    options = _parsed(parser, arguments)
    _print_every_character()
    try:
        if getattr(options, "config", None) is not None:
            given = list(sys.argv[1:] if arguments is None else arguments)
            position = given.index("serve") + 1
            given[position:position] = options_of_file(options.config)
            options = _parsed(parser, given)
        code = options.run(options)
        sys.stdout.flush()
    except InfinityError as error:
        print(f"infinity-frames: {printable(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # As `| head` does. Python would complain when it flushes the closed pipe at its end.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return int(code or 0)


def _parsed(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse arguments; an error names unknown options without their values, perhaps secrets."""
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        names = [text.partition("=")[0] for text in unknown if text.startswith("-")]
        hint = " A token is read from $INFINITY_TOKEN." if "--token" in names else ""
        parser.error(
            f"unknown option {', '.join(names)}; --help lists the options.{hint}"
            if names
            else "too many arguments; --help lists them."
        )
    return options


def _print_every_character() -> None:
    """Replace characters that the terminal's encoding lacks, instead of failing on them."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    if sys.stdout.isatty():
        sys.stdout = Terminal(sys.stdout)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="infinity-frames", description="Batches of synthetic data as pandas frames."
    )
    parser.add_argument(
        "--version", action="version", version=f"infinity-frames {version('infinity-frames')}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="render a small batch, label it, plot it")
    demo.add_argument("path", nargs="?", type=Path, default=Path("demo"))
    demo.set_defaults(run=engine.demo)
    _add_serve(commands)
    _add_engine_commands(commands)
    _add_job_commands(commands)
    _add_result_commands(commands)
    authoring.add_commands(commands)
    return parser


def _add_serve(commands: _Commands[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser("serve", help="run an engine in the foreground")
    _add_address(serve)
    _add_limits(serve)
    serve.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="json writes an object per line with the ids of job and batch (default: text)",
    )
    serve.add_argument(
        "--config", type=Path, metavar="FILE", help="a TOML file with these options by their names"
    )
    _add_home(serve)
    _add_database(serve)
    _add_archives(serve)
    serve.add_argument(
        "--runner",
        metavar="URL",
        default=os.environ.get("INFINITY_RUNNER"),
        help="dask://host:8786 to render on a Dask cluster (default: $INFINITY_RUNNER, else this "
        "machine)",
    )
    serve.set_defaults(run=engine.serve)


def _add_address(serve: argparse.ArgumentParser) -> None:
    add = serve.add_argument
    add("--host", default="127.0.0.1", help="address (default: this machine only)")
    add("--port", type=port, default=0, help="port (default: a free one)")
    add(
        "--allow-host",
        action="append",
        type=host_name,
        default=[],
        metavar="NAME",
        help="accept requests for this host name too, for example behind a proxy; repeatable",
    )
    add(
        "--tls-cert",
        type=Path,
        metavar="FILE",
        help="certificate chain (PEM): serve HTTPS, under the name of the first --allow-host",
    )
    add("--tls-key", type=Path, metavar="FILE", help="its private key (PEM), if in another file")


def _add_limits(serve: argparse.ArgumentParser) -> None:
    add = serve.add_argument
    add("--workers", type=positive, help="number of jobs at once (default: one per core)")
    add(
        "--idle-timeout",
        type=seconds,
        default=0.0,
        metavar="S",
        help="exit after S seconds without jobs and requests (default: never)",
    )
    add(
        "--job-timeout",
        type=seconds,
        metavar="S",
        help="fail a job after S seconds (default: what its generator states, or ten minutes plus "
        "5 s per sample)",
    )
    add(
        "--job-memory",
        type=megabytes,
        metavar="MB",
        help="fail a job that uses more (default: its share of 3/4 of the machine's memory)",
    )
    add(
        "--keep",
        type=duration,
        metavar="TIME",
        help="delete archives of jobs that finished longer ago, such as 30d (default: never)",
    )
    add(
        "--keep-bytes",
        type=size,
        metavar="SIZE",
        help="delete the oldest archives above this total, such as 200GB (default: never)",
    )


def _add_engine_commands(commands: _Commands[argparse.ArgumentParser]) -> None:
    stop = commands.add_parser("stop", help="stop the engine; its jobs continue at the next start")
    stop.set_defaults(run=engine.stop)

    status = commands.add_parser("status", help="show the engine, its queue and its generators")
    status.set_defaults(run=engine.status)

    pages = commands.add_parser("open", help="open the engine's pages in a browser, signed in")
    pages.add_argument(
        "--print",
        action="store_true",
        help="print the address instead; it works once, within two minutes",
    )
    pages.add_argument(
        "--server", help="address (default: $INFINITY_SERVER, else the running engine)"
    )
    pages.set_defaults(run=engine.open_pages)

    logs = commands.add_parser("logs", help="print the engine's log, or why a job failed")
    logs.add_argument("job", nargs="?", metavar="JOB_ID", help="print error and traceback of a job")
    logs.add_argument("--lines", type=lines, default=50, help="lines of the log (default: 50)")
    logs.set_defaults(run=engine.logs)

    token = commands.add_parser("token", help="print a new token, or list and revoke tokens")
    token.add_argument("name", nargs="?", help="account (default: the engine's own)")
    token.add_argument(
        "--samples", type=samples, metavar="N", help="meter the account, and grant it N more"
    )
    token.add_argument("--list", action="store_true", help="list the ids of all tokens")
    token.add_argument("--revoke", metavar="ID", help="revoke a token by its id")
    token.set_defaults(run=engine.token)

    clean = commands.add_parser("clean", help="delete the archives of old jobs from the engine")
    clean.add_argument("--keep", type=duration, metavar="TIME", help="keep jobs of the last TIME")
    clean.add_argument(
        "--keep-bytes", type=size, metavar="SIZE", help="keep the latest archives up to SIZE"
    )
    clean.add_argument("--dry-run", action="store_true", help="only report what would be deleted")
    clean.set_defaults(run=engine.clean)

    for command in (token, clean):
        _add_database(command)
    _add_archives(clean)
    for command in (stop, status, pages, logs, token, clean):
        _add_home(command)


def _add_job_commands(commands: _Commands[argparse.ArgumentParser]) -> None:
    listed = commands.add_parser("list", help="list batches, or the jobs of a batch")
    listed.add_argument("batch", nargs="?", metavar="BATCH_ID", help="list the jobs of this batch")
    listed.add_argument("--days", type=positive, default=7, help="batches of the last days (7)")
    listed.add_argument(
        "--server", help="address (default: $INFINITY_SERVER, else the running engine)"
    )
    _add_home(listed)
    _add_format(listed)
    listed.set_defaults(run=engine.list_batches)


def _add_result_commands(commands: _Commands[argparse.ArgumentParser]) -> None:
    sql = commands.add_parser("sql", help="run SQL on downloaded results")
    sql.add_argument("path", type=Path, help="a batch folder, or a folder of them")
    sql.add_argument("query", help="SQL over jobs, images, annotations, keypoints, ...")
    sql.add_argument("--files", action="store_true", help="let the query use your files too")
    _add_format(sql)
    sql.set_defaults(run=results.sql)

    export = commands.add_parser("export", help="write downloaded results as a data set")
    export.add_argument("path", type=Path, help="a batch folder, or a folder of them")
    export.add_argument("target", type=Path, help="the new folder")
    export.add_argument("--format", default="coco", help="coco, yolo, ... (default: coco)")
    export.set_defaults(run=results.export)

    verify = commands.add_parser("verify", help="check labels against masks, camera and video")
    verify.add_argument("path", type=Path, help="a batch folder, or a folder of them")
    _add_format(verify)
    verify.set_defaults(run=results.verify)


def _add_home(command: argparse.ArgumentParser) -> None:
    command.add_argument("--home", type=Path, help="the engine's folder")


def _add_database(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--database",
        metavar="URL",
        default=os.environ.get("INFINITY_DATABASE"),
        help="postgresql://... that engines may share (default: $INFINITY_DATABASE, else a file "
        "in the home); the environment keeps its password out of the list of processes",
    )


def _add_archives(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--archives",
        metavar="URL",
        default=os.environ.get("INFINITY_ARCHIVES"),
        help="s3://bucket/prefix or file:///folder for results (default: $INFINITY_ARCHIVES, else "
        "the home)",
    )


def _add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--format",
        choices=("table", "csv", "json", "parquet"),
        default="table",
        help="of the output (default: table)",
    )
