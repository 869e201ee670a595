"""Exports of the rendered results in every built-in format, shared by the tests of formats."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from pycocotools.coco import COCO
from real_results import rendered  # noqa: F401

from infinity_frames.data import export, read_results, split
from infinity_frames.data.exports.formats import BUILT_IN

PICTURE_FORMATS = [known.name for known in BUILT_IN if known.takes_pictures]


@pytest.fixture(scope="session")
def exported(rendered, tmp_path_factory):  # noqa: F811
    """Where a format of the rendered results was written to, in two parts, and its losses."""
    root = tmp_path_factory.mktemp("exported")
    divided = split(
        read_results(rendered, quiet=True), {"train": 0.7, "test": 0.3}, seed=1, exact=True
    )
    made = {}

    def get(name):
        if name not in made:
            losses = export(divided, root / name, name, quiet=True)
            made[name] = root / name, divided, losses
        return made[name]

    return get


def raw_labels(results):
    """Each job's labels as plain JSON."""
    return {
        row.job_id: json.loads(Path(row.path, "labels.json").read_bytes())
        for row in results.itertuples()
    }


def opened(path):
    with redirect_stdout(io.StringIO()):
        return COCO(str(path))
