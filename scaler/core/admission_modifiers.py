"""The webhook's rules about `fallback` and `scalingModifiers` (facts 7.2; Q32).

Those that the reconcile shares (a formula that does not compile, a target that is no number) are in `rules`.
"""

from collections.abc import Iterator

from scaler.core.admission_requests import only_resources
from scaler.core.admission_rules import FALLBACK, FALLBACK_FORMULA, NO_FORMULA, Refused
from scaler.core.model import ScaledObject

__all__ = ["fallback", "modifiers"]


def fallback(so: ScaledObject) -> Iterator[Refused]:
    """A fallback that could never act, or has no formula to fall back in."""
    if so.spec.fallback is None:
        return
    if only_resources(so) and so.modifiers is None:
        words = "can never act: cpu and memory are read by the HPA itself"
        yield FALLBACK.at("spec.fallback", words)
    if so.spec.fallback.behavior == "scalingModifiers" and (so.modifiers is None or not so.modifiers.formula):
        yield FALLBACK_FORMULA.at("spec.fallback.behavior", "is scalingModifiers, and there is no formula")


def modifiers(so: ScaledObject) -> Iterator[Refused]:
    """Modifiers that modify nothing, since there is no formula: KEDA's reconcile takes them."""
    if so.modifiers is not None and not so.modifiers.formula:
        yield NO_FORMULA.at("spec.advanced.scalingModifiers.formula", "is required")
