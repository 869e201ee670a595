"""``Frame``: the DataFrame type that the front door returns, with ``.infinity`` for editors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, cast

import pandas as pd

if TYPE_CHECKING:
    from infinity_frames.accessor import InfinityAccessor

    class Frame(pd.DataFrame):
        """A DataFrame whose ``.infinity`` editors and type checkers can see."""

        infinity: InfinityAccessor
else:
    Frame = pd.DataFrame

__all__ = ["Frame", "as_frame", "returning_frame"]

P = ParamSpec("P")


def as_frame(frame: pd.DataFrame) -> Frame:
    """Return the same frame, as the type that shows ``.infinity`` to editors."""
    return cast("Frame", frame)


def returning_frame(function: Callable[P, pd.DataFrame]) -> Callable[P, Frame]:
    """Return the same function, typed to return a `Frame`."""
    return cast("Callable[P, Frame]", function)
