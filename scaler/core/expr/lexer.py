"""The words of a formula, cut as expr cuts them."""

import re
from dataclasses import dataclass
from typing import Literal

from scaler.core.expr.errors import Refusal

__all__ = ["Token", "tokens"]

Kind = Literal["name", "number", "text", "operator", "bracket", "end"]

_WORDS = frozenset(
    {"not", "in", "or", "and", "matches", "contains", "startsWith", "endsWith", "let", "if", "else"}
)
_SPACE = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_RAW = re.compile(r"`((?:[^`]|``)*)`")
_QUOTED = re.compile(r"""(["'])((?:\\.|(?!\1)[^\\\n])*)\1""", re.DOTALL)
_OPERATOR = re.compile(r"[&!=*<>][&=*]?|\|\|?|::?|\?[.?]?|\.\.?|##?|[,;%+\-^/]")
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"`?])|[xX]([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})"
    r"|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))|\\"
)
_SHORT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_HEX, _DECIMAL = "0123456789abcdefABCDEF_", "0123456789_"


@dataclass(frozen=True, slots=True)
class Token:
    """One word; `value` is its text, of a text what it stands for."""

    kind: Kind
    value: str
    at: int

    def __str__(self) -> str:
        """As an error names it."""
        return "the end of the formula" if self.kind == "end" else repr(self.value)


def tokens(source: str) -> list[Token]:
    """All words and an end. Raises Refusal at what is none."""
    found: list[Token] = []
    at = _spaces(source, 0)
    while at < len(source):
        token, at = _token(source, at)
        found.append(token)
        if token.value == "#" and at < len(source) and _in_name(source[at]):
            token, at = _name(source, at, "name")
            found.append(token)
        at = _spaces(source, at)
    found.append(Token("end", "", at))
    return found


def _spaces(source: str, at: int) -> int:
    after = _SPACE.match(source, at)
    at = after.end() if after else at
    if source.startswith("/*", at):
        raise Refusal("a comment is not closed", at, "close it with */")
    return at


def _token(source: str, at: int) -> tuple[Token, int]:
    character = source[at]
    if character in "\"'`":
        return _text(source, at)
    if character in "([{}])":
        return Token("bracket", character, at), at + 1
    if character in "0123456789" or (character == "." and source[at + 1 : at + 2] in set("0123456789")):
        return _number(source, at)
    if _in_name(character):
        return _name(source, at, None)
    operator = _OPERATOR.match(source, at)
    if operator is None:
        raise Refusal(f"{character!r} means nothing in a formula", at, "take the character out")
    return Token("operator", operator[0], at), operator.end()


def _in_name(character: str) -> bool:
    return character in "_$" or character.isalpha() or character.isdecimal()


def _name(source: str, at: int, kind: Kind | None) -> tuple[Token, int]:
    end = at
    while end < len(source) and _in_name(source[end]):
        end += 1
    word = source[at:end]
    return Token(kind or ("operator" if word in _WORDS else "name"), word, at), end


def _number(source: str, at: int) -> tuple[Token, int]:
    """A number's characters; the parser reads what they are worth."""
    digits = _DECIMAL
    end = at
    prefix = source[at : at + 2].lower()
    if prefix in {"0x", "0o", "0b"}:
        digits = {"x": _HEX, "o": "01234567_", "b": "01_"}[prefix[1]]
        end += 2
    end = _run(source, end, digits)
    # `1..4` is a range: its first point belongs to no number.
    if source.startswith(".", end) and not source.startswith("..", end):
        end = _run(source, end + 1, digits)
    if source[end : end + 1] in {"e", "E"}:
        end += 1
        if source[end : end + 1] in {"+", "-"}:
            end += 1
        end = _run(source, end, digits)
    if end < len(source) and _in_name(source[end]):
        raise Refusal(f"{source[at : end + 1]!r} is not a number", at, "names begin with a letter")
    return Token("number", source[at:end], at), end


def _run(source: str, at: int, digits: str) -> int:
    while at < len(source) and source[at] in digits:
        at += 1
    return at


def _text(source: str, at: int) -> tuple[Token, int]:
    if source[at] == "`":
        raw = _RAW.match(source, at)
        if raw is None:
            raise Refusal("a text is not closed", at, "close it with `")
        return Token("text", raw[1].replace("``", "`"), at), raw.end()
    quoted = _QUOTED.match(source, at)
    if quoted is None:
        raise Refusal("a text is not closed", at, f"close it with {source[at]} on the same line")
    body = quoted[2].replace("\r\n", "\n").replace("\r", "\n")
    return Token("text", _ESCAPE.sub(lambda found: _escaped(found, at), body), at), quoted.end()


def _escaped(found: re.Match[str], at: int) -> str:
    short, *digits = found.groups()
    if short:
        return _SHORT.get(short, short)
    code = next((int(each, 8 if each is digits[-1] else 16) for each in digits if each), None)
    # Halves of surrogate pairs are no characters; Go writes the replacement character for them.
    if code is None or code > 0x10FFFF:
        raise Refusal("a text holds a \\ that escapes nothing", at, r"write \\ for a backslash")
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)
