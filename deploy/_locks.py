"""What the locks give the image: the packages it is built with, and the bill of materials (CycloneDX). Pure."""  # noqa: INP001 - beside the script that uses it, no package

import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["BUILD", "Locked", "build_lock", "locked", "sbom"]

BUILD = ("hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers")
"""hatchling, which makes the wheel, and all that it needs."""

_LINE = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+?))? *\\?")
_HASH = re.compile(r" +--hash=sha256:(?P<digest>[0-9a-f]{64}) *\\?")
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://tidegate.dev/sbom")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a lock; `marker`: where it is wanted, "" everywhere. `text` is its part of the lock."""

    name: str
    version: str
    marker: str
    digests: tuple[str, ...]
    text: str


def locked(text: str) -> Iterator[Locked]:
    """The packages of a lock in order. Raises ValueError for a line that is neither a package nor a hash, or one without."""
    parts: list[list[str]] = []
    for line in text.splitlines(keepends=True):
        if _LINE.fullmatch(line.rstrip()):
            parts.append([line])
        elif _HASH.fullmatch(line.rstrip()) and parts:
            parts[-1].append(line)
        elif line.strip():
            raise ValueError(f"neither a package nor a hash: {line.strip()}")
    for head, *rest in parts:
        found = _LINE.fullmatch(head.rstrip())
        digests = tuple(match["digest"] for line in rest if (match := _HASH.fullmatch(line.rstrip())))
        if found is None or not digests:
            raise ValueError(f"without a hash: {head.strip()}")
        yield Locked(found["name"], found["version"], found["marker"] or "", digests, "".join([head, *rest]))


def build_lock(dev_lock: str) -> str:
    """The part of the development lock that the image is built with. Raises ValueError for a package that is not in it."""
    found = {package.name: package for package in locked(dev_lock)}
    missing = set(BUILD) - set(found)
    if missing:
        raise ValueError(f"not in the lock: {', '.join(sorted(missing))}")
    return "".join(found[name].text for name in BUILD)


def sbom(lock: str, version: str) -> str:
    """The bill of materials of the runtime lock, CycloneDX 1.6 in JSON. The same lock gives the same bytes."""
    components = [_component(package) for package in locked(lock)]
    serial = uuid.uuid5(_NAMESPACE, json.dumps([version, components], sort_keys=True))
    ours = f"pkg:pypi/tidegate@{version}"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": "tidegate",
                "version": version,
                "purl": ours,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
    }
    return json.dumps(document, indent=2) + "\n"


def _component(package: Locked) -> dict[str, object]:
    name = re.sub(r"[-_.]+", "-", package.name).lower()
    purl = f"pkg:pypi/{name}@{package.version}"
    hashes = [{"alg": "SHA-256", "content": digest} for digest in package.digests]
    component: dict[str, object] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": package.version,
        "purl": purl,
        # One for each file of this version; which of them is installed depends on the machine.
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{name}/{package.version}/",
                "hashes": hashes,
            }
        ],
    }
    if package.marker:
        component["scope"] = "optional"
        component["properties"] = [{"name": "tidegate:marker", "value": package.marker}]
    return component
