"""What `tidegate validate` found, as values: one finding with where it is, and the report of all of them.

And what it asks of a trigger type: the registry, which the core does not know, answers in these shapes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from scalers._lib.problem import Problem
from scalers.sdk import Spec

__all__ = ["Finding", "Report", "TriggerCheck", "TriggerFindings"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem or warning, with where it is.

    `refused_by` is `webhook` for what only KEDA's admission webhook refuses; `reason` is the webhook's label for what
    depends on other objects or is refused by it alone, where it has one.
    """

    file: str
    kind: str
    name: str
    path: str
    problem: str
    mend: str
    refused_by: str = ""
    reason: str = ""

    def __str__(self) -> str:
        """`file: kind/name: path: problem; mend (webhook only: reason)`, without the parts that are not known."""
        known = f"{self.kind}/{self.name}" if self.kind or self.name else ""
        text = ": ".join(part for part in (self.file, known, self.path, self.problem) if part)
        text = f"{text}; {self.mend}" if self.mend else text
        if not self.refused_by:
            return text
        return f"{text} ({self.refused_by} only{f': {self.reason}' if self.reason else ''})"

    def written(self) -> dict[str, str]:
        """Its fields; without the webhook's two where they say nothing."""
        optional = {"refused_by", "reason"}
        return {name: text for name, text in asdict(self).items() if text or name not in optional}


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, in the order of the documents. `checked` is how many documents were ours to check."""

    problems: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    checked: int

    @property
    def ok(self) -> bool:
        """No problem; warnings do not count."""
        return not self.problems

    def written(self) -> dict[str, Any]:
        """As `validate -o json` prints it."""
        return {
            "ok": self.ok,
            "problems": [finding.written() for finding in self.problems],
            "warnings": [finding.written() for finding in self.warnings],
        }


class TriggerFindings(Protocol):
    """What is wrong with a trigger, with paths below the trigger (`metadata.listName`), and its metrics.

    `specs` is empty when there are problems, or when a metric depends on a value that is only known online.
    """

    @property
    def problems(self) -> Sequence[Problem]: ...  # noqa: D102 - see the class
    @property
    def warnings(self) -> Sequence[Problem]: ...  # noqa: D102 - see the class
    @property
    def specs(self) -> Sequence[Spec]: ...  # noqa: D102 - see the class


class TriggerCheck(Protocol):
    """The registry's `check`; never raises. `unknown`: the sources (`env`, `auth`) that cannot be read here."""

    def __call__(
        self,
        trigger_type: str,
        metadata: Mapping[str, str],
        unknown: frozenset[str],
        *,
        metric_type: str,
        namespace: str,
    ) -> TriggerFindings:
        """See the class."""
        ...
