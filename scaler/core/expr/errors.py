"""What a formula may cost, and how it is refused. Below every other module of the formula language.

A formula is a user's text in a namespace that need not be trusted, and it is read in the loop that serves
everybody. So its text, its tree and its evaluation are bounded, each bound with a sentence that says so.
"""

__all__ = [
    "MAX_DEPTH",
    "MAX_ELEMENTS",
    "MAX_LENGTH",
    "MAX_NODES",
    "MAX_STEPS",
    "Budget",
    "FormulaError",
    "Refusal",
    "unsupported",
]

MAX_LENGTH = 10_000
"""Characters of a formula. The longest in use are some hundred; this one is read in a few milliseconds."""
MAX_NODES = 5_000
"""Nodes of its tree. expr allows twice as many; reading and running these takes some ten milliseconds."""
MAX_DEPTH = 64
"""Expressions inside one another. The parser and the evaluator recurse, and Python allows 1,000 calls."""
MAX_STEPS = 50_000
"""Nodes evaluated and elements visited in one run: some ten milliseconds. expr has no such bound."""
MAX_ELEMENTS = 1_000_000
"""Elements and characters made in one run, as expr's memory budget."""


class FormulaError(ValueError):
    """A formula that is refused, or that failed on the values of the moment.

    `problem` is the sentence without its place, `mend` says what to do. `line` and `column` count from 1 in
    the user's own text; both are 0 where the formula as a whole is to blame.
    """

    def __init__(self, problem: str, line: int = 0, column: int = 0, mend: str = "") -> None:
        """The message is made of all four."""
        self.problem = problem
        self.line = line
        self.column = column
        self.mend = mend
        where = f"line {line}, column {column}: " if line > 1 else f"column {column}: " if line else ""
        super().__init__(f"{where}{problem}; {mend}" if mend else f"{where}{problem}")

    def __reduce__(self) -> tuple[type["FormulaError"], tuple[str, int, int, str]]:
        """Pickled by its parts, since the message is made of them."""
        return type(self), (self.problem, self.line, self.column, self.mend)


class Refusal(Exception):
    """A problem at a character of the text that is parsed; `formula` makes a FormulaError of it.

    `at` is None where a value is to blame and whoever evaluates the node knows its place.
    """

    def __init__(self, problem: str, at: int | None = None, mend: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.at = at
        self.mend = mend


def unsupported(what: str, at: int | None, mend: str = "write the formula without it") -> Refusal:
    """What expr has and this language has not."""
    return Refusal(f"{what} is part of expr, but not supported here", at, mend)


class Budget:
    """What one run may still cost."""

    def __init__(self) -> None:
        self._steps = 0
        self._elements = 0

    def step(self, steps: int = 1) -> None:
        """Count nodes evaluated or elements visited. Raises Refusal above MAX_STEPS."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise Refusal(f"the formula takes more than {MAX_STEPS:,} steps", mend="work on fewer elements")

    def grow(self, elements: int) -> None:
        """Count elements or characters made. Raises Refusal at MAX_ELEMENTS, before they are made."""
        self._elements += elements
        if self._elements >= MAX_ELEMENTS:
            raise Refusal(
                f"the formula takes too much memory ({MAX_ELEMENTS:,} elements or characters)",
                mend="use a smaller range or text",
            )
