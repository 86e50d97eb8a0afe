"""The JSON document about one object, as `/decisions/{namespace}/{name}` serves it and `tidegate explain` prints it.

    object, target, since, mode, state, refused, paused, answer     how it stands now; `answer` is one line for a person
    unadmitted                                                      what KEDA's admission webhook would have refused
    replicas, reason                                                the same in two words
    triggers, trail, cooldownUntil                                  how the last decision came about
    hpa                                                             its HPA's status, and what that means
    entries                                                         what was, newest first

Each entry has `kind`, `text`, `first`, `last` and `count`; one of kind `decision` has the `record` that replays.
Moments are RFC 3339. Fields may be added; none changes its meaning.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from scaler.core.decision import Decision
from scaler.core.explain import answer, hpa_word, judged, winner
from scaler.core.explain_entries import Decided, Happened, Scaled, Subject
from scaler.core.explain_hpa import rescaled
from scaler.core.judgement import counted
from scaler.core.outcome import Outcome
from scaler.core.policy import Pause
from scaler.core.record import Given, to_record
from scaler.core.status import steady
from scaler.core.trail import proposed

__all__ = ["Entry", "document", "moment", "summary"]

Entry = Decided | Scaled | Happened


def document(
    subject: Subject, entries: Sequence[Entry], now: datetime, last: int | None = None
) -> dict[str, Any]:
    """The document. `entries` in any order; of them the newest `last`, all where that is None."""
    newest = sorted(entries, key=lambda entry: entry.last)[
        ::-1
    ]  # Of equal moments, too, the later told first.
    decided = next((entry for entry in newest if isinstance(entry, Decided)), None)
    scaled = next((entry for entry in newest if isinstance(entry, Scaled)), None)
    happened = next((entry for entry in newest if isinstance(entry, Happened)), None)
    said = answer(subject, decided, scaled, happened)
    refusal = subject.refusal
    return {
        "object": subject.identity(),
        "target": subject.target,
        "now": moment(now),
        "since": moment(subject.since),
        "mode": "observe" if subject.observed else "act",
        "state": _state(subject),
        "refused": {
            "step": refusal.text.partition(": ")[0],
            "text": refusal.text,
            "since": moment(refusal.first),
        }
        if refusal is not None
        else None,
        "paused": subject.paused,
        "unadmitted": list(subject.unadmitted),
        "replicas": said.replicas,
        "reason": said.word,
        "answer": said.line(f"{subject.namespace}/{subject.name}"),
        **_present(subject, decided),
        "entries": [_entry(entry) for entry in newest[:last]],
    }


def summary(subject: Subject, decisions: Sequence[Decided]) -> dict[str, Any]:
    """One line of the list of all objects: small, and made without looking at anything else. `decisions` oldest first."""
    newest = decisions[-1] if decisions else None
    reason = "NotDecidedYet" if newest is None else str(newest.decision.reason)
    return {
        "namespace": subject.namespace,
        "name": subject.name,
        "reason": subject.refusal.word if subject.refusal is not None else reason,
        "replicas": newest.given.replicas if newest is not None else None,
        "since": moment(newest.first if newest is not None else subject.since),
    }


def moment(at: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _state(subject: Subject) -> str:
    if subject.refusal is not None:
        return "Refused"
    return "InCharge" if subject.in_charge else "Waiting"


def _present(subject: Subject, decided: Decided | None) -> dict[str, Any]:
    hpa, word = subject.hpa, hpa_word(subject, decided)
    told = (
        None
        if hpa is None
        else {**hpa.written(), "word": word.word if word else "", "text": word.text if word else ""}
    )
    if decided is None:
        return {"triggers": [], "trail": [], "won": None, "cooldownUntil": None, "hpa": told}
    until = decided.decision.cooldown_until
    rows = _triggers(decided.given)
    for row in rows:
        facts = subject.triggers.get(row["index"])
        row["type"] = facts.type if facts is not None and row["by"] != "formula" else ""
        row["activation"] = facts.activation if facts is not None and row["by"] != "formula" else None
    return {
        "triggers": rows,
        "trail": _trail(decided.decision),
        "won": next((row["metric"] for row in rows if row["won"]), None),
        "cooldownUntil": moment(until) if until is not None else None,
        "hpa": told,
    }


def _triggers(given: Given) -> list[dict[str, Any]]:
    outcomes = judged(given)
    won, counts = winner(outcomes, given.replicas), counted(outcomes)
    return [
        _trigger(o, given.replicas, won=o is won, counts=any(o is one for one in counts)) for o in outcomes
    ]


def _trigger(outcome: Outcome, replicas: int, *, won: bool, counts: bool) -> dict[str, Any]:
    return {
        "index": outcome.index,
        "name": outcome.trigger,
        "metric": outcome.metric,
        "metricType": outcome.metric_type,
        "value": outcome.value,
        "target": outcome.target / 1000,
        "active": outcome.active,
        "by": str(outcome.by),
        "asksFor": proposed(outcome, replicas),
        "counts": counts,
        "won": won,
        "error": {"reason": outcome.reason, "message": steady(outcome.message)} if outcome.reason else None,
        "failures": outcome.failures,
        "failingSince": moment(outcome.since) if outcome.since is not None else None,
    }


def _trail(decision: Decision) -> list[dict[str, Any]]:
    return [
        {"name": s.name, "before": s.before, "after": s.after, "note": steady(s.note)} for s in decision.trail
    ]


def _entry(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, Scaled):
        return _scaled(entry)
    if isinstance(entry, Happened):
        body: dict[str, Any] = {"kind": entry.kind, "reason": entry.word, "text": entry.text}
        return {**body, "first": moment(entry.first), "last": moment(entry.last), "count": entry.count}
    given, decision = entry.given, entry.decision
    rows = _triggers(given)
    return {
        "kind": "decision",
        "reason": str(decision.reason),
        "text": steady(decision.message),
        "first": moment(entry.first),
        "last": moment(entry.last),
        "count": entry.count,
        "replicas": given.replicas,
        "to": decision.replicas,
        "acted": entry.acted and not entry.held,
        "held": entry.held,
        "won": next((row["metric"] for row in rows if row["won"]), None),
        "triggers": rows,
        "record": to_record(given, decision),
    }


_ACTORS = {"tidegate": "Tidegate", "hpa": "the HPA", "other": "somebody else"}


def _scaled(entry: Scaled) -> dict[str, Any]:
    why = entry.why
    if entry.hpa is not None and entry.by == "hpa":
        why = rescaled(entry.hpa, entry.given.policy.pause if entry.given is not None else Pause())
    why = f": {why}" if why else ""
    at = moment(entry.at)
    body: dict[str, Any] = {
        "kind": "scaled",
        "reason": entry.by,
        "text": f"from {entry.before} to {entry.after} by {_ACTORS[entry.by]}{why}",
        "first": at,
        "last": at,
        "count": 1,
        "replicas": entry.before,
        "to": entry.after,
        "by": entry.by,
    }
    if entry.by == "hpa":
        body["hpa"] = entry.hpa.written() if entry.hpa is not None else None
        served = judged(entry.given) if entry.given is not None else ()
        body["served"] = [
            {"metric": o.metric, "value": o.value, "target": o.target / 1000}
            for o in counted(served)
            if o.external
        ]
    return body
