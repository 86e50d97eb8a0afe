"""A trigger's metadata as a typed class: how its keys are declared, found and converted.

A key may come from the trigger's metadata, from an environment variable of the scale target's container (`<key>FromEnv`
names it), or from a TriggerAuthentication. The order of these sources is declared per key, since KEDA's differs per key;
the first source with a non-blank value wins, and among aliases the first name (facts: KEDA's typed config). Every problem
is reported, not only the first.
"""

import dataclasses
import enum
import functools
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NewType, TypeVar, dataclass_transform

from scalers._lib import text
from scalers._lib.problem import Problem

__all__ = [
    "AUTH",
    "ENV",
    "METADATA",
    "Connection",
    "Inputs",
    "Key",
    "Metadata",
    "Parsed",
    "Role",
    "Seconds",
    "check",
    "declared_keys",
    "key",
    "parse",
]

METADATA, ENV, AUTH = "metadata", "env", "auth"
Seconds = NewType("Seconds", float)
_CONVERTERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    bool: text.parse_bool,
    int: text.parse_int,
    float: text.parse_float,
    Seconds: text.parse_seconds,
}
REQUIRED: Any = object()
"""The default of a key that has none."""


class Role(enum.Enum):
    """What a key means to the decision; keys without a role are part of the query or of the connection."""

    TARGET = "target"
    ACTIVATION = "activation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """How one key is found and converted. See `key`."""

    names: tuple[str, ...]
    order: tuple[str, ...]
    secret: bool
    role: Role | None
    choices: tuple[str, ...]
    separator: str
    help: str
    type: Any = None
    default: Any = REQUIRED

    @property
    def name(self) -> str:
        """The key's first name: how it is written in docs and problems."""
        return self.names[0]

    @property
    def path(self) -> str:
        """Where the user would write it, below the trigger."""
        return f"{METADATA}.{self.name}" if METADATA in self.order else f"authenticationRef ({self.name})"

    def convert(self, value: str) -> Any:
        """The typed value. Raises ValueError."""
        kind = self.type
        if self.choices and any(part not in self.choices for part in text.parse_list(value, self.separator)):
            raise ValueError(f"must be one of {', '.join(self.choices)}")
        if typing.get_origin(kind) is tuple:
            element = typing.get_args(kind)[0]
            if typing.get_origin(element) is tuple:
                return text.parse_map(value, self.separator)
            return tuple(_CONVERTERS[element](part) for part in text.parse_list(value, self.separator))
        return _CONVERTERS[kind](value)


def key(
    *names: str,
    default: Any = REQUIRED,
    order: tuple[str, ...] = (METADATA,),
    secret: bool = False,
    role: Role | None = None,
    choices: tuple[str, ...] = (),
    separator: str = ",",
    help: str = "",  # noqa: A002 - the word every option library uses
) -> Any:
    """Declare a key of a Metadata or Connection class.

    `names` are the manifest's names, the first being the documented one (none: the attribute's name in camelCase).
    Without `default` the key is required. `secret` keeps it out of reprs and problems. Types: str, bool, int, float,
    Seconds, `tuple[str, ...]` (a list) and `tuple[tuple[str, str], ...]` (name=value pairs).
    """
    spec = Key(names=names, order=order, secret=secret, role=role, choices=choices, separator=separator, help=help)
    if default is REQUIRED:
        return field(repr=not secret, metadata={"key": spec})
    return field(default=default, repr=not secret, metadata={"key": spec})


Check = TypeVar("Check", bound=Callable[..., "str | Problem | None"])


def check(*names: str) -> Callable[[Check], Check]:
    """Mark a method of a Metadata or Connection class as a rule over several attributes.

    It runs only when none of the named attributes has a problem of its own or is unknown offline, and may use only these.
    It answers None when all is well, a sentence (put on the first attribute's path), or a Problem.
    """

    def mark(method: Check) -> Check:
        method._checks = names  # type: ignore[attr-defined] # noqa: SLF001 - our own mark
        return method

    return mark


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(key, field))
class _Declared:
    """Makes every subclass a frozen, keyword-only dataclass."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclass(frozen=True, kw_only=True)(cls)


class Connection(_Declared):
    """The part of a trigger's metadata that connects: address, TLS, credentials.

    Equal connections (same class, equal fields) share one client, whichever objects and trigger types they come from.
    """


class Metadata(_Declared):
    """A trigger's metadata. A subclass declares keys with `key`, and its connection as `connection: MyConnection`."""

    connection: Connection

    def metric_name(self) -> str:
        """The metric's name without the `s<index>-` prefix, before normalising (KEDA's pattern for this type)."""
        raise NotImplementedError

    @property
    def target(self) -> int | float:
        """The value of the key with the target role: what one replica should carry. 1 without such a key."""
        return next((getattr(self, attr) for attr, k in declared_keys(type(self)) if k.role is Role.TARGET), 1)

    @property
    def activation(self) -> int | float:
        """Active means strictly above this; 0 without a key of that role."""
        return next((getattr(self, attr) for attr, k in declared_keys(type(self)) if k.role is Role.ACTIVATION), 0)

    def query(self) -> Hashable:
        """What is asked, without what is made of the answer: triggers with equal queries on one Source are read once."""
        parts = [getattr(self, attr) for attr, k in declared_keys(type(self)) if k.role is None and hasattr(self, attr)]
        return (type(self), *parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a trigger's keys are looked up in. Sources listed in `unknown` could not be read (offline validation)."""

    metadata: Mapping[str, str]
    env: Mapping[str, str] = field(default_factory=dict)
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    unknown: frozenset[str] = frozenset()


M = TypeVar("M", bound=_Declared)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[M]):
    """`value` is None when there are problems. Attributes in `assumed` are known only online and missing from `value`."""

    value: M | None
    problems: tuple[Problem, ...]
    assumed: frozenset[str]
    unused: tuple[str, ...]


