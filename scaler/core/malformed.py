"""What can be asked of the triggers of an object that the API server would refuse: all problems belong in one answer.

A trigger counts when its type is text and its metadata a mapping of single values. Numbers and booleans without
quotes, which are a problem of their own, are taken for the text they would be with quotes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["RawTrigger", "raw_triggers"]


@dataclass(frozen=True, slots=True)
class RawTrigger:
    """A trigger as far as it can be understood. `path` is where it stands."""

    path: str
    type: str
    metadata: Mapping[str, str]
    metric_type: str
    has_authentication: bool


def raw_triggers(document: Mapping[str, Any]) -> Iterator[RawTrigger]:
    """The triggers of a ScaledObject that can be checked on their own."""
    spec = document.get("spec")
    triggers = spec.get("triggers") if isinstance(spec, Mapping) else None
    for index, trigger in enumerate(triggers if isinstance(triggers, list) else ()):
        if not isinstance(trigger, Mapping):
            continue
        kind, metadata = trigger.get("type"), trigger.get("metadata")
        if not isinstance(kind, str) or not kind or not isinstance(metadata, Mapping):
            continue
        texts = {name: _text(value) for name, value in metadata.items() if value is not None}
        if None in texts.values():
            continue
        metric_type = trigger.get("metricType")
        yield RawTrigger(
            f"spec.triggers[{index}]",
            kind,
            {name: text for name, text in texts.items() if text is not None},
            metric_type if isinstance(metric_type, str) else "",
            trigger.get("authenticationRef") is not None,
        )


def _text(value: Any) -> str | None:
    """A single value as the text it stands for; None for a list or a mapping."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else None
