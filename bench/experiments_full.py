"""Whether the verbs of experiments find what was planted, and whether data made by them helps.

Moving sprites are drawn in this process, by the generator of ``tests/support/sprites.py``; models
are scikit-learn's. Figures are means over seeds with 95 % bootstrap intervals.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from infinity_frames.experiments.breakpoints import _Bisection
from infinity_frames.experiments.contrasts import contrast
from infinity_frames.experiments.coverage import cover
from infinity_frames.experiments.designs import design, sample
from infinity_frames.experiments.sensitivity import sensitivity
from infinity_frames.experiments.slices import slices
from infinity_frames.protocol.spec import Generator, Parameter

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from sprites import Sprites, draw

SPEC = Sprites.spec
SEEDS = 10
BUDGETS = (20, 100)
BASE, PILOT, TEST = 600, 1000, 400
# The planted bias: in this corner, all sprites of the first training set are squares.
CORNER = "color == 'BLUE' and scale > 0.3"
PLANTED = {"color", "scale", "shape"}
PLAIN = {"distractors": 0, "image_size": 32, "frames": 1}
FIXED = {
    **PLAIN,
    "x": 0.5,
    "y": 0.5,
    "orientation": 0.0,
    "noise": 0.02,
    "scale": lambda rows, rng: rng.uniform(0.16, 0.4, len(rows)),
}


def records(jobs: pd.DataFrame) -> list[dict[str, Any]]:
    """A mapping per job."""
    return [{str(name): value for name, value in row.items()} for row in jobs.to_dict("records")]


def pictures(jobs: pd.DataFrame) -> NDArray[np.float32]:
    """The sprites of some jobs as rows of features: 16 x 16 RGB."""
    out = np.empty((len(jobs), 16 * 16 * 3), np.float32)
    for row, job in enumerate(records(jobs)):
        image = draw(job, int(job["random_seed"]), 0)[0].astype(np.float32)
        out[row] = image.reshape(16, 2, 16, 2, 3).mean((1, 3)).ravel()
    return out


def shapes(jobs: pd.DataFrame) -> NDArray[Any]:
    """The class of each sprite."""
    return jobs["shape"].astype(str).to_numpy()


def interval(values: list[float]) -> str:
    """Mean and 95 % bootstrap interval over seeds."""
    rng = np.random.default_rng(0)
    given = np.asarray(values, dtype=float)
    means = given[rng.integers(0, len(given), (4000, len(given)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{given.mean():.3g} [{low:.3g}, {high:.3g}]"


def fitted(parts: list[tuple[NDArray[np.float32], NDArray[Any]]], seed: int) -> Any:
    """A classifier of shapes."""
    x = np.concatenate([part for part, _ in parts])
    y = np.concatenate([labels for _, labels in parts])
    return ExtraTreesClassifier(100, random_state=seed, n_jobs=1).fit(x, y)


def biased(seed: int) -> pd.DataFrame:
    """A training set with the planted bias."""
    jobs = sample(SPEC, BASE, seed=seed, fixed=FIXED)
    corner = sample(
        SPEC, BASE // 5, seed=seed + 1, where=CORNER, fixed={**FIXED, "shape": "SQUARE"}
    )
    rest = jobs.query(f"not ({CORNER})")
    return pd.concat([rest, corner], ignore_index=True)


def mended(seed: int, budgets: tuple[int, ...] = BUDGETS) -> dict[str, Any]:
    """One run of the loop: accuracies by arm and budget, and the factors that were named.

    A biased model is judged on a pilot of labeled pictures, which nothing is trained on; slices of
    its errors say which jobs the targeted arm draws.
    """
    first = 1000 * seed
    base = biased(first)
    train = (pictures(base), shapes(base))
    model = fitted([train], seed)
    pilot = sample(SPEC, PILOT, seed=first + 2, fixed=FIXED)
    seen = pictures(pilot)
    right = (model.predict(seen) == shapes(pilot)).astype(float)
    fair = sample(SPEC, len(base), seed=first + 3, fixed=FIXED)
    fair_model = fitted([(pictures(fair), shapes(fair))], seed)
    loss = pilot.assign(loss=(fair_model.predict(seen) == shapes(pilot)) - right)
    factors = sensitivity(loss, "loss", resamples=20).query("p < 0.05")["factors"]
    rules = slices(pilot.assign(right=right), "right")["rule"].head(3).tolist() or [None]
    tests = [
        (pictures(rows), shapes(rows))
        for where, shift in ((CORNER, 6), (None, 7))
        for rows in [sample(SPEC, TEST, seed=first + shift, where=where, fixed=FIXED)]
    ]
    out: dict[str, Any] = {"named": {part for name in factors for part in name.split(":")}}
    arms: list[tuple[str, list[Any], int]] = [("none", [], 0)]
    arms += [("random", [None], n) for n in budgets] + [("targeted", rules, n) for n in budgets]
    for name, wheres, budget in arms:
        parts = [train]
        for place, where in enumerate(wheres):
            share = budget * (place + 1) // len(wheres) - budget * place // len(wheres)
            more = sample(SPEC, share, seed=first + 4, where=where, fixed=FIXED)
            parts.append((pictures(more), shapes(more)))
        used = fitted(parts, seed) if wheres else model
        out[f"{name} {budget}"] = [100 * float((used.predict(x) == y).mean()) for x, y in tests]
    return out


def targeted() -> Iterator[str]:
    """None, random and targeted data of the same size, for a classifier with a planted bias."""
    found = [mended(seed) for seed in range(SEEDS)]
    for name in found[0]:
        if name != "named":
            corner, everywhere = zip(*(one[name] for one in found), strict=True)
            yield (
                f"accuracy with {name} pictures, %: in the planted corner "
                f"{interval(list(corner))}, everywhere {interval(list(everywhere))}"
            )
    for budget in BUDGETS:
        lead = [one[f"targeted {budget}"][0] - one[f"random {budget}"][0] for one in found]
        target = ""
        if budget == BUDGETS[0]:
            target = f" (to reach: 25, {'ok' if np.mean(lead) > 25 else 'MISSED'})"
        yield f"targeted over random with {budget} pictures, points: {interval(lead)}{target}"
    missed = sum(len(PLANTED - one["named"]) for one in found)
    wrong = sum(len(one["named"] - PLANTED) for one in found)
    yield (
        f"planted factors {sorted(PLANTED)}: named {3 * SEEDS - missed} of {3 * SEEDS} times, "
        f"others named {wrong} times in {SEEDS} seeds"
    )


def pixels(jobs: pd.DataFrame, rng: np.random.Generator | None) -> tuple[Any, Any, list[int]]:
    """Features of pixels (color, local mean and spread) and whether they are the sprite's."""
    import cv2

    xs, ys, sizes = [], [], []
    for job in records(jobs):
        image, objects = draw(job, int(job["random_seed"]), 0)
        picture = np.clip(image, 0, 255).astype(np.float32)
        blur = cv2.blur(picture, (5, 5))
        spread = np.sqrt(np.maximum(cv2.blur(picture**2, (5, 5)) - blur**2, 0))
        x = np.concatenate([picture, blur, spread], axis=2).reshape(-1, 9)
        y = objects[-1].mask.ravel()
        kept = np.arange(len(y)) if rng is None else rng.choice(len(y), 120, replace=False)
        xs.append(x[kept])
        ys.append(y[kept])
        sizes.append(len(kept))
    return np.concatenate(xs), np.concatenate(ys), sizes


