"""What schema, reconcile rules and webhook rules together answer to a record's creation and patches.

Pure: the objects of the record are the surroundings, and after a creation the object's own HPA stands among them.
"""

import copy
from collections.abc import Mapping
from typing import Any

from scaler.core import manifest
from scaler.core.admission import webhook
from scaler.core.admission_warnings import irrelevant
from scaler.core.known_kinds import could_exist
from scaler.core.surroundings import Surroundings

__all__ = ["answer", "merged"]

CREATED, PATCHED, FORBIDDEN, INVALID = 201, 200, 403, 422
_REGISTERED = {("lab.test/v1", "Widget"), ("lab.test/v1", "Gadget")}
"""The kinds of a custom group that the cluster of the records has (its README)."""


def answer(given: Mapping[str, Any]) -> dict[str, Any]:
    """`code`, `warnings`, `patch_codes` as the records have them, and `reasons`: KEDA's labels of the refusals.

    Warnings are KEDA's two and the API server's about unknown fields; those of our own have no record.
    """
    surroundings = Surroundings(_known)
    for obj in given.get("existing", ()):
        _put(surroundings, obj)
    obj = given["manifest"]
    code, warnings, reasons = _asked(obj, surroundings)
    answers = {"code": code or CREATED, "warnings": warnings, "reasons": reasons, "patch_codes": []}
    if code is not None:
        return answers
    for patch in given.get("patches", ()):
        _put(surroundings, obj)
        _adopt(surroundings, obj)
        patched = merged(obj, patch)
        code, _, reasons = _asked(patched, surroundings)
        answers["patch_codes"].append(code or PATCHED)
        answers["reasons"] = (*answers["reasons"], *reasons)
        obj = obj if code else patched
    return answers


def merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    found = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


def _asked(obj: Mapping[str, Any], surroundings: Surroundings) -> tuple[int | None, int, tuple[str, ...]]:
    """The code of a refusal or None, the number of warnings, the reasons."""
    parsed = manifest.parse(obj)
    if parsed.scaled_object is None:
        return INVALID, 0, ()
    refused = webhook(parsed.scaled_object, surroundings)
    if refused:
        return FORBIDDEN, 0, tuple(one.reason for one in refused)
    return None, len(parsed.warnings) + len(list(irrelevant(parsed.scaled_object))), ()


def _put(surroundings: Surroundings, obj: Mapping[str, Any]) -> None:
    if obj["kind"] != "ScaledObject":
        surroundings.put(obj)
        return
    found = manifest.parse(obj).scaled_object
    if found is not None:
        surroundings.put_scaled_object(found)


def _adopt(surroundings: Surroundings, obj: Mapping[str, Any]) -> None:
    """The HPA that the controller makes of the object, or makes its own."""
    so = manifest.parse(obj).scaled_object
    assert so is not None
    target = {"apiVersion": so.target.api_version, "kind": so.target.kind, "name": so.target.name}
    surroundings.put(
        {
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": so.hpa_name, "ownerReferences": [{"kind": "ScaledObject", "name": so.name}]},
            "spec": {"scaleTargetRef": target},
        }
    )


def _known(api_version: str, kind: str) -> bool:
    """As that cluster: Kubernetes' own groups, and what was registered."""
    return (api_version, kind) in _REGISTERED or ("." not in api_version and could_exist(api_version, kind))
