"""Progress: a line drawn over again in a terminal, few lines in a log, nothing for short work."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from infinity_frames.io.progress import busy, progress

WORK = """
import time
from infinity_frames.io.progress import progress
with progress(3, "jobs", delay=0.1) as bar:
    for _ in range(3):
        for _ in range(20):
            bar.set_postfix_str("compiling", refresh=False)
            bar.update(0)
            time.sleep(0.01)
        bar.update()
"""


def test_a_log_gets_the_first_and_the_last_state(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(50, "jobs", delay=0.05) as bar:
        for _ in range(50):
            time.sleep(0.01)
            bar.update()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("jobs: ")
    assert lines[1].startswith("jobs: 50 of 50 after ")
    assert "\r" not in "".join(lines)


def test_short_or_quiet_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for options in ({"delay": 5.0}, {"delay": 0.0, "quiet": True}):
        with progress(2, "jobs", **options) as bar:  # type: ignore[arg-type]
            bar.update(2)
    assert capsys.readouterr().err == ""


def test_a_long_step_without_parts_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with busy("Thinking", delay=0.05):
        time.sleep(0.3)
    with busy("Blinking", delay=30.0):
        pass
    first, last = capsys.readouterr().err.splitlines()
    assert first == "Thinking ..."
    assert last.startswith("Thinking: done after ")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_terminal_gets_a_bar_on_one_line() -> None:
    import termios

    here, there = os.openpty()
    termios.tcsetwinsize(there, (24, 80))
    subprocess.run([sys.executable, "-c", WORK], stderr=there, check=True, timeout=60)
    os.close(there)
    shown = b""
    try:
        while chunk := os.read(here, 65536):
            shown += chunk
    except OSError:  # the other end is closed: all of it has been read
        pass
    os.close(here)
    text = shown.decode()
    assert text.count("\n") == 1
    assert text.count("\r") > 2
    assert "3/3" in text
    assert "compiling" in text
