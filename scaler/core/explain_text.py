"""The document about one object as lines for a person; see `explain_document`.

The document comes over the wire, perhaps from another version: what is missing is left out, and no character of it can
move a terminal's cursor.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["entry_line", "lines", "plain"]

_Document = Mapping[str, Any]
_INDENT = "  "


def lines(document: _Document, last: int) -> Iterator[str]:
    """The answer, then how it stands, the triggers, the trail, the HPA, and the newest `last` entries."""
    yield plain(document.get("answer"))
    yield _INDENT + _standing(document)
    for refused in document.get("unadmitted") or ():
        yield f"{_INDENT}KEDA's webhook would refuse it: {plain(refused)}"
    for block in (_triggers(document), _trail(document), _hpa(document), _entries(document, last)):
        found = list(block)
        if found:
            yield ""
            yield from (_INDENT + line for line in found)


def entry_line(entry: _Document) -> str:
    """One entry in one line: when, what, and how often."""
    count = entry.get("count") or 1
    often = f"  ({count} times since {_moment(entry.get('first'))})" if count > 1 else ""
    word = entry.get("reason") if entry.get("kind") != "scaled" else "scaled"
    undone = "" if entry.get("acted", True) or entry.get("to") is None else "  (not done)"
    text = " ".join(plain(entry.get("text")).split())
    return f"{_moment(entry.get('last'))}  {plain(word)}: {text}{undone}{often}"


def plain(value: object) -> str:
    """Text whose characters are all printable; others are shown by their escapes. None is empty."""
    text = "" if value is None else str(value)
    return "".join(
        c if c.isprintable() else " " if c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )


def _standing(document: _Document) -> str:
    state = {"InCharge": "in charge", "Refused": "not in charge", "Waiting": "not in charge yet"}
    refused, watched = document.get("refused"), document.get("since")
    since = refused.get("since") if isinstance(refused, Mapping) else None
    parts = [
        state.get(str(document.get("state")), ""),
        f"since {_moment(since)}" if since else f"watched since {_moment(watched)}" if watched else "",
        plain(document.get("target")),
        "paused" if document.get("paused") else "",
        "mode observe" if document.get("mode") == "observe" else "",
    ]
    return ", ".join(part for part in parts if part)


def _triggers(document: _Document) -> Iterator[str]:
    rows = [
        (
            f"{plain(row.get('metric'))}{' (' + plain(row['type']) + ')' if row.get('type') else ''}",
            _number(row.get("value")),
            _target(row),
            _number(row.get("activation")),
            _active(row),
            _number(row.get("asksFor")),
            _remark(row),
        )
        for row in document.get("triggers") or ()
    ]
    if rows:
        yield from _table(("trigger", "value", "target", "active above", "active", "asks for", ""), rows)


_BY = {
    "fallback": "by fallback",
    "last-known": "its last value",
    "ignored": "ignored",
    "formula": "by the formula",
}


def _active(row: _Document) -> str:
    if row.get("active") is not None:
        return "yes" if row["active"] else "no"
    return "-" if row.get("metricType") == "Resource" and not row.get("error") else "?"


def _target(row: _Document) -> str:
    if row.get("metricType") == "Resource":
        return "by the HPA"
    return _number(row.get("target")) + (" (Value)" if row.get("metricType") == "Value" else "")


def _remark(row: _Document) -> str:
    error = row.get("error")
    said = ""
    if isinstance(error, Mapping):
        said = f"{plain(error.get('reason'))}: {' '.join(plain(error.get('message')).split())}"
        if row.get("failingSince"):
            said += f" (since {_moment(row['failingSince'])}, {row.get('failures')} failed polls)"
    parts = ["wins" if row.get("won") else "", _BY.get(str(row.get("by")), ""), said]
    return "; ".join(part for part in parts if part)


def _trail(document: _Document) -> Iterator[str]:
    rows = [
        (plain(step.get("name")), f"{step.get('before')} → {step.get('after')}", plain(step.get("note")))
        for step in document.get("trail") or ()
    ]
    if rows:
        yield from _table(("rule", "replicas", "because"), rows)


def _hpa(document: _Document) -> Iterator[str]:
    hpa = document.get("hpa")
    if not isinstance(hpa, Mapping):
        return
    wish = hpa.get("desiredReplicas")
    asks = f", asks for {wish}" if wish is not None else ""
    yield (
        f"HPA {plain(hpa.get('name'))}: {_or(hpa.get('currentReplicas'))} replicas, "
        f"{hpa.get('minReplicas')} to {hpa.get('maxReplicas')} allowed{asks}"
    )
    if hpa.get("word"):
        yield f"{_INDENT}{plain(hpa['word'])}: {plain(hpa.get('text'))}"
    for metric in hpa.get("metrics") or ():
        yield (
            f"{_INDENT}{plain(metric.get('name'))} is {plain(metric.get('current')) or 'not known'}, "
            f"target {plain(metric.get('target'))}"
        )


def _entries(document: _Document, last: int) -> Iterator[str]:
    return (entry_line(entry) for entry in (document.get("entries") or ())[:last])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _moment(value: object) -> str:
    """To the second, as the decisions' own sentences have it."""
    text = plain(value)
    return f"{text[:19]}Z" if len(text) > 19 else text


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "-"
    return f"{value:.6f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _or(value: object) -> str:
    return "?" if value is None else str(value)
