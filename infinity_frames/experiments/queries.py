"""Rules over columns, written as ``DataFrame.query`` takes them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from infinity_frames.protocol.errors import FrameError, nearest

__all__ = ["bounds", "conjuncts", "matching", "names_in"]

_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
    ast.Eq: ast.Eq,
}


def matching(frame: pd.DataFrame, rule: str) -> NDArray[np.bool_]:
    """Which rows a rule holds for; a missing value satisfies no comparison.

    Raises
    ------
    FrameError
        The rule cannot be read, names an unknown column, or is not a condition.
    """
    plain = pd.DataFrame({name: _plain(frame[name]) for name in frame.columns})
    try:
        found = plain.eval(rule, engine="python", local_dict={}, global_dict={})
    except Exception as error:  # pandas raises whatever its parser and operators raise
        missing = [name for name in names_in(rule) if name not in frame.columns]
        advice = nearest(missing[0], map(str, frame.columns)) if missing else _ADVICE
        what = f"there is no column {missing[0]}" if missing else str(error)
        raise FrameError(
            f"The rule {rule!r} cannot be applied: {what}.", advice=advice, rule=rule
        ) from None
    held = np.asarray(found)
    if held.shape != (len(frame),) or held.dtype != bool:
        raise FrameError(f"The rule {rule!r} is not a condition.", advice=_ADVICE, rule=rule)
    return held


_ADVICE = "Write it as for DataFrame.query: camera_height > 2.1 and exercise == 'PLANK'."


def _plain(values: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers as float64 and texts as objects: comparisons with missing values are False."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return (
            values.astype("object").where(values.notna(), None)
            if values.hasnans
            else (values.astype(bool))
        )
    if pd.api.types.is_numeric_dtype(values.dtype):
        return pd.Series(values.to_numpy("float64", na_value=np.nan), index=values.index)
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.astype("object")
    if isinstance(values.dtype, pd.StringDtype):
        return values.astype("object").where(values.notna(), None)
    return values


def conjuncts(rule: str) -> list[str]:
    """Parts of a rule that all must hold; the whole rule if it is of another form."""
    try:
        tree = ast.parse(rule.strip(), mode="eval").body
    except SyntaxError:
        return [rule]
    return [ast.unparse(part) for part in _parts(tree)]


def _parts(tree: ast.expr) -> Iterator[ast.expr]:
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        for value in tree.values:
            yield from _parts(value)
    else:
        yield tree


def names_in(rule: str) -> list[str]:
    """Column names that a rule reads, in order."""
    try:
        tree = ast.parse(rule.strip(), mode="eval")
    except SyntaxError:
        return []
    return list(dict.fromkeys(n.id for n in ast.walk(tree) if isinstance(n, ast.Name)))


def bounds(conjunct: str, name: str) -> tuple[float, float] | None:
    """Return the interval that a comparison such as ``1 < x <= 2`` leaves to `name`.

    None if unknown.
    """
    tree = ast.parse(conjunct, mode="eval").body
    if not isinstance(tree, ast.Compare):
        return None
    low, high = -np.inf, np.inf
    terms = [tree.left, *tree.comparators]
    for left, operator, right in zip(terms, tree.ops, terms[1:], strict=False):
        kind = type(operator)
        if _is(right, name):
            left, right = right, left
            if kind not in _FLIPPED:
                return None
            kind = _FLIPPED[kind]
        value = _number(right)
        if not _is(left, name) or value is None:
            return None
        if kind in (ast.Gt, ast.GtE, ast.Eq):
            low = max(low, value)
        if kind in (ast.Lt, ast.LtE, ast.Eq):
            high = min(high, value)
        if kind not in _FLIPPED:
            return None
    return low, high


def _is(tree: ast.expr, name: str) -> bool:
    return isinstance(tree, ast.Name) and tree.id == name


def _number(tree: ast.expr) -> float | None:
    try:
        value = ast.literal_eval(tree)
    except ValueError:
        return None
    return float(value) if isinstance(value, int | float) else None
