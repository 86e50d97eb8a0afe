"""XML as a tree: for documents that nobody vouches for.

A document type declaration is refused, since it is where entities that unfold to gigabytes, or to files and
other servers, are declared. XML without one has no such thing.
"""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

__all__ = ["Element", "parse", "text"]

Element = ET.Element
_CHUNK = 1 << 16


class _Builder(ET.TreeBuilder):
    def doctype(self, name: str, *_: str | None) -> None:
        """Called at its very beginning, before anything is declared."""
        raise ValueError(f"a document type declaration ({name[:40]}) is not accepted")


def parse(content: bytes) -> Element:
    """The root element. Raises ValueError. Takes small bites, so that others get their turn."""
    parser = ET.XMLParser(target=_Builder())  # noqa: S314 - the builder refuses what is unsafe
    try:
        for start in range(0, len(content), _CHUNK):
            parser.feed(content[start : start + _CHUNK])
        root = parser.close()
    except ET.ParseError as error:
        raise ValueError(str(error)) from None
    return root


def text(root: Element, names: Sequence[str]) -> str | None:
    """The text at a path below the root, or None if it leads to no text.

    A name is a child's, of several the first unless an index follows; `@name`, at the end, is an attribute's.
    Namespaces do not count.
    """
    found = [root]
    for at, name in enumerate(names):
        if name.startswith("@"):
            values = [value for key, value in found[0].items() if _local(key) == name[1:]]
            return values[0] if values and at == len(names) - 1 else None
        if at and name.isascii() and name.isdigit():
            found = found[int(name[:10]) :][:1]
        else:
            found = [one for one in found[0] if _local(one.tag) == name]
        if not found:
            return None
    return None if len(found[0]) else found[0].text


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
