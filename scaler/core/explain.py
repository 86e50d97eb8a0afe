"""Why an object has the replicas it has, in one line that a person can read.

`answer` is the first line of `tidegate explain`: the replicas, the reason (one word), the decision's own sentence, and
whatever of the triggers, the policy and the HPA one must know to see the cause. Nothing here decides: all of it is read
from what the journal kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scaler.core.annotations import ON_ERROR, PAUSED, PAUSED_REPLICAS
from scaler.core.decision import Decision, Reason
from scaler.core.explain_entries import Decided, Facts, Happened, Scaled, Subject
from scaler.core.explain_hpa import HpaWord, verdict
from scaler.core.judgement import counted, judge
from scaler.core.outcome import COMPOSITE, By, Outcome
from scaler.core.policy import Policy
from scaler.core.record import Given
from scaler.core.status import steady
from scaler.core.trail import proposed

__all__ = ["Answer", "answer", "asked_for", "hpa_word", "judged", "winner"]

_LEFT_TO_HPA = frozenset({Reason.HPA_IN_CHARGE, Reason.AT_REST, Reason.SCALING_IN})
_API_SERVICE = "v1beta1.external.metrics.k8s.io"


@dataclass(frozen=True, slots=True)
class Answer:
    """`replicas` as far as known, the reason in one word, and the sentences after it."""

    replicas: int | None
    word: str
    sentences: tuple[str, ...]

    def line(self, name: str) -> str:
        """`shop/worker: 3 replicas. HPAInCharge: work in s0-redis-jobs; ...`."""
        count = ""
        if self.replicas is not None:
            count = f"{self.replicas} replica{'' if self.replicas == 1 else 's'}. "
        text = ". ".join(_sentence(sentence) for sentence in self.sentences if sentence)
        return f"{name}: {count}{self.word}: {text}"


def _sentence(text: str) -> str:
    """On one line. What fails reads the same whether it was tried just now or left alone after a failure."""
    lines = (" ".join(line.split()) for line in steady(text).splitlines())
    return "; ".join(line for line in lines if line).rstrip(".")


def answer(
    subject: Subject, decided: Decided | None, scaled: Scaled | None, happened: Happened | None
) -> Answer:
    """The present state from the newest entry of each kind; see the module."""
    replicas = _replicas(decided, scaled)
    trouble = (subject.trouble,) if subject.trouble else ()
    if subject.refusal is not None:
        return Answer(replicas, subject.refusal.word, (subject.refusal.text, *trouble))
    if happened is not None and happened.kind == "replicas-unknown" and _newer(happened, decided):
        return Answer(None, happened.word, (happened.text, *trouble))
    if decided is None:
        if subject.in_charge:
            return Answer(replicas, "NotDecidedYet", ("nothing has been decided yet", *trouble))
        text = (
            "its triggers are being read for the first time"
            if subject.waiting
            else "it was not looked at yet"
        )
        return Answer(replicas, "NotReadYet", (text, *trouble))
    reason, (first, *more) = _decided(subject, decided)
    undone = tuple(_not_done(subject, decided, happened))
    # Why the whole controller does not act is the cause; what it does to the HPA follows from that.
    if decided.held:
        return Answer(replicas, reason, (first, *undone, *trouble, *more))
    return Answer(replicas, reason, (first, *more, *undone, *trouble))


def judged(given: Given) -> tuple[Outcome, ...]:
    """What counted for each metric when it was decided. While paused nothing was looked at: as it was read."""
    if given.policy.pause.full:
        return given.outcomes
    return judge(given.policy, given.outcomes, given.replicas, given.ready, given.now)


def winner(outcomes: Sequence[Outcome], replicas: int) -> Outcome | None:
    """Whose number asks for the most replicas, once anyone has work: as in the HPA, also one that is not active itself.

    Where nobody asks for any, the first that is active; None without work.
    """
    counts = counted(outcomes)
    active = next((outcome for outcome in counts if outcome.active), None)
    most = max(counts, key=lambda outcome: proposed(outcome, replicas) or 0, default=None)
    if active is None or most is None:
        return None
    return most if proposed(most, replicas) else active


def asked_for(decision: Decision) -> int | None:
    """The count that the triggers asked for before any limit; None where they had no say."""
    step = next((step for step in decision.trail if step.name == "triggers"), None)
    return step.after if step is not None else None


def hpa_word(subject: Subject, decided: Decided | None) -> HpaWord | None:
    """The HPA's part in the present state; None without an HPA, or before it has looked."""
    if subject.hpa is None or decided is None:
        return None
    asked = asked_for(decided.decision) if decided.decision.active else None
    return verdict(subject.hpa, decided.given.policy.pause, asked)


def _replicas(decided: Decided | None, scaled: Scaled | None) -> int | None:
    if scaled is not None and (decided is None or scaled.at >= decided.last):
        return scaled.after
    return decided.given.replicas if decided is not None else None


def _newer(happened: Happened, decided: Decided | None) -> bool:
    return decided is None or happened.last >= decided.last


