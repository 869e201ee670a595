"""Random draws that do not depend on each other.

Every draw is a pure function of the job's seed, a stream name, and what it is for (an entity, a
rep, a frame). Nothing shares a sequence, so changing one parameter changes only what it governs.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["stream"]


def stream(seed: int, name: str, *key: int) -> np.random.Generator:
    """Random generator of one decision.

    Parameters
    ----------
    seed : int
        The job's seed, 0 or more.
    name : str
        The decision, such as ``"rep_speed"``.
    *key : int
        For which one: the rep, the frame, the entity; 0 or more.

    Returns
    -------
    numpy.random.Generator
        The same for the same arguments, in every process; independent of every other.
    """
    digest = hashlib.sha256(name.encode()).digest()[:8]
    entropy = (seed, int.from_bytes(digest, "little"), *key)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
