"""What a request asks to be allowed: verb and resource, or verb and path. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from scaler.local.errors import ApiError

__all__ = ["Attributes", "asked", "forbidden"]

_VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_NAMESPACE_PARTS = {"status", "finalize"}
_BY_NAME = "metadata.name="


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """One question to the authorizer. With `path` it is about that path, and all the rest but `verb` is empty."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """As a rule names it: `pods`, `deployments/scale`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def asked(method: str, path: str, query: Mapping[str, str]) -> Attributes:
    """What a request to a decoded path asks for."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"] and len(parts) > 2:
        group, rest = "", parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 3:
        group, rest = parts[1], parts[3:]
    else:
        return Attributes(verb=method.lower(), path=path)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _NAMESPACE_PARTS:
            rest = rest[2:]
    resource, name, subresource = [*rest, "", ""][:3]
    verb = _VERBS.get(method, method.lower())
    if not name and verb in ("get", "delete"):
        verb = {"get": "list", "delete": "deletecollection"}[verb]
    if verb in ("get", "list") and query.get("watch", "").lower() in ("1", "t", "true"):
        verb = "watch"
    if not name and verb in ("list", "watch", "deletecollection"):
        name = _selected(query.get("fieldSelector", ""))
    return Attributes(
        verb=verb, group=group, resource=resource, subresource=subresource, namespace=namespace, name=name
    )


def forbidden(attributes: Attributes, user: str, why: str = "") -> ApiError:
    """403 as a kube-apiserver words it."""
    subject, place = f'User "{user}" cannot {attributes.verb}', attributes.namespace
    tail = f": {why}" if why else ""
    if attributes.path:
        return ApiError(403, "Forbidden", f'forbidden: {subject} path "{attributes.path}"{tail}', {})
    where = f'in the namespace "{place}"' if place else "at the cluster scope"
    resource, group, name = attributes.resource, attributes.group, attributes.name
    qualified = f"{resource}.{group}" if group else resource
    shown = f'{qualified} "{name}"' if name else qualified
    details = {"name": name, "group": group, "kind": resource}
    return ApiError(
        403,
        "Forbidden",
        f'{shown} is forbidden: {subject} resource "{attributes.full_resource}" in API group "{group}" {where}{tail}',
        {key: value for key, value in details.items() if value},
    )


def _selected(selector: str) -> str:
    """The one name that a field selector leaves; empty: it leaves more."""
    for term in selector.split(","):
        name = term.replace("==", "=").strip()
        if name.startswith(_BY_NAME):
            return name.removeprefix(_BY_NAME)
    return ""
