"""The columns kubectl users see for the built-in kinds, as a kube-apiserver computes them. Pure."""

from collections.abc import Callable
from typing import Any

from scaler.local.columns import AGE, NAME, age
from scaler.local.jsonpath import find
from scaler.local.metadata import selector_text
from scaler.local.resources import Column, Object

__all__ = ["columns_of"]


def _at(path: str, empty: Any = "") -> Callable[[Object, float], Any]:
    def value(obj: Object, _: float) -> Any:
        found = find(path, obj)
        return found[0] if found and found[0] is not None else empty

    return value


def _count(path: str) -> Callable[[Object, float], Any]:
    return lambda obj, _: len((find(path, obj) or [None])[0] or ())


def _column(name: str, kind: str, value: Callable[[Object, float], Any], *, wide: bool = False) -> Column:
    return Column(name, kind, value, priority=1 if wide else 0)


def _ratio(ready: str, wanted: str) -> Callable[[Object, float], str]:
    return lambda obj, now: f"{_at(ready, 0)(obj, now)}/{_at(wanted, 0)(obj, now)}"


def _template(field: str) -> Callable[[Object, float], str]:
    def value(obj: Object, _: float) -> str:
        containers = (find(".spec.template.spec.containers", obj) or [None])[0] or ()
        return ",".join(str(container.get(field, "")) for container in containers)

    return value


def _selector(obj: Object, _: float) -> str:
    return selector_text((obj.get("spec") or {}).get("selector")) or "<none>"


_WIDE = (
    _column("Containers", "string", _template("name"), wide=True),
    _column("Images", "string", _template("image"), wide=True),
    _column("Selector", "string", _selector, wide=True),
)


def _pod_ready(pod: Object, _: float) -> str:
    wanted = len((pod.get("spec") or {}).get("containers") or ())
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return f"{sum(bool(status.get('ready')) for status in statuses)}/{wanted}"


def _pod_status(pod: Object, _: float) -> str:
    status = pod.get("status") or {}
    text = status.get("reason") or status.get("phase") or "Unknown"
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        if waiting.get("reason"):
            text = waiting["reason"]
        elif ended:
            text = ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}"
    return "Terminating" if "deletionTimestamp" in pod["metadata"] else str(text)


def _pod_restarts(pod: Object, now: float) -> str:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    count = sum(status.get("restartCount", 0) for status in statuses)
    ends = [find(".lastState.terminated.finishedAt", status) for status in statuses]
    last = max((found[0] for found in ends if found and found[0]), default=None)
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)


