"""StatefulSets and the claims of their pods: defaults and faults as a kube-apiserver has them. Pure."""

import re
from typing import Any

from scaler.local.errors import Cause, bad_request, invalid_value, not_supported
from scaler.local.metadata import LABEL, LABEL_RULE
from scaler.local.resources import Object, Rules
from scaler.local.workloads import check, common, refuse, spec_of, with_status

__all__ = ["CLAIMS", "STATEFUL_SETS"]


_PERCENT = re.compile(r"([1-9][0-9]?|100)%")


def _default_stateful_set(obj: Object) -> None:
    spec = common(obj)
    spec["podManagementPolicy"] = spec.get("podManagementPolicy") or "OrderedReady"
    strategy = spec["updateStrategy"] = spec.get("updateStrategy") or {}
    strategy["type"] = strategy.get("type") or "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = strategy["rollingUpdate"] = strategy.get("rollingUpdate") or {}
        rolling.setdefault("partition", 0)
    spec.setdefault("revisionHistoryLimit", 10)
    kept = spec["persistentVolumeClaimRetentionPolicy"] = (
        spec.get("persistentVolumeClaimRetentionPolicy") or {}
    )
    for moment in ("whenDeleted", "whenScaled"):
        kept.setdefault(moment, "Retain")
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")
        _default_claim(claim)
        claim.setdefault("status", {"phase": "Pending"})


def _default_claim(claim: Object) -> None:
    spec_of(claim).setdefault("volumeMode", "Filesystem")


_FREE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


_POLICIES, _STRATEGIES = ("OrderedReady", "Parallel"), ("RollingUpdate", "OnDelete")
_MAPS: tuple[tuple[str, ...], ...] = (
    ("ordinals",), ("updateStrategy",), ("updateStrategy", "rollingUpdate"), ("persistentVolumeClaimRetentionPolicy",),
)  # fmt: skip
_COUNTS: tuple[tuple[str, ...], ...] = (
    ("minReadySeconds",),
    ("ordinals", "start"),
    ("updateStrategy", "rollingUpdate", "partition"),
)


def _at(spec: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = spec
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _refuse_stateful_set(obj: Object) -> None:
    """What Go's decoder refuses: other than maps, lists and numbers where those belong."""
    refuse(obj)
    spec = obj.get("spec") or {}
    wrong = [(path, "a map") for path in _MAPS if not isinstance(_at(spec, path) or {}, dict)]
    if not wrong:
        wrong = [(path, "a whole number") for path in _COUNTS if not _whole(_at(spec, path))]
    templates = spec.get("volumeClaimTemplates") or []
    if not isinstance(templates, list) or not all(isinstance(one, dict) for one in templates):
        wrong.append((("volumeClaimTemplates",), "a list of maps"))
    if not isinstance(spec.get("serviceName") or "", str):
        wrong.append((("serviceName",), "a string"))
    for path, what in wrong:
        field = ".".join(("spec", *path))
        raise bad_request(
            f'StatefulSet in version "v1" cannot be handled as a StatefulSet: {field} must be {what}'
        )


def _whole(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _check_stateful_set(obj: Object, old: Object | None) -> list[Cause]:
    spec, causes = obj["spec"], check(obj, old, whole=True)
    if old is not None:
        fixed, before = ({k: v for k, v in o["spec"].items() if k not in _FREE} for o in (obj, old))
        if fixed != before:
            why = f"Forbidden: of a StatefulSet's spec an update may only change {', '.join(_FREE)}"
            causes.append(Cause("spec", "FieldValueForbidden", why))
    if spec["podManagementPolicy"] not in _POLICIES:
        causes.append(_neither("spec.podManagementPolicy", spec["podManagementPolicy"], _POLICIES))
    for path in _COUNTS:
        count = _at(spec, path) or 0
        if count < 0:
            causes.append(
                invalid_value(".".join(("spec", *path)), str(count), "must be greater than or equal to 0")
            )
    service = spec.get("serviceName") or ""
    if service and (len(service) > 63 or not LABEL.fullmatch(service)):
        causes.append(invalid_value("spec.serviceName", f'"{service}"', LABEL_RULE))
    for moment, what in spec["persistentVolumeClaimRetentionPolicy"].items():
        if what not in ("Delete", "Retain"):
            field = f"spec.persistentVolumeClaimRetentionPolicy.{moment}"
            causes.append(not_supported(field, f'"{what}"', ('"Delete"', '"Retain"')))
    return causes + _check_strategy(spec["updateStrategy"], "spec.updateStrategy")


def _check_strategy(strategy: dict[str, Any], path: str) -> list[Cause]:
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] not in _STRATEGIES:
        return [_neither(f"{path}.type", strategy["type"], _STRATEGIES)]
    if strategy["type"] == "OnDelete":
        why = "belongs to updateStrategy 'RollingUpdate' only"
        return [] if rolling is None else [invalid_value(f"{path}.rollingUpdate", "{}", why)]
    most = rolling.get("maxUnavailable") if rolling else None
    if most is None or (_whole(most) and most > 0) or (isinstance(most, str) and _PERCENT.fullmatch(most)):
        return []
    why = "must be a whole number above 0, or a percentage from 1% to 100%"
    return [invalid_value(f"{path}.rollingUpdate.maxUnavailable", f'"{most}"', why)]


def _neither(field: str, found: object, words: tuple[str, str]) -> Cause:
    return invalid_value(field, f'"{found}"', f"must be '{words[0]}' or '{words[1]}'")


STATEFUL_SETS = Rules(
    default=_default_stateful_set,
    check=_check_stateful_set,
    refuse=_refuse_stateful_set,
    begin=with_status({"replicas": 0, "availableReplicas": 0}),
)
CLAIMS = Rules(default=_default_claim, begin=with_status({"phase": "Pending"}))
