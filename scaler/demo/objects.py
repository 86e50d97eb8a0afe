"""The example's objects in the embedded cluster: made from the manifests that are shipped, and read for the table.

The manifests are those of `examples/redis-worker`; only the Redis address is the demo's own.
"""

from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from scaler.local.api import Api

__all__ = ["apply", "conditions", "deployment", "hpa_view", "is_ready", "manifests", "pods"]

_NAMESPACE, _NAME = "default", "redis-worker"
_PLURALS = {"Deployment": ("apps", "deployments"), "ScaledObject": ("keda.sh", "scaledobjects")}


def apply(api: Api, address: str) -> None:
    """Create the example's objects; the Redis address in the Deployment's environment is the one value that is changed."""
    for document in manifests():
        if document["kind"] == "Deployment":
            for variable in document["spec"]["template"]["spec"]["containers"][0]["env"]:
                if variable["name"] == "REDIS_ADDRESS":
                    variable["value"] = address
        api.create(*_PLURALS[document["kind"]], _NAMESPACE, document)


def manifests() -> list[dict[str, Any]]:
    """The documents of examples/redis-worker."""
    folder = resources.files("scaler.demo") / "manifests"
    found = [yaml.safe_load(entry.read_text()) for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    return sorted(found, key=lambda document: list(_PLURALS).index(document["kind"]))


def is_ready(api: Api) -> bool:
    """Is the ScaledObject ready, and has the first look found no work?"""
    known = {condition["type"]: condition["status"] for condition in conditions(api)}
    return known.get("Ready") == "True" and known.get("Active") == "False"


def conditions(api: Api) -> list[dict[str, Any]]:
    """Those of the ScaledObject."""
    found = api.get("keda.sh", "scaledobjects", _NAMESPACE, _NAME).get("status") or {}
    return list(found.get("conditions") or ())


def deployment(api: Api) -> tuple[int, int]:
    """Replicas that are wanted, and that are ready."""
    found = api.get("apps", "deployments", _NAMESPACE, _NAME)
    return found["spec"].get("replicas") or 0, found.get("status", {}).get("readyReplicas") or 0


def pods(api: Api) -> int:
    """How many pods there are, in any state."""
    return len(api.list("", "pods", _NAMESPACE))


def hpa_view(api: Api) -> str:
    """What the HPA sees and wants, for a person."""
    found = [
        h
        for h in api.list("autoscaling", "horizontalpodautoscalers", _NAMESPACE)
        if h["metadata"]["name"].endswith(_NAME)
    ]
    status: Mapping[str, Any] = found[0].get("status", {}) if found else {}
    metrics = status.get("currentMetrics") or ()
    values = [m["external"]["current"].get("averageValue", "?") for m in metrics if m.get("external")]
    reasons = [
        c["reason"] for c in status.get("conditions", ()) if c["type"] in {"AbleToScale", "ScalingActive"}
    ]
    average = f"average {values[0]}, " if values else ""
    return f"{average}wants {status.get('desiredReplicas', 0)} ({', '.join(reasons) or 'not looked yet'})"