@functools.cache
def declared_keys(cls: type) -> tuple[tuple[str, Key], ...]:
    """(attribute, key) of a class in order of declaration, its connection's keys not included."""
    hints = typing.get_type_hints(cls)
    found = []
    for item in dataclasses.fields(cls):
        spec: Key | None = item.metadata.get("key")
        if spec is not None:
            names = spec.names or (_camel(item.name),)
            found.append((item.name, dataclasses.replace(spec, names=names, type=hints[item.name], default=REQUIRED if item.default is dataclasses.MISSING else item.default)))
    return tuple(found)


def parse(cls: type[M], inputs: Inputs) -> Parsed[M]:
    """Find, convert and check every key of `cls` and of its connection. Never raises for what a user wrote."""
    used: set[str] = set()
    value, problems, assumed = _build(cls, inputs, used)
    unused = tuple(sorted(name for name in inputs.metadata if name not in used))
    return Parsed(None if problems else value, tuple(problems), frozenset(assumed), unused)


def _build(cls: type[M], inputs: Inputs, used: set[str]) -> tuple[M, list[Problem], set[str]]:
    value = object.__new__(cls)
    problems: list[Problem] = []
    wrong: set[str] = set()
    assumed: set[str] = set()
    connection = typing.get_type_hints(cls).get("connection")
    if connection is not None:
        inner, inner_problems, inner_assumed = _build(connection, inputs, used)
        object.__setattr__(value, "connection", inner)
        problems += inner_problems
        assumed |= {f"connection.{name}" for name in inner_assumed}
    for attr, spec in declared_keys(cls):
        used.update(_names_read(spec))
        found = _find(spec, inputs)
        try:
            if found is not None:
                object.__setattr__(value, attr, spec.convert(found))
            elif inputs.unknown.intersection(spec.order) and _may_come(spec, inputs):
                assumed.add(attr)
            elif spec.default is not REQUIRED:
                object.__setattr__(value, attr, spec.default)
            else:
                wrong.add(attr)
                problems.append(Problem(spec.path, "is required", _mend(spec)))
        except ValueError as error:
            wrong.add(attr)
            shown = "the value" if spec.secret else f"{found!r}"
            problems.append(Problem(spec.path, f"{shown} {error}"))
    problems += _checked(value, cls, wrong | assumed)
    return value, problems, assumed


def _find(spec: Key, inputs: Inputs) -> str | None:
    for source in spec.order:
        for name in spec.names:
            if source == ENV:
                found = inputs.env.get(inputs.metadata.get(f"{name}FromEnv", "").strip())
            else:
                found = (inputs.metadata if source == METADATA else inputs.auth).get(name)
            if found is not None and found.strip():
                return found.strip()
    return None


def _may_come(spec: Key, inputs: Inputs) -> bool:
    """Could a source that we cannot read offline supply this key?"""
    if AUTH in inputs.unknown and AUTH in spec.order:
        return True
    named = any(inputs.metadata.get(f"{name}FromEnv") for name in spec.names)
    return ENV in inputs.unknown and ENV in spec.order and named


def _names_read(spec: Key) -> Iterator[str]:
    for name in spec.names:
        if METADATA in spec.order:
            yield name
        if ENV in spec.order:
            yield f"{name}FromEnv"


def _mend(spec: Key) -> str:
    ways = {METADATA: "metadata", ENV: f"{spec.name}FromEnv", AUTH: "a TriggerAuthentication"}
    return f"give {' or '.join(spec.names)} in " + " or ".join(ways[source] for source in spec.order)


def _checked(value: Any, cls: type, skipped: set[str]) -> Iterator[Problem]:
    keys = dict(declared_keys(cls))
    for name in sorted(dir(cls)):
        method = getattr(cls, name, None)
        names: tuple[str, ...] = getattr(method, "_checks", ())
        if not names or skipped.intersection(names):
            continue
        answer = method(value)  # type: ignore[misc]
        if isinstance(answer, str):
            answer = Problem(keys[names[0]].path, answer)
        if answer is not None:
            yield answer


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
