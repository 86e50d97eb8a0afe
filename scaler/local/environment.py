"""What a container's process is told: its environment variables, and `$(NAME)` in command and args.

Pure: ConfigMaps and Secrets come through `Lookup`. The rules are the kubelet's (a later variable may use an
earlier one, `$$(` is an escaped `$(`, an unknown name stays as written). Values never stand in an error.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from scaler.local.objects import Object

Lookup = Callable[[str, str], Mapping[str, Any] | None]
"""(`ConfigMap` or `Secret`, name) → the object of the pod's namespace, or None."""

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_INDEXED = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_NODE_ADDRESS = "127.0.0.1"


class ConfigError(Exception):
    """The pod asks for something that is not there (yet); the sentence is the container's waiting message."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; unknown names stay, `$$` is one `$`."""

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        return "$" if name is None else values.get(name, found.group(0))

    return _REFERENCE.sub(value, text)


def environment(pod: Mapping[str, Any], container: Mapping[str, Any], lookup: Lookup) -> dict[str, str]:
    """The variables the container's spec gives it; raises ConfigError naming what is missing."""
    out: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        out |= _whole(source, lookup)
    for item in container.get("env") or ():
        value = _value(pod, item, out, lookup)
        if value is not None:
            out[str(item["name"])] = value
    return out


def arguments(container: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """The command line: command, then args, expanded."""
    return [
        expand(str(word), values)
        for word in (*(container.get("command") or ()), *(container.get("args") or ()))
    ]


def _whole(source: Mapping[str, Any], lookup: Lookup) -> dict[str, str]:
    kind, field = ("Secret", "secretRef") if "secretRef" in source else ("ConfigMap", "configMapRef")
    reference = source.get(field) or {}
    obj = lookup(kind, str(reference.get("name", "")))
    if obj is None:
        if reference.get("optional"):
            return {}
        raise ConfigError(f'{kind.lower()} "{reference.get("name", "")}" not found')
    prefix = str(source.get("prefix") or "")
    return {prefix + name: text for name, text in _data(kind, obj).items()}


def _value(pod: Mapping[str, Any], item: Object, known: Mapping[str, str], lookup: Lookup) -> str | None:
    """The value of one `env` item; None: optional and absent, so the variable is not set."""
    source = item.get("valueFrom")
    if not source:
        return expand(str(item.get("value") or ""), known)
    if "fieldRef" in source:
        return _field(pod, str((source["fieldRef"] or {}).get("fieldPath", "")))
    for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if field in source:
            return _key(kind, source[field] or {}, lookup)
    raise ConfigError(
        f"env {item.get('name')}: valueFrom.{'/'.join(source)} is not known to local pods; "
        "use value, fieldRef, configMapKeyRef or secretKeyRef"
    )


def _key(kind: str, reference: Mapping[str, Any], lookup: Lookup) -> str | None:
    name, key = str(reference.get("name", "")), str(reference.get("key", ""))
    obj = lookup(kind, name)
    value = _data(kind, obj).get(key) if obj is not None else None
    if value is not None or reference.get("optional"):
        return value
    raise ConfigError(
        f'{kind.lower()} "{name}" not found' if obj is None else f"no key {key} in {kind} {name}"
    )


def _data(kind: str, obj: Mapping[str, Any]) -> dict[str, str]:
    data = obj.get("data") or {}
    if kind == "ConfigMap":
        return {key: str(value) for key, value in data.items()}
    try:
        return {
            key: base64.b64decode(value, validate=True).decode(errors="surrogateescape")
            for key, value in data.items()
        }
    except (binascii.Error, TypeError, ValueError):
        raise ConfigError(f"Secret {obj['metadata']['name']}: a value of data is no base64") from None


def _field(pod: Mapping[str, Any], path: str) -> str:
    indexed = _INDEXED.fullmatch(path)
    if indexed:
        return str((pod["metadata"].get(indexed.group(1)) or {}).get(indexed.group(2), ""))
    addresses = {"status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs"}
    if path in addresses:
        return _NODE_ADDRESS
    at: Any = pod
    for step in path.split("."):
        at = at.get(step) if isinstance(at, Mapping) else None
    if isinstance(at, str):
        return at
    if path == "spec.serviceAccountName":
        return "default"
    raise ConfigError(
        f"fieldPath {path}: local pods know metadata.*, spec.nodeName, spec.serviceAccountName and status.*IP"
    )


def port_number(container: Mapping[str, Any], port: int | str) -> int:
    """A probe's port: a number, or the name of one of the container's ports. Raises ConfigError."""
    named: Iterable[Mapping[str, Any]] = container.get("ports") or ()
    for candidate in named:
        if candidate.get("name") == port:
            return int(candidate["containerPort"])
    if isinstance(port, str) and not port.isdigit():
        raise ConfigError(f"port {port}: the container has no port of that name")
    return int(port)
