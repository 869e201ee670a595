"""Machine code of the renderer's kernels is never older than their sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from infinity_frames.engine.render._jit import machine_code_folder

PACKAGE = Path(__file__).parents[1] / "infinity_frames/engine/render"

CALLEE = "from kernels._jit import inlined\n\n\n@inlined\ndef value():\n    return {value}\n"
CALLER = (
    "from kernels._jit import kernel\nfrom kernels.callee import value\n\n\n"
    "@kernel\ndef twice():\n    return 2 * value()\n"
)


def run(folder: Path) -> tuple[int, int]:
    """The kernel's answer in a process of its own, and how many kernels it compiled for it."""
    code = (
        "import numba\nfrom numba.core import event\nfrom kernels.caller import twice\n"
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
    package.mkdir()
    shutil.copy(PACKAGE / "_jit.py", package / "_jit.py")
    (package / "__init__.py").touch()
    (package / "caller.py").write_text(CALLER)
    (package / "callee.py").write_text(CALLEE.format(value=3))
    assert run(package.parent)[0] == 6
    assert run(package.parent) == (6, 0), "an unchanged kernel is loaded, not compiled"
    (package / "callee.py").write_text(CALLEE.format(value=5))
    assert run(package.parent)[0] == 10


def test_the_folder_is_one_that_can_be_written() -> None:
    assert os.access(machine_code_folder(), os.W_OK)