def ious(model: Any, jobs: pd.DataFrame) -> NDArray[np.float64]:
    """Mean IoU of sprite and background in each picture."""
    x, y, sizes = pixels(jobs, None)
    found = model.predict(x)
    out = []
    for start, size in zip(np.cumsum([0, *sizes[:-1]]), sizes, strict=True):
        a, b = found[start : start + size], y[start : start + size]
        both = [(a & b).sum() / max((a | b).sum(), 1), (~a & ~b).sum() / max((~a | ~b).sum(), 1)]
        out.append(np.mean(both))
    return np.array(out)


def segmentation() -> Iterator[str]:
    """The same for segmentation of scenes, by a model that saw plain backgrounds only."""
    fixed = {**PLAIN, "noise": 0.0}
    gained: dict[str, list[float]] = {"none": [], "random": [], "targeted": []}
    for seed in range(SEEDS):
        first, rng = 1000 * seed + 500, np.random.default_rng(seed)
        base = sample(SPEC, 120, seed=first, where="background < 0.3", fixed=fixed)
        x, y, _ = pixels(base, rng)
        model = ExtraTreesClassifier(60, random_state=seed, min_samples_leaf=2).fit(x, y)
        pilot = sample(SPEC, 400, seed=first + 1, fixed=fixed)
        found = slices(pilot.assign(iou=ious(model, pilot)), "iou")
        rule = str(found["rule"].iloc[0]) if len(found) else None
        test = sample(SPEC, 150, seed=first + 2, where="background > 0.7", fixed=fixed)
        gained["none"].append(float(ious(model, test).mean()))
        for name, where in (("random", None), ("targeted", rule)):
            more = sample(SPEC, 40, seed=first + 3, where=where, fixed=fixed)
            xm, ym, _ = pixels(more, rng)
            again = ExtraTreesClassifier(60, random_state=seed, min_samples_leaf=2)
            again.fit(np.concatenate([x, xm]), np.concatenate([y, ym]))
            gained[name].append(float(ious(again, test).mean()))
    yield "segmentation, mIoU on rich backgrounds: " + ", ".join(
        f"{name} {interval(values)}" for name, values in gained.items()
    )


