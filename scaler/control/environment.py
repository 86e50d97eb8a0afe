"""The environment of a scale target's container, as far as a trigger or a TriggerAuthentication names its variables.

Pure, in two steps: `needs` says which Secrets and ConfigMaps the named variables come from, `evaluate` makes of their
contents the values. Rules: KEDA's resolver (facts: scalers 1.4), Kubernetes' dependent environment variables.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scaler.control.unresolved import Failure, text_of

__all__ = [
    "Container",
    "Content",
    "Environment",
    "choose",
    "containers_of",
    "evaluate",
    "needs",
    "service_account_of",
]

_REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")
_KINDS = {
    "secretKeyRef": "Secret",
    "configMapKeyRef": "ConfigMap",
    "secretRef": "Secret",
    "configMapRef": "ConfigMap",
}
_LONGEST = 1 << 17
"""No process can be given a longer variable, and references that double each other must not fill our memory."""

Object = tuple[str, str]
"""Kind and name."""
Content = Mapping[str, str] | Failure | None
"""What an object holds (a Secret's values in base64), why it cannot be read, or None: it does not exist."""


@dataclass(frozen=True, slots=True)
class Source:
    """An entry of a Secret or ConfigMap, or (in `envFrom`, with a prefix for their names) all of its entries."""

    object: Object
    key: str
    prefix: str
    optional: bool


@dataclass(frozen=True, slots=True)
class Variable:
    """One entry of `env`: a literal, or from a Source; neither of them where only a running pod has it."""

    name: str
    literal: str | None
    source: Source | None
    origin: str

    @property
    def definite(self) -> bool:
        """Is the variable set by this entry, or the container refused?"""
        return self.literal is not None or (self.source is not None and not self.source.optional)


@dataclass(frozen=True, slots=True)
class Container:
    """What is kept of a target's container."""

    name: str
    env: tuple[Variable, ...]
    env_from: tuple[Source, ...]


@dataclass(slots=True)
class Environment:
    """Named variables that have a value, and why others have none. A variable in neither is not set."""

    values: dict[str, str] = field(default_factory=dict, repr=False)
    failures: dict[str, Failure] = field(default_factory=dict)


def containers_of(target: Mapping[str, Any]) -> tuple[Container, ...]:
    """The containers of an object's pod template (`spec.template.spec.containers`); () when it has none."""
    return tuple(
        Container(
            c.get("name", ""),
            tuple(_variable(entry) for entry in c.get("env") or ()),
            tuple(source for entry in c.get("envFrom") or () for source in _sources(entry)),
        )
        for c in _pod(target).get("containers") or ()
    )


def service_account_of(target: Mapping[str, Any]) -> str:
    """The ServiceAccount that an object's pod template names; empty when it names none."""
    named = _pod(target).get("serviceAccountName")
    return named if isinstance(named, str) else ""


def _pod(target: Mapping[str, Any]) -> Mapping[str, Any]:
    template = (target.get("spec") or {}).get("template") or {}
    return template.get("spec") or {}


def choose(containers: Sequence[Container], name: str | None) -> Container | None:
    """The named container, or the first; None when there are none at all. Raises ValueError when the named one is absent."""
    if not containers:
        return None
    if not name:
        return containers[0]
    for container in containers:
        if container.name == name:
            return container
    raise ValueError(f"couldn't find container with name {name} on Target object")


def needs(container: Container, names: Iterable[str]) -> frozenset[Object]:
    """The Secrets and ConfigMaps that must be known to know these variables."""
    wanted, from_all = _closure(container, names)
    entries = {v.source.object for v in container.env if v.source is not None and v.name in wanted}
    whole = {s.object for s in container.env_from if any(name.startswith(s.prefix) for name in from_all)}
    return frozenset(entries | whole)


def evaluate(container: Container, names: Iterable[str], contents: Mapping[Object, Content]) -> Environment:
    """The variables' values, given the contents of all that `needs` named."""
    wanted, from_all = _closure(container, names)
    env = Environment()
    for source in container.env_from:
        _take_all(env, source, [name for name in from_all if name.startswith(source.prefix)], contents)
    for variable in container.env:
        if variable.name in wanted:
            _take(env, variable, contents)
    return env


def _closure(container: Container, names: Iterable[str]) -> tuple[set[str], set[str]]:
    """All variables that these are made of, and those of them that `envFrom` may have to supply."""
    first: dict[str, int] = {}
    for index, variable in enumerate(container.env):
        if variable.definite:
            first.setdefault(variable.name, index)
    end = len(container.env)
    wanted = set(names)
    from_all = {name for name in wanted if first.get(name, end) >= end}
    for index in range(end - 1, -1, -1):  # A variable is made of earlier ones only.
        variable = container.env[index]
        if variable.name in wanted and variable.literal is not None:
            for name in _referred(variable.literal):
                wanted.add(name)
                if first.get(name, end) >= index:
                    from_all.add(name)
    return wanted, from_all


def _take_all(
    env: Environment, source: Source, names: Sequence[str], contents: Mapping[Object, Content]
) -> None:
    if not names:
        return
    content = contents.get(source.object)
    failure = _absent(source) if content is None else content if isinstance(content, Failure) else None
    for name in names:
        if isinstance(content, Mapping):
            value = content.get(name[len(source.prefix) :])
            if value is not None:
                _set(env, name, _text(source, value))
        elif failure is not None and not (content is None and source.optional):
            _set(env, name, failure.within("envFrom"))


def _take(env: Environment, variable: Variable, contents: Mapping[Object, Content]) -> None:
    source = variable.source
    if variable.literal is not None:
        _set(env, variable.name, _expand(variable.literal, env))
    elif source is None:
        if variable.name not in env.values:
            text = f"{variable.name} comes from {variable.origin}, which only a running pod has"
            env.failures[variable.name] = Failure(text, f"give {variable.name} a literal value")
    else:
        content = contents.get(source.object)
        if isinstance(content, Failure):
            _set(env, variable.name, content)
        elif content is not None and source.key in content:
            _set(env, variable.name, _text(source, content[source.key]))
        elif not source.optional:
            _set(env, variable.name, _absent(source) if content is None else _keyless(source))


def _set(env: Environment, name: str, value: str | Failure) -> None:
    if isinstance(value, Failure):
        env.values.pop(name, None)
        env.failures[name] = value
    else:
        env.failures.pop(name, None)
        env.values[name] = value


def _text(source: Source, value: str) -> str | Failure:
    kind, name = source.object
    try:
        return text_of(kind, value)
    except ValueError as error:
        return Failure(f"an entry of {kind} {name} {error}", "store text")


def _absent(source: Source) -> Failure:
    kind, name = source.object
    return Failure(f"{kind} {name} does not exist", "create it, or mark the reference as optional")


def _keyless(source: Source) -> Failure:
    kind, name = source.object
    return Failure(f"{kind} {name} has no key {source.key}", "add it, or mark the reference as optional")


def _expand(text: str, env: Environment) -> str | Failure:
    """`$(VAR)` of variables resolved so far; `$$` is a dollar; unknown references stay as they are."""
    parts: list[str] = []
    length = end = 0
    for match in _REFERENCE.finditer(text):
        name = match[1]
        if name is not None and name in env.failures:
            return env.failures[name]
        value = "$" if name is None else env.values.get(name, match[0])
        parts += (text[end : match.start()], value)
        length += len(value)
        end = match.end()
        if length > _LONGEST:
            return Failure(f"its references make it longer than {_LONGEST} characters", "shorten them")
    return "".join((*parts, text[end:]))


def _referred(text: str) -> Iterator[str]:
    return (match[1] for match in _REFERENCE.finditer(text) if match[1] is not None)


def _variable(entry: Mapping[str, Any]) -> Variable:
    name, source = entry.get("name", ""), entry.get("valueFrom")
    if not source:
        return Variable(name, str(entry.get("value") or ""), None, "")
    kind, where = next(iter(source.items()))
    if kind not in _KINDS:
        return Variable(name, None, None, f"the pod's {kind}")
    return Variable(name, None, _source(kind, where or {}, ""), "")


def _sources(entry: Mapping[str, Any]) -> Iterator[Source]:
    prefix = entry.get("prefix") or ""
    for kind in ("configMapRef", "secretRef"):
        if where := entry.get(kind):
            yield _source(kind, where, prefix)


def _source(kind: str, where: Mapping[str, Any], prefix: str) -> Source:
    named = (_KINDS[kind], where.get("name") or "")
    return Source(named, where.get("key") or "", prefix, optional=bool(where.get("optional")))
