"""Types of the command's arguments: each parses a text, or explains the expected format."""

from __future__ import annotations

import argparse
import re

__all__ = [
    "duration",
    "host_name",
    "lines",
    "megabytes",
    "port",
    "positive",
    "samples",
    "seconds",
    "size",
]

_MAX_SAMPLES = 2**53
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_BYTES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def positive(text: str) -> int:
    """Parse a whole number of 1 or more."""
    return _integer(text, 1, None, "1 or more")


def megabytes(text: str) -> int:
    """Parse a number of megabytes (2**20) as bytes."""
    return positive(text) * 2**20


def lines(text: str) -> int:
    """Parse a number of lines."""
    return _integer(text, 0, None, "0 or more")


def port(text: str) -> int:
    """Parse a port."""
    return _integer(text, 0, 65535, "0 to 65535")


def samples(text: str) -> int:
    """Parse a number of samples."""
    return _integer(text, 0, _MAX_SAMPLES, f"0 to {_MAX_SAMPLES}")


def seconds(text: str) -> float:
    """Parse a number of seconds."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError("must be 0 or more seconds")
    return value


def duration(text: str) -> float:
    """Parse a time such as ``30d``, ``12h`` or ``45m`` as seconds."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError("must be a number and s, m, h, d or w, such as 30d")
    return float(match[1]) * _SECONDS[match[2]]


def size(text: str) -> int:
    """Parse a size such as ``200GB`` or ``1.5T`` as bytes (powers of 1000)."""
    match = re.fullmatch(r"(\d{1,18}(?:\.\d+)?)\s*([KMGT]?)B?", text.strip().upper())
    if match is None:
        raise argparse.ArgumentTypeError("must be a number and KB, MB, GB or TB, such as 200GB")
    return int(float(match[1]) * _BYTES[match[2]])


def host_name(text: str) -> str:
    """Parse a host name."""
    if not re.fullmatch(r"[A-Za-z0-9.-]{1,253}", text):
        raise argparse.ArgumentTypeError("must be a host name without port, such as lab.example")
    return text


def _integer(text: str, least: int, most: int | None, expected: str) -> int:
    value = int(text)
    if value < least or (most is not None and value > most):
        raise argparse.ArgumentTypeError(f"must be {expected}")
    return value
