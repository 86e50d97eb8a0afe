"""CustomResourceDefinitions: their own rules, and the resources they make. Pure.

One schema acts: the storage version's. Other served versions show the same objects under their own apiVersion, which is
conversion strategy None. Webhook conversion is refused.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from scaler.local import schema
from scaler.local.cel import compile_rule
from scaler.local.columns import custom_columns
from scaler.local.errors import Cause, bad_request, invalid_value, not_supported, required
from scaler.local.jsonpath import compile_path
from scaler.local.resources import Object, Resource, Rules, ScalePaths, View

__all__ = ["CLEANUP", "begin", "check", "default", "refuse", "resource_of"]

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_UNSUPPORTED_RULE_FIELDS = ("messageExpression", "fieldPath", "optionalOldSelf")


def refuse(obj: Object) -> None:
    """What cannot be decoded."""
    spec = obj.get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("names") or {}, dict):
        raise bad_request("CustomResourceDefinition: spec and spec.names must be objects")
    versions = spec.get("versions") or []
    if not isinstance(versions, list) or not all(isinstance(version, dict) for version in versions):
        raise bad_request("CustomResourceDefinition: spec.versions must be a list of objects")


def default(obj: Object) -> None:
    """Names that follow from others; conversion."""
    names = obj["spec"].setdefault("names", {})
    kind = str(names.get("kind") or "")
    names.setdefault("singular", kind.lower())
    names.setdefault("listKind", f"{kind}List")
    obj["spec"].setdefault("conversion", {"strategy": "None"})
    if "deletionTimestamp" not in obj["metadata"]:
        finalizers = obj["metadata"].get("finalizers") or []
        if CLEANUP not in finalizers:
            obj["metadata"]["finalizers"] = [*finalizers, CLEANUP]


def begin(obj: Object) -> None:
    """Accepted and established at once: nobody else claims names here."""
    now = obj["metadata"]["creationTimestamp"]
    conditions = [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    obj["status"] = {
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message}
            for kind, reason, message in conditions
        ],
        "acceptedNames": dict(obj["spec"]["names"]),
        "storedVersions": [version["name"] for version in obj["spec"]["versions"] if version.get("storage")],
    }


def check(obj: Object, old: Object | None) -> list[Cause]:
    """Faults of a definition, those of its schemas included."""
    spec, names = obj["spec"], obj["spec"]["names"]
    causes = [required(f"spec.names.{word}") for word in ("plural", "kind") if not names.get(word)]
    if not spec.get("group"):
        causes.append(required("spec.group"))
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if obj["metadata"]["name"] != wanted:
        causes.append(
            invalid_value(
                "metadata.name",
                f'"{obj["metadata"]["name"]}"',
                f'must be spec.names.plural+"."+spec.group: {wanted}',
            )
        )
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        causes.append(
            not_supported("spec.scope", f'"{spec.get("scope") or ""}"', ['"Cluster"', '"Namespaced"'])
        )
    if (spec["conversion"] or {}).get("strategy") != "None":
        causes.append(
            not_supported("spec.conversion.strategy", f'"{spec["conversion"].get("strategy")}"', ['"None"'])
        )
    storage = [version for version in spec.get("versions") or () if version.get("storage")]
    if len(storage) != 1:
        causes.append(
            invalid_value("spec.versions", "[]", "must have exactly one version marked as storage version")
        )
    for index, version in enumerate(spec.get("versions") or ()):
        causes += _check_version(version, f"spec.versions[{index}]")
    if old is not None:
        causes += [
            invalid_value(f"spec.{field}", f'"{spec.get(field)}"', "field is immutable")
            for field in ("group", "scope")
            if spec.get(field) != old["spec"].get(field)
        ]
    return causes


def _check_version(version: Object, path: str) -> Iterator[Cause]:
    if not version.get("name"):
        yield required(f"{path}.name")
    root = (version.get("schema") or {}).get("openAPIV3Schema")
    path_here = f"{path}.schema.openAPIV3Schema"
    if not isinstance(root, dict):
        yield required(path_here, "schemas are required")
        return
    if root.get("type") != "object":
        yield invalid_value(f"{path_here}.type", f'"{root.get("type", "")}"', 'must be "object" at the root')
    for below, part in schema.subschemas(root, path_here):
        yield from _check_schema(part, below)
    for index, column in enumerate(version.get("additionalPrinterColumns") or ()):
        yield from _check_column(column, f"{path}.additionalPrinterColumns[{index}]")
    scale = (version.get("subresources") or {}).get("scale")
    if scale is not None:
        for field, least in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
            value = scale.get(field) or ""
            if not value.startswith(least):
                yield invalid_value(
                    f"{path}.subresources.scale.{field}",
                    f'"{value}"',
                    f"should be a json path under {least[:-1]}",
                )


def _check_schema(part: Any, path: str) -> Iterator[Cause]:
    if not isinstance(part, dict):
        yield invalid_value(path, "null", "must be an object")
        return
    loose = part.get(schema.PRESERVE) or part.get(schema.INT_OR_STRING)
    if not part.get("type") and not loose:
        yield required(f"{path}.type", "must not be empty for specified object fields")
    if "$ref" in part:
        yield Cause(f"{path}.$ref", "FieldValueForbidden", "Forbidden: $ref is not supported")
    if "pattern" in part:
        try:
            re.compile(part["pattern"])
        except re.error as error:
            yield invalid_value(
                f"{path}.pattern", f'"{part["pattern"]}"', f"must be a valid regular expression: {error}"
            )
    for index, rule in enumerate(schema.rules_of(part)):
        yield from _check_rule(rule, f"{path}.{schema.RULES}[{index}]")


def _check_rule(rule: Object, path: str) -> Iterator[Cause]:
    """A rule this server cannot run is refused: a promise that would not be kept is worse than none."""
    text = rule.get("rule") or ""
    for field in _UNSUPPORTED_RULE_FIELDS:
        if field in rule:
            yield Cause(
                f"{path}.{field}",
                "FieldValueForbidden",
                "Forbidden: the embedded API server does not support it",
            )
    try:
        compile_rule(text)
    except ValueError as error:
        why = f"the embedded API server runs a part of CEL only (scaler/local/cel.py): {error}"
        yield invalid_value(f"{path}.rule", f"{text!r}", why)


def _check_column(column: Object, path: str) -> Iterator[Cause]:
    for field in ("name", "jsonPath", "type"):
        if not column.get(field):
            yield required(f"{path}.{field}")
    try:
        compile_path(column.get("jsonPath") or "")
    except ValueError as error:
        yield invalid_value(f"{path}.jsonPath", f'"{column["jsonPath"]}"', str(error))


def resource_of(obj: Object) -> tuple[Resource, list[View], bool]:
    """What a definition serves: the resource, the other versions' views, and whether the storage version is served."""
    spec = obj["spec"]
    names = spec["names"]
    storage = next(version for version in spec["versions"] if version.get("storage"))
    root = storage["schema"]["openAPIV3Schema"]
    subresources = storage.get("subresources") or {}
    resource = Resource(
        group=spec["group"],
        version=storage["name"],
        plural=names["plural"],
        kind=names["kind"],
        singular=names.get("singular") or "",
        list_kind=names.get("listKind") or "",
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        has_status="status" in subresources,
        scale=_scale(subresources.get("scale")),
        generation=True,
        unconditional=False,
        custom=True,
        rules=Rules(
            prune=lambda item: schema.prune(item, root, root=True),
            default=lambda item: schema.default(item, root),
            check=lambda item, old: schema.validate(item, old, root),
        ),
        columns=custom_columns(storage.get("additionalPrinterColumns")),
        schema=root,
    )
    views = []
    for version in spec["versions"]:
        if version.get("served") and not version.get("storage"):
            own = f"{spec['group']}/{version['name']}"
            views.append(View(spec["group"], version["name"], resource, _as(resource.api_version), _as(own)))
    return resource, views, bool(storage.get("served"))


def _as(api_version: str) -> Callable[[Object], Object]:
    return lambda obj: {**obj, "apiVersion": api_version}


def _scale(paths: Object | None) -> ScalePaths | None:
    if paths is None:
        return None

    def split(text: str) -> tuple[str, ...]:
        return tuple(text.removeprefix(".").split("."))

    selector = paths.get("labelSelectorPath")
    return ScalePaths(
        split(paths["specReplicasPath"]),
        split(paths["statusReplicasPath"]),
        split(selector) if selector else None,
    )
