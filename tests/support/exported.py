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
from shared_work import made_once, run_folder

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
    root = run_folder(tmp_path_factory) / "exported"
    divided = split(
        read_results(rendered, quiet=True), {"train": 0.7, "test": 0.3}, seed=1, exact=True
    )

    def get(name: str) -> Exported:
        def write(folder: Path) -> None:
            export(divided, folder / "data", name, quiet=True).to_pickle(folder / "losses.pickle")

        made = made_once(root / name, write)
        return made / "data", divided, pd.read_pickle(made / "losses.pickle")

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
