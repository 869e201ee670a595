"""The wheel holds what an installed package needs, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from shared_work import made_once, run_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in a wheel built from this checkout."""

    def build(folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
        # With the extra test's own hatchling, instead of one that pip would download for it.
        subprocess.run([*command, "--no-build-isolation", str(ROOT)], check=True, timeout=250)

    folder = made_once(run_folder(tmp_path_factory) / "wheel", build)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        return archive.namelist()


@pytest.mark.slow
def test_every_module_and_data_file_is_in_the_wheel(wheel: list[str]) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "infinity_frames"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    missing = sorted(set(listed.stdout.split()) - set(wheel))
    assert missing == []
    queries = {f"infinity_frames/_sql/{path.name}" for path in (ROOT / "sql").glob("*.sql")}
    assert queries <= set(wheel)


@pytest.mark.slow
def test_nothing_else_is_in_the_wheel(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"infinity_frames"}
    assert not [name for name in wheel if "__pycache__" in name or name.endswith(".zip")]
