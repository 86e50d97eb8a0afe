"""Prometheus' text format: the first sample of a metric that a selector selects.

Only lines that begin with the metric's name are looked at, since a page may have many thousands of others.
"""

import re
from collections.abc import Iterator

from scalers._lib.selector import Selector

__all__ = ["Absent", "find"]

_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|(?=\}))', re.ASCII)
_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf|infinity|nan)\Z", re.IGNORECASE | re.ASCII
)
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_ESCAPE = re.compile(r'\\[\\"n]')


class Absent(ValueError):
    """The page does not have it."""


def find(text: str, selector: Selector) -> float:
    """The value of the first sample that fits, perhaps NaN or infinite. Raises Absent; ValueError if malformed."""
    seen = False
    for line in _lines(text, selector.name):
        seen = True
        labels, rest = _labels(line[len(selector.name) :].lstrip(" \t"), line)
        if selector.selects(labels):
            value = rest.split(maxsplit=1)[:1]
            if not value or not _NUMBER.match(value[0]):
                raise ValueError(f"the line {line[:100]!r} has no number")
            return float(value[0])
    if seen:
        raise Absent(f"no sample of metric {selector.name!r} has these labels")
    raise Absent(f"metric {selector.name!r} not found")


def _lines(text: str, name: str) -> Iterator[str]:
    """The samples of this very name, without white space around them."""
    at = text.find(name)
    while at >= 0:
        start = text.rfind("\n", 0, at) + 1
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[start:end].strip()
        if line.startswith(name) and line[len(name) : len(name) + 1] in {"{", " ", "\t"}:
            yield line
        at = text.find(name, end)


def _labels(text: str, line: str) -> tuple[dict[str, str], str]:
    """The labels at the beginning of a text, and what comes after them."""
    if not text.startswith("{"):
        return {}, text
    labels, at = {}, 1
    while (label := _LABEL.match(text, at)) is not None:
        labels[label[1]] = _ESCAPE.sub(lambda m: _ESCAPES[m[0]], label[2])
        at = label.end()
    rest = text[at:].lstrip()
    if not rest.startswith("}"):
        raise ValueError(f"the line {line[:100]!r} has malformed labels")
    return labels, rest[1:]
