"""The queries of ``sql/``, run by name."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

import infinity_frames
from infinity_frames.errors import QueryError
from infinity_frames.results.sql import as_results, run_sql
from infinity_frames.schemas import Frame

__all__ = ["named_query", "query"]

# "--   $category = "person"   whom to look at": a parameter, with its default if it has one.
_PARAMETER = re.compile(r"^--\s+\$(?P<name>\w+)(?:\s*=\s*(?P<default>\S+))?\s", re.MULTILINE)


def query(name: str, path_or_results: str | Path | pd.DataFrame, **params: Any) -> Frame:
    """Run a query of ``sql/`` over a downloaded batch.

    Parameters
    ----------
    name : str
        The file's name without ``.sql``.
    path_or_results : path or DataFrame
        A folder as for :func:`read_results`, or a results frame, possibly filtered.
    **params
        The query's parameters; the comment at its top lists them with their defaults.

    Raises
    ------
    QueryError
        There is no query of that name, or it lacks a parameter.
    """
    text, defaults, takes = named_query(name)
    missing = [parameter for parameter in takes if parameter not in {**defaults, **params}]
    if missing:
        raise QueryError(
            f"The query {name} needs {', '.join(missing)}.",
            advice=f"Pass {', '.join(f'{parameter}=...' for parameter in missing)}.",
            query=name,
        )
    return run_sql(as_results(path_or_results), text, {**defaults, **params})


@cache
def named_query(name: str) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    """A query's text, the defaults of its parameters, and the names of all of them.

    Raises
    ------
    QueryError
        There is no query of that name.
    """
    files = {file.stem: file for file in _folder().glob("*.sql")}
    if name not in files:
        raise QueryError(
            f"There is no query {name!r}.",
            advice=f"There are: {', '.join(sorted(files))}.",
            query=name,
        )
    text = files[name].read_text(encoding="utf-8")
    found = list(_PARAMETER.finditer(text))
    defaults = {m["name"]: orjson.loads(m["default"]) for m in found if m["default"] is not None}
    return text, defaults, tuple(match["name"] for match in found)


def _folder() -> Path:
    package = Path(infinity_frames.__file__).parent
    # A wheel carries the queries inside the package; in a checkout they lie next to it.
    installed = package / "_sql"
    return installed if installed.is_dir() else package.parent / "sql"
