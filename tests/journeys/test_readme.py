"""The README's tour runs as it stands, top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.usefixtures("embedded_studio")
def test_the_tour(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) >= 6
    for _ in range(2):  # as in a notebook that is run again
        names: dict[str, Any] = {}
        for block in blocks:
            exec(compile(block, str(README), "exec"), names)
    assert len(names["videos"]) == 2
    assert (names["people"]["area"] >= 0).all()
    assert names["results"]["status"].eq("completed").all()
