"""Import a module when it is first used, so that importing the package stays fast."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["LazyModule"]


class LazyModule(ModuleType):
    """Stand in for a module and import it when an attribute is read.

    Parameters
    ----------
    name : str
        Full name of the module.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)
