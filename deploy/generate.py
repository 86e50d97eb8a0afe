"""Writes what deploy/ has of the code, of the locks and of the chart's values.

That is the CRDs, the list of known values, the README's table, the lock that the image is built with, and the SBOM.

    python deploy/generate.py [--check]

`--check` writes nothing and exits 1 when a file is out of date; a test does the same.
"""  # noqa: INP001 - a script beside the files it writes, no package

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _locks
import yaml

from scaler.core.crds import crds

__all__ = ["CHART", "Value", "files", "values"]

DEPLOY = Path(__file__).parent
CHART = DEPLOY / "helm" / "tidegate"
_KEY = re.compile(r"(?P<indent> *)(?P<name>[A-Za-z]\w*):(?P<rest>.*)")
_TABLE = re.compile(r"(<!-- generated: values -->\n).*?(<!-- end -->)", re.DOTALL)
_KEEP = {"helm.sh/resource-policy": "keep"}
"""Helm deletes nothing of a chart's folder crds; this is for those who render that folder into the release."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the chart: its path (`image.tag`), its default as YAML on one line, and what it is for."""

    path: str
    default: str
    text: str


def files() -> dict[Path, str]:
    """Every generated file with what it must hold."""
    found = {CHART / "crds" / f"{crd['metadata']['name']}.yaml": _crd(crd) for crd in crds()}
    known = list(values())
    found[CHART / "files" / "known-values.txt"] = "".join(f"{path}\n" for path in sorted(_paths(known)))
    root = DEPLOY.parent
    version = re.search(r'^version = "(.+)"$', (root / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    if version is None:
        raise ValueError("pyproject.toml has no version")
    found[DEPLOY / "build.lock"] = _locks.build_lock((root / "requirements-dev.lock").read_text("utf-8"))
    found[DEPLOY / "sbom.cdx.json"] = _locks.sbom((root / "requirements.lock").read_text("utf-8"), version[1])
    page = CHART / "README.md"
    found[page] = _TABLE.sub(lambda match: match[1] + _table(known) + match[2], page.read_text("utf-8"))
    return found


def values() -> Iterator[Value]:
    """The chart's values in order: every key under a comment that opens with `--`.

    Raises ValueError for a key that has none and nothing below it either.
    """
    text = (CHART / "values.yaml").read_text("utf-8")
    defaults = yaml.safe_load(text)
    path: list[tuple[int, str]] = []
    comment, inside = "", 0
    for line in text.splitlines():
        if line.strip().startswith("# -- "):
            comment = line.strip().removeprefix("# -- ")
            continue
        key = _KEY.fullmatch(line)
        if key is None:
            continue
        depth = len(key["indent"])
        if inside and depth > inside - 1:
            continue  # A part of the documented value above.
        path = [(at, name) for at, name in path if at < depth] + [(depth, key["name"])]
        inside = depth + 1 if comment else 0
        if comment:
            names = [name for _, name in path]
            yield Value(".".join(names), _flow(defaults, names), comment)
        elif key["rest"].strip():
            raise ValueError(
                f"values.yaml: {'.'.join(name for _, name in path)} has no comment: # -- what it is"
            )
        comment = ""


def _flow(defaults: Any, names: Sequence[str]) -> str:
    for name in names:
        defaults = defaults[name]
    text = yaml.safe_dump(defaults, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _paths(known: Sequence[Value]) -> set[str]:
    """The values, and the sections above them with a dot at the end."""
    found = {value.path for value in known}
    for value in known:
        parts = value.path.split(".")
        found |= {".".join(parts[:count]) + "." for count in range(1, len(parts))}
    return found


def _table(known: Sequence[Value]) -> str:
    rows = [(f"`{value.path}`", f"`{value.default}`", value.text.replace("|", "\\|")) for value in known]
    lines = [("value", "default", "meaning"), ("---", "---", "---"), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _crd(crd: dict[str, Any]) -> str:
    crd["metadata"]["annotations"] = _KEEP | crd["metadata"].get("annotations", {})
    return yaml.safe_dump(crd, sort_keys=False, width=120, allow_unicode=True)


def main(arguments: Sequence[str]) -> int:
    """Bring the files up to date, or say which are not."""
    outdated = [
        path for path, text in files().items() if not path.exists() or path.read_text("utf-8") != text
    ]
    for path in outdated:
        name = path.relative_to(DEPLOY.parent)
        if "--check" in arguments:
            sys.stderr.write(f"{name} is out of date: run python deploy/generate.py\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path], "utf-8")
            sys.stdout.write(f"wrote {name}\n")
    return 1 if outdated and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
