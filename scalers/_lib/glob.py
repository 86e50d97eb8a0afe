"""Patterns with runs of any characters, matched in time that no pattern and no text can make explode.

Python's `re` searches by trying again, which one line in a manifest and one in an answer could make last for
ever. A pattern here is pieces of plain text and single characters between runs; each run takes the first
place where the next piece fits, and never reconsiders (an atomic group).
"""

import enum
import functools
import re
from collections.abc import Iterable, Sequence

__all__ = ["Token", "Wild", "compile_tokens", "wildcard"]


class Wild(enum.Enum):
    """What is no plain character."""

    ANY = "exactly one character"
    RUN = "zero or more characters"


Token = str | Wild
"""A plain character, or a Wild."""


def compile_tokens(tokens: Iterable[Token]) -> re.Pattern[str]:
    """A pattern whose `match` is about the whole text."""
    pieces: list[list[Token]] = [[]]
    for token in tokens:
        if token is Wild.RUN:
            pieces.append([])
        else:
            pieces[-1].append(token)
    first, *middle = [_piece(piece) for piece in pieces]
    if not middle:
        return re.compile(f"{first}\\Z", re.DOTALL)
    last = middle.pop()
    runs = "".join(f"(?>.*?{piece})" for piece in middle if piece)
    # The last piece stands at the end: looking back from there needs no search.
    end = f"(?=.{{{len(pieces[-1])}}})(?>.*)(?<={last})" if last else ""
    return re.compile(f"{first}{runs}{end}" + ("\\Z" if last else ""), re.DOTALL)


def _piece(tokens: Sequence[Token]) -> str:
    return "".join(re.escape(token) if isinstance(token, str) else "." for token in tokens)


@functools.lru_cache(maxsize=512)
def wildcard(text: str) -> re.Pattern[str]:
    r"""A pattern in which `*` is any run, `?` any character, and `\` makes the next one plain."""
    tokens: list[Token] = []
    rest = iter(text)
    for character in rest:
        if character == "\\":
            tokens.append(next(rest, "\\"))
        else:
            tokens.append({"*": Wild.RUN, "?": Wild.ANY}.get(character, character))
    return compile_tokens(tokens)
