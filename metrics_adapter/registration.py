"""The Service and the APIService that send a cluster's external metrics to this process. Pure.

The Service is of type ExternalName: the API server's aggregation layer dials `externalName` at the port
that the APIService names, so the adapter may run anywhere it can be reached, and verifies the
certificate as `<service>.<namespace>.svc` against `caBundle`. An IPv4 address passes as an external
name; an IPv6 address does not.
"""

import base64
import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Final

from metrics_adapter.documents import GROUP, VERSION

__all__ = ["LABELS", "Object", "Registration", "api_service", "covers", "owner", "service"]

LABELS: Final = {"app.kubernetes.io/managed-by": "tidegate", "app.kubernetes.io/part-of": "tidegate"}
"""On everything that is made here; without them an object is somebody else's."""

_HOST: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Where the adapter is reached."""

    service: str
    """Name of its Service."""

    namespace: str
    """That Service's namespace."""

    host: str
    """The DNS name or IPv4 address to dial."""

    port: int
    """The TCP port to dial."""

    ca: bytes
    """PEM certificates that verify its certificate."""

    def __post_init__(self) -> None:
        if not _HOST.match(self.host) or len(self.host) > 253 or _unspecified(self.host):
            raise ValueError(
                f"{self.host!r} is no host to send an API server to: advertise a DNS name (lower case) or an "
                "IPv4 address under which it reaches this process (--advertise HOST:PORT)"
            )
        if not 0 < self.port < 65_536:
            raise ValueError(f"port {self.port}: give one from 1 to 65535 (--advertise HOST:PORT)")


def service(registration: Registration) -> Object:
    """The Service that the APIService points at."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": registration.service,
            "namespace": registration.namespace,
            "labels": dict(LABELS),
        },
        "spec": {
            "type": "ExternalName",
            "externalName": registration.host,
            "ports": [{"name": "https", "port": registration.port, "protocol": "TCP"}],
        },
    }


def api_service(registration: Registration) -> Object:
    """The APIService for external metrics; a cluster has one."""
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{VERSION}.{GROUP}", "labels": dict(LABELS)},
        "spec": {
            "group": GROUP,
            "version": VERSION,
            "service": {
                "namespace": registration.namespace,
                "name": registration.service,
                "port": registration.port,
            },
            "caBundle": base64.b64encode(registration.ca).decode(),
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }


def owner(live: Object, desired: Object) -> str:
    """Whose the object found is, for a person; empty when it is ours to change.

    An APIService that points at another Service is foreign even with our labels: another Tidegate's.
    """
    target = (live.get("spec") or {}).get("service")
    if desired["kind"] == "APIService":
        if not target:
            return "the API server itself"
        if any(target.get(key) != desired["spec"]["service"][key] for key in ("namespace", "name")):
            return f"the Service {target.get('namespace')}/{target.get('name')}"
    labels = live["metadata"].get("labels") or {}
    manager = labels.get(
        "app.kubernetes.io/managed-by", "somebody else (no label app.kubernetes.io/managed-by)"
    )
    return "" if manager == LABELS["app.kubernetes.io/managed-by"] else str(manager)


def covers(live: Any, desired: Any) -> bool:
    """Whether `live` holds all that `desired` says; what the API server adds does not count."""
    if isinstance(desired, dict):
        if not isinstance(live, dict) or ("caBundle" in desired and live.get("insecureSkipTLSVerify")):
            return False
        return all(key in live and covers(live[key], value) for key, value in desired.items())
    if isinstance(desired, list):
        return isinstance(live, list) and len(live) == len(desired) and all(map(covers, live, desired))
    return bool(live == desired)


def _unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
