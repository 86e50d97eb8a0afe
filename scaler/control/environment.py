"""The environment of a scale target's container, as far as triggers may name its variables (`<key>FromEnv`).

Pure. Literal values with `$(VAR)` are resolved here. A variable that comes from elsewhere (a Secret, a ConfigMap, the pod
itself) is remembered by name, so that a trigger that needs it is refused with its source instead of with a missing key.
Rules: KEDA's resolver (facts: scalers 1.4), Kubernetes' dependent environment variables.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scalers._lib.problem import Problem

__all__ = ["Container", "Environment", "containers_of", "environment"]

_REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")


@dataclass(frozen=True, slots=True)
class Container:
    """What is kept of a target's container: its name, its `env`, and whether `envFrom` adds variables unseen here."""

    name: str
    env: tuple[tuple[str, str | None, str], ...]
    env_from: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """Resolved variables, and the origin of those that cannot be resolved from the target alone."""

    values: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    env_from: bool = False

    def unresolved(self, metadata: Mapping[str, str]) -> Sequence[Problem]:
        """Keys `<key>FromEnv` of a trigger's metadata whose variable has no value here, each with the mend."""
        problems = []
        for key, variable in metadata.items():
            name = variable.strip()
            if not key.endswith("FromEnv") or not name or self.values.get(name):
                continue
            if origin := self.elsewhere.get(name):
                text = f"{name} comes from {origin}, which is not read yet"
            elif self.env_from:
                text = f"{name} is not in env; envFrom is not read yet"
            else:
                continue
            problems.append(
                Problem(
                    f"metadata.{key}", text, f"give {name} a literal value, or use the key without FromEnv"
                )
            )
        return problems


def containers_of(target: Mapping[str, Any]) -> tuple[Container, ...]:
    """The containers of an object's pod template (`spec.template.spec.containers`); () when it has none."""
    spec = target.get("spec") or {}
    template = spec.get("template") or {}
    found = ((template.get("spec") or {}).get("containers")) or ()
    return tuple(
        Container(c.get("name", ""), tuple(_entry(e) for e in c.get("env") or ()), bool(c.get("envFrom")))
        for c in found
    )


def environment(containers: Sequence[Container], name: str | None) -> Environment:
    """The environment of the named container, or of the first. Raises ValueError when the named one is absent."""
    if not containers:
        return Environment()
    chosen = containers[0] if not name else next((c for c in containers if c.name == name), None)
    if chosen is None:
        raise ValueError(f"couldn't find container with name {name} on Target object")
    values: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    for variable, literal, origin in chosen.env:
        if literal is None:
            values.pop(variable, None)
            elsewhere[variable] = origin
        else:
            elsewhere.pop(variable, None)
            values[variable] = _expand(literal, values)
    return Environment(values, elsewhere, chosen.env_from)


def _entry(entry: Mapping[str, Any]) -> tuple[str, str | None, str]:
    source = entry.get("valueFrom")
    if not source:
        return entry.get("name", ""), str(entry.get("value") or ""), ""
    kind, where = next(iter(source.items()))
    kinds = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}
    origin = f"{kinds[kind]} {where.get('name', '')}" if kind in kinds else f"the pod's {kind}"
    return entry.get("name", ""), None, origin


def _expand(text: str, values: Mapping[str, str]) -> str:
    """`$(VAR)` of variables resolved so far; `$$` is a dollar; unknown references stay as they are."""

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return values.get(match[1], match[0])

    return _REFERENCE.sub(replace, text)
