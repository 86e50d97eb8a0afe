"""What the generated sections are made with: tables, and the documented attributes of a class."""  # noqa: INP001

import ast
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Field", "fields", "table", "words"]


@dataclass(frozen=True, slots=True)
class Field:
    """One documented attribute of a class, as its source has it; `group` is the comment it stands under."""

    name: str
    kind: str
    default: str
    text: str
    group: str


def fields(cls: type[Any]) -> Iterator[Field]:
    """The attributes of a class in order. Raises ValueError for one without a docstring."""
    source = inspect.getsource(cls)
    lines, group = source.splitlines(), ""
    (definition,) = ast.parse(source).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign | ast.Assign):
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        before = next((line.strip() for line in reversed(lines[: node.lineno - 1]) if line.strip()), "")
        group = before.removeprefix("# ").rstrip(".") if before.startswith("# ") else group
        default = ast.unparse(node.value) if node.value is not None else ""
        text = (
            after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        )
        if not text and not default.startswith("field("):
            raise ValueError(f"{cls.__name__}.{ast.unparse(target)} has no docstring: say what it is and why")
        kind = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
        yield Field(ast.unparse(target), kind, default, words(str(text)), group)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def words(text: str | None) -> str:
    """A docstring on one line."""
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<why>", "*why*")
