"""What is wrong with something a user wrote: where, what, and how to mend it.

Used by scalers and by the core alike.
"""

from dataclasses import dataclass, replace

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `path` is the field's, like `spec.triggers[0].metadata.listLength`."""

    path: str
    problem: str
    mend: str = ""

    def under(self, prefix: str) -> "Problem":
        """The same problem with its path below `prefix`."""
        return replace(self, path=f"{prefix}.{self.path}" if self.path else prefix)

    def __str__(self) -> str:
        """`path: problem; mend`."""
        text = f"{self.path}: {self.problem}" if self.path else self.problem
        return f"{text}; {self.mend}" if self.mend else text
