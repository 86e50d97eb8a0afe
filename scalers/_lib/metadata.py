"""A trigger's metadata as a typed class: how its keys are declared, and what follows from the declaration.

A key may come from the trigger's metadata, from an environment variable of the scale target's container
(`<key>FromEnv` names it), or from a TriggerAuthentication. The order of these sources is declared per key,
since KEDA's differs per key. How keys are found and converted is in `scalers._lib.parse`.
"""

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NewType, TypeVar, cast, dataclass_transform

from scalers._lib import text
from scalers._lib.problem import Problem

__all__ = [
    "AUTH",
    "ENV",
    "METADATA",
    "OBJECT",
    "REQUIRED",
    "Connection",
    "Declared",
    "Key",
    "Metadata",
    "Role",
    "Seconds",
    "check",
    "declared_checks",
    "declared_connection",
    "declared_keys",
    "key",
]

METADATA, ENV, AUTH, OBJECT = "metadata", "env", "auth", "object"
"""Where a key's value may come from; OBJECT is what is known of the ScaledObject itself (see parse.Inputs)."""
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
    raw: bool = False
    formula: bool = False
    positive: bool = False
    type: Any = None
    default: Any = REQUIRED

    @property
    def name(self) -> str:
        """The key's first name: how it is written in docs and problems."""
        return self.names[0]

    @property
    def path(self) -> str:
        """Where the user would write it, below the trigger."""
        if self.order == (OBJECT,):
            return self.name
        return f"{METADATA}.{self.name}" if METADATA in self.order else f"authenticationRef ({self.name})"

    def convert(self, value: str) -> Any:
        """The typed value. Raises ValueError."""
        kind = self.type
        if self.choices and any(p not in self.choices for p in text.parse_list(value, self.separator)):
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
    raw: bool = False,
    formula: bool = False,
    positive: bool = False,
    help: str = "",  # noqa: A002 - the word every option library uses
) -> Any:
    """Declare a key of a Metadata or Connection class.

    `names` are the manifest's names, the first being the documented one (none: the attribute's name in
    camelCase). Without `default` the key is required. `secret` keeps it out of reprs and problems. `raw`
    keeps white space around a value. `formula`: with `default`, required all the same unless the trigger
    feeds a formula (scalingModifiers), which has a target of its own. `positive`: with `formula`, a target
    below 0 is refused as 0 is. Types:
    str, bool, int, float, Seconds (each perhaps `| None`), `tuple[str, ...]` (a list) and
    `tuple[tuple[str, str], ...]` (name=value pairs).
    """
    spec = Key(
        names=names,
        order=order,
        secret=secret,
        role=role,
        choices=choices,
        separator=separator,
        help=help,
        raw=raw,
        formula=formula,
        positive=positive,
    )
    if default is REQUIRED:
        return field(metadata={"key": spec})
    return field(default=default, metadata={"key": spec})


Check = TypeVar("Check", bound=Callable[..., str | Problem | None])


