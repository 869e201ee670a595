"""What IPython shows of an error: the user's lines and the message, without the package's."""

from __future__ import annotations

import pytest
from specs import KITCHEN

from infinity_frames.protocol import parameters
from infinity_frames.protocol.errors import FrameError, InvalidJobs


def show(code: str, capsys: pytest.CaptureFixture[str]) -> str:
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell.instance()
    shell.run_cell(code)
    return capsys.readouterr().out


def test_an_error_shows_the_line_of_the_cell(capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "from specs import KITCHEN\n"
        "from infinity_frames.protocol import parameters\n"
        "def mine(rows):\n"
        "    return parameters.validate(KITCHEN, parameters.frame(KITCHEN, rows))\n"
        "mine([{'heat': 9, 'servings': 'x'}] * 9)\n"
    )
    lines = show(code, capsys).splitlines()
    assert lines[:4] == [
        "In this cell, line 5:",
        "    mine([{'heat': 9, 'servings': 'x'}] * 9)",
        "In this cell, line 4:",
        "    return parameters.validate(KITCHEN, parameters.frame(KITCHEN, rows))",
    ]
    assert lines[4].startswith("InvalidJobs: 9 jobs broke a rule")
    assert lines[5].split() == ["label", "parameter", "rule", "value", "message"]
    assert lines[-1] == "... and 8 more rows in the error's .violations"
    assert len(lines) == 17


def test_an_error_without_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "from infinity_frames import errors\nraise errors.FrameError('Bad.', advice='Repair it.')"
    )
    assert show(code, capsys).splitlines()[-1] == "FrameError: Bad. Repair it."


def test_an_error_without_a_traceback() -> None:
    assert FrameError("Bad.")._render_traceback_() == ["FrameError: Bad."]
    found = parameters.violations(KITCHEN, parameters.frame(KITCHEN, [{"heat": 9}]))
    assert "heat" in InvalidJobs("Bad.", violations=found)._render_traceback_()[-1]
