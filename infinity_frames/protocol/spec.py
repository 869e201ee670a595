"""Description of a generator: parameters, joint rules, and how sensible values are drawn.

The one truth about parameters. The engine publishes a :class:`Generator` as JSON, the client reads
it back, and everything that checks, fills or draws job parameters works from it. Rules and sampling
are data, never code, so that a server can describe a generator that the client does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, isfinite
from typing import Any, Literal, get_args

from infinity_frames.protocol.errors import SpecError

__all__ = [
    "Choice",
    "Conditional",
    "Constant",
    "Constraint",
    "Generator",
    "Joint",
    "Linear",
    "Normal",
    "Parameter",
    "ParameterType",
    "Sampling",
    "Scalar",
    "Uniform",
    "constraint_from_json",
    "sampling_from_json",
]

ParameterType = Literal["int", "float", "str", "bool", "uuid"]
Scalar = bool | int | float | str


@dataclass(frozen=True)
class Constant:
    """Always the same value."""

    value: Scalar

    def to_json(self) -> dict[str, Any]:
        """Return the sampling as the protocol writes it."""
        return {"distribution": "constant", "value": self.value}


@dataclass(frozen=True)
class Uniform:
    """Uniform between two inclusive ends; whole numbers for an ``int`` parameter."""

    min: float
    max: float

    def to_json(self) -> dict[str, Any]:
        """Return the sampling as the protocol writes it."""
        return {"distribution": "uniform", "min": self.min, "max": self.max}


@dataclass(frozen=True)
class Normal:
    """Normal, kept to the parameter's own range."""

    mean: float
    std: float

    def to_json(self) -> dict[str, Any]:
        """Return the sampling as the protocol writes it."""
        return {"distribution": "normal", "mean": self.mean, "std": self.std}


