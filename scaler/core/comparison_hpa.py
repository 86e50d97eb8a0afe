"""The HPA in the cluster against the one that a ScaledObject asks for, field by field. See `comparison`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from scaler.core import hpa

__all__ = ["HpaDifference", "differing"]

_NOT_COMPARED = ("metadata.labels.app.kubernetes.io/version", "metadata.annotations.tidegate.dev/")
"""The first says who made it. The others are ours: KEDA, which means nothing by them, copies them late or never."""
_LONGEST = 80
_FIELDS = 8
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_KEYED = ("metadata.labels.", "metadata.annotations.")


@dataclass(frozen=True, slots=True)
class HpaDifference:
    """`topic` names the fields; `done` and `wished` are what they say there and would say with us."""

    topic: str
    done: str
    wished: str


def differing(live: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> HpaDifference | None:
    """How the two differ; None where they do not. One that is not there, or that we would not have, is None."""
    if live is None and wanted is None:
        return None
    if wanted is None:
        return HpaDifference("exists", f"there is HPA {_name(live)}", "had none")
    annotations = wanted["metadata"].get("annotations") or {}
    if hpa.OWNER_LABEL in annotations.get(hpa.EXCLUDED_LABELS, "").split(","):
        return None  # KEDA's has no label to be watched by then, so nothing is known of the one there.
    if live is None:
        return HpaDifference("missing", f"there is no HPA {_name(wanted)}", "made it")
    paths = [path for path in hpa.difference(live, wanted) if not path.startswith(_NOT_COMPARED)]
    if not paths:
        return None
    shown = paths[:_FIELDS]
    more = f"; {len(paths) - len(shown)} more" if len(paths) > len(shown) else ""
    return HpaDifference(
        ", ".join(paths),
        "; ".join(_said(hpa.defaulted(live), shown)) + more,
        "; ".join(_said(hpa.defaulted(wanted), shown)) + more,
    )


def _said(obj: Mapping[str, Any], paths: list[str]) -> Iterator[str]:
    for path in paths:
        found = _at(obj, path)
        text = "unset" if found is None else msgspec.json.encode(found).decode()
        yield f"{path} {text if len(text) <= _LONGEST else text[:_LONGEST] + '…'}"


def _at(obj: Mapping[str, Any], path: str) -> Any:
    """The value at a path of `hpa.difference`; None where there is none."""
    keyed = next((prefix for prefix in _KEYED if path.startswith(prefix)), None)
    steps: list[str | int] = (
        [*keyed.rstrip(".").split("."), path.removeprefix(keyed)]
        if keyed is not None
        else [int(place) if place else name for name, place in _STEP.findall(path)]
    )
    found: Any = obj
    for step in steps:
        if isinstance(found, Mapping) and isinstance(step, str):
            found = found.get(step)
        elif isinstance(found, list) and isinstance(step, int) and step < len(found):
            found = found[step]
        else:
            return None
    return found


def _name(obj: Mapping[str, Any] | None) -> str:
    return str(obj["metadata"]["name"]) if obj is not None else ""
