"""The rules of KEDA's admission webhook for ScaledObjects, as data: label, what is refused, how to mend it, by whom.

One `Rule` for each row of facts 7.2 that the CRD's schema does not already forbid. The checks are in `rules` (what
the reconcile refuses as well) and `admission` (what only the webhook refuses); docs/validation.md is made of this.
"""

from dataclasses import dataclass

from scaler.core.rules import Refusal
from scaler.core.steps import Step
from scalers._lib.problem import Problem

__all__ = ["RULES", "Refused", "Rule", "rule_of"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `reason` is the label of KEDA's metric of validation errors, empty where KEDA counts none.

    `webhook_only`: our reconcile takes such an object, and so it runs where no webhook stands before it.
    """

    name: str
    reason: str
    what: str
    mend: str
    webhook_only: bool = True

    def at(self, path: str, problem: str) -> "Refused":
        """The rule broken at `path`."""
        return Refused(self, Problem(path, problem, self.mend))


@dataclass(frozen=True, slots=True)
class Refused:
    """A broken rule, and where."""

    rule: Rule
    problem: Problem

    @property
    def reason(self) -> str:
        """KEDA's label, empty where it counts none."""
        return self.rule.reason


NAME = Rule(
    "name",
    "name-too-long",
    "the object's name is longer than 63 characters",
    "use at most 63",
    webhook_only=False,
)
HPA_NAME = Rule(
    "HPA name",
    "hpa-name-too-long",
    "the HPA's name, given or `keda-hpa-` and the object's, is longer than 63 characters",
    "write a shorter one there, or shorten metadata.name",
)
BOUNDS = Rule(
    "bounds",
    "incorrect-replicas",
    "`minReplicaCount` is above `maxReplicaCount`, or `idleReplicaCount` is not below `minReplicaCount` "
    "(absent counts as 0, an explicit 0 as 1)",
    "change one of the two",
    webhook_only=False,
)
NO_TRIGGERS = Rule(
    "no triggers",
    "incorrect-triggers",
    "no triggers at all (of a ScaledObject the schema says so first)",
    "give at least one",
    webhook_only=False,
)
CACHED = Rule(
    "cached metrics",
    "incorrect-triggers",
    "`useCachedMetrics` on a cpu, memory or cron trigger",
    "remove it",
    webhook_only=False,
)
TRIGGER_NAMES = Rule(
    "trigger names",
    "incorrect-triggers",
    "two triggers of the object have one name",
    "give every trigger a name of its own",
    webhook_only=False,
)
FALLBACK = Rule(
    "fallback",
    "incorrect-fallback",
    "`fallback`, and nothing but cpu and memory triggers, and no `scalingModifiers`",
    "remove it, or add a trigger of another type",
)
FALLBACK_FORMULA = Rule(
    "fallback by formula",
    "scaling-modifiers-fallback",
    "`fallback.behavior: scalingModifiers` without a formula",
    "give spec.advanced.scalingModifiers.formula, or another behavior",
)
NO_FORMULA = Rule(
    "no formula",
    "scaling-modifiers",
    "something in `scalingModifiers`, and no formula",
    "give one, or remove spec.advanced.scalingModifiers",
)
FORMULA = Rule(
    "formula",
    "scaling-modifiers",
    "the formula does not compile, names what is no trigger of the object (cpu and memory count as none), or fails "
    "when every trigger reads -1",
    "mend the formula",
    webhook_only=False,
)
COMPOSITE_TARGET = Rule(
    "composite target",
    "scaling-modifiers",
    "`scalingModifiers.target` is absent, is no number, or is not above 0",
    "write a number above 0, in quotes",
    webhook_only=False,
)
OTHER_SCALED_OBJECT = Rule(
    "other ScaledObject",
    "other-scaled-object",
    "another ScaledObject of the namespace has the same target",
    "keep one of the two, with the triggers of both",
)
SHARED_HPA = Rule(
    "shared HPA",
    "other-scaled-object-hpa",
    "another ScaledObject of the namespace has an HPA of the same name",
    "give each its own spec.advanced.horizontalPodAutoscalerConfig.name",
    webhook_only=False,  # KEDA's reconcile takes both, and they overwrite each other for ever.
)
OTHER_HPA = Rule(
    "other HPA",
    "other-hpa",
    "an HPA that is not the object's own has the same target; unless annotated "
    '`validations.keda.sh/hpa-ownership: "false"`',
    "delete that HPA, or take it over: give its name in spec.advanced.horizontalPodAutoscalerConfig.name and the "
    'annotation scaledobject.keda.sh/transfer-hpa-ownership: "true"',
)
TRANSFER = Rule(
    "transfer",
    "transfer-ownership-missing-hpa-name",
    'the object is annotated `scaledobject.keda.sh/transfer-hpa-ownership: "true"`, and does not give the name of the '
    "HPA that has its target",
    "write that name",
)
REQUESTS = Rule(
    "requests",
    "missing-requests",
    "a cpu or memory trigger, and a container (that of `containerName`, else any) with neither request nor limit of "
    "it, in a namespace whose LimitRanges give none; asked of Deployments and StatefulSets",
    "give the container one, or the namespace a LimitRange with a default of it",
)
ONLY_RESOURCES = Rule(
    "only cpu and memory",
    "scale-to-zero-requirements-not-met",
    "nothing but cpu and memory triggers, and `minReplicaCount` is absent or 0; asked of Deployments and StatefulSets",
    "write 1 or more, or add a trigger of another type",
)
KIND = Rule(
    "target kind",
    "",
    "the cluster knows no such kind as the target's",
    "check apiVersion and kind; without apiVersion it is apps/v1",
    webhook_only=False,
)
STRANGER = Rule(
    "neighbour's target kind",
    "",
    "the cluster knows no such kind as the target of another ScaledObject, or of an HPA, in the namespace",
    "mend or delete that object",
)
TARGET = Rule(
    "target",
    "",
    "a cpu or memory trigger, and the Deployment or StatefulSet is not there",
    "make the target first",
)

RULES = (
    NAME,
    HPA_NAME,
    BOUNDS,
    NO_TRIGGERS,
    CACHED,
    TRIGGER_NAMES,
    FALLBACK,
    FALLBACK_FORMULA,
    NO_FORMULA,
    FORMULA,
    COMPOSITE_TARGET,
    OTHER_SCALED_OBJECT,
    SHARED_HPA,
    OTHER_HPA,
    TRANSFER,
    REQUESTS,
    ONLY_RESOURCES,
    KIND,
    STRANGER,
    TARGET,
)
_MODIFIERS = "spec.advanced.scalingModifiers"


def rule_of(refusal: Refusal) -> Rule | None:
    """The webhook's rule for what the reconcile refuses; None for what KEDA's webhook lets through."""
    path = refusal.problem.path
    if refusal.step is Step.TRIGGERS:
        return CACHED if path.endswith(".useCachedMetrics") else TRIGGER_NAMES
    shared = {Step.LABEL: NAME, Step.BOUNDS: BOUNDS}.get(refusal.step)
    return shared or {f"{_MODIFIERS}.formula": FORMULA, f"{_MODIFIERS}.target": COMPOSITE_TARGET}.get(path)
