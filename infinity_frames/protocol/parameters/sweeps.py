"""Copies of jobs with some parameters changed, sharing the random decisions of their base."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any, Literal

import numpy as np
import pandas as pd

from infinity_frames.protocol.errors import FrameError
from infinity_frames.protocol.parameters.columns import (
    dtype_of,
    frame,
    is_missing,
    typed,
    with_index_columns,
)
from infinity_frames.protocol.parameters.draws import entropy_of
from infinity_frames.protocol.parameters.rules import sentence, unknown_parameter
from infinity_frames.protocol.schemas import TAG_PREFIX
from infinity_frames.protocol.spec import Generator

__all__ = ["BASE", "How", "jobs_of", "renewed", "reseeded", "seeded", "sweep"]

How = Literal["product", "zip"]
BASE = f"{TAG_PREFIX}base"
_STATE, _SEED = "state", "random_seed"


def jobs_of(generator: Generator, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the job parameters and tags of batch or results rows, without the other columns."""
    kept = [
        name
        for name in rows.columns
        if name in generator.by_name or str(name).startswith(TAG_PREFIX)
    ]
    out = rows[kept].copy()
    for name in generator.by_name:
        if name in out.columns:
            out[name] = typed(generator.by_name[name], out[name])
    return out


def seeded(generator: Generator, rows: pd.DataFrame) -> pd.DataFrame:
    """Return jobs that repeat submitted ones: ``state`` is the id of the job each row came from."""
    out = jobs_of(generator, rows)
    if _STATE in generator.by_name:
        out[_STATE] = rows["job_id"].astype("string")
    return out


def reseeded(generator: Generator, rows: pd.DataFrame, seed: int | None = None) -> pd.DataFrame:
    """Return jobs with the parameters of submitted ones and fresh random decisions."""
    out = jobs_of(generator, rows)
    if _STATE in out.columns:
        out[_STATE] = pd.Series(pd.NA, index=out.index, dtype="string")
    if _SEED in generator.by_name:
        out[_SEED] = _fresh_seeds(generator, out, seed)
    return out


def renewed(
    generator: Generator, rows: pd.DataFrame, n: int = 1, seed: int | None = None
) -> pd.DataFrame:
    """Copies of jobs with the same parameters and fresh random decisions.

    Parameters
    ----------
    generator : Generator
        Whose parameters.
    rows : DataFrame
        Jobs, batch or results rows.
    n : int
        Number of copies of each row; copies of a row are adjacent.
    seed : int, optional
        Makes the new ``random_seed`` values repeatable.

    Raises
    ------
    FrameError
        `n` is no whole number of at least 1.
    """
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise FrameError(f"Invalid number of copies {n!r}.", advice="Pass 1 or more.")
    entropy_of(seed)  # raises where it is no seed
    base = with_index_columns(generator, rows)
    base = jobs_of(generator, base) if "job_id" in rows.columns else frame(generator, base)
    if n > 1:
        base = base.iloc[np.repeat(np.arange(len(base)), int(n))].reset_index(drop=True)
    return reseeded(generator, base, seed)


def sweep(
    generator: Generator,
    rows: pd.DataFrame,
    how: How | pd.DataFrame | Sequence[Mapping[str, Any]] = "product",
    values: Mapping[str, Iterable[Any]] | None = None,
    *,
    seed: int | None = None,
) -> pd.DataFrame:
    """Return every row with every combination of other values.

    Copies of one row share its random decisions, so that they differ only in the swept parameters:
    a submitted row (one with a ``job_id``) through ``state``, any other through one
    ``random_seed``. ``tag_base`` says which row a copy came from.

    Parameters
    ----------
    generator : Generator
        Whose parameters.
    rows : DataFrame, n rows
        Jobs, batch or results rows.
    how : {"product", "zip"} or frame or list of dict
        All combinations of `values`; or their first, their second, ...; or the combinations
        themselves, a row each, in which a missing value leaves the base's.
    values : mapping of str to sequence
        The values each parameter takes.
    seed : int, optional
        Makes the ``random_seed`` of rows that have none repeatable.

    Returns
    -------
    DataFrame
        n x combinations jobs; a row's copies are adjacent, in the order of the combinations.

    Raises
    ------
    FrameError
        Nothing to sweep, a name that is no parameter, or sequences of different lengths to zip.
    """
    if isinstance(how, pd.DataFrame):
        how = with_index_columns(generator, how)
    rows = with_index_columns(generator, rows)
    overrides = _overrides(how, values or {})
    for name in overrides.columns:
        if name not in generator.by_name and not str(name).startswith(TAG_PREFIX):
            problem = sentence(unknown_parameter(generator, str(name)))
            raise FrameError(problem, parameter=str(name))
    base = seeded(generator, rows) if "job_id" in rows.columns else frame(generator, rows)
    base[BASE] = _labels(rows)
    base = _sharing(generator, base, seed)
    count = len(overrides)
    out = base.iloc[np.repeat(np.arange(len(base)), count)].reset_index(drop=True)
    for name in overrides.columns:
        column = pd.Series(overrides[name].tolist() * len(base), dtype="object", name=name)
        if name in out.columns and not isinstance(how, str):
            # Dicts that do not all name a parameter leave it as it was in the base.
            column = column.where(~is_missing(column), out[name].astype("object"))
        out[name] = column if name in generator.by_name else column.infer_objects()
    drafted = frame(generator, out)
    drafted.attrs = dict(rows.attrs)
    return drafted


