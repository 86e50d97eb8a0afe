"""What expr's functions with a predicate do: filter, map, reduce and their like."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scaler.core.expr.errors import Budget, Refusal
from scaler.core.expr.functions import ordered
from scaler.core.expr.values import add, is_array, kind

__all__ = ["Item", "run"]


@dataclass(frozen=True, slots=True)
class Item:
    """An element (`#`), its place (`#index`) and what reduce has so far (`#acc`)."""

    value: Any
    index: int
    accumulated: Any = None

    def pointer(self, name: str) -> Any:
        """What `#`, `#index` or `#acc` stands for."""
        return {"": self.value, "index": self.index, "acc": self.accumulated}[name]


Predicate = Callable[[Item], Any]


def run(name: str, given: list[Any], predicate: Predicate | None, budget: Budget) -> Any:
    """The result of a function on a collection (the first of `given`). Raises Refusal, without a place."""
    if not is_array(given[0]):
        raise Refusal(f"{name} takes an array, not {kind(given[0])}")
    return _FUNCTIONS[name](_Run(name, given[0], predicate or (lambda item: item.value), budget), *given[1:])


class _Run:
    """A collection with its predicate."""

    def __init__(self, name: str, collection: Any, predicate: Predicate, budget: Budget) -> None:
        self.name = name
        self.collection = collection
        self.predicate = predicate
        self.budget = budget

    def items(self, *, backwards: bool = False) -> Iterator[Item]:
        """Each element with its place."""
        places = range(len(self.collection))
        for index in reversed(places) if backwards else places:
            self.budget.step()
            yield Item(self.collection[index], index)

    def fits(self, item: Item) -> bool:
        """Does the predicate say yes? Raises Refusal if it says neither yes nor no."""
        found = self.predicate(item)
        if not isinstance(found, bool):
            raise Refusal(f"{self.name} asks for bool and finds {kind(found)}", mend="compare #")
        return found

    def fitting(self, *, backwards: bool = False) -> Iterator[Item]:
        """The elements for which it says yes."""
        return (item for item in self.items(backwards=backwards) if self.fits(item))

    def results(self) -> Iterator[Any]:
        """What it makes of each."""
        return (self.predicate(item) for item in self.items())

    def made(self, elements: Iterator[Any]) -> list[Any]:
        """An array, counted."""
        found = list(elements)
        self.budget.grow(len(found))
        return found


def _first(*, backwards: bool, place: bool) -> Callable[[_Run], Any]:
    def function(run: _Run) -> Any:
        found = next(run.fitting(backwards=backwards), None)
        if found is None:
            return None
        return found.index if place else found.value

    return function


def _sum(run: _Run) -> Any:
    total: Any = 0
    for each in run.results():
        total = add(each, total, run.budget)
    return total


def _sort_by(run: _Run, order: Any = "asc") -> list[Any]:
    return ordered(list(run.collection), order, run.budget, list(run.results()))


def _reduce(run: _Run, *first: Any) -> Any:
    if not first and not len(run.collection):
        raise Refusal("reduce of an empty array without a first value", mend="give it one as third argument")
    total = first[0] if first else run.collection[0]
    for item in run.items():
        if item.index or first:
            total = run.predicate(Item(item.value, item.index, total))
    return total


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "all": lambda run: all(run.fits(item) for item in run.items()),
    "none": lambda run: not any(run.fits(item) for item in run.items()),
    "any": lambda run: any(run.fits(item) for item in run.items()),
    "one": lambda run: sum(1 for _ in run.fitting()) == 1,
    "filter": lambda run: run.made(item.value for item in run.fitting()),
    "map": lambda run: run.made(run.results()),
    "count": lambda run: sum(1 for _ in run.fitting()),
    "sum": _sum,
    "find": _first(backwards=False, place=False),
    "findIndex": _first(backwards=False, place=True),
    "findLast": _first(backwards=True, place=False),
    "findLastIndex": _first(backwards=True, place=True),
    "sortBy": _sort_by,
    "reduce": _reduce,
}
