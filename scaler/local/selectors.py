"""Label and field selectors as the API's query parameters spell them. Pure. Label selectors are scalers._lib.labels'."""

import re
from collections.abc import Callable, Mapping

from scaler.local.errors import bad_request
from scaler.local.resources import Object, Resource
from scalers._lib import labels

__all__ = ["Predicate", "field_selector", "label_selector", "matches"]

Predicate = Callable[[Object], bool]


def label_selector(text: str) -> Predicate:
    """A predicate over objects. Raises 400 where the text does not parse."""
    selector = _parsed(text)
    return lambda obj: selector.matches(obj["metadata"].get("labels") or {})


def matches(text: str, having: Mapping[str, str]) -> bool:
    """Whether labels meet a selector's text."""
    return _parsed(text).matches(having)


def _parsed(text: str) -> labels.Selector:
    try:
        return labels.parse(text)
    except ValueError as error:
        raise bad_request(str(error)) from None


# What a kube-apiserver lets one select by, beside metadata.name and metadata.namespace.
_FIELDS: dict[tuple[str, str], frozenset[str]] = {
    ("", "pods"): frozenset(
        {
            "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
            "status.phase", "status.podIP", "status.nominatedNodeName",
        }
    ),
    ("", "events"): frozenset(
        {
            "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
            "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
            "reportingComponent", "source", "type",
        }
    ),
    ("", "namespaces"): frozenset({"status.phase"}),
    ("", "secrets"): frozenset({"type"}),
    ("", "services"): frozenset({"spec.clusterIP", "spec.type"}),
    ("apps", "replicasets"): frozenset({"status.replicas"}),
    ("batch", "jobs"): frozenset({"status.successful"}),
}  # fmt: skip


def field_selector(resource: Resource, text: str) -> Predicate:
    """A predicate over objects from `a=b,c!=d`. Raises 400 for a field that cannot be selected by."""
    allowed = _FIELDS.get(resource.key, frozenset()) | {"metadata.name", "metadata.namespace"}
    tests: list[tuple[tuple[str, ...], bool, str]] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        found = re.fullmatch(r"([^=!]+)(!=|==|=)(.*)", part)
        if not found:
            raise bad_request(f"invalid field selector {text!r}: {part!r} is not of the form field=value")
        field, operator, value = found.groups()
        if field not in allowed:
            raise bad_request(f"field label not supported: {field}")
        tests.append((tuple(field.split(".")), operator != "!=", value))

    def chosen(obj: Object) -> bool:
        return all((_field(obj, path) == value) is equal for path, equal, value in tests)

    return chosen


def _field(obj: Object, path: tuple[str, ...]) -> str:
    value: object = obj
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if path == ("source",) and isinstance(value, dict):
        value = value.get("component")
    if value is None:
        return "false" if path[-1] == "hostNetwork" else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
