"""Run the notebooks from top to bottom and keep their outputs, fit for a code host.

    python -m scripts.notebooks [NAME ...]

Each runs in a folder of its own, on an embedded engine with a home of its own. Progress bars and
this machine's paths are removed from the stored outputs.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

import infinity_frames as inf

FOLDER = Path(__file__).parents[1] / "notebooks"
TIMEOUT_S = 240
_BAR = re.compile(r"\d+/\d+ \[|Starting the engine of this machine")


def run(path: Path, folder: Path, home: Path | None = None) -> nbformat.NotebookNode:
    """Run a notebook in a folder and return it with its outputs.

    Parameters
    ----------
    path : Path
        The notebook; it is not changed.
    folder : Path
        Where its files and the engine's home go; with those of an earlier run, nothing is
        rendered again.
    home : Path, optional
        Home of a running engine to use instead of one of its own.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell failed.
    """
    own_home, work = folder / "home", folder / "work"
    work.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "INFINITY_HOME": str(home or own_home)}
    environment.pop("INFINITY_SERVER", None)
    environment.pop("INFINITY_TOKEN", None)
    notebook = nbformat.read(path, as_version=4)
    try:
        with tempfile.TemporaryDirectory() as sockets:
            # Another program may take a free TCP port before the kernel does; files are its own.
            connection = {"transport": "ipc", "ip": f"{sockets}/kernel"}
            NotebookClient(
                notebook,
                config=Config({"ConnectionFileMixin": connection}),
                kernel_name="python3",
                timeout=TIMEOUT_S,
                startup_timeout=TIMEOUT_S,
                resources={"metadata": {"path": str(work)}},
            ).execute(env=environment)
    finally:
        inf.stop_engine(own_home)
    return notebook


def tidy(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Take out what belongs to this run or machine only: paths, bars, times."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        kept = []
        # A bar may arrive in pieces that do not look like a bar.
        told = "".join(output.text for output in cell.outputs if _is_stderr(output))
        bar = _BAR.search(told) is not None or not told.strip()
        shown = [output for output in cell.outputs if not (bar and _is_stderr(output))]
        for output in _joined(shown):
            texts = [output] if "text" in output else [output.get("data", {})]
            for holder in texts:
                for kind in ("text", "text/plain", "text/html"):
                    if kind in holder:
                        text = holder[kind].replace(f"{folder / 'work'}{os.sep}", "")
                        holder[kind] = text.replace("\r\n", "\n")  # of commands in a terminal
            kept.append(output)
        cell.outputs = kept


def _is_stderr(output: nbformat.NotebookNode) -> bool:
    return output.output_type == "stream" and output.name == "stderr"


def _joined(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Join output that was printed in pieces: the kernel sends it in as many pieces as time has
    it."""
    whole: list[nbformat.NotebookNode] = []
    for output in outputs:
        last = whole[-1] if whole else {}
        if output.get("name") == last.get("name") == "stdout":
            last["text"] += output.text
        else:
            whole.append(output)
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="of notebooks; all by default")
    names = parser.parse_args().names
    for path in sorted(FOLDER.glob("*.ipynb")):
        if names and path.stem not in names:
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch).resolve()
            notebook = run(path, folder)
            tidy(notebook, folder)
        nbformat.write(notebook, path)
        size = path.stat().st_size / 1e6
        print(f"{path.name}: {time.monotonic() - start:.0f} s, {size:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
