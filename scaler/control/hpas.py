"""The HPAs that belong to ScaledObjects: watched, made, mended and removed.

Of a watched HPA only what is compared or judged is kept. One that the watch does not show (made by hand, without our label)
is found when creating ours fails, and adopted, as KEDA does.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from scaler.core import hpa
from scaler.kube.client import Kube, Object
from scaler.kube.errors import AlreadyExists, NotFound
from scaler.kube.resources import HPAS

__all__ = ["Hpas", "trim_hpa"]

_log = structlog.get_logger(__name__)
_KEPT = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "labels",
    "annotations",
    "ownerReferences",
)


def trim_hpa(obj: Mapping[str, Any]) -> Object:
    """Keep of an HPA's JSON what `difference` and `hpa_trouble` look at."""
    meta = {name: obj["metadata"][name] for name in _KEPT if name in obj["metadata"]}
    found = (obj.get("status") or {}).get("conditions") or ()
    scaling = [condition for condition in found if condition.get("type") == "ScalingActive"]
    return {"metadata": meta, "spec": obj.get("spec") or {}, "status": {"conditions": scaling}}


class Hpas:
    """See the module. Raises KubeError; writes nothing when nothing differs."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._written: dict[str, Object] = {}
        """What our own writes returned, by uid of the HPA, until the watch shows it or something newer."""

    async def ensure(self, wanted: Object, live: Object | None) -> bool:
        """Make the HPA so. True when it was made anew."""
        live = self._newest(live)
        if live is None:
            try:
                created = await self._kube.create(HPAS, wanted)
            except AlreadyExists:
                meta = wanted["metadata"]
                live = await self._kube.get(HPAS, meta["name"], meta["namespace"])
                _log.info("adopting an HPA that exists already", hpa=f"{meta['namespace']}/{meta['name']}")
            else:
                self._remember(created)
                return True
        paths = hpa.difference(live, wanted)
        if paths:
            _log.info(
                "updating HPA",
                hpa=f"{live['metadata']['namespace']}/{live['metadata']['name']}",
                fields=paths,
            )
            self._remember(await self._kube.replace(HPAS, _merged(live, wanted)))
        return False

    async def remove(self, name: str, namespace: str, owner: str) -> None:
        """Delete an HPA if it belongs to the object of uid `owner`; one that is gone already is fine."""
        try:
            live = await self._kube.get(HPAS, name, namespace)
            references = live["metadata"].get("ownerReferences") or ()
            if any(reference.get("uid") == owner for reference in references):
                await self._kube.delete(HPAS, name, namespace, uid=live["metadata"]["uid"])
        except NotFound:
            _log.debug("HPA gone already", hpa=f"{namespace}/{name}")

    def seen(self, live: Object | None, gone: Object | None) -> None:
        """The watch showed an HPA, or that one is gone."""
        if live is not None:
            written = self._written.get(live["metadata"]["uid"])
            if written is not None and self._newest(live) is live:
                del self._written[live["metadata"]["uid"]]
        elif gone is not None:
            self._written.pop(gone["metadata"]["uid"], None)

    def _remember(self, obj: Object) -> None:
        self._written[obj["metadata"]["uid"]] = trim_hpa(obj)

    def _newest(self, live: Object | None) -> Object | None:
        if live is None:
            return None
        written = self._written.get(live["metadata"]["uid"])
        if written is None or _version(live) >= _version(written):
            return live
        return written


def _merged(live: Object, wanted: Object) -> Object:
    """Our spec, labels, annotations and owner over what is there; what others added to the metadata stays."""
    mine, theirs = wanted["metadata"], live["metadata"]
    owners = [o for o in theirs.get("ownerReferences") or () if not o.get("controller")]
    own = mine["ownerReferences"]
    metadata = {
        "name": theirs["name"],
        "namespace": theirs["namespace"],
        "uid": theirs["uid"],
        "resourceVersion": theirs["resourceVersion"],
        "labels": {**(theirs.get("labels") or {}), **(mine.get("labels") or {})},
        "annotations": {**(theirs.get("annotations") or {}), **(mine.get("annotations") or {})},
        "ownerReferences": [*own, *(o for o in owners if o.get("uid") != own[0].get("uid"))],
    }
    return {**wanted, "metadata": metadata}


def _version(obj: Object) -> int:
    version = obj["metadata"]["resourceVersion"]
    return int(version) if version.isdigit() else 0
