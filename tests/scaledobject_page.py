"""docs/scaledobject.md as values: its sections, and in each the examples, a yaml block and the story that follows it.

A heading `### ...` names in backticks the fields or annotations that its section is about. What the lines of a story mean
is in `scaledobject_stories`; here they are only split into what is done and, indented, what is then so.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scaler.core.crds import crds

__all__ = ["PAGE", "Example", "Line", "Section", "base", "enumerated", "leaves", "sections", "written"]

PAGE = Path(__file__).parents[1] / "docs" / "scaledobject.md"
_BLOCK = re.compile(r"^#{2,3} [^\n]*$|^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"\s+#.*$|^#.*$")


@dataclass(frozen=True)
class Line:
    """One line of a story: what is done, or (`check`) what is then so. `number` is the page's line."""

    number: int
    text: str
    check: bool


@dataclass(frozen=True)
class Example:
    """What is changed in the page's object, what else is applied, and what happens."""

    name: str
    text: str
    lines: tuple[Line, ...]

    @property
    def documents(self) -> list[dict[str, Any]]:
        return list(yaml.safe_load_all(self.text))

    @property
    def said(self) -> str:
        """All its lines."""
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True)
class Section:
    """`names` are the fields and annotations in the heading, `text` is all below it."""

    names: tuple[str, ...]
    examples: tuple[Example, ...]
    text: str


def base() -> dict[str, Any]:
    """The object that all examples change: the page's only whole ScaledObject before the first section."""
    text = PAGE.read_text(encoding="utf-8").partition("\n### ")[0]
    (found,) = (yaml.safe_load(block[2]) for block in _BLOCK.finditer(text) if block[1] == "yaml")
    return found


def sections() -> list[Section]:
    """Every section with an example. A story without a yaml block changes nothing in the object."""
    page = PAGE.read_text(encoding="utf-8")
    found: list[tuple[tuple[str, ...], list[Example], str]] = []
    pending = ""
    for block in _BLOCK.finditer(page):
        line = page.count("\n", 0, block.start()) + 1
        if block[0].startswith("#"):
            assert not pending, f"line {line}: the yaml block before this heading has no story"
            text = re.split(r"^##", page[block.end() :], maxsplit=1, flags=re.MULTILINE)[0]
            found.append((tuple(re.findall(r"`([^`]+)`", block[0])), [], text))
        elif block[1] == "yaml" and found[-1][0]:
            assert not pending, f"line {line}: the yaml block before this one has no story"
            pending = block[2]
        elif block[1] == "story":
            names, examples, _ = found[-1]
            name = f"{names[0] if names else 'introduction'}-{len(examples) + 1}"
            examples.append(Example(name, pending, tuple(_lines(block[2], line))))
            pending = ""
    assert not pending, "the last yaml block has no story"
    return [Section(names, tuple(examples), text) for names, examples, text in found if names or examples]


def _lines(story: str, above: int) -> Iterator[Line]:
    for number, written_line in enumerate(story.splitlines(), above + 1):
        text = _COMMENT.sub("", written_line)
        if text.strip():
            yield Line(number, text.strip(), check=text.startswith(" "))


def leaves(part: str) -> dict[str, tuple[Any, ...]]:
    """Every field of `spec` or `status` that holds no fields itself, as `a.b[].c`; and its words, if they are listed.

    Maps are one field, but for those of things with fields of their own: `health.*.status`.
    """
    schema = crds()[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    return dict(_leaves(schema, ""))


def _leaves(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    if "properties" in schema:
        for name, inner in schema["properties"].items():
            yield from _leaves(inner, f"{path}.{name}".removeprefix("."))
    elif "items" in schema and "properties" in schema["items"]:
        yield from _leaves(schema["items"], f"{path}[]")
    elif "properties" in (schema.get("additionalProperties") or {}):
        yield from _leaves(schema["additionalProperties"], f"{path}.*")
    else:
        yield path, tuple(schema.get("enum", ()))


def enumerated() -> dict[str, tuple[Any, ...]]:
    """The fields of `spec` that are a word from a list, with the words."""
    return {path: words for path, words in leaves("spec").items() if words}


def written(example: Example) -> dict[str, list[Any]]:
    """The fields of spec that the example's yaml sets or its story edits, with the values given; annotations too."""
    found: dict[str, list[Any]] = {}
    for document in example.documents:
        if "kind" not in document:
            for path, value in _values(document.get("spec") or {}, ""):
                found.setdefault(path, []).append(value)
            for name, value in (document.get("metadata", {}).get("annotations") or {}).items():
                found.setdefault(name, []).append(value)
    for line in example.lines:
        edited = re.fullmatch(r"(?:set|annotate(?: \S+)?) ([^\s=]+)=(.*)", line.text)
        if edited and not line.check:
            found.setdefault(edited[1], []).append(yaml.safe_load(edited[2]))
    return found


def _values(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _values(inner, f"{path}.{name}".removeprefix("."))
    elif isinstance(value, list):
        for element in value:
            yield from _values(element, f"{path}[]")
