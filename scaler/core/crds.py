"""The CustomResourceDefinitions of the kinds we serve, generated from the models that read them.

Wire-compatible with KEDA's: names, short names, printer columns (facts 1.1, 1.2), subresource, constraints
and the one rule over two fields (facts 1.3). A field that no model knows is never pruned, so that an object
written for another release survives. Schemas are structural: no references, no nulls, one type a node.
"""

from collections.abc import Mapping
from typing import Any

from scaler.core.authentication import TriggerAuthenticationSpec
from scaler.core.fields import Model
from scaler.core.model import ScaledObjectSpec
from scaler.core.schemas import structural
from scaler.core.status_model import ScaledObjectStatus, TriggerAuthenticationStatus

__all__ = ["GROUP", "MINIMUM_RULE", "VERSION", "crds"]

GROUP, VERSION = "keda.sh", "v1alpha1"
MINIMUM_RULE = {
    "rule": (
        "!has(self.minReplicaCount) || "
        "self.minReplicaCount <= (has(self.maxReplicaCount) ? self.maxReplicaCount : 100)"
    ),
    "message": "minReplicaCount must be less than or equal to maxReplicaCount",
}
_KIND_FIELDS = {
    "apiVersion": {"type": "string", "description": "The version of this object's schema: keda.sh/v1alpha1."},
    "kind": {"type": "string", "description": "The kind of this object."},
    "metadata": {"type": "object"},
}


def crds() -> tuple[dict[str, Any], ...]:
    """All CRDs, fresh, as plain JSON-like values: ScaledObject and both authentications."""
    return (
        _crd(
            "ScaledObject",
            "scaledobjects",
            ("so",),
            columns=_scaled_object_columns(),
            spec=_with_rule(structural(ScaledObjectSpec)),
            status=ScaledObjectStatus,
            about="Says which workload to scale on which event sources, and within which bounds.",
        ),
        _crd(
            "TriggerAuthentication",
            "triggerauthentications",
            ("ta", "triggerauth"),
            columns=_authentication_columns(),
            spec=structural(TriggerAuthenticationSpec),
            status=TriggerAuthenticationStatus,
            about="Says where the triggers of its namespace get their credentials.",
        ),
        _crd(
            "ClusterTriggerAuthentication",
            "clustertriggerauthentications",
            ("cta", "clustertriggerauth"),
            columns=_authentication_columns(_column("FilePath", ".spec.filePath")),
            spec=structural(TriggerAuthenticationSpec),
            status=TriggerAuthenticationStatus,
            about="Says where the triggers of any namespace get their credentials.",
            scope="Cluster",
        ),
    )


def _crd(
    kind: str,
    plural: str,
    short: tuple[str, ...],
    *,
    columns: list[dict[str, Any]],
    spec: Mapping[str, Any],
    status: type[Model],
    about: str,
    scope: str = "Namespaced",
) -> dict[str, Any]:
    schema = {
        "type": "object",
        "description": about,
        "required": ["spec"],
        "properties": {**_KIND_FIELDS, "spec": spec, "status": structural(status)},
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": list(short),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": scope, "versions": [version]},
    }


def _with_rule(spec: dict[str, Any]) -> dict[str, Any]:
    return {**spec, "x-kubernetes-validations": [dict(MINIMUM_RULE)]}


def _scaled_object_columns() -> list[dict[str, Any]]:
    return [
        _column("ScaleTargetKind", ".status.scaleTargetKind"),
        _column("ScaleTargetName", ".spec.scaleTargetRef.name"),
        _column("Min", ".spec.minReplicaCount", "integer"),
        _column("Max", ".spec.maxReplicaCount", "integer"),
        *(
            _column(condition, f'.status.conditions[?(@.type=="{condition}")].status')
            for condition in ("Ready", "Active", "Fallback", "Paused")
        ),
        _column("Triggers", ".status.triggersTypes"),
        _column("Authentications", ".status.authenticationsTypes"),
        _column("Age", ".metadata.creationTimestamp", "date"),
    ]


def _authentication_columns(*more: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        _column("PodIdentity", ".spec.podIdentity.provider"),
        _column("Secret", ".spec.secretTargetRef[*].name"),
        _column("Env", ".spec.env[*].name"),
        *more,
        _column("VaultAddress", ".spec.hashiCorpVault.address"),
        {**_column("ScaledObjects", ".status.scaledobjects"), "priority": 1},
        {**_column("ScaledJobs", ".status.scaledjobs"), "priority": 1},
    ]


def _column(name: str, path: str, kind: str = "string") -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path}
