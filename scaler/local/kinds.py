"""The smaller built-in kinds: defaults and faults as a kube-apiserver has them. Pure."""

import base64
import binascii
import re
from typing import Any

from scaler.core import hpa
from scaler.local import crds
from scaler.local.errors import ApiError, Cause, bad_request, invalid_value, not_supported, required
from scaler.local.metadata import SUBDOMAIN, SUBDOMAIN_RULE
from scaler.local.resources import Object, Rules

__all__ = [
    "API_SERVICES",
    "AUTOSCALERS",
    "CONFIG_MAPS",
    "DEFINITIONS",
    "EVENTS",
    "LEASES",
    "NAMESPACES",
    "SECRETS",
    "SERVICES",
    "event_in",
    "event_out",
]

_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)")


def _undecodable(obj: Object, field: str, wanted: str) -> ApiError:
    kind, version = obj["kind"], obj["apiVersion"].rpartition("/")[2]
    return bad_request(
        f'{kind} in version "{version}" cannot be handled as a {kind}: {field} must be {wanted}'
    )


def _default_namespace(obj: Object) -> None:
    spec = obj["spec"] = obj.get("spec") or {}
    if "deletionTimestamp" not in obj["metadata"]:
        spec.setdefault("finalizers", ["kubernetes"])
    obj["metadata"]["labels"] = {
        **(obj["metadata"].get("labels") or {}),
        "kubernetes.io/metadata.name": obj["metadata"]["name"],
    }


def _begin_namespace(obj: Object) -> None:
    obj["status"] = {"phase": "Active"}


def _refuse_data(obj: Object) -> None:
    for field in ("data", "binaryData", "stringData"):
        pairs = obj.get(field) or {}
        if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
            raise _undecodable(obj, field, "a map of strings; quote numbers and booleans")


def _check_data(obj: Object, old: Object | None) -> list[Cause]:
    rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    causes = [
        invalid_value(f"{field}[{key}]", f'"{key}"', rule)
        for field in ("data", "binaryData")
        for key in obj.get(field) or ()
        if not _DATA_KEY.fullmatch(key) or len(key) > 253
    ]
    if old is not None and old.get("immutable"):
        changed = [field for field in ("data", "binaryData") if obj.get(field) != old.get(field)]
        causes += [
            Cause(field, "FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set")
            for field in changed
        ]
    return causes


