"""What a URL asks for. Pure.

`/api/v1/...` is the core group; `/apis/{group}/{version}/...` all others. Everything else (health, version, discovery,
OpenAPI) is told apart by the caller.
"""

from dataclasses import dataclass

__all__ = ["Target", "parse"]

_NAMESPACE_PARTS = {"status", "finalize"}


@dataclass(frozen=True, slots=True)
class Target:
    """A resource path. `plural` "" is the group and version itself; `name` "" a collection; `namespace` None: no such part."""

    group: str
    version: str
    plural: str = ""
    namespace: str | None = None
    name: str = ""
    subresource: str = ""


def parse(path: str) -> Target | None:
    """The resource a path names; None when it is no resource path."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = None
    if rest[:1] == ["namespaces"] and len(rest) > 2 and not (not group and rest[2] in _NAMESPACE_PARTS):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3 or "" in rest:
        return None
    plural, name, subresource = [*rest, "", "", ""][:3]
    return Target(group, version, plural, namespace, name, subresource)
