"""The engine's log on standard error: lines of text, or JSON objects for log collectors."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Literal

import orjson

__all__ = ["LogFormat", "set_up_logging"]

LogFormat = Literal["text", "json"]
# Ids that a message is about, given to the logger as `extra`.
_IDS = ("job", "batch")


class _JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message; ids and traceback where known."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: getattr(record, name) for name in _IDS if getattr(record, name, None)}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        # Lone surrogates of undecodable file names cannot be written as UTF-8.
        clean = {name: text.encode("utf-8", "replace").decode() for name, text in entry.items()}
        return orjson.dumps(clean).decode()


def set_up_logging(format_: LogFormat) -> None:
    """Write the log of this process to standard error."""
    handler = logging.StreamHandler()
    if format_ == "json":
        handler.setFormatter(_JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
