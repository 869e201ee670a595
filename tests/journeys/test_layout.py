"""The map of the code holds: no import circles, and the public names stay."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

import infinity_frames as inf
from infinity_frames import vis
from infinity_frames.accessor import InfinityAccessor
from scripts.import_graph import circles, graph, modules

# The accessor names the types that its verbs return, and these return frames with the accessor.
FRONT_DOOR = [
    "infinity_frames.accessor",
    "infinity_frames.batch",
    "infinity_frames.compat",
    "infinity_frames.frame",
    *(f"infinity_frames.verbs.{part}" for part in ("batches", "data_sets", "experiments", "jobs")),
    "infinity_frames.verbs.results",
]

NAMES = {
    "Batch", "Frame", "SenseFitSession", "Session", "SpillsSession", "VisionFitSession",
    "database", "errors", "generators", "query", "read_results", "start_engine", "stop_engine",
}  # fmt: skip
SESSION = {
    "account", "batch_from_api", "constraints", "default_job", "estimate_samples",
    "expand_overrides_across_each_preview_state", "expand_overrides_across_each_video_state",
    "generator", "get_batches_last_n_days", "get_usage_stats_last_n_days", "jobs",
    "parameter_info", "parameters", "random_job", "rest", "sample", "sample_input", "server",
    "spec", "submit", "validate_job_params",
}  # fmt: skip
BATCH = {
    "await_completion", "cancel", "download", "frame", "get_batch_data", "get_batch_summary_data",
    "get_completed_jobs", "get_job_params_seeded_for_rerun", "get_job_summary_data",
    "get_num_jobs_remaining", "get_valid_completed_jobs", "is_preview", "job_ids", "job_params",
    "num_jobs", "refresh",
}  # fmt: skip
VERBS = {
    "annotations", "await_completion", "batch", "cancel", "cuboids", "download", "estimate",
    "export", "fill", "images", "keypoints", "masks", "previews", "refresh", "retry", "run",
    "scenes", "seeded", "show", "split", "sql", "submit", "sweep", "timeseries", "valid",
    "validate", "verification", "verify", "violations", "visualize",
}  # fmt: skip
VIS = {
    "Annotation", "Annotator", "BoxAnnotator", "CuboidAnnotator", "FrameLabels", "Keypoint",
    "KeypointAnnotator", "Labels", "MaskAnnotator", "RepCountAnnotator", "SkeletonAnnotator",
    "TextAnnotator", "compare", "decode_rle", "display_video", "draw_labels",
    "get_subdirectories", "set_theme", "show", "summarize_batch_results_as_dataframe",
    "view_previews", "visualize_all_labels", "visualize_batch_results", "visualize_effect",
    "visualize_job_params", "visualize_joint", "visualize_timeseries", "visualize_videos",
}  # fmt: skip


def public(thing: object) -> set[str]:
    return {name for name, _ in inspect.getmembers_static(thing) if not name.startswith("_")}


@pytest.mark.slow
def test_no_imports_run_in_a_circle() -> None:
    assert [ring for ring in circles(graph(modules())) if ring != FRONT_DOOR] == []


def test_a_circle_would_be_found() -> None:
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set(), "e": {"a"}}
    assert circles(edges) == [["a", "b", "c"]]


def test_public_names_stay() -> None:
    assert set(inf.__all__) >= NAMES
    for name in inf.__all__:
        assert getattr(inf, name) is not None
    assert public(inf.Session) >= SESSION
    assert public(inf.Batch) >= BATCH
    assert public(InfinityAccessor) >= VERBS
    assert set(vis.__all__) >= VIS


def test_every_public_name_has_a_docstring() -> None:
    for thing in (inf.Session, inf.Batch, InfinityAccessor):
        for name in public(thing):
            member = inspect.getattr_static(thing, name)
            assert inspect.getdoc(member) or not callable(member), f"{thing.__name__}.{name}"
    assert isinstance(pd.DataFrame().infinity, InfinityAccessor)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("results", "data"),
        ("schemas", "protocol.schemas"),
        ("parameters", "protocol.parameters"),
    ],
)
def test_old_names_of_modules_still_import_with_a_warning(old: str, new: str) -> None:
    sys.modules.pop(f"infinity_frames.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"renamed to infinity_frames.{new}") as caught:
        exec(f"import infinity_frames.{old}")
    assert caught[0].filename == "<string>", "it points at the line that imports"
    assert sys.modules[f"infinity_frames.{old}"] is importlib.import_module(
        f"infinity_frames.{new}"
    )


def test_docs_name_paths_that_exist() -> None:
    root = Path(inf.__file__).parents[1]
    places = (root, root / "infinity_frames", root / "tests")
    texts = [*root.glob("*.md"), *root.glob("docs/*.md"), root / "tests/README.md"]
    missing, found = [], 0
    for text in texts:
        for path in re.findall(r"`([\w.*-]+/[\w./*-]*)`", text.read_text("utf-8")):
            if "myformat" in path:  # the example of CONTRIBUTING.md
                continue
            found += 1
            if not any(any(place.glob(path)) for place in (*places, text.parent)):
                missing.append(f"{text.name}: {path}")
    assert missing == []
    assert found > 50
