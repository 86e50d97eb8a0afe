"""What the demo sees of itself, a few times a second, and what it makes of it at the end."""

from dataclasses import dataclass

__all__ = ["Sample", "Summary"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. `at` is monotonic seconds; `decision` and `hpa` are for a person."""

    at: float
    queue: int
    desired: int
    ready: int
    done: int
    decision: str
    hpa: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The result, as `--json` prints it. `first_write` is the replicas in the first scale write, 0 when there was none."""

    jobs: int
    processed: int
    processed_twice: int
    first_write: int
    peak_replicas: int
    final_replicas: int
    push_to_scale_ms: float
    seconds: float

    @property
    def ok(self) -> bool:
        """Was every job processed exactly once, and is nothing left running?"""
        return self.processed == self.jobs and self.processed_twice == 0 and self.final_replicas == 0
