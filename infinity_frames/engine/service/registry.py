"""The installed generators, found by their entry points.

A package adds a generator with an entry point in the group ``infinity_frames.generators`` that has
the generator's name and points to its class.
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from infinity_frames.engine.core.author_errors import explain
from infinity_frames.engine.generators.base import Generator
from infinity_frames.engine.service import forks
from infinity_frames.engine.service.loading import load_entry
from infinity_frames.engine.service.outcomes import clean_text
from infinity_frames.engine.service.plugin_calls import PluginCalls, PluginHangs
from infinity_frames.engine.service.plugin_host import HostedGenerator, PluginFailed
from infinity_frames.protocol.errors import UnknownGenerator

__all__ = ["broken_generators", "generator", "isolate_packages", "usable_generators"]

_GROUP = "infinity_frames.generators"
_BUILT_IN = "infinity_frames."
# A generator that failed to load is tried again after this time: its package may be repaired.
_RETRY_S = 10.0
# One whose import hangs keeps others waiting while it is tried.
_RETRY_HANGING_S = 600.0
_ERROR_LENGTH = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Broken:
    reason: str
    retry: float
    """When it is tried again, on the clock of `time.monotonic`."""


_loaded: dict[str, Generator | _Broken] = {}
_loading = threading.RLock()
_calls = PluginCalls(slots=1)
_isolated = False


def isolate_packages() -> None:
    """Run the code of installed packages in processes of its own from now on.

    The engine calls this; a worker, which is a supervised process itself, does not.
    """
    global _isolated
    _isolated = True
    if not all(entry.value.startswith(_BUILT_IN) for entry in entry_points(group=_GROUP)):
        # It is ready when the engine asks for the first description.
        forks.ensure_server()


def generator(name: str) -> Generator:
    """Return the generator of that name; one object per process.

    Raises
    ------
    UnknownGenerator
        No package declares it, or it cannot be loaded; the message says why and names the others.
    """
    with _loading:
        found = _loaded.get(name)
        if found is None or isinstance(found, _Broken):
            # Only this one: another package whose import hangs must not keep workers waiting.
            found = _load_installed(name).get(name)
    if isinstance(found, _Broken):
        raise UnknownGenerator(
            f"The generator {name!r} is installed but cannot be used: {found.reason}",
            advice="Repair or update its package; the engine then tries it again.",
        )
    if found is None:
        available = ", ".join(usable_generators()) or "none, no package declares one"
        raise UnknownGenerator(f"Unknown generator {name!r}.", advice=f"Available: {available}.")
    return found


def usable_generators() -> dict[str, Generator]:
    """Return every generator that can be used, by name, including newly installed ones."""
    found = _load_installed()
    return {name: one for name, one in found.items() if not isinstance(one, _Broken)}


def broken_generators() -> dict[str, str]:
    """Return the names of installed generators that cannot be used, with the reasons."""
    return {name: one.reason for name, one in _load_installed().items() if isinstance(one, _Broken)}


def _load_installed(only: str | None = None) -> dict[str, Generator | _Broken]:
    """Scan the installed packages and load the generators that are new or due for a retry."""
    with _loading:
        importlib.invalidate_caches()
        entries = {entry.name: entry for entry in entry_points(group=_GROUP)}
        for name in _loaded.keys() - entries.keys():
            del _loaded[name]
        for name, entry in entries.items():
            if only not in (None, name):
                continue
            known = _loaded.get(name)
            if known is None or (isinstance(known, _Broken) and time.monotonic() > known.retry):
                _loaded[name] = _load(entry)
        return dict(sorted(_loaded.items()))


def _load(entry: EntryPoint) -> Generator | _Broken:
    try:
        if _isolated and not entry.value.startswith(_BUILT_IN):
            return HostedGenerator(entry, _calls.limit)
        return _calls.run(entry.name, lambda: load_entry(entry))
    except BaseException as error:
        # Foreign code may raise anything, SystemExit too; the other generators must still work.
        _log.exception("the generator %s of %s cannot be used", entry.name, entry.value)
        hangs = isinstance(error, PluginHangs)
        reason = str(error) if isinstance(error, PluginHangs | PluginFailed) else explain(error)
        retry = time.monotonic() + (_RETRY_HANGING_S if hangs else _RETRY_S)
        return _Broken(clean_text(reason, _ERROR_LENGTH), retry)
