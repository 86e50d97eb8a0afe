"""Manifests from files and standard input: YAML or JSON, several documents each."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scaler.yaml_text import YamlError
from scaler.yaml_text import documents as parsed
from scalers._lib.problem import Problem

__all__ = ["STDIN", "ManifestError", "documents"]

STDIN = "-"
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


class ManifestError(Exception):
    """A file that is not there or may not be read. The message names the file."""


def documents(files: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """(file, document) of every document of every file, in order; a folder stands for the manifests in it.

    Text that cannot be understood is a Problem in place of a document: the files after it are read all the same.
    Raises ManifestError.
    """
    for name in files:
        for path in _expanded(name):
            for document in _documents(_read(path)):
                yield path, document


def _expanded(name: str) -> list[str]:
    path = Path(name)
    if name == STDIN or not path.is_dir():
        return [name]
    try:
        found = sorted(str(p) for p in path.iterdir() if p.suffix in _SUFFIXES and not p.is_dir())
    except OSError as error:
        raise ManifestError(f"{name}: {error.strerror or error}") from error
    if not found:
        raise ManifestError(f"{name}: no .yaml, .yml or .json file in this folder")
    return found


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except OSError as error:
        raise ManifestError(f"{name}: {error.strerror or error}") from error


def _documents(data: bytes) -> Iterator[Any]:
    try:
        yield from (document for document in parsed(data.decode("utf-8-sig")) if document is not None)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        yield Problem(f"line {line}", "is not UTF-8 text", "save the file as UTF-8")
    except YamlError as error:
        yield Problem(error.place, f"is no YAML that can be read: {error}")
