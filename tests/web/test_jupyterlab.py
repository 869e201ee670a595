"""JupyterLab in a real browser: explore() in a cell, and its selection back as a frame."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import vis_factory as factory
from browsing import needs_chromium
from engine_fixtures import eventually

pytestmark = [needs_chromium, pytest.mark.slow]

CELLS = (
    "import infinity_frames as inf\n"
    "results = inf.read_results('batch', quiet=True)\n"
    "results.infinity",
    "view = results.infinity.explore()\nview",
    "print('selected:', view.selected['job_id'].tolist())",
)
SETTINGS = ("--no-browser", "--allow-root", "--ServerApp.port=0", "--ServerApp.ip=127.0.0.1")


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """Address of a notebook in a JupyterLab of its own, beside a folder of results."""
    root = tmp_path_factory.mktemp("lab")
    for number, scene in enumerate(("GYM_1", "GYM_2", "GYM_1")):
        factory.make_job(root / "work" / "batch" / f"job-{number}", 2, scene=scene)
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(made, root / "work" / "loop.ipynb")
    _settings(root / "settings")
    places = {f"JUPYTER_{name}_DIR": str(root / name) for name in ("CONFIG", "RUNTIME", "DATA")}
    places |= {"JUPYTERLAB_SETTINGS_DIR": str(root / "settings"), "HOME": str(root)}
    places |= {"JUPYTERLAB_WORKSPACES_DIR": str(root / "workspaces")}
    token = secrets.token_hex(16)
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *SETTINGS],
            cwd=root / "work",
            env=os.environ | places | {"JUPYTER_TOKEN": token},
            stdout=log,
            stderr=log,
        )
    try:
        yield f"{_address(root / 'log', server)}lab/tree/loop.ipynb?reset&token={token}"
    finally:
        server.terminate()
        server.wait(30)


def _settings(folder: Path) -> None:
    """No questions, no requests to foreign hosts, and all cells rendered at once."""
    for name, values in {
        "apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false"},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }.items():
        path = folder / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


def _address(log: Path, server: subprocess.Popen[bytes]) -> str:
    """JupyterLab logs its address once it listens."""

    def found() -> str | None:
        assert server.poll() is None, log.read_text()
        match = re.search(r"(http://127\.0\.0\.1:\d+/)lab", log.read_text())
        return match and match[1]

    return str(eventually(found, 120))


def test_rows_selected_in_the_explorer_are_a_frame_in_the_next_cell(visit, notebook) -> None:
    page = visit.page
    page.goto(notebook)
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    cells.nth(2).wait_for()
    # A cell that is run before the kernel is there is not run at all.
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()

    def run(number: int) -> None:
        cells.nth(number).locator(".cm-content").click()
        page.keyboard.press("Control+Enter")

    run(0)
    table = page.frame_locator("iframe.infinity-table")
    table.get_by_role("button", name="scene").click()
    assert table.locator("tbody tr").count() == 3
    run(1)
    explorer = cells.nth(1).frame_locator("iframe")
    explorer.locator("body[data-ready]").wait_for()
    explorer.locator(".tile[data-row='1'] input").check()
    explorer.locator("body[data-sent='1']").wait_for()
    run(2)
    cells.nth(2).get_by_text("selected: ['job-1']").wait_for()
