"""Machine code of kernels is never older than their sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infinity_frames.engine.core.jit import compiled_once, machine_code_folder

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parents[2] / "infinity_frames/engine/core/jit.py"

CALLEE = "from kernels.core.jit import inlined\n\n\n@inlined\ndef value():\n    return {value}\n"
CALLER = (
    "from kernels.core.jit import kernel\nfrom kernels.render.callee import value\n\n\n"
    "@kernel\ndef twice():\n    return 2 * value()\n"
)


def run(folder: Path) -> tuple[int, int]:
    """The kernel's answer in a process of its own, and how many kernels it compiled for it."""
    code = (
        "import numba\nfrom numba.core import event\nfrom kernels.render.caller import twice\n"
        "with event.install_recorder('numba:compile') as recorder:\n    answer = twice()\n"
        "print(answer, len(recorder.buffer))\nassert not numba.config.CACHE_DIR\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    answer, compiled = done.stdout.split()
    return int(answer), int(compiled)


def test_a_change_in_what_a_kernel_calls_is_noticed(tmp_path: Path) -> None:
    package = tmp_path / "kernels"
    (package / "render").mkdir(parents=True)
    (package / "core").mkdir()
    shutil.copy(SOURCE, package / "core")
    (package / "render/caller.py").write_text(CALLER)
    (package / "render/callee.py").write_text(CALLEE.format(value=3))
    assert run(package.parent)[0] == 6
    assert run(package.parent) == (6, 0), "an unchanged kernel is loaded, not compiled"
    (package / "render/callee.py").write_text(CALLEE.format(value=5))
    assert run(package.parent)[0] == 10


def test_a_change_in_another_package_is_noticed(tmp_path: Path) -> None:
    # A user's generator with kernels of its own, outside of the engine.
    (tmp_path / "kernels/core").mkdir(parents=True)
    (tmp_path / "kernels/render").mkdir()
    shutil.copy(SOURCE, tmp_path / "kernels/core")
    users = tmp_path / "mine"
    users.mkdir()
    (users / "__init__.py").touch()
    (tmp_path / "kernels/render/caller.py").write_text("from mine.caller import twice\n")
    (users / "caller.py").write_text(CALLER.replace("kernels.render.callee", "mine.callee"))
    (users / "callee.py").write_text(CALLEE.format(value=3))
    assert run(tmp_path)[0] == 6
    assert run(tmp_path) == (6, 0), "an unchanged kernel is loaded, not compiled"
    (users / "callee.py").write_text(CALLEE.format(value=5))
    assert run(tmp_path)[0] == 10


def test_the_folder_is_one_that_can_be_written() -> None:
    assert os.access(machine_code_folder(), os.W_OK)


def test_getting_ready_is_done_once_for_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    machine_code_folder.cache_clear()
    try:
        done: list[int] = []

        def fails() -> None:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            compiled_once(fails)
        with pytest.raises(RuntimeError):
            compiled_once(fails)  # what did not end has not been done
        for _ in range(2):
            compiled_once(lambda: done.append(1))
        assert done == [1]
    finally:
        machine_code_folder.cache_clear()
