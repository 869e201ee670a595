"""Damaged results, read through the public readers: named, skipped, and nobody else's trouble.

``FUZZ=1000 pytest tests/data/test_results_fuzz.py -s`` tries that many damages of each layout and
prints how many of them were reported.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import label_factory as factory
import pandas as pd
import pytest
from damage import damaged_bytes, damaged_json
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import infinity_frames as inf
from infinity_frames.data import ResultsWarning, table
from infinity_frames.protocol.errors import InfinityError
from infinity_frames.protocol.schemas import (
    ANNOTATIONS,
    CATEGORIES,
    CUBOIDS,
    IMAGES,
    KEYPOINTS,
    RESULTS,
    SCENES,
    TIMESERIES,
)

EXAMPLES = int(os.environ.get("FUZZ", "15"))
ANY_DAMAGE = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
TABLES = (SCENES, IMAGES, ANNOTATIONS, KEYPOINTS, CUBOIDS, TIMESERIES, CATEGORIES)
CSV = ",time,acc_x,label\n0,0.0,1.5,a\n1,0.05,-2,\n"


def write_batch(root: Path) -> str:
    """Jobs of a batch, one of them with a series; the id of the one that will be damaged."""
    factory.write_batch(root, [{"id": name, "frames": 2} for name in ("good", "bad", "fine")])
    for name in ("good", "bad"):
        (root / name / "data.csv").write_text(CSV)
    return "bad"


def write_older(root: Path) -> str:
    """Job folders of the older names, without a batch record."""
    for number, name in enumerate(("bad", "good")):
        labels = factory.visionfit_labels(2, seed=number)
        factory.write_job(root / name, factory.params(), labels, old_names=True)
    return "bad"


def write_flat(root: Path) -> str:
    """A published data set: everything in one folder."""
    root.mkdir()
    for number in ("00000", "00001"):
        labels = factory.visionfit_labels(2, seed=int(number))
        (root / f"{number}_labels.json").write_text(json.dumps(labels))
        (root / f"{number}_params.json").write_text(json.dumps({"params": factory.params()}))
        (root / f"{number}.csv").write_text(CSV)
        (root / f"{number}.mp4").write_bytes(b"no video")
    return "00000"


LAYOUTS = {"batch": write_batch, "older": write_older, "flat": write_flat}


def damage(draw: Any, root: Path, victim: str) -> None:
    files = sorted(
        path
        for path in root.rglob("*")
        if path.suffix in (".json", ".csv")
        and (path.parent.name == victim or path.name.startswith(victim))
    )
    file = draw(st.sampled_from(files))
    content = file.read_bytes()
    if file.suffix == ".json" and draw(st.booleans()):
        file.write_bytes(damaged_json(draw, content))
    else:
        file.write_bytes(damaged_bytes(draw, content))


def read_all(root: Path) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Every kind of frame there is of a folder, and the problems told."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        results = inf.read_results(root, quiet=True)
        frames = {kind.name: table(results, kind.name) for kind in TABLES}
        with inf.database(results) as connection:
            for kind in TABLES:
                ((count,),) = connection.execute(f"select count(*) from {kind.name}").fetchall()
                assert count == len(frames[kind.name])
    assert {warning.category for warning in told} <= {ResultsWarning}, told
    return {"results": results, **frames}, [str(warning.message) for warning in told]


def of_others(frames: dict[str, pd.DataFrame], victim: str) -> dict[str, list[tuple[str, ...]]]:
    """What is said of the other jobs, in the columns that every frame of its kind has."""
    out = {}
    for kind in (RESULTS, *TABLES):
        frame = frames[kind.name]
        own = [name for name in kind.columns if name not in ("path", "video")]
        rows = frame.loc[~frame["job_id"].str.contains(victim), own]
        out[kind.name] = [tuple(map(str, row)) for row in rows.itertuples(index=False, name=None)]
    return out


@pytest.fixture(scope="module", params=list(LAYOUTS))
def undamaged(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("undamaged") / "run"
    victim = LAYOUTS[request.param](root)
    copy = root.parent / "read" / "run"
    shutil.copytree(root, copy)
    frames, told = read_all(copy)
    assert not told
    return root, victim, of_others(frames, victim)


@pytest.mark.slow
@pytest.mark.timeout(60 + EXAMPLES)
def test_one_damaged_job_is_nobody_elses_trouble(undamaged):
    root, victim, expected = undamaged
    assert all(expected[kind] for kind in ("results", "annotations", "keypoints", "categories"))
    outcomes: Counter[str] = Counter()

    @ANY_DAMAGE
    @given(st.data())
    def check(data):
        with TemporaryDirectory() as scratch:
            copy = Path(scratch, "run")
            shutil.copytree(root, copy)
            damage(data.draw, copy, victim)
            before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
            frames, told = read_all(copy)
            assert of_others(frames, victim) == expected
            assert all(victim in message for message in told)
            after = {path for path in Path(scratch).rglob("*") if path.is_file()}
            assert all(copy / ".infinity" in path.parents for path in after - before.keys())
            assert all(path.read_bytes() == content for path, content in before.items())
            outcomes["reported" if told else "read"] += 1

    check()
    print(f"\n{outcomes.total()} damaged jobs: {dict(outcomes)}")


@pytest.mark.slow
@pytest.mark.timeout(60 + EXAMPLES)
def test_a_damaged_record_of_the_batch_is_read_or_named(tmp_path):
    root = tmp_path / "run"
    write_batch(root)
    outcomes: Counter[str] = Counter()

    @ANY_DAMAGE
    @given(st.data())
    def check(data):
        with TemporaryDirectory() as scratch:
            copy = Path(scratch, "run")
            shutil.copytree(root, copy)
            record = copy / "batch.json"
            change = damaged_json if data.draw(st.booleans()) else damaged_bytes
            record.write_bytes(change(data.draw, record.read_bytes()))
            try:
                frames, told = read_all(copy)
            except InfinityError:
                outcomes["refused"] += 1
                return
            # What the labels say does not depend on the record.
            ids = set(frames["annotations"]["job_id"])
            assert ids <= set(frames["results"]["job_id"])
            outcomes["reported" if told else "read"] += 1

    check()
    print(f"\n{outcomes.total()} damaged records: {dict(outcomes)}")
