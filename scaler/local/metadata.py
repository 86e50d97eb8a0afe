"""ObjectMeta: what a client may set, what the server sets, and what never changes. Pure."""

import re
from typing import Any

from scaler.local.errors import Cause, bad_request, invalid_value, required
from scaler.local.resources import Object, Resource, View

__all__ = [
    "LABEL",
    "LABEL_RULE",
    "SUBDOMAIN",
    "SUBDOMAIN_RULE",
    "carry_over",
    "check",
    "same_but_version",
    "selector_text",
    "settle_identity",
]

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_PATH_SEGMENT = re.compile(r"(?!\.{1,2}$)[^/%]+")

# Their names are one DNS label; RBAC's are free; all others are DNS subdomains.
_LABEL_NAMED = {("", "namespaces"), ("", "services"), ("apps", "statefulsets")}
_FREE_GROUPS = {"rbac.authorization.k8s.io"}

SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)

_FIXED = (
    "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    "generation", "selfLink", "generateName", "resourceVersion",
)  # fmt: skip


def settle_identity(view: View, obj: object, namespace: str, name: str | None) -> Object:
    """Check a body against the URL it came to; fills in what the URL says. Returns the object with its own metadata.

    Raises the 400 a kube-apiserver answers when body and URL disagree.
    """
    resource = view.resource
    if not isinstance(obj, dict):
        raise bad_request(f"the body is no object: a {resource.kind} is a JSON object")
    _check_type(view, obj)
    metadata = obj.get("metadata")
    if metadata is None:
        metadata = {}
    _check_shapes(resource, metadata)
    _check_place(resource, metadata, namespace, name)
    metadata = {key: value for key, value in metadata.items() if value is not None}
    if resource.namespaced:
        metadata["namespace"] = namespace
    if name is not None:
        metadata["name"] = name
    identity = {"apiVersion": view.api_version, "kind": resource.kind, "metadata": metadata}
    return identity | {key: value for key, value in obj.items() if key not in identity}


def _check_type(view: View, obj: Object) -> None:
    sent, wanted = obj.get("apiVersion") or view.api_version, view.resource.kind
    if sent != view.api_version:
        raise bad_request(
            f"the API version in the data ({sent}) does not match the expected API version ({view.api_version})"
        )
    kind = obj.get("kind") or wanted
    if kind != wanted:
        raise bad_request(
            f'{kind} in version "{view.version}" cannot be handled as a {wanted}: '
            f"the kind in the data ({kind}) is not the one of this URL ({wanted})"
        )


def _check_place(resource: Resource, metadata: dict[str, Any], namespace: str, name: str | None) -> None:
    if resource.namespaced:
        if (metadata.get("namespace") or namespace) != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
    elif metadata.get("namespace"):
        raise bad_request("namespace specified in the body of a cluster-scoped object; leave it out")
    if name is not None and (metadata.get("name") or name) != name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        )


def _check_shapes(resource: Resource, metadata: object) -> None:
    """What Go's decoder refuses in ObjectMeta."""
    if not isinstance(metadata, dict):
        raise _undecodable(resource, "metadata", "an object")
    for field in ("labels", "annotations"):
        pairs = metadata.get(field) or {}
        if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
            raise _undecodable(resource, f"metadata.{field}", "a map of strings")
    for field in ("name", "namespace", "generateName", "resourceVersion", "uid"):
        if not isinstance(metadata.get(field) or "", str):
            raise _undecodable(resource, f"metadata.{field}", "a string")
    finalizers = metadata.get("finalizers") or []
    if not isinstance(finalizers, list) or not all(isinstance(item, str) for item in finalizers):
        raise _undecodable(resource, "metadata.finalizers", "a list of strings")
    owners = metadata.get("ownerReferences") or []
    if not isinstance(owners, list) or not all(isinstance(item, dict) for item in owners):
        raise _undecodable(resource, "metadata.ownerReferences", "a list of objects")


def _undecodable(resource: Resource, field: str, wanted: str) -> Exception:
    kind = resource.kind
    return bad_request(
        f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {field} must be {wanted}'
    )


