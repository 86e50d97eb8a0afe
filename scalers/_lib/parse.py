"""A trigger's keys found, converted and checked (KEDA's typed config, facts 1.3).

The first source with a non-blank value wins; within a source, the first of the aliases. Every problem is
reported, not only the first. Offline (`tidegate validate`) some sources cannot be read: what only they could
supply is assumed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from scalers._lib.metadata import (
    AUTH,
    ENV,
    METADATA,
    OBJECT,
    REQUIRED,
    Declared,
    Key,
    declared_checks,
    declared_connection,
    declared_keys,
)
from scalers._lib.problem import Problem

__all__ = ["Inputs", "Parsed", "every_key", "parse", "written_names"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a trigger's keys are looked up in.

    `env` is the environment of the scale target's container, `auth` what a TriggerAuthentication resolved to.
    `object` says of the ScaledObject its `namespace` and `name`, and of the trigger its `metricType` and the
    `podIdentity` (provider) of its authentication, as far as known. `formula`: the trigger feeds a formula.
    Sources listed in `unknown` could not be read (offline validation).
    """

    metadata: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    object: Mapping[str, str] = field(default_factory=dict)
    formula: bool = False
    unknown: frozenset[str] = frozenset()


D = TypeVar("D", bound=Declared)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[D]):
    """What became of the inputs.

    `value` is None when there are problems. Attributes in `assumed` are known only online and missing from
    `value` (those of the connection start with `connection.`). `unused` are the metadata's keys that no key
    declares.
    """

    value: D | None
    problems: tuple[Problem, ...]
    assumed: frozenset[str]
    unused: tuple[str, ...]


def parse(cls: type[D], inputs: Inputs) -> Parsed[D]:
    """Find, convert and check every key of `cls` and its connection. Never raises for what a user wrote."""
    value, problems, _, assumed = _build(cls, inputs)
    used = {name for spec in every_key(cls) for name in written_names(spec)}
    unused = tuple(sorted(name for name in inputs.metadata if name not in used))
    return Parsed(None if problems else value, tuple(problems), frozenset(assumed), unused)


def every_key(cls: type[Declared]) -> Iterator[Key]:
    """All keys of a class, its connection's first."""
    connection = declared_connection(cls)
    for owner in (connection, cls) if connection is not None else (cls,):
        for _, spec in declared_keys(owner):
            yield spec


def written_names(spec: Key) -> Iterator[str]:
    """The names under which a user may write a key in a trigger's metadata, `<key>FromEnv` included."""
    for name in spec.names:
        if METADATA in spec.order:
            yield name
        if ENV in spec.order:
            yield f"{name}FromEnv"


def _build(cls: type[D], inputs: Inputs) -> tuple[D, list[Problem], set[str], set[str]]:
    """The value, its problems, and the attributes that have one and that are unknown."""
    value = object.__new__(
        cls
    )  # Not __init__: an assumed attribute stays away, so that using it is an error.
    problems: list[Problem] = []
    wrong: set[str] = set()
    assumed: set[str] = set()
    connection = declared_connection(cls)
    if connection is not None:
        inner, inner_problems, inner_wrong, inner_assumed = _build(connection, inputs)
        object.__setattr__(value, "connection", inner)
        problems += inner_problems
        wrong |= {f"connection.{name}" for name in inner_wrong}
        assumed |= {f"connection.{name}" for name in inner_assumed}
    for attr, spec in declared_keys(cls):
        found, source = _find(spec, inputs)
        try:
            if found is not None:
                object.__setattr__(value, attr, _converted(spec, found, inputs))
            elif _may_come(spec, inputs):
                assumed.add(attr)
            elif spec.default is not REQUIRED and (inputs.formula or not spec.formula):
                object.__setattr__(value, attr, spec.default)
            else:
                wrong.add(attr)
                problems.append(_missing(spec, inputs))
        except ValueError as error:
            wrong.add(attr)
            # What comes from elsewhere may be a secret, whatever the key: a wrong entry of a Secret was named.
            shown = f"{found!r}" if source == METADATA and not spec.secret else "the value"
            problems.append(Problem(spec.path, f"{shown} {error}"))
    problems += _broken_rules(value, cls, wrong | assumed)
    if all(name.startswith("connection.") for name in wrong | assumed):
        for attr, settled in value.settled().items():
            object.__setattr__(value, attr, settled)
    return value, problems, wrong, assumed


def _converted(spec: Key, found: str, inputs: Inputs) -> Any:
    """A target of 0 is none at all (KEDA's rule), and only a formula does without."""
    value = spec.convert(found)
    if spec.formula and not inputs.formula and (not value or (spec.positive and value < 0)):
        raise ValueError("is no target: write a number above 0")
    return value


_SOURCES: dict[str, Callable[[Inputs], Mapping[str, str]]] = {
    METADATA: lambda inputs: inputs.metadata,
    AUTH: lambda inputs: inputs.auth,
    OBJECT: lambda inputs: inputs.object,
}


def _find(spec: Key, inputs: Inputs) -> tuple[str | None, str]:
    """The value as written, and the source it comes from."""
    for source in spec.order:
        for name in spec.names:
            if source == ENV:
                found = inputs.env.get(inputs.metadata.get(f"{name}FromEnv", ""))
            else:
                found = _SOURCES[source](inputs).get(name)
            if found is not None and found.strip():
                return (found if spec.raw else found.strip()), source
    return None, ""


def _may_come(spec: Key, inputs: Inputs) -> bool:
    """Could a source that we cannot read offline supply this key?"""
    if AUTH in inputs.unknown and AUTH in spec.order:
        return True
    named = any(inputs.metadata.get(f"{name}FromEnv", "").strip() for name in spec.names)
    return ENV in inputs.unknown and ENV in spec.order and named


def _missing(spec: Key, inputs: Inputs) -> Problem:
    """Of a key that nothing gives: the variable that should have, if one was named."""
    for name in spec.names if ENV in spec.order else ():
        variable = inputs.metadata.get(f"{name}FromEnv", "").strip()
        if variable:
            what = f"is required, and the variable {variable!r} that {name}FromEnv names is not set"
            return Problem(spec.path, what, "set it in the env of the scale target's container")
    return Problem(spec.path, "is required", _mend(spec))


def _mend(spec: Key) -> str:
    ways = {
        METADATA: "metadata",
        ENV: f"{spec.name}FromEnv",
        AUTH: "a TriggerAuthentication",
        OBJECT: "the object itself",
    }
    return f"give {' or '.join(spec.names)} in " + " or ".join(ways[source] for source in spec.order)


def _broken_rules(value: Any, cls: type[Declared], skipped: set[str]) -> Iterator[Problem]:
    keys = dict(declared_keys(cls))
    for method, needs in declared_checks(cls):
        if skipped.intersection(needs):
            continue
        answer = getattr(value, method)()
        if isinstance(answer, str):
            answer = Problem(keys[needs[0]].path, answer)
        if answer is not None:
            yield answer
