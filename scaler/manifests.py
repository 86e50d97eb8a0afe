"""Manifests from files and standard input: YAML or JSON, several documents each."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

__all__ = ["STDIN", "ManifestError", "documents", "dump"]

STDIN = "-"
_SUFFIXES = frozenset({".yaml", ".yml", ".json"})


class ManifestError(Exception):
    """A file that is not there, cannot be read or is no YAML. The message names the file."""


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's where PyYAML was built with it


class _Loader(_Base):  # type: ignore[misc]
    """Kubernetes' reading of YAML: a date is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


def documents(files: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """(file, document) of every document of every file, in order; a folder stands for the manifests in it.

    Raises ManifestError.
    """
    for name in files:
        for path in _expanded(name):
            for document in _load(path, _read(path)):
                yield path, document


def dump(objects: Sequence[Any]) -> str:
    """A YAML stream, one document an object, keys as given."""
    return yaml.dump_all(objects, sort_keys=False, default_flow_style=False, allow_unicode=True)


def _expanded(name: str) -> list[str]:
    path = Path(name)
    if name == STDIN or not path.is_dir():
        return [name]
    found = sorted(str(p) for p in path.iterdir() if p.suffix in _SUFFIXES)
    if not found:
        raise ManifestError(f"{name}: no .yaml, .yml or .json file in this folder")
    return found


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == STDIN else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(f"{name}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ManifestError(f"{name}: not UTF-8 text (byte {error.start})") from error


def _load(name: str, text: str) -> list[Any]:
    try:
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}, column {mark.column + 1}:" if mark is not None else ""
        raise ManifestError(f"{name}:{where} no YAML: {getattr(error, 'problem', None) or error}") from error