def _hpa_target(obj: Object, _: float) -> str:
    target = (obj.get("spec") or {}).get("scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _hpa_metrics(obj: Object, _: float) -> str:
    metrics = (obj.get("spec") or {}).get("metrics") or []
    current = (obj.get("status") or {}).get("currentMetrics") or []
    parts = [
        _hpa_metric(metric, current[at] if at < len(current) else None) for at, metric in enumerate(metrics)
    ]
    shown = ", ".join(parts[:2]) + (f" + {len(parts) - 2} more..." if len(parts) > 2 else "")
    return shown or "<none>"


def _hpa_metric(metric: dict[str, Any], current: dict[str, Any] | None) -> str:
    kind = str(metric.get("type") or "")
    field = kind[:1].lower() + kind[1:]
    target = (metric.get(field) or {}).get("target") or {}
    now = ((current or {}).get(field) or {}).get("current") or {}
    name = (metric.get(field) or {}).get("name") if kind in ("Resource", "ContainerResource") else ""
    lead = f"{name}: " if name else ""
    if target.get("averageUtilization") is not None:
        value = f"{now['averageUtilization']}%" if now.get("averageUtilization") is not None else "<unknown>"
        return f"{lead}{value}/{target['averageUtilization']}%"
    if target.get("averageValue") is not None:
        value = f"{now['averageValue']}" if now.get("averageValue") is not None else "<unknown>"
        average = " (avg)" if kind in ("External", "Object") else ""
        return f"{lead}{value}/{target['averageValue']}{average}"
    return f"{lead}{now.get('value', '<unknown>')}/{target.get('value', '')}"


def _event_age(event: Object, now: float) -> str:
    moment = (
        (event.get("series") or {}).get("lastObservedTime")
        or event.get("lastTimestamp")
        or event.get("eventTime")
    )
    return age(moment, now)


def _event_object(event: Object, _: float) -> str:
    about = event.get("involvedObject") or {}
    return f"{str(about.get('kind') or '').lower()}/{about.get('name', '')}"


def _ports(service: Object, _: float) -> str:
    ports = (service.get("spec") or {}).get("ports") or ()
    return ",".join(f"{port.get('port')}/{port.get('protocol', 'TCP')}" for port in ports) or "<none>"


def _controller(revision: Object, _: float) -> str:
    owners = revision["metadata"].get("ownerReferences") or ()
    owner = next((one for one in owners if one.get("controller")), None)
    if owner is None:
        return "<none>"
    group = str(owner.get("apiVersion", "")).rpartition("/")[0]
    return f"{str(owner.get('kind')).lower()}.{group}/{owner.get('name')}"


def _api_service(obj: Object, _: float) -> str:
    service = (obj.get("spec") or {}).get("service")
    return f"{service.get('namespace')}/{service.get('name')}" if service else "Local"


def _api_available(obj: Object, _: float) -> str:
    found = find('.status.conditions[?(@.type=="Available")]', obj)
    if not found:
        return "Unknown"
    condition = found[0]
    return (
        "True"
        if condition.get("status") == "True"
        else f"{condition.get('status')} ({condition.get('reason')})"
    )


_BY_KIND: dict[tuple[str, str], tuple[Column, ...]] = {
    ("", "namespaces"): (NAME, _column("Status", "string", _at(".status.phase")), AGE),
    ("", "configmaps"): (NAME, _column("Data", "string", _count(".data")), AGE),
    ("", "secrets"): (
        NAME,
        _column("Type", "string", _at(".type")),
        _column("Data", "string", _count(".data")),
        AGE,
    ),
    ("", "serviceaccounts"): (NAME, AGE),
    ("", "services"): (
        NAME,
        _column("Type", "string", _at(".spec.type")),
        _column("Cluster-IP", "string", _at(".spec.clusterIP", "<none>")),
        _column("External-IP", "string", _at(".spec.externalName", "<none>")),
        _column("Port(s)", "string", _ports),
        AGE,
    ),
    ("", "pods"): (
        NAME,
        _column("Ready", "string", _pod_ready),
        _column("Status", "string", _pod_status),
        _column("Restarts", "string", _pod_restarts),
        AGE,
        _column("IP", "string", _at(".status.podIP", "<none>"), wide=True),
        _column("Node", "string", _at(".spec.nodeName", "<none>"), wide=True),
    ),
    ("", "events"): (
        _column("Last Seen", "string", _event_age),
        _column("Type", "string", _at(".type")),
        _column("Reason", "string", _at(".reason")),
        _column("Object", "string", _event_object),
        _column("Message", "string", lambda event, _: str(event.get("message") or "").strip()),
    ),
    ("apps", "deployments"): (
        NAME,
        _column("Ready", "string", _ratio(".status.readyReplicas", ".spec.replicas")),
        _column("Up-to-date", "string", _at(".status.updatedReplicas", 0)),
        _column("Available", "string", _at(".status.availableReplicas", 0)),
        AGE,
        *_WIDE,
    ),
    ("apps", "replicasets"): (
        NAME,
        _column("Desired", "integer", _at(".spec.replicas", 0)),
        _column("Current", "integer", _at(".status.replicas", 0)),
        _column("Ready", "integer", _at(".status.readyReplicas", 0)),
        AGE,
        *_WIDE,
    ),
    ("apps", "statefulsets"): (
        NAME,
        _column("Ready", "string", _ratio(".status.readyReplicas", ".spec.replicas")),
        AGE,
        *_WIDE[:2],
    ),
    ("apps", "controllerrevisions"): (
        NAME,
        _column("Controller", "string", _controller),
        _column("Revision", "integer", _at(".revision", 0)),
        AGE,
    ),
    ("", "persistentvolumeclaims"): (
        NAME,
        _column("Status", "string", _at(".status.phase")),
        _column("Volume", "string", _at(".spec.volumeName")),
        _column("Capacity", "string", _at(".status.capacity.storage")),
        _column("StorageClass", "string", _at(".spec.storageClassName")),
        AGE,
    ),
    ("autoscaling", "horizontalpodautoscalers"): (
        NAME,
        _column("Reference", "string", _hpa_target),
        _column("Targets", "string", _hpa_metrics),
        _column("MinPods", "string", _at(".spec.minReplicas", "<unset>")),
        _column("MaxPods", "integer", _at(".spec.maxReplicas", 0)),
        _column("Replicas", "integer", _at(".status.currentReplicas", 0)),
        AGE,
    ),
    ("coordination.k8s.io", "leases"): (NAME, _column("Holder", "string", _at(".spec.holderIdentity")), AGE),
    ("apiextensions.k8s.io", "customresourcedefinitions"): (
        NAME,
        _column("Created At", "date", _at(".metadata.creationTimestamp")),
    ),
    ("apiregistration.k8s.io", "apiservices"): (
        NAME,
        _column("Service", "string", _api_service),
        _column("Available", "string", _api_available),
        AGE,
    ),
}


def columns_of(key: tuple[str, str]) -> tuple[Column, ...]:
    """The columns of a built-in kind; name and age where a kind has none of its own."""
    return _BY_KIND.get(key, (NAME, AGE))
