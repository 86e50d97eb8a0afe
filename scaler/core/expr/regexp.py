"""Regular expressions in a formula (`"a" matches "^[a-z]$"`) that no pattern can make slow.

Python's `re` tries one path after another, and some patterns have more paths than there is time. This one
follows all paths at once, as Go's does, so that its time is that of pattern times text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from scaler.core.expr import pattern
from scaler.core.expr.errors import Budget, Refusal
from scaler.core.expr.pattern import Many, Repeated, Test, Tree

__all__ = ["Pattern", "compiled"]

_MAX_STATES = 2_000

_Ends = tuple[int, int]


@dataclass(slots=True)
class _State:
    """Either takes one character that passes `test`, or goes on at once (`anchor`: only at that end)."""

    test: Test | None = None
    anchor: str = ""
    after: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that can be searched for."""

    states: tuple[_State, ...]
    start: int
    end: int

    def found_in(self, text: str, budget: Budget) -> bool:
        """Is it anywhere in the text?"""
        present: set[int] = set()
        for at in range(len(text) + 1):
            present = self._closed(present | {self.start}, first=at == 0, last=at == len(text))
            budget.step(len(present))
            if self.end in present:
                return True
            if at < len(text):
                present = set(self._moved(present, text[at]))
        return False

    def _moved(self, present: set[int], character: str) -> Iterator[int]:
        for number in present:
            state = self.states[number]
            if state.test is not None and state.test(character):
                yield from state.after

    def _closed(self, present: set[int], *, first: bool, last: bool) -> set[int]:
        """With all states that are reached without a character."""
        stack, seen = list(present), set(present)
        while stack:
            state = self.states[stack.pop()]
            open_here = {"": True, "^": first, "$": last}[state.anchor]
            if state.test is None and open_here:
                new = set(state.after) - seen
                seen |= new
                stack.extend(new)
        return seen


def compiled(text: str, at: int | None = None) -> Pattern:
    """A pattern in Go's syntax. Raises Refusal, at the character where the pattern stands in its formula."""
    try:
        return _compiled(text)
    except Refusal as refusal:
        raise Refusal(refusal.problem, at, refusal.mend) from None


@lru_cache(maxsize=64)
def _compiled(text: str) -> Pattern:
    builder = _Builder(text)
    start, end = builder.build(pattern.parse(text))
    return Pattern(tuple(builder.states), start, end)


class _Builder:
    """Makes states of a pattern's tree; what is built is its first and its last state."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.states: list[_State] = []

    def _state(self, test: Test | None = None, anchor: str = "") -> int:
        if len(self.states) >= _MAX_STATES:
            raise pattern.wrong(self._pattern, f"more than {_MAX_STATES:,} states")
        self.states.append(_State(test, anchor))
        return len(self.states) - 1

    def _link(self, before: int, *after: int) -> None:
        self.states[before].after += after

    def build(self, tree: Tree) -> _Ends:
        """The states of a tree."""
        if isinstance(tree, Many):
            return self._many(tree)
        if isinstance(tree, Repeated):
            return self._repeated(tree)
        start, end = self._state(tree.test, tree.anchor), self._state()
        self._link(start, end)
        return start, end

    def _many(self, tree: Many) -> _Ends:
        start, end = self._state(), self._state()
        for row in tree.rows:
            last = self._state()
            self._link(start, last)
            for piece in row:
                last = self._appended(last, piece)
            self._link(last, end)
        return start, end

    def _appended(self, last: int, piece: Tree) -> int:
        first, end = self.build(piece)
        self._link(last, first)
        return end

    def _repeated(self, tree: Repeated) -> _Ends:
        start = last = self._state()
        for _ in range(tree.least):
            last = self._appended(last, tree.piece)
        end = self._state()
        if tree.most is None:
            again = self._state()
            self._link(last, again)
            self._link(self._appended(again, tree.piece), again)
            last = again
        else:
            for _ in range(tree.most - tree.least):
                self._link(last, end)
                last = self._appended(last, tree.piece)
        self._link(last, end)
        return start, end
