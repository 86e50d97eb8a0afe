"""What KEDA's webhook refuses in a ScaledJob (facts 7.3): its triggers, by the rules that a ScaledObject's have.

The rest of a ScaledJob is the business of its CRD's schema, and is not read here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from scaler.core.admission_rules import CACHED, NO_TRIGGERS, TRIGGER_NAMES, Refused
from scaler.core.surroundings import listed, mapping

__all__ = ["job_admission"]

_UNCACHED = frozenset({"cpu", "memory", "cron"})


def job_admission(document: Mapping[str, Any]) -> tuple[Refused, ...]:
    """Everything that the webhook refuses in a ScaledJob as written. Never raises."""
    triggers = list(map(mapping, listed(mapping(document.get("spec")).get("triggers"))))
    if not triggers:
        return (NO_TRIGGERS.at("spec.triggers", "is empty or absent"),)
    return tuple(_triggers(triggers))


def _triggers(triggers: list[Mapping[str, Any]]) -> Iterator[Refused]:
    seen: dict[str, int] = {}
    for index, trigger in enumerate(triggers):
        path, kind, name = f"spec.triggers[{index}]", trigger.get("type"), trigger.get("name")
        if trigger.get("useCachedMetrics") is True and kind in _UNCACHED:
            yield CACHED.at(f"{path}.useCachedMetrics", f"cannot be used with a {kind} trigger")
        if isinstance(name, str) and name and seen.setdefault(name, index) != index:
            yield TRIGGER_NAMES.at(f"{path}.name", f"{name!r} is the name of spec.triggers[{seen[name]}] too")
