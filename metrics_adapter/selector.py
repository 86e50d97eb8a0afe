"""Label selectors as the API server reads them, of which this API accepts the equality terms.

Pure. `api` asks for one label; what is malformed and what is merely unsupported are told apart, because the
recorded answers differ (400 and 500).
"""

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["MalformedSelectorError", "UnsupportedSelectorError", "equalities"]

_TOKEN = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_SYMBOLS: Final = frozenset({"", "=", "==", "!=", "!", "<", ">", "(", ")", ","})
_EXISTS: Final = "exists"


class MalformedSelectorError(ValueError):
    """No label selector at all; the message says where it breaks."""


class UnsupportedSelectorError(ValueError):
    """A label selector with a term that is no equality."""


def equalities(text: str) -> dict[str, str]:
    """The labels that a selector of equality terms asks for; the later of two terms with one key wins.

    Raises MalformedSelectorError or UnsupportedSelectorError.
    """
    terms = _Parser(_tokens(text)).terms()
    for key, operator, _ in terms:
        if operator not in {"=", "=="}:
            raise UnsupportedSelectorError(
                f"label selector {text!r}: the term on {key!r} is no equality; write only key=value terms"
            )
    return {key: values[0] for key, _, values in terms}


def _tokens(text: str) -> list[str]:
    """Symbols and words; an empty string marks the end."""
    return [*_TOKEN.findall(text), ""]


@dataclass(slots=True)
class _Parser:
    tokens: list[str]
    at: int = 0

    def terms(self) -> list[tuple[str, str, list[str]]]:
        found: list[tuple[str, str, list[str]]] = []
        while self.tokens[self.at]:
            found.append(self._term())
            after = self._take()
            if not after:
                break
            if after != ",":
                raise _unexpected(after, "',' or 'end of string'")
            if self.tokens[self.at] != "!" and self.tokens[self.at] in _SYMBOLS:
                raise _unexpected(self.tokens[self.at], "identifier after ','")
        return found

    def _term(self) -> tuple[str, str, list[str]]:
        negated = self.tokens[self.at] == "!"
        if negated:
            self.at += 1
        key = self._take()
        if key in _SYMBOLS:
            raise _unexpected(key, "identifier" if negated else "!, identifier, or 'end of string'")
        _check_key(key)
        if negated or self.tokens[self.at] in {"", ","}:
            return key, "!" if negated else _EXISTS, []
        operator = self._take()
        if operator in {"in", "notin"}:
            values = self._set()
        elif operator in {"=", "==", "!=", "<", ">"}:
            values = [self._value()]
        else:
            raise _unexpected(operator, "in, notin, =, ==, !=, gt, lt")
        for value in values:
            _check_value(key, value)
        return key, operator, values

    def _value(self) -> str:
        if self.tokens[self.at] in {"", ","}:
            return ""
        value = self._take()
        if value in _SYMBOLS:
            raise _unexpected(value, "identifier")
        return value

    def _set(self) -> list[str]:
        if (opening := self._take()) != "(":
            raise _unexpected(opening, "'('")
        values = [""]
        while (word := self._take()) != ")":
            if word == ",":
                values.append("")
            elif word in _SYMBOLS or values[-1]:
                raise _unexpected(word, "',' or ')'")
            else:
                values[-1] = word
        return values

    def _take(self) -> str:
        """The next token. The end is never passed."""
        token = self.tokens[self.at]
        self.at += bool(token)
        return token


def _unexpected(found: str, expected: str) -> MalformedSelectorError:
    return MalformedSelectorError(f"unable to parse requirement: found '{found}', expected: {expected}")


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if not _NAME.match(name) or (slash and (len(prefix) > 253 or not _PREFIX.match(prefix))):
        raise MalformedSelectorError(
            f"unable to parse requirement: {key!r} is no label key: write at most 63 letters, digits, '-', "
            "'_' or '.', optionally after a DNS domain and '/'"
        )


def _check_value(key: str, value: str) -> None:
    if value and not _NAME.match(value):
        raise MalformedSelectorError(
            f"unable to parse requirement: {value!r} is no value of the label {key!r}: write at most 63 "
            "letters, digits, '-', '_' or '.', beginning and ending with a letter or digit"
        )
