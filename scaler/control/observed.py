"""A ScaledObject as the watch shows it, parsed once per change of what matters.

Most events of a ScaledObject are our own status writes; spec, labels and annotations are unchanged then, and so is the
parsed object but for its status and resourceVersion.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scaler.core import manifest
from scaler.core.model import ScaledObject
from scalers._lib.problem import Problem

__all__ = ["KEDA_FINALIZER", "Observed", "Observer"]

KEDA_FINALIZER = "finalizer.keda.sh"
_ACTING = ("autoscaling.keda.sh/", "tidegate.dev/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """`so` is None when the API server stored what our models refuse; `problems` says why."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    generation: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    finalizers: tuple[str, ...]
    deleted: bool
    status: Mapping[str, Any]
    so: ScaledObject | None
    problems: tuple[Problem, ...]

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.namespace, self.name

    def same_text(self, other: "Observed") -> bool:
        """Would both be parsed to the same?"""
        mine = (self.uid, self.generation, self.labels, self.annotations)
        return mine == (other.uid, other.generation, other.labels, other.annotations)

    def same_wish(self, other: "Observed") -> bool:
        """Is there nothing to reconcile between the two?

        As in KEDA (facts 2.1), labels and annotations that mean nothing to us reach the HPA with the next reconcile only.
        """
        mine = (self.uid, self.generation, self.acting, self.deleted, self.finalizers)
        return mine == (other.uid, other.generation, other.acting, other.deleted, other.finalizers)

    @property
    def acting(self) -> dict[str, str]:
        """The annotations that change what is done."""
        return {name: word for name, word in self.annotations.items() if name.startswith(_ACTING)}


class Observer:
    """Decodes ScaledObjects for the informer."""

    def __init__(self) -> None:
        self._last: dict[str, Observed] = {}

    def decode(self, obj: Mapping[str, Any]) -> Observed:
        """What is kept of a ScaledObject's JSON."""
        meta = obj["metadata"]
        seen = Observed(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            generation=meta.get("generation") or 0,
            labels=meta.get("labels") or {},
            annotations=meta.get("annotations") or {},
            finalizers=tuple(meta.get("finalizers") or ()),
            deleted="deletionTimestamp" in meta,
            status=obj.get("status") or {},
            so=None,
            problems=(),
        )
        last = self._last.get(seen.uid)
        if last is not None and last.same_text(seen):
            so = last.so
            if so is not None:
                so = replace(
                    so,
                    status=seen.status,
                    resource_version=seen.resource_version,
                    deleted=seen.deleted,
                    finalizers=seen.finalizers,
                )
            seen = replace(seen, so=so, problems=last.problems)
        else:
            parsed = manifest.parse(obj)
            seen = replace(seen, so=parsed.scaled_object, problems=parsed.problems)
        self._last[seen.uid] = seen
        return seen

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._last.pop(uid, None)
