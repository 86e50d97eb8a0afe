"""YAML as a tree, built from the parser's events: for documents that nobody vouches for.

PyYAML's own composer calls itself for each level, and a page of `[` makes the process crash. Here depth has a
bound, an alias is the same object again and not a copy, and a merge (`<<`) is looked through, not unfolded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

__all__ = ["Mapping", "Scalar", "Sequence", "Tree", "parse"]

_DEEPEST = 100
_MOST_MERGES = 100
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Scalar:
    """A text; plain if it stood without quotes, and so may be a number, a boolean or null."""

    text: str
    plain: bool


@dataclass(slots=True)
class Sequence:
    """A list."""

    items: list["Tree"] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """Names and what they hold; of a name that stands twice the last counts."""

    items: dict[str, "Tree"] = field(default_factory=dict)
    key: str | None = None
    """The name whose value comes next, while it is being built."""
    merges: list["Tree"] = field(default_factory=list)

    def get(self, name: str) -> "Tree | None":
        """What a name holds here, or in what is merged into this."""
        waiting: list[Tree] = [self]
        for _ in range(_MOST_MERGES):
            if not waiting:
                break
            one = waiting.pop(0)
            if isinstance(one, Sequence):
                waiting = one.items[:_MOST_MERGES] + waiting
            elif isinstance(one, Mapping):
                if name in one.items:
                    return one.items[name]
                waiting = one.merges + waiting
        return None


Tree = Scalar | Sequence | Mapping


def parse(text: str) -> Tree | None:
    """The first document, or None if there is none. Raises ValueError."""
    try:
        return _build(yaml.parse(text, Loader=_LOADER))
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or "malformed"
        mark = getattr(error, "problem_mark", None)
        raise ValueError(f"{problem}" + (f" in line {mark.line + 1}" if mark else "")) from None


def _build(events: Iterator[Any]) -> Tree | None:
    root: Tree | None = None
    open_ones: list[Sequence | Mapping] = []
    anchors: dict[str, Tree] = {}
    for event in events:
        if isinstance(event, yaml.DocumentEndEvent):
            return root
        if isinstance(event, yaml.CollectionEndEvent):
            open_ones.pop()
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        node = _node(event, anchors)
        root = node if root is None else root
        if open_ones:
            _put(open_ones[-1], node)
        if isinstance(event, yaml.CollectionStartEvent) and isinstance(node, Sequence | Mapping):
            if len(open_ones) >= _DEEPEST:
                raise ValueError(f"more than {_DEEPEST} levels deep")
            open_ones.append(node)
    return root


def _node(event: Any, anchors: dict[str, Tree]) -> Tree:
    node: Tree
    if isinstance(event, yaml.AliasEvent):
        known = anchors.get(str(event.anchor))
        if known is None:
            raise ValueError(f"an alias of nothing: *{str(event.anchor)[:40]}")
        return known
    if isinstance(event, yaml.ScalarEvent):
        node = Scalar(event.value, bool(event.implicit[0]) and not event.style)
    else:
        node = Sequence() if isinstance(event, yaml.SequenceStartEvent) else Mapping()
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


def _put(parent: Sequence | Mapping, node: Tree) -> None:
    if isinstance(parent, Sequence):
        parent.items.append(node)
    elif parent.key is None:
        # A list or mapping as a name cannot be written in a path.
        parent.key = node.text if isinstance(node, Scalar) else ""
    else:
        if parent.key == "<<":
            parent.merges.append(node)
        else:
            parent.items[parent.key] = node
        parent.key = None
