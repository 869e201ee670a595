"""The folder an embedded engine lives in, as both sides of the protocol see it.

The engine writes it; clients only read ``engine.json`` and ``token``. The file names are defined
here so that neither side imports the other.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

__all__ = ["Home"]


@dataclass(frozen=True)
class Home:
    """Paths inside an engine's home.

    Parameters
    ----------
    path : Path
        The folder; it need not exist.
    """

    path: Path

    @classmethod
    def at(cls, path: str | os.PathLike[str] | None = None) -> Home:
        """Return the home at `path`, else ``$INFINITY_HOME``, else the user-data folder."""
        chosen = path or os.environ.get("INFINITY_HOME")
        if chosen:
            return cls(Path(chosen).expanduser().absolute())
        return cls(platformdirs.user_data_path("infinity-frames", appauthor=False))

    @property
    def address_file(self) -> Path:
        """Where a running engine says how to reach it."""
        return self.path / "engine.json"

    @property
    def token_file(self) -> Path:
        """The engine's own token, mode 0600."""
        return self.path / "token"

    @property
    def owner_lock(self) -> Path:
        """Held by the one engine of this home for as long as it lives."""
        return self.path / "engine.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the one client that is starting an engine here."""
        return self.path / "start.lock"

    @property
    def stopped_file(self) -> Path:
        """There from a stop that was asked for until the next start: nobody else starts it."""
        return self.path / "stopped"

    @property
    def log_file(self) -> Path:
        """What an engine started by a client writes to its standard output and error."""
        return self.path / "engine.log"

    @property
    def database_file(self) -> Path:
        """Batches, jobs and accounts."""
        return self.path / "engine.sqlite"

    @property
    def key_file(self) -> Path:
        """The key that signs result URLs, mode 0600."""
        return self.path / "signing.key"

    @property
    def proof_key_file(self) -> Path:
        """The key with which the engine proves its identity to clients, mode 0600."""
        return self.path / "proof.key"

    @property
    def results(self) -> Path:
        """Finished archives, one zip per job."""
        return self.path / "results"

    @property
    def scratch(self) -> Path:
        """Jobs being rendered; beside the results, so that a finished one is moved, not copied."""
        return self.path / "scratch"

    def address(self) -> dict[str, Any] | None:
        """Return what a running engine wrote: ``url``, ``pid`` and ``version``.

        None without an engine.
        """
        try:
            found = json.loads(self.address_file.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        match found:
            # A process id of 0 or -1 stands for many processes in a signal.
            case {"url": str(), "pid": int(pid), "version": str()} if pid > 1:
                return dict(found)
        return None
