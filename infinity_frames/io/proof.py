"""Proof that a server is the engine of a home: an HMAC with a key that lies in the home.

A client sends a nonce before it sends its token. Only a program that can read the home can answer,
and the answer holds for one port, so that a program on another port cannot pass it on.
"""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["MAX_NONCE", "PROOF_PATH", "proof"]

PROOF_PATH = "/api/proof/"
MAX_NONCE = 128


def proof(key: bytes, nonce: str, port: int) -> str:
    """HMAC-SHA256 of a nonce and the port that the engine listens on, as hexadecimal text."""
    return hmac.new(key, f"infinity-engine:{port}:{nonce}".encode(), hashlib.sha256).hexdigest()