def _overrides(how: Any, values: Mapping[str, Iterable[Any]]) -> pd.DataFrame:
    if isinstance(how, pd.DataFrame):
        out = how.reset_index(drop=True).astype("object")
    elif isinstance(how, str):
        columns = {name: _listed(items) for name, items in values.items()}
        out = pd.DataFrame(_combine(how, columns), columns=list(columns), dtype="object")
    elif isinstance(how, Mapping):
        raise FrameError(
            "sweep() takes no dict of values.",
            advice="Pass the values as keywords: sweep(camera_height=[0.5, 1.0]), or "
            "sweep(**values). A list of dicts gives the combinations themselves.",
        )
    else:
        out = pd.DataFrame(list(how), dtype="object")
    if not isinstance(how, str) and values:
        out = _crossed(out, values)
    if out.empty:
        raise FrameError(
            "There is nothing to sweep.",
            advice="Name parameters with their values, as camera_height=[0.5, 1.0, 1.5].",
        )
    return out


def _crossed(rows: pd.DataFrame, values: Mapping[str, Iterable[Any]]) -> pd.DataFrame:
    """Return every row with every combination of `values`."""
    twice = [name for name in values if name in rows.columns]
    if twice:
        raise FrameError(
            f"{twice[0]!r} is swept twice: in the rows and as a keyword.",
            advice="Give its values in one of the two places.",
            parameter=twice[0],
        )
    columns = {name: _listed(items) for name, items in values.items()}
    combinations = pd.DataFrame(_combine("product", columns), columns=list(columns), dtype="object")
    return rows.merge(combinations, how="cross") if len(rows.columns) else combinations


def _labels(rows: pd.DataFrame) -> pd.Series[Any]:
    """Return names of the rows that copies refer to: job ids, else labels of the index."""
    if "job_id" in rows.columns:
        labels = rows["job_id"].astype("string")
    elif isinstance(rows.index, pd.MultiIndex):
        texts = [", ".join(map(str, label)) for label in rows.index]
        labels = pd.Series(texts, index=rows.index, dtype="string")
    else:
        labels = pd.Series(rows.index.astype("string"), index=rows.index)
    return labels


def _listed(items: Iterable[Any]) -> list[Any]:
    return [items] if isinstance(items, str) or np.ndim(items) == 0 else list(items)  # type: ignore[arg-type]


def _combine(how: str, columns: Mapping[str, list[Any]]) -> list[tuple[Any, ...]]:
    if how == "product":
        return list(itertools.product(*columns.values())) if columns else []
    if how != "zip":
        raise FrameError(
            f"how={how!r} is not a way to combine values.",
            advice='Use "product" (all combinations) or "zip" (side by side).',
        )
    lengths = {name: len(items) for name, items in columns.items()}
    if len(set(lengths.values())) > 1:
        raise FrameError(
            f"Values to zip differ in number: {lengths}.",
            advice='Give each the same number, or use how="product".',
        )
    return list(zip(*columns.values(), strict=True))


def _sharing(generator: Generator, base: pd.DataFrame, seed: int | None) -> pd.DataFrame:
    """See to it that copies of a row share one seed."""
    if _SEED not in generator.by_name:
        return base
    if _SEED not in base.columns:
        base[_SEED] = pd.Series(pd.NA, index=base.index, dtype=dtype_of(generator.by_name[_SEED]))
    open_rows = is_missing(base[_SEED])
    if _STATE in base.columns:
        open_rows = open_rows & is_missing(base[_STATE])
    if open_rows.any():
        fresh = _fresh_seeds(generator, base, seed)
        base[_SEED] = base[_SEED].where(~open_rows, fresh)
    return base


def _fresh_seeds(generator: Generator, rows: pd.DataFrame, seed: int | None) -> pd.Series[Any]:
    parameter = generator.by_name[_SEED]
    low = 0 if parameter.min is None else int(parameter.min)
    high = 2**31 - 1 if parameter.max is None else int(parameter.max)
    drawn = np.random.default_rng(seed).integers(low, high, len(rows), endpoint=True)
    return pd.Series(drawn, index=rows.index, dtype="Int64", name=_SEED)
