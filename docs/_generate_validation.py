"""The generated section of docs/validation.md: the rules of KEDA's admission webhook, and who refuses."""  # noqa: INP001

from collections.abc import Callable

from _generate_tables import table

from scaler.core.admission_rules import RULES

__all__ = ["PAGE", "sections"]

PAGE = "validation.md"


def sections() -> dict[str, Callable[[], str]]:
    """By name what makes a section."""
    return {"webhook rules": _rules}


def _rules() -> str:
    rows = [
        (
            rule.what,
            f"`{rule.reason}`" if rule.reason else "",
            "webhook" if rule.webhook_only else "webhook and controller",
            rule.mend,
        )
        for rule in RULES
    ]
    return table(("what is refused", "KEDA's label", "by whom", "how to mend it"), rows)
