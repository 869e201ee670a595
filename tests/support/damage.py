"""Documents and files as odd as they come: what the fuzzing tests damage things with."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

odd_numbers = st.sampled_from([0, -1, 2**31, 2**63, 2**64, -(2**70), 1e308, 0.5, -0.0])
odd_texts = st.sampled_from(
    [
        "",
        "x",
        "NaN",
        "1e400",
        "../../evil",
        "a\x00b",
        "\ud7ff",
        "é" * 300,
        "'; drop",
        "{}",
        "07",
        "JOB_ID",
        "Scene",
        "sample",
    ]
)
scalars = st.none() | st.booleans() | odd_numbers | odd_texts | st.integers() | st.text(max_size=5)
odd_json = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_texts, inner, max_size=3),
    max_leaves=6,
)


def places(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value of a JSON document."""
    below = node.items() if isinstance(node, dict) else enumerate(node)
    out = [here]
    for key, value in below:
        out += places(value, (*here, key)) if isinstance(value, dict | list) else [(*here, key)]
    return out


def damaged(draw: Any, document: Any) -> Any:
    """The document with one to three values replaced, removed or doubled; it is changed itself."""
    for _ in range(draw(st.integers(1, 3))):
        ways = places(document) if isinstance(document, dict | list) else [()]
        *way, last = draw(st.sampled_from(ways)) or (None,)
        if last is None:
            document = draw(odd_json)
            continue
        holder = document
        for key in way:
            holder = holder[key]
        action = draw(st.sampled_from(["replace", "remove", "double"]))
        if action == "replace":
            holder[last] = draw(odd_json)
        elif action == "remove":
            del holder[last]
        elif isinstance(holder, list):
            holder.append(holder[last])
        else:
            holder[draw(odd_texts)] = holder[last]
    return document


def damaged_json(draw: Any, content: bytes) -> bytes:
    """A JSON document with one to three values replaced, removed or doubled."""
    return json.dumps(damaged(draw, json.loads(content))).encode()


def damaged_bytes(draw: Any, content: bytes) -> bytes:
    """A file that was cut, or some of whose bytes were changed, removed or added."""
    at = draw(st.integers(0, max(len(content) - 1, 0)))
    size = draw(st.integers(0, 12))
    other = draw(st.binary(max_size=12) | st.just(b"NaN") | st.just(b"\xff\xfe"))
    kept: bytes = b"" if draw(st.booleans()) else content[at + size :]
    return content[:at] + bytes(other) + kept
