"""What was found in observe mode, as `/disagreements` serves it and as `tidegate compare` prints it.

    now, mode, summary      when, the process's mode, and one line for a person
    objects                 each observed object: how it stands, how many changes were compared, its disagreements

`lines` is given what came over the wire, perhaps from another version: what is missing is left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scaler.core.comparison import Comparison
from scaler.core.disagreements import Disagreement
from scaler.core.explain_document import moment
from scaler.core.explain_text import plain

__all__ = ["Subject", "document", "lines"]

NOTHING = (
    "no ScaledObject is observed: annotate objects or namespaces with tidegate.dev/mode=observe, "
    "or run Tidegate with --mode observe"
)


@dataclass(frozen=True, slots=True)
class Subject:
    """An observed object by name, its target, and what was found about it."""

    namespace: str
    name: str
    target: str
    comparison: Comparison


def document(subjects: Sequence[Subject], mode: str, now: datetime) -> dict[str, Any]:
    """The JSON document, by namespace and name."""
    ordered = sorted(subjects, key=lambda subject: (subject.namespace, subject.name))
    objects = [_object(subject) for subject in ordered]
    return {"now": moment(now), "mode": mode, "summary": _summary(objects), "objects": objects}


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """What a person reads: the objects with disagreements or not compared, then the summary."""
    for found in document.get("objects") or ():
        if found.get("disagreements") or not found.get("compared"):
            yield from _about(found)
            yield ""
    yield plain(document.get("summary"))


def _object(subject: Subject) -> dict[str, Any]:
    comparison = subject.comparison
    stance = comparison.stance
    return {
        "object": {"namespace": subject.namespace, "name": subject.name},
        "target": subject.target,
        "since": moment(comparison.since),
        "compared": comparison.compared,
        "reason": stance.reason,
        "message": stance.message,
        "changes": comparison.changes,
        "agreed": comparison.agreed,
        "agrees": comparison.compared and not comparison.book,
        "disagreements": [_written(each) for each in comparison.book],
    }


def _written(each: Disagreement) -> dict[str, Any]:
    return {
        "kind": each.kind,
        "topic": each.topic,
        "done": each.done,
        "wished": each.wished,
        "reason": each.reason,
        "message": each.message,
        "first": moment(each.first),
        "last": moment(each.last),
        "count": each.count,
    }


def _summary(objects: Sequence[Mapping[str, Any]]) -> str:
    if not objects:
        return NOTHING
    agree = sum(bool(each["agrees"]) for each in objects)
    waiting = sum(not each["compared"] and not each["disagreements"] for each in objects)
    noun = "object" if len(objects) == 1 else "objects"
    text = f"{len(objects)} {noun}, {agree} agree"
    return f"{text}, {waiting} not compared" if waiting else text


def _about(found: Mapping[str, Any]) -> Iterator[str]:
    which = found.get("object") or {}
    name = f"{plain(which.get('namespace'))}/{plain(which.get('name'))}"
    differing = found.get("disagreements") or ()
    if not found.get("compared"):
        yield f"{name}: not compared. {plain(found.get('reason'))}: {_flat(found.get('message'))}"
    else:
        noun = "disagreement" if len(differing) == 1 else "disagreements"
        yield f"{name}: {len(differing)} {noun}"
    yield (
        f"  {plain(found.get('target'))}, watched since {_second(found.get('since'))}, "
        f"{plain(found.get('agreed'))} of {plain(found.get('changes'))} changes across the floor as Tidegate would"
    )
    for each in differing:
        count = each.get("count") or 1
        since = f"  ({count} times since {_second(each.get('first'))})" if count > 1 else ""
        yield f"  {_second(each.get('last'))}  {plain(each.get('kind'))}{since}"
        yield f"    done:      {_flat(each.get('done'))}"
        yield f"    Tidegate:  would have {_flat(each.get('wished'))}"
        yield f"    because:   {plain(each.get('reason'))}: {_flat(each.get('message'))}"


def _flat(text: object) -> str:
    return " ".join(plain(text).split())


def _second(value: object) -> str:
    """To the second, as the decisions' own sentences have it."""
    text = plain(value)
    return f"{text[:19]}Z" if len(text) > 19 else text
