"""What a request asks to be allowed, as Kubernetes' authorizers are asked it. Pure.

A path of an API group below its version is about a resource, any other about itself. The metric's name stands where
others have their resource, so a rule names metrics as resources: `list` on `s0-redis-jobs` of `external.metrics.k8s.io`.
Only one spelling of a path is about anything: what would need cleaning first (dots, empty parts, escaped slashes) is a
path of its own, which nobody is granted and nothing is served at. So what is checked is always what is answered.
"""

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

__all__ = ["NAMESPACE_PARTS", "Attributes", "attributes", "fields", "forbidden", "segments", "text"]

_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
NAMESPACE_PARTS = frozenset({"status", "finalize"})
"""Behind a namespace these are the namespace's own, so no metric can be asked for by such a name."""
_OWN_PARTS = frozenset({"watch", "proxy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """One question. With `path` it is about that path, and all the rest but `verb` is empty."""

    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


def segments(path: str) -> tuple[str, ...] | None:
    """The decoded parts of a path as on the request line; None where it is written as nobody honest writes it.

    A slash at the end does not count.
    """
    known = text(path)
    if not known.startswith("/") or "%2f" in known.lower():
        return None
    parts = tuple(unquote(known).removeprefix("/").split("/"))
    if len(parts) > 1 and not parts[-1]:
        parts = parts[:-1]
    if parts == ("",):
        return ()
    return None if any(_odd(part) for part in parts) else parts


def fields(query: str) -> dict[str, str]:
    """The fields of a raw query; of several with one name the first counts."""
    found: dict[str, str] = {}
    for key, value in parse_qsl(text(query), keep_blank_values=True):
        found.setdefault(key, value)
    return found


def attributes(method: str, path: str, query: str = "") -> Attributes:
    """What a request asks for. `path` and `query` are as on the request line. Never raises."""
    parts = segments(path)
    if parts is None or len(parts) < 4 or parts[0] != "apis":
        return Attributes(verb=method.lower(), path=unquote(text(path)) or "/")
    group, version, rest = parts[1], parts[2], parts[3:]
    verb = _VERBS.get(method, method.lower())
    if rest[0] in _OWN_PARTS:
        verb, rest = rest[0], rest[1:] or ("",)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in NAMESPACE_PARTS:
            rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    if not name:
        verb = {"get": "list", "delete": "deletecollection"}.get(verb, verb)
    if verb == "list" and fields(query).get("watch", "").lower() in {"1", "t", "true"}:
        verb = "watch"
    return Attributes(
        verb=verb,
        group=group,
        version=version,
        resource=resource,
        subresource=subresource,
        namespace=namespace,
        name=name,
    )


def forbidden(asked: Attributes, user: str) -> tuple[str, dict[str, str]]:
    """Message and details of a 403, as Kubernetes words it: what was asked, and nothing of why not."""
    subject = f'User "{user}" cannot {asked.verb}'
    if asked.path:
        return f'forbidden: {subject} path "{asked.path}"', {}
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    whole = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    shown = f"{asked.resource}.{asked.group}" + (f' "{asked.name}"' if asked.name else "")
    details = {"name": asked.name, "group": asked.group, "kind": asked.resource}
    return (
        f'{shown} is forbidden: {subject} resource "{whole}" in API group "{asked.group}" {where}',
        {key: value for key, value in details.items() if value},
    )


def text(raw: str) -> str:
    """Bytes that are no UTF-8 come as lone surrogates, which no JSON can carry back."""
    return raw if raw.isascii() else raw.encode(errors="surrogatepass").decode(errors="replace")


def _odd(part: str) -> bool:
    return part in {"", ".", ".."} or not part.isprintable()
