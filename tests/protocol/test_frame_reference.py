"""The table reference describes every column of every frame, and the page is current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from infinity_frames.protocol.frame_reference import DESCRIPTIONS, FRAMES
from infinity_frames.protocol.schemas import KINDS

ROOT = Path(__file__).parents[2]


def test_every_column_has_a_unit_and_a_meaning():
    for kind in KINDS:
        assert FRAMES[kind.name].endswith(".")
        known = {**DESCRIPTIONS["any"], **DESCRIPTIONS[kind.name]}
        assert {*kind.columns, *kind.optional} <= known.keys()
        assert DESCRIPTIONS[kind.name].keys() <= {*kind.columns, *kind.optional}


def test_the_page_is_current():
    command = [sys.executable, "scripts/table_reference.py", "--check"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
