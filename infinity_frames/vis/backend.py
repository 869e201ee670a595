"""Imports matplotlib also where ``$MPLBACKEND`` names a backend that does not exist.

matplotlib reads the variable while it is imported and then fails, also for a table in HTML that
draws nothing.
"""

from __future__ import annotations

import importlib
import os
import sys

from infinity_frames.protocol.warnings import warn_user

__all__: list[str] = []


def _import_matplotlib() -> None:
    try:
        importlib.import_module("matplotlib")
    except ValueError:
        backend = os.environ.pop("MPLBACKEND", None)
        if backend is None:
            raise
        # Those of its modules that the failed import left would not be completed.
        for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
            del sys.modules[name]
        try:
            importlib.import_module("matplotlib")
        finally:
            os.environ["MPLBACKEND"] = backend
        warn_user(f"$MPLBACKEND names {backend!r}, which matplotlib does not have; it is ignored.")


_import_matplotlib()