@dataclass(frozen=True)
class Choice:
    """One of several values, equally likely unless weighted."""

    values: tuple[Scalar, ...]
    weights: tuple[float, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the sampling as the protocol writes it."""
        out: dict[str, Any] = {"distribution": "choice", "values": list(self.values)}
        if self.weights is not None:
            out["weights"] = list(self.weights)
        return out


@dataclass(frozen=True)
class Joint:
    """Rows of several parameters drawn together; stands on each of the parameters it names."""

    parameters: tuple[str, ...]
    rows: tuple[tuple[Scalar, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the sampling as the protocol writes it."""
        rows = [list(row) for row in self.rows]
        return {"distribution": "joint", "parameters": list(self.parameters), "values": rows}


Sampling = Constant | Uniform | Normal | Choice | Joint


def sampling_from_json(data: Mapping[str, Any] | None) -> Sampling | None:
    """Read a parameter's ``sampling``; a distribution this version does not know reads as None.

    A newer server may publish distributions that this version does not know, or encode them
    differently. Drawing
    from the whole range is then still right, only less sensible, so this is no error.
    """
    match data or {}:
        case {"distribution": "constant", "value": value} if _scalars([value]):
            return Constant(value)
        case {"distribution": "uniform", "min": low, "max": high} if _numbers([low, high]):
            return Uniform(low, high) if low <= high else None
        case {"distribution": "normal", "mean": mean, "std": std} if _numbers([mean, std]):
            return Normal(mean, std) if std >= 0 else None
        case {"distribution": "choice", "values": values, **more} if values and _scalars(values):
            weights = more.get("weights")
            if weights is None:
                return Choice(tuple(values))
            weighed = _numbers(weights) and len(weights) == len(values)
            fair = weighed and min(weights) >= 0 and 0 < sum(weights) < inf
            return Choice(tuple(values), tuple(weights)) if fair else None
        case {"distribution": "joint", "parameters": names, "values": rows}:
            whole = _texts(names) and isinstance(rows, list) and len(rows) > 0
            if whole and all(_scalars(row) and len(row) == len(names) for row in rows):
                return Joint(tuple(names), tuple(tuple(row) for row in rows))
    return None


def _scalars(values: Any) -> bool:
    """Return whether this is a list of possible values of a parameter; numbers must be finite."""
    return isinstance(values, list | tuple) and all(
        isinstance(value, bool | int | str) or (isinstance(value, float) and isfinite(value))
        for value in values
    )


def _numbers(values: Any) -> bool:
    return _scalars(values) and not any(isinstance(value, bool | str) for value in values)


def _texts(values: Any) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a generator.

    Parameters
    ----------
    name : str
        Column name in a jobs frame, key in a job's ``param_values``.
    type : {"int", "float", "str", "bool", "uuid"}
        Type of its values.
    default : scalar or None
        Taken where a job leaves the parameter unspecified; None means "decided by the generator".
    min, max : float or None
        Inclusive range.
    choices : tuple of scalars or None
        The only values allowed.
    unit : str or None
        Unit of the value, ``"m"`` or ``"deg"``.
    description : str
        One sentence about its effect.
    sampling : Sampling or None
        How a sensible random value is drawn, where that is not the whole range.
    groups : mapping of str to tuple of str
        Names for groups of choices when sampling: ``"PRESS"`` for every press.
    extension : bool
        Whether the parameter is an extension of the public protocol: servers list and fill it only
        for clients that announce that they know extensions.
    """

    name: str
    type: ParameterType
    default: Scalar | None = None
    min: float | None = None
    max: float | None = None
    choices: tuple[Scalar, ...] | None = None
    unit: str | None = None
    description: str = ""
    sampling: Sampling | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    extension: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the parameter as ``GET /api/jobs/{generator}/`` lists it."""
        options = {
            "min": self.min,
            "max": self.max,
            "choices": None if self.choices is None else list(self.choices),
        }
        present = {key: value for key, value in options.items() if value is not None}
        out: dict[str, Any] = {
            "name": self.name,
            "type": self.type,
            "default_value": self.default,
            "options": present or None,
            "description": self.description,
        }
        if self.unit is not None:
            out["unit"] = self.unit
        if self.sampling is not None:
            out["sampling"] = self.sampling.to_json()
        if self.groups:
            out["groups"] = {name: list(members) for name, members in self.groups.items()}
        if self.extension:
            out["extension"] = True
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Parameter:
        """Read a parameter; any of the options may be absent.

        Raises
        ------
        SpecError
            The description has no name, an unknown type, or limits, choices or a default that are
            not values of the type.
        """
        name: Any = data.get("name") if _mapping(data) else None
        kind: Any = data.get("type") if _mapping(data) else None
        if not isinstance(name, str) or not name or kind not in get_args(ParameterType):
            raise _unreadable(f"describes a parameter as {data!r}, which names no known type")
        options, groups = data.get("options") or {}, data.get("groups") or {}
        if not _mapping(options) or not _mapping(groups):
            raise _unreadable(f"describes options or groups of {name} that are no objects")
        choices, default = options.get("choices"), data.get("default_value")
        bounds = [options.get("min"), options.get("max")]
        if not _numbers([bound for bound in bounds if bound is not None]):
            raise _unreadable(f"limits {name} by {bounds}, which are no numbers")
        if choices is not None and not (choices and _scalars(choices)):
            raise _unreadable(f"gives {choices!r} as choices of {name}, which is no list")
        if default is not None and not _scalars([default]):
            raise _unreadable(f"says that {name} is {default!r} by default, which no value is")
        if kind == "str" and choices is not None:
            choices = [str(choice) for choice in choices]
        unit = data.get("unit")
        return cls(
            name=name,
            type=kind,
            default=default,
            min=bounds[0],
            max=bounds[1],
            choices=None if choices is None else tuple(dict.fromkeys(choices)),
            unit=None if unit is None else str(unit),
            description=str(data.get("description") or ""),
            sampling=sampling_from_json(data.get("sampling")),
            groups={name: tuple(of_it) for name, of_it in groups.items() if _texts(of_it)},
            extension=data.get("extension") is True,
        )


def _mapping(data: Any) -> bool:
    return isinstance(data, Mapping)


def _unreadable(said: str) -> SpecError:
    return SpecError(
        f"The server {said}.",
        advice="Update infinity_frames, or report this to the server's administrator.",
    )


@dataclass(frozen=True)
class Linear:
    """``min <= sum(coefficient * parameter) <= max``, either end may be open."""

    terms: Mapping[str, float]
    min: float | None = None
    max: float | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters the rule reads."""
        return tuple(self.terms)

    def describe(self) -> str:
        """Return the rule in words, such as ``a + 2 * b <= 0.9``."""
        left = " + ".join(
            name if factor == 1 else f"{factor:g} * {name}" for name, factor in self.terms.items()
        )
        low = "" if self.min is None else f"{self.min:g} <= "
        high = "" if self.max is None else f" <= {self.max:g}"
        return f"{low}{left}{high}"

    def to_json(self) -> dict[str, Any]:
        """Return the rule as the protocol writes it."""
        return _without_none({"terms": dict(self.terms), "min": self.min, "max": self.max})


@dataclass(frozen=True)
class Conditional:
    """Where every parameter of `when` has one of the values listed, `parameter` is bounded."""

    when: Mapping[str, tuple[Scalar, ...]]
    parameter: str
    min: float | None = None
    max: float | None = None
    choices: tuple[Scalar, ...] | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters the rule reads; the bounded one comes first."""
        return (self.parameter, *self.when)

    def describe(self) -> str:
        """Return the rule in words."""
        bounds = []
        if self.min is not None:
            bounds.append(f"at least {self.min:g}")
        if self.max is not None:
            bounds.append(f"at most {self.max:g}")
        if self.choices is not None:
            bounds.append("one of " + ", ".join(map(str, self.choices)))
        cases = " and ".join(
            f"{name} is {' or '.join(map(str, values))}" for name, values in self.when.items()
        )
        return f"{self.parameter} must be {' and '.join(bounds)} when {cases}"

    def to_json(self) -> dict[str, Any]:
        """Return the rule as the protocol writes it."""
        return _without_none(
            {
                "when": {name: list(values) for name, values in self.when.items()},
                "parameter": self.parameter,
                "min": self.min,
                "max": self.max,
                "choices": None if self.choices is None else list(self.choices),
            }
        )


Constraint = Linear | Conditional


def constraint_from_json(data: Mapping[str, Any]) -> Constraint | None:
    """Read a joint rule; a kind this version does not know reads as None (the server checks it)."""
    if not _mapping(data):
        return None
    low, high, choices = data.get("min"), data.get("max"), data.get("choices")
    if not _numbers([bound for bound in (low, high) if bound is not None]):
        return None
    match data:
        case {"terms": terms} if _mapping(terms) and terms and _numbers(list(terms.values())):
            return Linear(dict(terms), low, high)
        case {"when": when, "parameter": str(parameter)} if _mapping(when):
            if all(map(_scalars, when.values())) and (choices is None or _scalars(choices)):
                cases = {name: tuple(values) for name, values in when.items()}
                allowed = None if choices is None else tuple(choices)
                return Conditional(cases, parameter, low, high, allowed)
    return None


@dataclass(frozen=True, eq=False)
class Generator:
    """A generator's public description: ``GET /api/jobs/{name}/``.

    Compared by identity, so that it can be the key of a cache.
    """

    name: str
    version: str
    parameters: tuple[Parameter, ...]
    constraints: tuple[Constraint, ...] = ()
    preview: bool = True

    @cached_property
    def by_name(self) -> dict[str, Parameter]:
        """The parameters by their names, in order."""
        return {parameter.name: parameter for parameter in self.parameters}

    @property
    def defaults(self) -> dict[str, Scalar | None]:
        """A whole job of default values."""
        return {parameter.name: parameter.default for parameter in self.parameters}

    def to_json(self) -> dict[str, Any]:
        """Return the description as the protocol writes it."""
        return {
            "name": self.name,
            "version": self.version,
            "params": [parameter.to_json() for parameter in self.parameters],
            "options": {"preview": self.preview},
            "constraints": [constraint.to_json() for constraint in self.constraints],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Generator:
        """Read a server's description; what only newer servers publish may be missing.

        Raises
        ------
        SpecError
            The description lacks a name or its parameters, or one of these cannot be read.
        """
        name, params = data.get("name"), data.get("params")
        if not isinstance(name, str) or not isinstance(params, list):
            raise SpecError(
                "The server's description of a generator lacks its name or its parameters.",
                advice="Check that the server address is that of an Infinity API server.",
            )
        parameters = tuple(Parameter.from_json(item) for item in params)
        types = {parameter.name: parameter.type for parameter in parameters}
        if len(types) < len(parameters):
            raise _unreadable(f"describes a parameter of {name} twice")
        listed, options = data.get("constraints"), data.get("options") or {}
        rules = map(constraint_from_json, listed if isinstance(listed, list) else ())
        return cls(
            name=name,
            version=str(data.get("version", "")),
            parameters=parameters,
            constraints=tuple(rule for rule in rules if rule and _checkable(rule, types)),
            preview=_mapping(options) and bool(options.get("preview", False)),
        )


def _checkable(rule: Constraint, types: Mapping[str, ParameterType]) -> bool:
    """Return whether a rule compares numbers with numbers, of parameters there are."""
    if not types.keys() >= set(rule.parameters):
        return False
    measured = rule.terms if isinstance(rule, Linear) else [rule.parameter]
    unmeasured = isinstance(rule, Conditional) and rule.min is None and rule.max is None
    return unmeasured or all(types[name] in ("int", "float") for name in measured)


def _without_none(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}