def _default_secret(obj: Object) -> None:
    obj.setdefault("type", "Opaque")
    texts = obj.pop("stringData", None) or {}
    if texts:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in texts.items()}
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _check_secret(obj: Object, old: Object | None) -> list[Cause]:
    for key, value in (obj.get("data") or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise _undecodable(obj, f"data.{key}", "base64; put plain text under stringData") from None
    causes = _check_data(obj, old)
    if old is not None and obj["type"] != old["type"]:
        causes.append(invalid_value("type", f'"{obj["type"]}"', "field is immutable"))
    return causes


def _default_service(obj: Object) -> None:
    spec = obj["spec"] = obj.get("spec") or {}
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if spec["type"] != "ExternalName":
            port.setdefault("targetPort", port.get("port"))
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilyPolicy", "SingleStack")


def _external_name(name: Any) -> list[Cause]:
    if not name:
        return [required("spec.externalName")]
    # A trailing dot is the DNS's own.
    if isinstance(name, str) and len(name) <= 253 and SUBDOMAIN.fullmatch(name.removesuffix(".")):
        return []
    return [invalid_value("spec.externalName", f'"{name}"', SUBDOMAIN_RULE)]


def _check_service(obj: Object, _old: Object | None) -> list[Cause]:
    spec = obj["spec"]
    types = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    causes = []
    if spec["type"] not in types:
        causes.append(not_supported("spec.type", f'"{spec["type"]}"', [f'"{name}"' for name in types]))
    elif spec["type"] == "ExternalName":
        causes += _external_name(spec.get("externalName"))
    elif not spec.get("ports") and spec.get("clusterIP") != "None":
        causes.append(required("spec.ports"))
    for index, port in enumerate(spec.get("ports") or ()):
        number = port.get("port")
        if not isinstance(number, int) or not 1 <= number <= 65535:
            causes.append(
                invalid_value(
                    f"spec.ports[{index}].port", str(number), "must be between 1 and 65535, inclusive"
                )
            )
    return causes


def _begin_service(obj: Object) -> None:
    obj["status"] = {"loadBalancer": {}}


def _default_event(obj: Object) -> None:
    # Fields that Go's encoder never leaves out; clients decode them.
    for field, value in (
        ("source", {}), ("firstTimestamp", None), ("lastTimestamp", None), ("eventTime", None),
        ("reportingComponent", ""), ("reportingInstance", ""),
    ):  # fmt: skip
        obj.setdefault(field, value)


def _check_event(obj: Object, _old: Object | None) -> list[Cause]:
    space = (obj.get("involvedObject") or {}).get("namespace") or "default"
    if space != obj["metadata"].get("namespace"):
        shown = f'"{space}"'
        return [invalid_value("involvedObject.namespace", shown, "does not match event.namespace")]
    return []


_EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_EVENT_FIELDS_BACK = {new: old for old, new in _EVENT_FIELDS.items()}


def event_out(obj: Object) -> Object:
    """A stored event as events.k8s.io/v1 shows it."""
    return {_EVENT_FIELDS.get(key, key): value for key, value in obj.items()} | {
        "apiVersion": "events.k8s.io/v1"
    }


def event_in(obj: Object) -> Object:
    """An events.k8s.io/v1 event as it is stored."""
    return {_EVENT_FIELDS_BACK.get(key, key): value for key, value in obj.items()} | {"apiVersion": "v1"}


def _refuse_lease(obj: Object) -> None:
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    for field in ("acquireTime", "renewTime"):
        value = spec.get(field)
        if value is not None and not (isinstance(value, str) and _MICRO_TIME.fullmatch(value)):
            raise ApiError(
                422,
                "Invalid",
                f' "" is invalid: patch: Invalid value: parsing time "{value}" as '
                f'"2006-01-02T15:04:05.000000Z07:00": {field} needs a fraction of a second',
                {"causes": [invalid_value("patch", f'"{value}"', "no MicroTime").body()]},
            )


def _check_lease(obj: Object, _old: Object | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = []
    for field, least in (("leaseDurationSeconds", 1), ("leaseTransitions", 0)):
        value = spec.get(field)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            raise _undecodable(obj, f"spec.{field}", "an integer")
        if value < least:
            rule = "must be greater than 0" if least else "must be greater than or equal to 0"
            causes.append(invalid_value(f"spec.{field}", str(value), rule))
    return causes


def _default_autoscaler(obj: Object) -> None:
    filled = hpa.defaulted(obj)
    obj.clear()
    obj.update(filled)


def _check_autoscaler(obj: Object, old: Object | None) -> list[Cause]:
    if old is not None and old.get("spec") == obj.get("spec"):
        return []
    return [Cause(cause.field, cause.reason, cause.message) for cause in hpa.validate(obj)]


def _begin_autoscaler(obj: Object) -> None:
    obj["status"] = {"desiredReplicas": 0, "currentMetrics": None}


def _check_api_service(obj: Object, _old: Object | None) -> list[Cause]:
    spec = obj.get("spec") or {}
    causes = [required(f"spec.{field}") for field in ("version",) if not spec.get(field)]
    name = f"{spec.get('version')}.{spec.get('group')}".rstrip(".")
    if obj["metadata"]["name"] != name:
        rule = f'must be `spec.version+"."+spec.group`: {name!r}'
        causes.append(invalid_value("metadata.name", f'"{obj["metadata"]["name"]}"', rule))
    service = spec.get("service")
    if service is None:
        if spec.get("caBundle") or spec.get("insecureSkipTLSVerify"):
            causes.append(invalid_value("spec.caBundle", '""', "local APIServices may not have a caBundle"))
        return causes
    causes += [required(f"spec.service.{field}") for field in ("namespace", "name") if not service.get(field)]
    port = service.get("port")
    if not isinstance(port, int) or not 1 <= port <= 65535:
        causes.append(invalid_value("spec.service.port", str(port), "must be between 1 and 65535, inclusive"))
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        rule = "may not be true if caBundle is present"
        causes.append(invalid_value("spec.insecureSkipTLSVerify", "true", rule))
    for field, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
        value = spec.get(field)
        if not isinstance(value, int) or not 0 < value <= most:
            causes.append(
                invalid_value(
                    f"spec.{field}", str(value or 0), f"must be positive and less than or equal to {most}"
                )
            )
    return causes


def _default_api_service(obj: Object) -> None:
    service: Any = (obj.get("spec") or {}).get("service")
    if isinstance(service, dict) and service.get("port") is None:
        service["port"] = 443


def _begin_api_service(obj: Object) -> None:
    obj["status"] = {}


NAMESPACES = Rules(default=_default_namespace, begin=_begin_namespace)
CONFIG_MAPS = Rules(refuse=_refuse_data, check=_check_data)
SECRETS = Rules(refuse=_refuse_data, default=_default_secret, check=_check_secret)
SERVICES = Rules(default=_default_service, check=_check_service, begin=_begin_service)
EVENTS = Rules(default=_default_event, check=_check_event)
LEASES = Rules(refuse=_refuse_lease, check=_check_lease)
AUTOSCALERS = Rules(default=_default_autoscaler, check=_check_autoscaler, begin=_begin_autoscaler)
DEFINITIONS = Rules(refuse=crds.refuse, default=crds.default, check=crds.check, begin=crds.begin)
API_SERVICES = Rules(default=_default_api_service, check=_check_api_service, begin=_begin_api_service)
