"""What only KEDA's admission webhook refuses in a ScaledObject, and what it warns of.

The other set, what the reconcile refuses whether or not a webhook stands before it, is `rules`. The controller runs
what only the webhook refuses as KEDA's does, and says so; `tidegate validate` reports it as a problem. Pure: the
existing objects come in as `Surroundings`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from scaler.core.admission_modifiers import fallback, modifiers
from scaler.core.admission_ownership import kinds, ownership
from scaler.core.admission_requests import requests
from scaler.core.admission_rules import HPA_NAME, Refused, rule_of
from scaler.core.admission_warnings import hazards, irrelevant
from scaler.core.model import ScaledObject
from scaler.core.rules import refusals
from scaler.core.surroundings import Surroundings, listed, mapping
from scalers._lib.problem import Problem

__all__ = ["Refused", "admission", "skipped", "warnings", "webhook"]

_LONGEST_NAME = 63
_ONE_FINALIZER = frozenset({"ScaledJob", "TriggerAuthentication", "ClusterTriggerAuthentication"})


def admission(so: ScaledObject, surroundings: Surroundings, *, dry_run: bool = False) -> tuple[Refused, ...]:
    """Everything that the webhook refuses and `rules.refusals` does not, each with KEDA's reason.

    The object itself may be in `surroundings`. A few of these the reconcile meets later, in the cluster (a target of
    an unknown kind): `rule.webhook_only` tells them apart. A dry run is not asked about requests, as in KEDA.
    """
    found = (
        *_hpa_name(so),
        *fallback(so),
        *modifiers(so),
        *ownership(so, surroundings),
        *kinds(so, surroundings),
    )
    return found if dry_run else (*found, *requests(so, surroundings))


def webhook(so: ScaledObject, surroundings: Surroundings, *, dry_run: bool = False) -> tuple[Refused, ...]:
    """Everything that the webhook refuses: also what the reconcile would. KEDA reports one of them, at random."""
    shared = (
        Refused(rule, refusal.problem) for refusal in refusals(so) if (rule := rule_of(refusal)) is not None
    )
    return (*shared, *admission(so, surroundings, dry_run=dry_run))


def warnings(so: ScaledObject, surroundings: Surroundings) -> tuple[Problem, ...]:
    """What is allowed and probably not meant: KEDA's warnings first, then ours."""
    return (*irrelevant(so), *hazards(so, surroundings))


def skipped(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Is an update not checked at all, since it only takes finalizers off? A broken object must be able to go.

    Of a ScaledObject any finalizer may go; of the other kinds KEDA lets the one and last go (facts 7.1).
    """
    if mapping(old.get("spec")) != mapping(new.get("spec")):
        return False
    before, after = (len(listed(mapping(obj.get("metadata")).get("finalizers"))) for obj in (old, new))
    return (before, after) == (1, 0) if new.get("kind") in _ONE_FINALIZER else after < before


def _hpa_name(so: ScaledObject) -> Iterator[Refused]:
    if len(so.hpa_name) > _LONGEST_NAME:
        words = f"{so.hpa_name} is {len(so.hpa_name)} characters long, more than {_LONGEST_NAME}"
        yield HPA_NAME.at("spec.advanced.horizontalPodAutoscalerConfig.name", words)
