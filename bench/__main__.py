"""Run every benchmark, or those named: ``python -m bench [jobs engine ...]``.

``load`` takes minutes and runs only when it is named.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time

import bench

TOOLS = {"__main__", "measure", "stub", "blazepose"}
LONG = {"load", "realism"}
"""Run only when named."""


def main() -> None:
    """Print a line per work."""
    works = sorted(m.name for m in pkgutil.iter_modules(bench.__path__) if m.name not in TOOLS)
    chosen = sys.argv[1:] or [work for work in works if work not in LONG]
    unknown = sorted(set(chosen) - set(works))
    if unknown:
        sys.exit(f"Unknown benchmark {', '.join(unknown)}. Available: {', '.join(works)}.")
    for work in chosen:
        start = time.perf_counter()
        print(f"\n{work}", flush=True)
        for line in importlib.import_module(f"bench.{work}").run():
            print(f"  {line}", flush=True)
        print(f"  ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
