"""Write docs/tables.md: every column of every frame with its type, unit and meaning.

Names and types come from the schemas, so the page cannot name a column that does not exist; a
column without a description is an error. ``python scripts/table_reference.py`` writes the page,
``--check`` fails if it is not current.
"""

from __future__ import annotations

import sys
from pathlib import Path

from infinity_frames.protocol.frame_reference import DESCRIPTIONS, FRAMES
from infinity_frames.protocol.schemas import KINDS, Kind

PAGE = Path(__file__).parents[1] / "docs" / "tables.md"

_INTRODUCTION = """\
# Tables

Every column of every frame. The page is written by `scripts/table_reference.py` from the schemas.

`float64` has NaN for a missing value, and `int64` is never missing. `Int64`, `Float64`, `boolean`
and `string` are pandas' nullable types: a missing value is `NA`. A category lists its usual values.
Frames may have more columns: the generator's parameters, your tags (`tag_...`), and further labels
of the file. In SQL the label tables have the same names and columns, and `jobs` is the results
frame.
"""


def page() -> str:
    """Render the page."""
    return "\n".join([_INTRODUCTION, *(_section(kind) for kind in KINDS)])


def _section(kind: Kind) -> str:
    lines = [f"## {kind.name}", "", FRAMES[kind.name], ""]
    lines += ["| column | type | unit | meaning |", "| --- | --- | --- | --- |"]
    lines += [_row(kind.name, name, _type(dtype)) for name, dtype in kind.columns.items()]
    lines += [
        _row(kind.name, name, f"{dtype}, where the data has it")
        for name, dtype in kind.optional.items()
    ]
    return "\n".join([*lines, ""])


def _row(kind: str, name: str, dtype: str) -> str:
    unit, meaning = DESCRIPTIONS[kind].get(name) or DESCRIPTIONS["any"][name]
    return f"| `{name}` | {dtype} | {unit} | {meaning} |"


def _type(dtype: str | tuple[str, ...]) -> str:
    return dtype if isinstance(dtype, str) else f"category: {', '.join(dtype)}"


def main() -> int:
    """Write the page, or with ``--check`` compare it."""
    text = page()
    if "--check" in sys.argv[1:]:
        is_current = PAGE.read_text(encoding="utf-8") == text
        if not is_current:
            print("docs/tables.md is not current: run python scripts/table_reference.py")
        return int(not is_current)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
