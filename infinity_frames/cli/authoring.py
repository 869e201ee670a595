"""The commands for authors of generators: ``new-generator`` and ``check``."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from infinity_frames.launcher import require_engine
from infinity_frames.protocol.errors import InfinityError, RenderError

if TYPE_CHECKING:
    from infinity_frames.engine.generators.base import Generator

__all__ = ["add_commands", "find_generator"]

_GROUP = "infinity_frames.generators"


def add_commands(commands: Any) -> None:
    """Add the commands to those of ``infinity-frames``.

    Parameters
    ----------
    commands : argparse subparsers
    """
    new = commands.add_parser("new-generator", help="write the package of a new generator")
    new.add_argument("name", help="lower case letters, digits and underscores")
    new.add_argument("--path", type=Path, default=Path(), help="where (default: this folder)")
    new.set_defaults(run=_new_generator)

    check = commands.add_parser("check", help="test whether a generator meets the requirements")
    check.add_argument("name", help="an installed generator, or MODULE:CLASS")
    check.add_argument("--jobs", type=int, default=3, help="random jobs to render (default: 3)")
    check.add_argument("--seed", type=int, default=0, help="seed of these jobs (default: 0)")
    check.add_argument(
        "--seconds", type=float, help="longest time for a job (default: its generator's, or 60)"
    )
    check.set_defaults(run=_check)


def find_generator(name: str) -> Generator:
    """Load a generator by its name, by its name without a version, or by ``module:Class``.

    Parameters
    ----------
    name : str
        Without a version, the newest one is loaded.

    Returns
    -------
    Generator

    Raises
    ------
    InfinityError
        No package declares it, or it fails to load; the message gives file and line.
    """
    require_engine()
    from infinity_frames.engine.core.author_errors import explain

    try:
        if ":" in name:
            if os.getcwd() not in sys.path:
                sys.path.insert(0, os.getcwd())
            module, _, attribute = name.partition(":")
            made: Generator = getattr(importlib.import_module(module), attribute)()
        else:
            made = _entry(name).load()()
    except InfinityError:
        raise
    except Exception as error:
        raise RenderError(
            f"The generator {name!r} cannot be loaded: {explain(error)}.",
            advice="Fix that line; the entry point must name a class that takes no arguments.",
        ) from None
    return made


def _entry(name: str) -> EntryPoint:
    entries = {entry.name: entry for entry in entry_points(group=_GROUP)}
    versions = [one for one in entries if one == name or one.rpartition("-v")[0] == name]
    if not versions:
        raise RenderError(
            f"Unknown generator {name!r}.",
            advice=(
                f"Available: {', '.join(sorted(entries)) or 'none'}. Install its package with "
                "`pip install -e .`, or name the class as MODULE:CLASS."
            ),
        )
    return entries[max(versions, key=_version)]


def _version(name: str) -> list[int]:
    return [int(part) for part in name.rpartition("-v")[2].split(".") if part.isdigit()]


def _new_generator(options: argparse.Namespace) -> None:
    from infinity_frames.generators.scaffold import new_generator

    target = new_generator(options.name, options.path)
    print(f"wrote {target}; next: pip install -e {target} && infinity-frames check {options.name}")


def _check(options: argparse.Namespace) -> None:
    generator = find_generator(options.name)
    from infinity_frames.generators.conformance import check

    found = check(generator, jobs=options.jobs, seed=options.seed, seconds=options.seconds)
    for row in found.to_dict("records"):
        verdict = "skipped" if pd.isna(row["passed"]) else "passed" if row["passed"] else "FAILED"
        print(f"{verdict:8}{row['check']:12}{row['ensures']}")
        if row["message"]:
            print(f"{'':20}{row['message']}")
    failed = int((~found["passed"].fillna(False)).sum())
    if failed:
        raise RenderError(f"{failed} of {len(found)} checks failed.")