def check(resource: Resource, metadata: dict[str, Any]) -> list[Cause]:
    """Faults of names, labels, annotations, finalizers and owners."""
    causes = _check_name(resource, metadata.get("name") or "", "generateName" in metadata)
    for key, value in (metadata.get("labels") or {}).items():
        if not _qualified(key):
            causes.append(invalid_value("metadata.labels", f'"{key}"', "name part must be a qualified name"))
        if len(value) > 63 or not _VALUE.fullmatch(value):
            causes.append(
                invalid_value(
                    "metadata.labels",
                    f'"{value}"',
                    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
                    "and must start and end with an alphanumeric character",
                )
            )
    causes.extend(
        invalid_value("metadata.annotations", f'"{key}"', "name part must be a qualified name")
        for key in metadata.get("annotations") or {}
        if not _qualified(key.lower())
    )
    for index, owner in enumerate(metadata.get("ownerReferences") or ()):
        path = f"metadata.ownerReferences[{index}]"
        causes.extend(
            invalid_value(f"{path}.{field}", '""', f"{field} must not be empty")
            for field in ("apiVersion", "kind", "name", "uid")
            if not owner.get(field)
        )
    controllers = [o for o in metadata.get("ownerReferences") or () if o.get("controller")]
    if len(controllers) > 1:
        causes.append(
            invalid_value(
                "metadata.ownerReferences", "[]", "Only one reference can have Controller set to true"
            )
        )
    return causes


def _check_name(resource: Resource, name: str, generated: bool) -> list[Cause]:  # noqa: FBT001 - one caller, below
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    shown = f'"{name}"'
    if resource.group in _FREE_GROUPS:
        good, rule = bool(_PATH_SEGMENT.fullmatch(name)), "may not be '.', '..' or contain '/' or '%'"
    elif resource.key in _LABEL_NAMED:
        good, rule = len(name) <= 63 and bool(LABEL.fullmatch(name)), LABEL_RULE
    else:
        good, rule = len(name) <= 253 and bool(SUBDOMAIN.fullmatch(name)), SUBDOMAIN_RULE
    return (
        []
        if good
        else [invalid_value("metadata.generateName" if generated else "metadata.name", shown, rule)]
    )


def _qualified(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and not (prefix and len(prefix) <= 253 and SUBDOMAIN.fullmatch(prefix)):
        return False
    return len(name) <= 63 and bool(_QUALIFIED.fullmatch(name))


def carry_over(new: Object, old: Object) -> None:
    """Keep in `new`'s metadata what no client can change, as it is in `old`."""
    metadata, kept = new["metadata"], old["metadata"]
    for field in _FIXED:
        if field in kept:
            metadata[field] = kept[field]
        else:
            metadata.pop(field, None)
    if metadata.get("managedFields") is None and "managedFields" in kept:
        metadata["managedFields"] = kept["managedFields"]
    for field in ("labels", "annotations", "finalizers", "ownerReferences"):
        if field in metadata and not metadata[field]:
            del metadata[field]


def same_but_version(one: Object, other: Object) -> bool:
    """Whether two states are equal, resourceVersion and bookkeeping of field managers aside."""
    if len(one) != len(other):
        return False
    for key, value in one.items():
        if key == "metadata":
            if _plain(value) != _plain(other.get(key) or {}):
                return False
        elif key not in other or value != other[key]:
            return False
    return True


def _plain(metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in metadata.items()
        if key not in ("resourceVersion", "managedFields", "generation")
    }


def selector_text(selector: dict[str, Any] | None) -> str:
    """A LabelSelector as the text of a query."""
    if not selector:
        return ""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    words = {"In": "in", "NotIn": "notin"}
    for rule in selector.get("matchExpressions") or ():
        key, operator = rule.get("key", ""), rule.get("operator", "")
        if operator in words:
            parts.append(f"{key} {words[operator]} ({','.join(sorted(rule.get('values') or ()))})")
        else:
            parts.append(f"!{key}" if operator == "DoesNotExist" else key)
    return ",".join(parts)