def check(*names: str) -> Callable[[Check], Check]:
    """Mark a method of a Metadata or Connection class as a rule over several attributes.

    It runs only when none of the named attributes has a problem of its own or is unknown offline, and may use
    only these, as they were written. A Metadata's rule may name its connection's as `connection.host`. It
    answers None when all is well, a sentence (put on the first attribute's path), or a
    Problem.
    """

    def mark(method: Check) -> Check:
        method._checks = names  # type: ignore[attr-defined] # noqa: SLF001 - our own mark
        return method

    return mark


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(key, field))
class Declared:
    """Makes every subclass a frozen, keyword-only dataclass whose equality is its class and `identity`."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclass(frozen=True, kw_only=True, eq=False, repr=False)(cls)

    def identity(self) -> Hashable:
        """What makes two of this class equal: all attributes, unless a subclass knows that some are idle."""
        return tuple(getattr(self, item.name, None) for item in dataclasses.fields(self))  # type: ignore[arg-type]

    def settled(self) -> Mapping[str, Any]:
        """Attributes that come to something else than what was written, as `auto` does to what it chooses.

        Asked once, when all keys of this class are known and none has a problem of its own.
        """
        return {}

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self) or not isinstance(other, Declared):
            return NotImplemented
        return self is other or self.identity() == other.identity()

    def __hash__(self) -> int:
        known: int | None = self.__dict__.get("_hash")
        if known is None:
            known = hash((type(self), self.identity()))
            object.__setattr__(self, "_hash", known)
        return known

    def __repr__(self) -> str:
        """The attributes that are known and no secret."""
        shown = (
            f"{n}={getattr(self, n)!r}"
            for n, k in declared_keys(type(self))
            if not k.secret and hasattr(self, n)
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Connection(Declared):
    """The part of a trigger's metadata that connects: address, TLS, credentials.

    Equal connections (same class, equal `identity`) share one client, whichever objects and triggers they
    come from.
    """


class Metadata(Declared):
    """A trigger's metadata. A subclass declares keys with `key`, and `connection: MyConnection`."""

    connection: Connection

    def metric_name(self) -> str:
        """The name of the metric without the `s<index>-` prefix, not yet normalised (KEDA's pattern)."""
        raise NotImplementedError

    @property
    def target(self) -> int | float:
        """The value of the key with the target role: what one replica should carry. 1 without such a key."""
        return self._value(Role.TARGET, 1)

    @property
    def activation(self) -> int | float:
        """Active means strictly above this; 0 without a key of that role."""
        return self._value(Role.ACTIVATION, 0)

    def query(self) -> Hashable:
        """What is asked, without what is made of the answer.

        Triggers with equal queries on one Source are read once.
        """
        keys = declared_keys(type(self))
        return (type(self), *(getattr(self, attr, None) for attr, spec in keys if spec.role is None))

    def _value(self, role: Role, default: float) -> int | float:
        keys = declared_keys(type(self))
        return next((getattr(self, attr) for attr, spec in keys if spec.role is role), default)


def declared_keys(cls: type[Declared]) -> tuple[tuple[str, Key], ...]:
    """(attribute, key) of a class in order of declaration, its connection's keys not included."""
    return _keys(cast("Any", cls))


def declared_connection(cls: type[Declared]) -> type[Connection] | None:
    """The connection class of a Metadata class."""
    connection: type[Connection] | None = _hints(cast("Any", cls)).get("connection")
    return connection


def declared_checks(cls: type[Declared]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(method, attributes it needs) of the rules marked with `check`."""
    return _checks(cast("Any", cls))


# Cached by class: a thousand objects share a handful of classes. (Cast, as mypy takes __hash__ to be the
# instances'.)
@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    return typing.get_type_hints(cls)


@functools.cache
def _keys(cls: Any) -> tuple[tuple[str, Key], ...]:
    hints = _hints(cls)
    return tuple(
        (
            item.name,
            dataclasses.replace(
                item.metadata["key"],
                names=item.metadata["key"].names or (_camel(item.name),),
                type=_plain(hints[item.name]),
                default=REQUIRED if item.default is dataclasses.MISSING else item.default,
            ),
        )
        for item in dataclasses.fields(cls)
        if "key" in item.metadata
    )


@functools.cache
def _checks(cls: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    def marked() -> Iterator[tuple[str, tuple[str, ...]]]:
        for name in sorted(dir(cls)):
            needs: tuple[str, ...] = getattr(getattr(cls, name), "_checks", ())
            if needs:
                yield name, needs

    return tuple(marked())


def _plain(hint: Any) -> Any:
    """`X` of `X | None`: None is only a default."""
    if isinstance(hint, types.UnionType):
        (hint,) = (kind for kind in typing.get_args(hint) if kind is not types.NoneType)
    return hint


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
