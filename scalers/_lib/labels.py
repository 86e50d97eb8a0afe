"""Label selectors as Kubernetes writes them: `a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (x,y)`, `a notin (x,y)`, `a>1`, `a<1`.

Joined by commas, all must hold. Grammar, rules for keys and values, and sentences are apimachinery's.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Selector", "parse"]

Labels = Mapping[str, str]
Test = Callable[[Labels], bool]

_SIGNS = {"", "!", "=", "==", "!=", "<", ">", "(", ")", ","}
_TOKEN = re.compile(r"[ \t\r\n]*(!=|==|=|>|<|!|\(|\)|,|[^ \t\r\n!=<>(),]+)")
_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME, _LONGEST_PREFIX = 63, 253
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Selector:
    """The requirements of a text, each a predicate over labels."""

    tests: tuple[Test, ...]

    def matches(self, labels: Labels) -> bool:
        """Do the labels meet every requirement? An empty selector is met by all."""
        return all(test(labels) for test in self.tests)


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """The selector of a text. Raises ValueError with a sentence about it."""
    words = _Words(text)
    tests: list[Test] = []
    if not words.next:
        return Selector(())
    while True:
        tests.append(_requirement(words))
        if not words.next:
            return Selector(tuple(tests))
        words.expect(",")


class _Words:
    """Tokens with one word of look-ahead; "" is the end."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    @property
    def next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self) -> str:
        token = self.next
        self._at += 1
        return token

    def expect(self, *wanted: str) -> str:
        token = self.take()
        if token not in wanted:
            raise _unexpected(token, " or ".join(f"'{word}'" for word in wanted))
        return token

    def word(self) -> str:
        found = self.take()
        if found in _SIGNS:
            raise _unexpected(found, "identifier")
        return found


def _unexpected(found: str, wanted: str) -> ValueError:
    return ValueError(f"unable to parse requirement: found '{found}', expected: {wanted}")


def _requirement(words: _Words) -> Test:
    if words.next == "!":
        words.take()
        absent = _key(words)
        return lambda labels: absent not in labels
    key = _key(words)
    if words.next in {"", ","}:
        return lambda labels: key in labels
    return _comparison(key, words.take(), words)


def _comparison(key: str, operator: str, words: _Words) -> Test:
    if operator in {"in", "notin"}:
        values, wanted = _values(words), operator == "in"
        return lambda labels: (labels.get(key) in values) is wanted
    if operator in {"=", "==", "!="}:
        value, equal = _checked(_value(words)), operator != "!="
        return lambda labels: (labels.get(key) == value) is equal
    if operator in {">", "<"}:
        return _ordering(key, operator, _checked(_value(words)))
    raise _unexpected(operator, "in, notin, =, ==, !=, gt, lt")


def _key(words: _Words) -> str:
    key = words.word()
    prefix, slash, name = key.rpartition("/")
    proper_prefix = _SUBDOMAIN.fullmatch(prefix) and len(prefix) <= _LONGEST_PREFIX
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name) or (slash and not proper_prefix):
        raise ValueError(
            f"{key!r} is no label key: a name of at most 63 letters, digits, '-', '_' and '.' that starts and"
            " ends with a letter or digit, perhaps after a DNS name and '/'"
        )
    return key


def _checked(value: str) -> str:
    if value and (len(value) > _LONGEST_NAME or not _NAME.fullmatch(value)):
        raise ValueError(
            f"{value!r} is no label value: at most 63 letters, digits, '-', '_' and '.', that starts and ends"
            " with a letter or digit"
        )
    return value


def _value(words: _Words) -> str:
    return "" if words.next in {"", ","} else words.word()


def _values(words: _Words) -> frozenset[str]:
    words.expect("(")
    values: set[str] = set()
    while True:
        if words.next in {",", ")"}:
            values.add("")
        elif not words.next:
            raise _unexpected("", "',', ')' or identifier")
        else:
            values.add(_checked(words.word()))
        if words.expect(",", ")") == ")":
            return frozenset(values)


def _ordering(key: str, operator: str, text: str) -> Test:
    bound = _integer(text)
    if bound is None:
        raise ValueError(f"unable to parse requirement: {text!r} after '{operator}' is no integer")

    def test(labels: Labels) -> bool:
        value = _integer(labels.get(key, ""))
        return value is not None and (value > bound if operator == ">" else value < bound)

    return test


def _integer(text: str) -> int | None:
    """A whole number of 64 bits; a label's value has no sign."""
    if not text.isascii() or not text.isdecimal():
        return None
    found = int(text)
    return found if found <= _LARGEST else None