def analytic() -> Iterator[str]:
    """Indices of Ishigami's and Sobol's function against their closed forms."""
    three = [Parameter(f"x{i}", "float", 0.0, min=-np.pi, max=np.pi) for i in (1, 2, 3)]
    a = np.array([0.0, 1.0, 4.5, 9.0])
    four = [Parameter(f"x{i + 1}", "float", 0.5, min=0.0, max=1.0) for i in range(4)]
    part = 1 / (3 * (1 + a) ** 2)
    variance = np.prod(1 + part) - 1
    total = part * np.prod(1 + part) / (1 + part) / variance

    def ishigami(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])

    def sobol_g(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.prod((np.abs(4 * x - 2) + a) / (1 + a), axis=1)

    cases: list[tuple[str, list[Parameter], Any, list[float], list[float]]] = [
        ("Ishigami", three, ishigami, [0.3139, 0.4424, 0.0], [0.5576, 0.4424, 0.2437]),
        ("Sobol g", four, sobol_g, (part / variance).tolist(), total.tolist()),
    ]
    for title, parameters, function, first, whole in cases:
        spec = Generator(f"{title.lower().replace(' ', '-')}-v1.0.0", "1.0.0", tuple(parameters))
        names = [p.name for p in parameters]
        inside = count = 0
        error = 0.0
        for seed in range(SEEDS):
            jobs = design(spec, "saltelli", 1024, seed=seed)
            scored = jobs.assign(y=function(jobs[names].to_numpy("float64")))
            found = sensitivity(scored, "y", method="sobol", seed=seed)
            for order, truth in (("first", first), ("total", whole)):
                rows = found[found["order"] == order].set_index("factors").loc[names]
                inside += int(((rows["ci_low"] <= truth) & (truth <= rows["ci_high"])).sum())
                count += len(names)
                error = max(error, float(np.abs(rows["share"] - truth).max()))
        yield (
            f"{title}: {inside} of {count} indices inside their 95 % intervals ({SEEDS} seeds, "
            f"1,024 base points), largest error {error:.3f}"
        )


def outcomes() -> Iterator[str]:
    """Jobs for cells of outcomes: how often they hit, against random draws."""
    ratios = []
    bins = {"visible": [0.0, 0.05, 0.1, 0.2, 0.3, 0.4], "contrast": [0.0, 20.0, 40.0, 80.0, 160.0]}
    for seed in range(SEEDS):
        known = _measured(sample(SPEC, 300, seed=40 + seed, fixed={"image_size": 32}))
        jobs = cover(SPEC, known, 100, list(bins), bins=bins, seed=seed, pool=8000)
        made = _measured(jobs.assign(image_size=32))
        hit = [len(part.query(str(rule))) for rule, part in made.groupby("tag_cell")]
        chance = _measured(sample(SPEC, 1000, seed=90 + seed, fixed={"image_size": 32}))
        shares = jobs["tag_cell"].value_counts(normalize=True)
        random = sum(
            share * len(chance.query(str(rule))) / len(chance) for rule, share in shares.items()
        )
        ratios.append(sum(hit) / len(made) / max(random, 1 / len(chance)))
    verdict = "ok" if np.mean(ratios) >= 3 else "MISSED"
    yield f"cover hits cells of outcomes, times random: {interval(ratios)} (to reach: 3, {verdict})"


def _measured(jobs: pd.DataFrame) -> pd.DataFrame:
    """What came of each sprite: its share of the picture, and its distance from the background."""
    visible, apart = [], []
    for job in records(jobs):
        picture, objects = draw(job, int(job["random_seed"]), 0)
        mask = objects[-1].mask
        visible.append(mask.mean())
        known = mask.any() and not mask.all()
        apart.append(
            np.abs(picture[mask].mean(0) - picture[~mask].mean(0)).mean() if known else np.nan
        )
    return jobs.assign(visible=visible, contrast=apart)


def breakpoints() -> Iterator[str]:
    """Bisection against an exhaustive sweep of every hundredth of the range."""
    fixed = {**FIXED, "noise": lambda rows, rng: rng.uniform(0, 0.3, len(rows))}
    jobs = sample(SPEC, 100, seed=7, fixed=FIXED)
    train = sample(SPEC, 800, seed=8, fixed=fixed)
    model = fitted([(pictures(train), shapes(train))], 0)

    def confident(rows: pd.DataFrame) -> NDArray[np.float64]:
        at = pd.Index(model.classes_).get_indexer(shapes(rows))
        return np.asarray(model.predict_proba(pictures(rows))[np.arange(len(rows)), at])

    low, high, steps = 0.0, 0.3, 101
    values = np.linspace(low, high, steps)
    every = jobs.loc[np.repeat(jobs.index, steps)].assign(noise=np.tile(values, len(jobs)))
    right = confident(every).reshape(len(jobs), steps) >= 0.4
    flips = (right[:, 1:] != right[:, :-1]).sum(1)
    search = _Bisection(len(jobs), low, high, 4, (high - low) / 100, False, 0.4, "low")
    while len((wanted := search.wanted())[0]):
        at, chosen = wanted
        rows = jobs.iloc[at].assign(noise=chosen)
        search.told(at, chosen, confident(rows))
    found = search.frame()
    one = (flips == 1) & found["breakpoint"].notna().to_numpy()
    truth = values[np.argmax(right[:, 1:] != right[:, :-1], axis=1)] + (high - low) / 200
    error = np.abs(found["breakpoint"].to_numpy() - truth)[one] / (high - low)
    renders = found["renders"].sum() / (len(jobs) * steps)
    yield (
        f"breakpoints of {one.sum()} rows with one change: largest error {100 * error.max():.2g} % "
        f"of the range, {100 * renders:.1f} % of the renders of a sweep of {steps} values"
    )
    said = found["verdict"].value_counts().to_dict()
    yield f"verdicts: {said}; rows of several changes in the sweep: {(flips > 1).sum()}"


def pairing() -> Iterator[str]:
    """How many times fewer renders a paired comparison needs."""
    train = sample(SPEC, 800, seed=3, fixed=FIXED)
    model = fitted([(pictures(train), shapes(train))], 0)
    jobs = sample(SPEC, 300, seed=4, fixed=FIXED)
    parts = []
    for value in (0.2, 0.8):
        rows = jobs.assign(background=value, tag_base=[str(i) for i in range(len(jobs))])
        at = pd.Index(model.classes_).get_indexer(shapes(rows))
        scores = model.predict_proba(pictures(rows))[np.arange(len(rows)), at]
        parts.append(rows.assign(confidence=scores))
    found = contrast(pd.concat(parts), "background", "confidence").iloc[0]
    yield (
        f"pairing: {found['pairing']:.1f} times fewer renders for the same standard error "
        f"(difference {found['difference']:.3f} [{found['ci_low']:.3f}, {found['ci_high']:.3f}])"
    )


def large() -> Iterator[str]:
    """100,000 rows of 12 parameters."""
    jobs = sample(SPEC, 100_000, seed=1)
    rng = np.random.default_rng(0)
    bad = (jobs["scale"] < 0.12) & (jobs["color"] == "RED")
    scored = jobs.assign(score=rng.normal(0.8, 0.2, len(jobs)) - 0.5 * bad.to_numpy(bool))
    for name, verb in (("slices", slices), ("sensitivity", sensitivity)):
        start, used = time.perf_counter(), time.process_time()
        found = verb(scored, "score")
        first = found.iloc[0]["rule" if name == "slices" else "factors"]
        yield (
            f"{name} of 100,000 rows: {time.perf_counter() - start:.1f} s, of which "
            f"{time.process_time() - used:.1f} s of one core (first: {first})"
        )


def run() -> Iterator[str]:
    """Every proof on sprites and known functions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        works = (large, pairing, breakpoints, targeted, outcomes, segmentation, analytic)
        for work in works:
            start = time.perf_counter()
            yield from work()
            yield f"    {work.__name__}: {time.perf_counter() - start:.0f} s"
