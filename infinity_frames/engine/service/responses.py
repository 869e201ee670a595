"""JSON responses, compressed where that pays."""

from __future__ import annotations

import re
import struct
import zlib
from typing import Any

import orjson
from fastapi import Request, Response

__all__ = ["compressed_json_response", "json_response"]

_GZIP = re.compile(r"\bgzip\b(?:\s*;\s*q=([01](?:\.\d{0,3})?))?", re.IGNORECASE)
_MIN_COMPRESSED_BYTES = 16 * 1024


def json_response(content: bytes | Any, status: int = 200) -> Response:
    """Build a JSON response from bytes of JSON or from an object."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Response(body, status, media_type="application/json")


def compressed_json_response(
    content: bytes, request: Request, incompressible_from: int | None = None
) -> Response:
    """Build a JSON response; compress it if it is long and the client accepts gzip.

    Parameters
    ----------
    content : bytes
        JSON.
    request : Request
        Its headers say whether the client accepts gzip.
    incompressible_from : int, optional
        Offset from which the content is random characters, which are sent uncompressed.
    """
    response = json_response(content)
    response.headers["Vary"] = "Accept-Encoding"
    accepted = _GZIP.search(request.headers.get("accept-encoding", ""))
    if len(content) < _MIN_COMPRESSED_BYTES or accepted is None or float(accepted[1] or 1) == 0:
        return response
    split = len(content) if incompressible_from is None else incompressible_from
    response.body = _gzip(content, split)
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(len(response.body))
    return response


def _gzip(content: bytes, split: int) -> bytes:
    """Build a gzip file; compress fast up to `split`, store the rest uncompressed."""
    pieces = [b"\x1f\x8b\x08" + bytes(6) + b"\xff"]
    for level, piece in ((1, content[:split]), (0, content[split:])):
        packer = zlib.compressobj(level, wbits=-zlib.MAX_WBITS)
        pieces += packer.compress(piece), packer.flush(zlib.Z_FULL_FLUSH)
    pieces += packer.flush(), struct.pack("<LL", zlib.crc32(content), len(content) % 2**32)
    return b"".join(pieces)
