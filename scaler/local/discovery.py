"""Discovery: what is served, as kubectl and the client libraries ask for it. Pure."""

from collections.abc import Iterable
from typing import Any

from scaler.local.resources import Object, Registry, View
from scaler.local.reviews import REVIEWS

__all__ = ["Discovery"]

VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+tidegate",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}


class Discovery:
    """Answers from the registry; `aggregated` are the (group, version)s other servers serve."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def api_versions(self) -> Object:
        """`/api`."""
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}

    def groups(self, aggregated: Iterable[tuple[str, str]]) -> Object:
        """`/apis`."""
        names = self._versions(aggregated)
        groups = [self._group(group, versions) for group, versions in names.items() if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def group(self, group: str, aggregated: Iterable[tuple[str, str]]) -> Object | None:
        """`/apis/{group}`; None when there is no such group."""
        versions = self._versions(aggregated).get(group)
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group, versions)} if versions else None

    def resources(self, group: str, version: str) -> Object | None:
        """`/apis/{group}/{version}`; None when it is not served here."""
        found: list[dict[str, Any]] = []
        for view in self._registry.views():
            if (view.group, view.version) == (group, version):
                found += _entries(view)
        for plural, kind, namespaced in REVIEWS.get((group, version), ()):
            found.append(_entry(plural, kind, namespaced=namespaced, verbs=["create"], singular=kind.lower()))
        if not found:
            return None
        name = f"{group}/{version}" if group else version
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": found}

    def _versions(self, aggregated: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
        versions: dict[str, list[str]] = {}
        served = [(view.group, view.version) for view in self._registry.views()]
        for group, version in [*served, *REVIEWS, *aggregated]:
            known = versions.setdefault(group, [])
            if version not in known:
                known.append(version)
        return versions

    @staticmethod
    def _group(group: str, versions: list[str]) -> Object:
        entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
        return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def _entry(
    name: str, kind: str, *, namespaced: bool, verbs: list[str], singular: str = "", **more: Any
) -> dict[str, Any]:
    head = {"name": name, "singularName": singular, "namespaced": namespaced}
    return {**head, **{key: value for key, value in more.items() if value}, "kind": kind, "verbs": verbs}


def _entries(view: View) -> list[dict[str, Any]]:
    resource = view.resource
    kind, namespaced, parts = resource.kind, resource.namespaced, ["get", "patch", "update"]
    found = [
        _entry(
            resource.plural,
            kind,
            namespaced=namespaced,
            verbs=list(resource.verbs),
            singular=resource.singular,
            shortNames=list(resource.short_names),
            categories=list(resource.categories),
        )
    ]
    if resource.has_status:
        found.append(_entry(f"{resource.plural}/status", kind, namespaced=namespaced, verbs=parts))
    if resource.scale is not None:
        found.append(
            _entry(
                f"{resource.plural}/scale",
                "Scale",
                namespaced=namespaced,
                verbs=parts,
                group="autoscaling",
                version="v1",
            )
        )
    if resource.key == ("", "pods"):
        found.append(_entry("pods/log", kind, namespaced=True, verbs=["get"]))
    if resource.key == ("", "namespaces"):
        found.append(_entry("namespaces/finalize", kind, namespaced=False, verbs=["update"]))
    if resource.key == ("", "serviceaccounts"):
        more = {"group": "authentication.k8s.io", "version": "v1"}
        name = "serviceaccounts/token"
        found.append(_entry(name, "TokenRequest", namespaced=True, verbs=["create"], **more))
    return found
