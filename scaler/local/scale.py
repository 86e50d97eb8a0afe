"""The scale subresource: an object seen as autoscaling/v1 Scale, and back. Pure."""

from typing import Any

from scaler.local.errors import bad_request, internal, invalid, invalid_value, not_found, stale
from scaler.local.metadata import selector_text
from scaler.local.resources import Object, Path, Resource, ScalePaths
from scaler.local.store import clone

__all__ = ["read", "written"]

_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def _at(obj: Any, path: Path) -> Any:
    for step in path:
        obj = obj.get(step) if isinstance(obj, dict) else None
    return obj


def _paths(resource: Resource, name: str) -> ScalePaths:
    if resource.scale is None:
        raise not_found(resource, name)
    return resource.scale


def read(resource: Resource, obj: Object) -> Object:
    """The Scale of an object. A custom resource without the replicas field is the 500 of a kube-apiserver."""
    name = obj["metadata"]["name"]
    paths = _paths(resource, name)
    replicas = _at(obj, paths.spec_replicas)
    if replicas is None and resource.custom:
        dotted = ".".join(("", *paths.spec_replicas))
        raise internal(f'the spec replicas field "{dotted}" does not exist')
    status: dict[str, Any] = {"replicas": _at(obj, paths.status_replicas) or 0}
    selector = (
        selector_text(_at(obj, ("spec", "selector"))) if paths.labels else _at(obj, paths.selector or ("",))
    )
    if selector:
        status["selector"] = selector
    metadata = {key: obj["metadata"][key] for key in _KEPT if key in obj["metadata"]}
    spec = {"replicas": replicas} if replicas else {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


def written(resource: Resource, obj: Object, scale: Any) -> Object:
    """A copy of the object with the Scale's replicas. Checks the Scale and its resourceVersion."""
    name = obj["metadata"]["name"]
    paths = _paths(resource, name)
    if not isinstance(scale, dict) or not isinstance(scale.get("spec") or {}, dict):
        raise bad_request("the body is no Scale: spec must be an object with replicas")
    metadata = scale.get("metadata") or {}
    if metadata.get("name", name) != name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        )
    version = metadata.get("resourceVersion")
    if version and version != obj["metadata"]["resourceVersion"]:
        raise stale(resource, name)
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request(
            'Scale in version "v1" cannot be handled as a Scale: json: cannot unmarshal into Go struct field '
            "ScaleSpec.spec.replicas of type int32"
        )
    if replicas < 0:
        cause = invalid_value("spec.replicas", str(replicas), "must be greater than or equal to 0")
        raise invalid("Scale", "autoscaling", name, [cause])
    result: Object = clone(obj)
    node = result
    for step in paths.spec_replicas[:-1]:
        node = node.setdefault(step, {})
    node[paths.spec_replicas[-1]] = replicas
    return result