def _decided(subject: Subject, decided: Decided) -> tuple[str, list[str]]:
    given, decision = decided.given, decided.decision
    outcomes = judged(given)
    message = decision.message + _because(given, decision)
    sentences: list[str] = []
    word = hpa_word(subject, decided)
    if word is not None and (word.trouble or _left_to_hpa(given, decision)):
        if word.trouble:
            sentences.append(_hpa_trouble(word, outcomes))
        else:
            message += f": {word}"
    sentences = [
        *_stand_ins(given.policy, outcomes, decision),
        *_below(outcomes, decision, subject.triggers),
        *sentences,
    ]
    return str(decision.reason), [message, *sentences]


def _left_to_hpa(given: Given, decision: Decision) -> bool:
    at_rest = decision.reason is Reason.AT_REST and given.replicas == given.policy.rest
    return decision.reason in _LEFT_TO_HPA and not at_rest


def _because(given: Given, decision: Decision) -> str:
    """The field that the decision's sentence has no room for."""
    policy = given.policy
    if decision.reason is Reason.PAUSED:
        return f" (annotation {PAUSED if policy.pause.replicas is None else PAUSED_REPLICAS})"
    if decision.reason is Reason.COOLING_DOWN:
        if given.times.last_active is None:
            return f" (initialCooldownPeriod {policy.initial_cooldown:g} s)"
        return f" (cooldownPeriod {policy.cooldown:g} s)"
    if decision.reason in {Reason.AT_REST, Reason.RAISED_TO_MINIMUM, Reason.DEACTIVATED}:
        if policy.idle is not None:
            return f" (idleReplicaCount {policy.idle})"
        return f" (minReplicaCount {policy.minimum})" if policy.minimum else ""
    return ""


def _stand_ins(policy: Policy, outcomes: Sequence[Outcome], decision: Decision) -> Iterator[str]:
    """What stands in for triggers that cannot be read, and those that nothing stands in for."""
    if decision.reason is Reason.PAUSED:
        return  # Nothing is read.
    named = counted(outcomes) if decision.reason is Reason.TRIGGERS_FAILED else ()
    for outcome in outcomes:
        failure = f"{outcome.reason}: {outcome.message}" if outcome.reason else "no number"
        if outcome.by is By.FALLBACK:
            yield _fallen(policy, outcome, failure)
        elif outcome.by is By.LAST_KNOWN:
            last = _number(outcome.value)
            yield f"{outcome.metric} cannot be read ({failure}); its last value {last} counts ({ON_ERROR})"
        elif outcome.by is By.IGNORED:
            yield f"{outcome.metric} cannot be read ({failure}) and is ignored ({ON_ERROR})"
        elif outcome.unknown and not any(outcome is one for one in named):
            yield f"{outcome.metric} cannot be read: {failure}"


def _fallen(policy: Policy, outcome: Outcome, failure: str) -> str:
    fallback = policy.fallback
    if fallback is None:
        return f"A fallback stands in for {outcome.metric}"
    if outcome.metric == COMPOSITE and not outcome.failures:
        return f"The fallback's {fallback.replicas} replicas stand in for the formula's value (spec.fallback)"
    return (
        f"The fallback stands in for {outcome.metric}, {outcome.failures} failed polls being more than failureThreshold "
        f"{fallback.threshold}: {fallback.replicas} replicas, behavior {fallback.behavior} ({failure})"
    )


def _below(outcomes: Sequence[Outcome], decision: Decision, facts: Mapping[int, Facts]) -> Iterator[str]:
    """Numbers above 0 that are no work: they are not above the activation value."""
    if decision.active is not False:
        return
    for outcome in counted(outcomes):
        if outcome.active is not False or not outcome.value or outcome.value <= 0 or outcome.by is By.IGNORED:
            continue
        known = facts.get(outcome.index) if outcome.metric != COMPOSITE else None
        limit = known.activation if known is not None else None
        more = f"more than {_number(limit)}" if limit is not None else "more"
        yield f"{outcome.metric} is {_number(outcome.value)}, and activation takes {more}"


def _hpa_trouble(word: HpaWord, outcomes: Sequence[Outcome]) -> str:
    text = f"The HPA cannot work: {word}"
    if "Metric" in word.word and not any(outcome.unknown for outcome in outcomes):
        text += f"; Tidegate has the numbers, so look at the APIService {_API_SERVICE}"
    return text


def _not_done(subject: Subject, decided: Decided, happened: Happened | None) -> Iterator[str]:
    """Why what was decided was not done."""
    given, decision = decided.given, decided.decision
    wanted = decision.replicas is not None and decision.replicas != given.replicas
    if subject.observed or (not decided.acted and not decided.held):
        yield "Not done: mode observe writes nothing" if wanted else "Mode observe: nothing is written"
    elif decided.held:
        yield f"Not done: {decided.held}"
    elif (
        wanted and happened is not None and happened.kind == "write-failed" and happened.last >= decided.first
    ):
        yield f"Not done: {happened.text}"


def _number(value: float | None) -> str:
    """As a person writes it: all digits before the point, and no exponent."""
    return "-" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")
