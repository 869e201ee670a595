"""Every notebook runs from top to bottom, also twice, and reads well as it is kept."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from engine_fixtures import EngineProcess

from scripts.notebooks import FOLDER, run, tidy

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [
    "bring_your_own_generator",
    "close_the_loop",
    "explore_results_with_sql",
    "floor_masks_with_spills",
    "labels_you_can_trust",
    "parameter_sweep_demo",
    "sensor_series_with_sensefit",
    "submit_and_download_batch_demo",
    "train_on_an_export",
]
# It installs a generator, so it cannot use an engine that runs already.
STARTS_AN_ENGINE = "bring_your_own_generator"
MOST_BYTES = 1_500_000
SMALL = ("image_width=256,\n    image_height=256", "image_width=128,\n    image_height=128")
# What renders less and shows the same, in the cells that name it: pictures and motions are smaller
# and shorter, the steps and the kinds of outputs stay the same.
SHORTER = {
    "explore_results_with_sql": [SMALL, ("rel_baseline_speed=1.5", "rel_baseline_speed=3")],
    "floor_masks_with_spills": [
        ("seed=8, color=", "seed=8, image_width=224, image_height=224, color=")
    ],
    "labels_you_can_trust": [SMALL],
    "parameter_sweep_demo": [
        SMALL,
        ("image_width=512, image_height=512", "image_width=256, image_height=256"),
        ("rel_baseline_speed=1.6", "rel_baseline_speed=3"),
    ],
    "submit_and_download_batch_demo": [SMALL, ("rel_baseline_speed=1.2", "rel_baseline_speed=3")],
    "train_on_an_export": [("seed=3, color=", "seed=3, image_width=224, image_height=224, color=")],
}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks that have a short form run in it: fewer jobs, the same steps."""
    monkeypatch.setenv("NOTEBOOK_SIZE", "short")


def shorter(path: Path, folder: Path) -> Path:
    """Return a copy of a notebook that renders less."""
    notebook = nbformat.read(path, as_version=4)
    for long, short in SHORTER.get(path.stem, []):
        # The cell is found by the text: a notebook that no longer says it fails here.
        (cell,) = (one for one in notebook.cells if long in one.source)
        cell.source = cell.source.replace(long, short, 1)
    folder.mkdir(exist_ok=True)
    made = folder / path.name
    nbformat.write(notebook, made)
    return made


def texts(notebook: nbformat.NotebookNode) -> str:
    """All that a reader sees as text, pictures and videos left out."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found.append(output.get("text", ""))
            data = output.get("data", {})
            found += [data.get(kind, "") for kind in ("text/plain", "text/html")]
    return re.sub(r"data:[a-z/0-9]+;base64,[^\"]+", "", "\n".join(found))


def test_the_notebooks_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == NAMES


def check(path: Path, folder: Path, home: Path | None) -> None:
    """Run a notebook: it shows what is kept of it, and no path of this machine."""
    notebook = run(shorter(path, folder.with_name("short")), folder, home)
    tidy(notebook, folder)
    kept = nbformat.read(path, as_version=4)
    for fresh, cell in zip(notebook.cells, kept.cells, strict=True):
        kinds = [sorted(output.get("data", {})) for output in fresh.get("outputs", [])]
        assert kinds == [sorted(output.get("data", {})) for output in cell.get("outputs", [])]
    assert str(folder) not in texts(notebook)


@pytest.mark.parametrize("name", sorted({*NAMES} - {STARTS_AN_ENGINE}))
def test_a_notebook_runs_from_top_to_bottom(
    name: str, tmp_path: Path, studio: EngineProcess
) -> None:
    check(FOLDER / f"{name}.ipynb", tmp_path / "run", studio.home)


@pytest.mark.slow
def test_a_notebook_runs_twice_and_on_an_engine_that_it_starts(tmp_path: Path) -> None:
    for _ in range(2):
        check(FOLDER / f"{STARTS_AN_ENGINE}.ipynb", tmp_path / "run", None)


def test_what_was_printed_is_one_output_however_it_was_sent(tmp_path: Path) -> None:
    pieces = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in ("a ", "b\n")]
    warned = nbformat.v4.new_output("stream", name="stderr", text="a warning\n")
    cell = nbformat.v4.new_code_cell("", outputs=[*pieces, warned])
    tidy(nbformat.v4.new_notebook(cells=[cell]), tmp_path)
    assert [output.text for output in cell.outputs] == ["a b\n", "a warning\n"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_kept_outputs_read_well_on_a_code_host(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert path.stat().st_size < MOST_BYTES
    seen = texts(notebook)
    for leaked in ("/tmp", "/home", "/Users", "/root", "Traceback", "it/s]", "\r", "Bearer"):
        assert leaked not in seen, leaked
    assert any("image/jpeg" in o.get("data", {}) for cell in code for o in cell.outputs)
