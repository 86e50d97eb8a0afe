"""YAML as Kubernetes reads it: text to plain JSON values, or one error that says where and what.

Kubernetes turns YAML into JSON with a Go library, whose scalars are not quite PyYAML's: dates and `12:30` stay text,
`1e3` and `0o14` are numbers, keys become text. Used for files (`scaler.manifests`) and for bodies of requests
(`scaler.local`), so nothing in a text can crash it: too deep, endless or exploding documents are errors like any other.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

__all__ = ["YamlError", "documents"]

_DEEPEST = 100
"""Levels of nesting; libyaml's own recursion ends in a crash at some tens of thousands."""

_LARGEST = 1_000_000
"""Values in a document with its aliases written out: a few lines of aliases of aliases can stand for billions."""

_INT = re.compile(r"[-+]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|0|[1-9][0-9_]*)\Z", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z", re.ASCII)
_TAG = "tag:yaml.org,2002:"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's where PyYAML was built with it.


class YamlError(Exception):
    """What is wrong with a text. `place` is `line 3, column 5`; empty where it is not known."""

    def __init__(self, problem: str, mark: Any = None) -> None:
        super().__init__(problem)
        self.place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"


class _Loader(_Base):  # type: ignore[misc]
    """Plain JSON types, by Go's rules."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML wants it.
        first: [rule for rule in rules if rule[0].removeprefix(_TAG) in {"null", "bool", "merge"}]
        for first, rules in _Base.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {  # noqa: RUF012 - as PyYAML wants it.
        tag: constructor
        for tag, constructor in _Base.yaml_constructors.items()
        if tag is None or tag.removeprefix(_TAG) in {"null", "bool", "str", "seq", "map"}
    }


def _int(loader: Any, node: Any) -> int | float:
    text = loader.construct_scalar(node).replace("_", "")
    sign, digits = (text[0], text[1:]) if text[:1] in {"-", "+"} else ("", text)
    if len(digits) > 100:
        raise ValueError("a number of more than 100 digits")
    if re.match(r"0[0-7]+\Z", digits):
        digits = f"0o{digits[1:]}"
    return int(sign + digits, 0)


def _float(loader: Any, node: Any) -> float:
    value = float(loader.construct_scalar(node))
    if value in {float("inf"), float("-inf")}:
        raise ValueError("a number that is too large")
    return value


_Loader.add_implicit_resolver(_TAG + "int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver(_TAG + "float", _FLOAT, list("-+.0123456789"))
_Loader.add_constructor(_TAG + "int", _int)
_Loader.add_constructor(_TAG + "float", _float)


def documents(text: str | bytes) -> Iterator[Any]:
    """The documents, in order; None for an empty one. Raises YamlError, after the documents before the fault."""
    _check_depth(text)
    try:
        for document in yaml.load_all(text, Loader=_Loader):
            yield _Json().of(document) if isinstance(document, dict | list) else document
    except yaml.MarkedYAMLError as error:
        words = ", ".join(filter(None, (error.context, error.problem)))
        raise YamlError(words or "is not understood", error.problem_mark or error.context_mark) from error
    except yaml.YAMLError as error:
        raise YamlError(str(error).partition("\n")[0]) from error
    except (ValueError, LookupError, RecursionError) as error:
        raise YamlError(str(error) or type(error).__name__) from error


def _check_depth(text: str | bytes) -> None:
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Base):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise YamlError(f"more than {_DEEPEST} levels of nesting", event.start_mark)
    except (yaml.YAMLError, ValueError):
        return  # Loading it says so, with the documents before the fault.


class _Json:
    """Makes a document JSON, in place: text for keys. What is shared by aliases is visited once, and counted often."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}

    def of(self, document: Any) -> Any:
        """The document. Raises ValueError."""
        self._size(document)
        return document

    def _size(self, value: Any) -> int:
        if not isinstance(value, dict | list):
            return 1
        known = self._sizes.get(id(value))
        if known is not None:
            if not known:
                raise ValueError("an alias inside of what it stands for")
            return known
        self._sizes[id(value)] = 0
        if isinstance(value, dict):
            entries = list(value.items())
            value.clear()
            value.update((_key(key), inner) for key, inner in entries)
        size = 1 + sum(map(self._size, value.values() if isinstance(value, dict) else value))
        if size > _LARGEST:
            raise ValueError(f"aliases that stand for more than {_LARGEST} values")
        self._sizes[id(value)] = size
        return size


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int | float):
        return str(key)
    raise ValueError(f"a key that is {'nothing (null)' if key is None else 'no text'}")
