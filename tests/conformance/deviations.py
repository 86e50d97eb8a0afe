"""Where we promise something else than what was recorded: named rules, explained in docs/differences.md.

A rule is a predicate over what a record's case *is*, never over its id, and the outcome we promise instead,
which the test then asserts like a recorded one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hpa_rules import HPA_RULES
from life_rules import LIFE_RULES
from object_rules import OBJECT_RULES
from wire_rules import WIRE_RULES

__all__ = ["RULES", "Rule", "promised"]

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """`applies` and `promise` take a record's input and output; `promise` answers the output we promise."""

    name: str
    stem: str
    applies: Callable[[Record, Record], bool]
    promise: Callable[[Record, Record], dict[str, Any]]


RULES: tuple[Rule, ...] = (
    # Where KEDA's builder panics over a value, ours reports that value as a problem of the metadata.
    Rule(
        "no-panic",
        "triggers",
        applies=lambda _given, recorded: recorded.get("stage") == "panic",
        promise=lambda _given, recorded: {**recorded, "stage": "parse"},
    ),
    # KEDA turns infinity, NaN and what is too large into the smallest int64: to scale on it is to scale in.
    Rule(
        "formula-without-a-number",
        "formulas",
        applies=lambda _given, recorded: recorded.get("milli") == -(1 << 63),
        promise=lambda _given, _recorded: {"error": {"stage": "run"}},
    ),
    *(
        Rule(name, "scaledobjects", applies, promise)
        for name, applies, promise in (*OBJECT_RULES, *HPA_RULES)
    ),
    *(Rule(name, "lifecycle", applies, promise) for name, applies, promise in LIFE_RULES),
    *(Rule(name, "wire", applies, promise) for name, applies, promise in WIRE_RULES),
)


def promised(stem: str, given: Record, recorded: Record) -> tuple[str | None, dict[str, Any]]:
    """The names of the rules that apply (None where none does), and the output to assert: each builds on the one before."""
    names, output = [], dict(recorded)
    for rule in RULES:
        if rule.stem == stem and rule.applies(given, recorded):
            names.append(rule.name)
            output = rule.promise(given, output)
    return "+".join(names) or None, output
