"""Methods whose keywords an editor completes although their signature cannot name them."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

__all__ = ["completing"]

F = TypeVar("F", bound=Callable[..., Any])


def completing(names: Callable[[Any], Iterable[Any]]) -> Callable[[F], F]:
    """Let IPython offer further keywords of a method with ``**keywords``.

    Parameters
    ----------
    names : callable
        Takes the instance and returns the keywords. It is called only when a signature is read.
    """

    def decorate(function: F) -> F:
        return cast("F", _Completing(function, names))

    return decorate


class _Completing:
    """A method as a descriptor; bound to an instance it knows the instance's keywords."""

    def __init__(self, function: Callable[..., Any], names: Callable[[Any], Iterable[Any]]) -> None:
        self.__doc__, self.__name__ = function.__doc__, function.__name__
        self.__wrapped__ = function
        self._function, self._names = function, names

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self._function if instance is None else _Bound(self._function, instance, self._names)


class _Bound:
    """A bound method with a signature of its own."""

    def __init__(
        self,
        function: Callable[..., Any],
        instance: Any,
        names: Callable[[Any], Iterable[Any]],
    ) -> None:
        self.__doc__, self.__name__ = function.__doc__, function.__name__
        self.__qualname__, self.__module__ = function.__qualname__, function.__module__
        self.__func__, self.__self__ = function, instance
        self._names = names

    def __call__(self, *values: Any, **keywords: Any) -> Any:
        return self.__func__(self.__self__, *values, **keywords)

    def __repr__(self) -> str:
        return f"<bound method {self.__qualname__} of {self.__self__!r}>"

    def __dir__(self) -> list[str]:
        return dir(self.__func__)

    @property
    def __signature__(self) -> inspect.Signature:
        signature = inspect.signature(self.__func__.__get__(self.__self__))
        known = list(signature.parameters.values())
        taken = set(signature.parameters)
        more = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
            for name in dict.fromkeys(self._names(self.__self__))
            if isinstance(name, str)
            and name.isidentifier()
            and not keyword.iskeyword(name)
            and name not in taken
        ]
        rest = [p for p in known if p.kind is inspect.Parameter.VAR_KEYWORD]
        first = [p for p in known if p.kind is not inspect.Parameter.VAR_KEYWORD]
        return signature.replace(parameters=[*first, *more, *rest])
