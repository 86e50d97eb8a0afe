"""What `tidegate check` is given by hand: the documents of the manifests, and the values of `--secret`.

No API server has looked at them, so what is read of them is looked at here.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scaler.core.model import ScaledObject
from scaler.core.problems import kind_of
from scaler.kube.client import Object
from scaler.kube.errors import KubeError
from scaler.kube.resources import CONFIG_MAPS, SECRETS
from scalers._lib.problem import Problem

__all__ = ["Given", "TargetError", "no_texts"]


class TargetError(Exception):
    """The scale target in the manifests is none that an API server would take. The message says why."""


@dataclass(slots=True)
class Given:
    """Objects by hand: the documents of the manifests, and the values of --secret, which go before them."""

    documents: Sequence[Object]
    secrets: Mapping[str, Mapping[str, str]] = field(repr=False)

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """See Objects."""
        found = next((d for d in self.documents if self._is(d, kind, namespace, name)), None)
        more = self.secrets.get(name) if kind == "Secret" else None
        if kind != "Secret" or (found is None and more is None):
            return found
        texts = {**((found or {}).get("stringData") or {}), **(more or {})}
        data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        return {"metadata": {"name": name}, "data": {**((found or {}).get("data") or {}), **data}}

    async def target(self, so: ScaledObject) -> Object | None:
        """See Objects. Raises TargetError."""
        found = await self.get(so.target.kind, so.namespace, so.target.name)
        if found is not None:
            _check_target(found)
        return found

    async def token(self, namespace: str, name: str) -> str:
        """See Objects."""
        raise KubeError(
            f"a token of ServiceAccount {namespace}/{name} comes from a cluster: give --kubeconfig"
        )

    @staticmethod
    def _is(document: Object, kind: str, namespace: str, name: str) -> bool:
        meta = document.get("metadata")
        if not isinstance(meta, Mapping):
            return False
        where = meta.get("namespace") or "default"
        return (
            document.get("kind") == kind
            and meta.get("name") == name
            and (not namespace or where == namespace)
        )


def no_texts(document: Mapping[str, Any]) -> Iterator[Problem]:
    """What no API server would take of a Secret or ConfigMap. Values are not repeated."""
    if document.get("kind") not in {SECRETS.kind, CONFIG_MAPS.kind}:
        return
    for field_name in ("data", "stringData"):
        entries = document.get(field_name)
        if entries is None:
            continue
        if not isinstance(entries, Mapping):
            yield Problem(field_name, f"is {kind_of(entries)}, not a mapping", "write KEY: VALUE below it")
            continue
        for name, value in entries.items():
            if not isinstance(value, str):
                what = f"is {kind_of(value)}, not text"
                yield Problem(f"{field_name}.{name}", what, "put quotes around it")


def _check_target(target: Object) -> None:
    """Raise TargetError where what is read of a target is not of the kind that it must be."""
    place = ""
    here: Mapping[str, Any] = target
    for name in ("spec", "template", "spec"):
        place, found = f"{place}.{name}".lstrip("."), here.get(name)
        if found is not None and not isinstance(found, Mapping):
            raise TargetError(f"{place} of the target is {kind_of(found)}, not a mapping")
        here = found or {}
    replicas = (target.get("spec") or {}).get("replicas")
    if replicas is not None and (not isinstance(replicas, int) or isinstance(replicas, bool)):
        raise TargetError(f"spec.replicas of the target is {kind_of(replicas)}, not a whole number")
    containers = here.get("containers") or []
    if not isinstance(containers, list):
        raise TargetError(f"{place}.containers of the target is {kind_of(containers)}, not a list")
    for container in containers:
        entries = [container]
        if isinstance(container, Mapping):
            entries += [*(container.get("env") or ()), *(container.get("envFrom") or ())]
        odd = next((entry for entry in entries if not isinstance(entry, Mapping)), None)
        if odd is not None:
            raise TargetError(f"{place}.containers of the target has {kind_of(odd)} where a mapping belongs")
