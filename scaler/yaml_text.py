"""YAML as Kubernetes reads and writes it: text to plain JSON values, or one error that says where and what; and back.

Kubernetes turns YAML into JSON with a Go library, whose scalars are not quite PyYAML's: dates and `12:30` stay text,
`1e3` and `0o14` are numbers, `y` and `N` booleans, keys become text. Used for files (`scaler.manifests`) and for
bodies of requests (`scaler.local`), so nothing in a text can crash it: too deep, endless or exploding documents are
errors like any other.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

__all__ = ["YamlError", "documents", "dump"]

_DEEPEST = 100
"""Levels of nesting; libyaml's own recursion ends in a crash at some tens of thousands."""

_LARGEST = 1_000_000
"""Values in a document with its aliases written out: a few lines of aliases of aliases can stand for billions."""

_INT = re.compile(r"[-+]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|0|[1-9][0-9_]*)\Z", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z", re.ASCII)
_TRUE, _FALSE = ("y", "yes", "on", "true"), ("n", "no", "off", "false")
_BOOL = re.compile(
    "("
    + "|".join(spelt for word in (*_TRUE, *_FALSE) for spelt in (word, word.title(), word.upper()))
    + r")\Z"
)
_TAG = "tag:yaml.org,2002:"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's where PyYAML was built with it.
_Writer: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class YamlError(Exception):
    """What is wrong with a text. `place` is `line 3, column 5`; empty where it is not known."""

    def __init__(self, problem: str, mark: Any = None) -> None:
        super().__init__(problem)
        self.place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"


class _Loader(_Base):  # type: ignore[misc]
    """Plain JSON types, by Go's rules."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as PyYAML wants it.
        first: [rule for rule in rules if rule[0].removeprefix(_TAG) in {"null", "merge"}]
        for first, rules in _Base.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {  # noqa: RUF012 - as PyYAML wants it.
        tag: constructor
        for tag, constructor in _Base.yaml_constructors.items()
        if tag is None or tag.removeprefix(_TAG) in {"null", "str", "seq", "map"}
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - PyYAML's.
        """A mapping whose keys are text; of equal keys the last one counts."""
        if isinstance(node, yaml.MappingNode):
            self.flatten_mapping(node)
        pairs = ((_key(self, name), value) for name, value in node.value)
        return {name: self.construct_object(value, deep=deep) for name, value in pairs}


class _Dumper(_Writer):  # type: ignore[misc]
    """Puts quotes around text that a reader of either kind would take for something else."""


def _bool(loader: Any, node: Any) -> bool:
    text = loader.construct_scalar(node)
    if not _BOOL.match(text):
        raise ValueError(f"{text!r} as a boolean")
    return text.lower() in _TRUE


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


for _reader in (_Loader, _Dumper):
    _reader.add_implicit_resolver(_TAG + "bool", _BOOL, list("yYnNoOtTfF"))
    _reader.add_implicit_resolver(_TAG + "int", _INT, list("-+0123456789"))
    _reader.add_implicit_resolver(_TAG + "float", _FLOAT, list("-+.0123456789"))
_Loader.add_constructor(_TAG + "bool", _bool)
_Loader.add_constructor(_TAG + "int", _int)
_Loader.add_constructor(_TAG + "float", _float)


def documents(text: str | bytes) -> Iterator[Any]:
    """The documents, in order; None for an empty one. Raises YamlError, after the documents before the fault."""
    _check_depth(text)
    try:
        for document in yaml.load_all(text, Loader=_Loader):
            _size(document, {})
            yield document
    except yaml.MarkedYAMLError as error:
        words = ", ".join(filter(None, (error.context, error.problem)))
        raise YamlError(words or "is not understood", error.problem_mark or error.context_mark) from error
    except yaml.YAMLError as error:
        raise YamlError(str(error).partition("\n")[0]) from error
    except (ValueError, LookupError, RecursionError) as error:
        raise YamlError(str(error) or type(error).__name__) from error


def dump(objects: Sequence[Any]) -> str:
    """A YAML stream, one document an object, keys as given."""
    text: str = yaml.dump_all(
        objects, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True
    )
    return text


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


def _size(value: Any, known: dict[int, int]) -> int:
    """How many values a document is with its aliases written out. Raises ValueError when it has no end, or too many."""
    if not isinstance(value, dict | list):
        return 1
    size = known.get(id(value))
    if size == 0:
        raise ValueError("an alias inside of what it stands for")
    if size is None:
        known[id(value)] = 0
        inner = value.values() if isinstance(value, dict) else value
        size = known[id(value)] = 1 + sum(_size(one, known) for one in inner)
        if size > _LARGEST:
            raise ValueError(f"aliases that stand for more than {_LARGEST} values")
    return size


def _key(loader: Any, node: Any) -> str:
    key = loader.construct_object(node, deep=True)
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int | float):
        return str(key)
    what = "nothing (null)" if key is None else "a list or a mapping"
    raise yaml.constructor.ConstructorError(None, None, f"found a key that is {what}", node.start_mark)
