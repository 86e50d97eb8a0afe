"""Pods and pod templates: the defaults a kube-apiserver fills in, and the faults it refuses. Pure.

Only what changes an object that is read back, or what the embedded cluster relies on; not every rule of a real server.
"""

from typing import Any

from scaler.local.errors import Cause, invalid_value, not_supported, required
from scaler.local.resources import Object

__all__ = ["begin_pod", "check_pod", "check_template", "default_pod", "default_template"]

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE_DEFAULTS = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_VOLUME_MODES = ("configMap", "secret", "downwardAPI", "projected")


def default_template(template: Object) -> None:
    """The defaults of a pod template, in place."""
    template.setdefault("metadata", {})
    spec = template.get("spec")
    if isinstance(spec, dict):
        _default_spec(spec)


def default_pod(pod: Object) -> None:
    """The defaults of a pod, in place."""
    spec = pod.get("spec")
    if isinstance(spec, dict):
        _default_spec(spec)
        spec.setdefault("enableServiceLinks", True)
        spec.setdefault("priority", 0)
        spec.setdefault("preemptionPolicy", "PreemptLowerPriority")


def begin_pod(pod: Object) -> None:
    """The status of a pod nobody has looked at yet."""
    pod["status"] = {"phase": "Pending", "qosClass": "BestEffort"}


def _default_spec(spec: dict[str, Any]) -> None:
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or ():
            if isinstance(container, dict):
                _default_container(container)
    for volume in spec.get("volumes") or ():
        for source in _VOLUME_MODES:
            if isinstance(volume.get(source), dict):
                volume[source].setdefault("defaultMode", 420)
    spec.setdefault("restartPolicy", "Always")
    if spec.get("terminationGracePeriodSeconds") is None:
        spec["terminationGracePeriodSeconds"] = 30
    spec.setdefault("dnsPolicy", "ClusterFirst")
    if spec.get("serviceAccountName"):
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")


def _default_container(container: dict[str, Any]) -> None:
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if isinstance(reference, dict):
            reference.setdefault("apiVersion", "v1")
    for name in _PROBES:
        probe = container.get(name)
        if isinstance(probe, dict):
            for field, value in _PROBE_DEFAULTS.items():
                probe.setdefault(field, value)
            if isinstance(probe.get("httpGet"), dict):
                probe["httpGet"].setdefault("scheme", "HTTP")
                probe["httpGet"].setdefault("path", "/")
    if container.get("resources") is None:
        container["resources"] = {}
    container["resources"] = _with_requests(container["resources"])
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("imagePullPolicy", _pull_policy(str(container.get("image") or "")))


def _with_requests(resources: dict[str, Any]) -> dict[str, Any]:
    """Requests default to the limits."""
    limits = resources.get("limits")
    if not limits:
        return resources
    return {**resources, "requests": {**limits, **(resources.get("requests") or {})}}


def _pull_policy(image: str) -> str:
    _, at, _ = image.partition("@")
    tag = image.rpartition("/")[2].partition(":")[2]
    return "IfNotPresent" if at or tag not in ("", "latest") else "Always"


def check_pod(pod: Object, old: Object | None) -> list[Cause]:
    """Faults of a pod."""
    spec = pod.get("spec")
    if old is not None:
        # Nearly all of a pod's spec is immutable; controllers here only touch these.
        free = ("nodeName", "activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations")
        one, other = ({k: v for k, v in (o.get("spec") or {}).items() if k not in free} for o in (pod, old))
        if one != other and _without_images(one) != _without_images(other):
            return [Cause("spec", "FieldValueForbidden", "Forbidden: pod updates may not change fields other than "
                          "`spec.containers[*].image`, `spec.activeDeadlineSeconds` and `spec.tolerations`")]  # fmt: skip
        return []
    if not isinstance(spec, dict):
        return [required("spec.containers")]
    return _check_spec(spec, "spec")


def _without_images(spec: dict[str, Any]) -> dict[str, Any]:
    containers = [{k: v for k, v in c.items() if k != "image"} for c in spec.get("containers") or ()]
    return {**spec, "containers": containers}


def check_template(template: object, path: str, *, restart: tuple[str, ...] = ("Always",)) -> list[Cause]:
    """Faults of a pod template whose pods restart as the owner's kind allows."""
    spec = template.get("spec") if isinstance(template, dict) else None
    if not isinstance(spec, dict):
        return [required(f"{path}.spec.containers")]
    causes = _check_spec(spec, f"{path}.spec")
    policy = spec.get("restartPolicy")
    if policy not in restart:
        names = [f'"{name}"' for name in restart]
        causes.append(not_supported(f"{path}.spec.restartPolicy", f'"{policy}"', names))
    return causes


def _check_spec(spec: dict[str, Any], path: str) -> list[Cause]:
    if not spec.get("containers"):
        return [required(f"{path}.containers")]
    causes: list[Cause] = []
    seen: set[str] = set()
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or ()):
            causes += _check_container(container, f"{path}.{field}[{index}]", seen)
    return causes


def _check_container(container: Any, path: str, seen: set[str]) -> list[Cause]:
    if not isinstance(container, dict):
        return [required(path)]
    causes = []
    name = container.get("name")
    if not name:
        causes.append(required(f"{path}.name"))
    elif name in seen:
        causes.append(Cause(f"{path}.name", "FieldValueDuplicate", f'Duplicate value: "{name}"'))
    else:
        seen.add(name)
    if not container.get("image"):
        causes.append(required(f"{path}.image"))
    for index, variable in enumerate(container.get("env") or ()):
        if not (isinstance(variable, dict) and variable.get("name")):
            causes.append(required(f"{path}.env[{index}].name"))
        elif not isinstance(variable.get("value") or "", str):
            causes.append(
                invalid_value(f"{path}.env[{index}].value", str(variable["value"]), "must be a string")
            )
    return causes
