"""Who else scales the target: the webhook's rules about other ScaledObjects and HPAs (facts 7.2; Q6, Q20).

Without the webhook two controllers write one `/scale`, each undoing the other for as long as both live.
"""

from collections.abc import Collection, Iterator

from scaler.core.admission_rules import (
    KIND,
    OTHER_HPA,
    OTHER_SCALED_OBJECT,
    SHARED_HPA,
    STRANGER,
    TRANSFER,
    Refused,
)
from scaler.core.model import ScaledObject
from scaler.core.surroundings import Holder, Hpa, Surroundings, Target

__all__ = ["kinds", "ownership", "target"]

_TRANSFER = "scaledobject.keda.sh/transfer-hpa-ownership"
_HPA_NAME = "spec.advanced.horizontalPodAutoscalerConfig.name"
_REF = "spec.scaleTargetRef"


def target(so: ScaledObject) -> Target:
    """The object's target as the surroundings know it."""
    return Target(so.target.api_version, so.target.kind, so.target.name)


def ownership(so: ScaledObject, surroundings: Surroundings) -> Iterator[Refused]:
    """The other ScaledObjects on the target or with the HPA's name, and the foreign HPAs on the target."""
    mine = target(so)
    other = _others(so, surroundings.scaled_objects_on(so.namespace, mine))
    if other:
        yield OTHER_SCALED_OBJECT.at(_REF, f"{mine} is the target of {other} too")
    other = _others(so, surroundings.scaled_objects_with(so.namespace, so.hpa_name))
    if other:
        yield SHARED_HPA.at(_HPA_NAME, f"{so.hpa_name} is the HPA of {other} too")
    for hpa in surroundings.hpas_on(so.namespace, mine):
        if ("ScaledObject", so.name) not in hpa.owners:
            yield from _foreign(so, hpa)


def kinds(so: ScaledObject, surroundings: Surroundings) -> Iterator[Refused]:
    """Unknown kinds of targets: the object's own, and those of others in the namespace, as KEDA has it.

    One stale object so keeps all others of its namespace from being changed; the problem names it.
    """
    mine = target(so).type
    if not surroundings.knows(mine):
        field = "apiVersion" if mine.api_version.count("/") > 1 else "kind"
        yield KIND.at(f"{_REF}.{field}", f"there is no kind {mine.kind} in {mine.api_version}")
    for kind, holders in surroundings.strangers(so.namespace):
        other = _others(so, holders)
        if other and kind != mine:
            words = f"there is no kind {kind.kind} in {kind.api_version}, which is the target of {other} in the namespace"
            yield STRANGER.at("metadata.namespace", words)


def _others(so: ScaledObject, holders: Collection[Holder]) -> str:
    """The first that is not the object itself, and how many more; empty where there is none."""
    itself = Holder("ScaledObject", so.name)
    first = next((holder for holder in holders if holder != itself), None)
    if first is None:
        return ""
    more = len(holders) - 1 - (itself in holders)
    return f"{first.kind} {first.name}" + (f" and {more} more" if more else "")


def _foreign(so: ScaledObject, hpa: Hpa) -> Iterator[Refused]:
    config = so.hpa_config
    if so.annotations.get(_TRANSFER) != "true":
        yield OTHER_HPA.at(_REF, f"{hpa.target} is the target of HPA {hpa.name}, which is not this object's")
    elif config is None or config.name != hpa.name:
        yield TRANSFER.at(_HPA_NAME, f"is not {hpa.name}, the HPA of {hpa.target} to take over")
