"""Exports of the rendered results in every built-in format, shared by the tests of formats."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pycocotools.coco import COCO
from real_results import rendered  # noqa: F401

from infinity_frames.data import export, read_results, split
from infinity_frames.data.exports.formats import BUILT_IN

Exported = tuple[Path, pd.DataFrame, pd.DataFrame]
PICTURE_FORMATS = [known.name for known in BUILT_IN if known.takes_pictures]


@pytest.fixture(scope="session")
def exported(
    rendered: Path,  # noqa: F811 - the fixture
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Exported]:
    """Where a format of the rendered results was written to, in two parts, and its losses."""
    root = tmp_path_factory.mktemp("exported")
    divided = split(
        read_results(rendered, quiet=True), {"train": 0.7, "test": 0.3}, seed=1, exact=True
    )
    made: dict[str, Exported] = {}

    def get(name: str) -> Exported:
        if name not in made:
            losses = export(divided, root / name, name, quiet=True)
            made[name] = root / name, divided, losses
        return made[name]

    return get


def raw_labels(results: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Each job's labels as plain JSON."""
    return {
        job_id: json.loads(Path(path, "labels.json").read_bytes())
        for job_id, path in zip(results["job_id"], results["path"], strict=True)
    }


def opened(path: Path) -> COCO:
    with redirect_stdout(io.StringIO()):
        return COCO(str(path))
