"""Jobs of designed experiments (Saltelli, Morris), and the analysis of their results."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from infinity_frames.experiments.extra import library
from infinity_frames.experiments.factors import numbers
from infinity_frames.experiments.sampling import free_parameters
from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, nearest
from infinity_frames.protocol.parameters.draws import quantiles, sensible
from infinity_frames.protocol.spec import Generator

__all__ = ["analyze", "design", "read_design"]


def design(
    spec: Generator,
    kind: Literal["saltelli", "morris"],
    n: int,
    *,
    by: Sequence[str] | None = None,
    seed: int = 0,
    fixed: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Return jobs of a design for ``sensitivity(method="sobol")`` or ``"morris"``.

    Parameters
    ----------
    spec : Generator
        Whose parameters.
    kind : {"saltelli", "morris"}
        Saltelli (2010): n (k + 2) jobs for k factors, n a power of 2. Morris (1991): n (k + 1)
        jobs, n trajectories.
    n : int
        Base sample or number of trajectories.
    by : sequence of str, optional
        The factors; all that are drawn by default. The others take their usual draws, the same for
        all rows.
    seed : int
        The same seed, the same jobs.
    fixed : mapping, optional
        Values of other parameters.

    Returns
    -------
    DataFrame
        Jobs with the tags of their place in the design.

    Raises
    ------
    FrameError
        The kind or a factor is unknown, or design points break joint rules of the generator.
    """
    if kind not in ("saltelli", "morris"):
        raise FrameError(f"Unknown design {kind!r}.", advice="Available: saltelli, morris.")
    free = {p.name: p for p in free_parameters(spec, set(fixed or {}))}
    names = list(free) if by is None else list(by)
    for name in names:
        if name not in free:
            raise FrameError(f"{name} is not drawn.", advice=nearest(name, free))
    problem = {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}
    if kind == "saltelli":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a base sample that is no power of 2
            draw = library("SALib.sample.sobol").sample
            cube = draw(problem, n, calc_second_order=False, seed=seed)
    else:
        cube = library("SALib.sample.morris").sample(problem, n, seed=seed)
    cube = np.clip(cube, 0.0, np.nextafter(1.0, 0.0))
    held = parameters.sample(spec, 1, seed=seed, fixed=fixed)
    rest = {p.name: held[p.name].iloc[0] for p in spec.parameters if p.name not in names}
    rest = {name: value for name, value in rest.items() if pd.notna(value)}
    points = {
        name: quantiles(free[name], sensible(free[name]), cube[:, column])
        for column, name in enumerate(names)
    }
    out = pd.DataFrame({**points, **{k: [v] * len(cube) for k, v in rest.items()}})
    out = parameters.frame(spec, out)
    broken = parameters.violations(spec, out)
    if len(broken):
        raise FrameError(
            f"{broken['position'].nunique()} of {len(out)} design points break a joint rule: "
            f"{broken['message'].iloc[0]}.",
            advice="Leave one of its parameters out of by=.",
        )
    out["tag_design"] = f"{kind}:{len(cube)}:{','.join(names)}"
    out["tag_design_row"] = np.arange(len(cube))
    if kind == "morris":
        out["tag_design_point"] = [" ".join(map(repr, row.tolist())) for row in cube]
    return out


def analyze(
    frame: pd.DataFrame, metric: str, method: str, resamples: int, seed: int
) -> pd.DataFrame:
    """Analyze the rows of a Saltelli or Morris design, in the design's order.

    Parameters
    ----------
    frame : DataFrame
        Rows of :func:`design` with the metric.
    metric : str
        A number or bool.
    method : {"sobol", "morris"}
        The analysis.
    resamples : int
        Bootstrap resamples behind the intervals.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        As of :func:`infinity_frames.experiments.sensitivity.sensitivity`.

    Raises
    ------
    FrameError
        The rows are no design, one of another kind, or incomplete.
    """
    for name in ("tag_design", "tag_design_row", metric):
        if name not in frame.columns:
            raise FrameError(
                f"method={method!r} needs the rows of a design, and there is no column {name}.",
                advice="Make the jobs with session.design(), or use method='anova'.",
            )
    rows = frame.copy()
    rows["tag_design_row"] = rows["tag_design_row"].astype("int64")
    rows[metric] = numbers(rows[metric])
    y = rows.groupby("tag_design_row")[metric].mean()
    kind, names, count = read_design(str(rows["tag_design"].iloc[0]))
    if kind != {"sobol": "saltelli", "morris": "morris"}[method]:
        raise FrameError(f"These rows are a {kind} design; method={method!r} cannot analyze it.")
    if len(y) != count or y.isna().any():
        raise FrameError(
            f"The design has {count} rows, and {int(y.notna().sum())} of them have {metric}.",
            advice="Retry the failed jobs, or use method='anova', which needs no complete design.",
        )
    values = y.sort_index().to_numpy()
    problem = {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}
    module = library(f"SALib.analyze.{'sobol' if method == 'sobol' else 'morris'}")
    parts = []
    if method == "sobol":
        found = module.analyze(
            problem, values, calc_second_order=False, num_resamples=resamples, seed=seed
        )
        for order, key in (("first", "S1"), ("total", "ST")):
            parts.append(_indices(names, order, found[key], found[f"{key}_conf"], len(values)))
    else:
        x = np.array([[float(v) for v in text.split()] for text in _points(rows)], dtype=float)
        found = module.analyze(problem, x, values, num_resamples=resamples, seed=seed)
        parts.append(_indices(names, "total", found["mu_star"], found["mu_star_conf"], len(values)))
        parts[0]["direction"] = np.where(np.asarray(found["mu"]) > 0, "up", "down")
    out = pd.concat(parts).sort_values("share", ascending=False).reset_index(drop=True)
    out.attrs["sensitivity"] = {
        "metric": metric,
        "method": method,
        "n": len(values),
        "noise_floor": None,
        "explained": None,
    }
    return out


def _points(rows: pd.DataFrame) -> list[str]:
    unique = rows.drop_duplicates("tag_design_row").sort_values("tag_design_row")
    return [str(text) for text in unique["tag_design_point"]]


def _indices(names: list[str], order: str, share: Any, margin: Any, n: int) -> pd.DataFrame:
    share, margin = np.asarray(share, float), np.asarray(margin, float)
    return pd.DataFrame(
        {
            "factors": names,
            "order": order,
            "share": share,
            "ci_low": share - margin,
            "ci_high": share + margin,
            "p": np.nan,
            "effect": np.nan,
            "direction": "mixed",
            "n": n,
        }
    )


def read_design(text: str) -> tuple[str, list[str], int]:
    """Kind, factors and number of rows of a design from its tag."""
    kind, count, names = text.split(":", 2)
    return kind, names.split(","), int(count)
