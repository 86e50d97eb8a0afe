"""The HPAs that belong to ScaledObjects: watched, made, mended and removed.

Of a watched HPA only what is compared or judged is kept. One that the watch does not show (made by hand, without our label)
is found when creating ours fails, and adopted, as KEDA does.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from scaler.control.versions import later
from scaler.core import hpa
from scaler.kube.client import Kube, Object
from scaler.kube.errors import AlreadyExists, Conflict, NotFound
from scaler.kube.resources import HPAS, SCALED_OBJECTS

__all__ = ["Hpas", "controller_of", "trim_hpa"]

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
_ATTEMPTS = 3


def trim_hpa(obj: Mapping[str, Any]) -> Object:
    """Keep of an HPA's JSON what `difference`, `hpa_trouble` and the journal look at."""
    meta = {name: obj["metadata"][name] for name in _KEPT if name in obj["metadata"]}
    return {"metadata": meta, "spec": obj.get("spec") or {}, "status": obj.get("status") or {}}


def controller_of(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """The ownerReference of the ScaledObject that has this HPA; {} when none has."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return next((o for o in owners if o.get("controller") and o.get("kind") == SCALED_OBJECTS.kind), {})


class Hpas:
    """See the module. Raises KubeError; writes nothing when nothing differs."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._written: dict[tuple[str, str], Object] = {}
        """What our own writes returned, until the watch shows it or something newer."""

    async def ensure(self, wanted: Object, live: Object | None) -> tuple[str, ...] | None:
        """Make the HPA so, whatever happens to it meanwhile: the paths that were mended, None when it was made anew."""
        live = self._newest(_key(wanted), live)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return await self._ensure(wanted, live)
            except (AlreadyExists, Conflict, NotFound):
                if attempt == _ATTEMPTS:
                    raise
                self._written.pop(_key(wanted), None)
                live = await self._read(wanted)
        raise AssertionError  # not reached

    async def remove(self, namespace: str, name: str, live: Object | None, *, owner: str) -> None:
        """Delete an HPA if it belongs to the object of uid `owner`; one that is gone already is fine."""
        live = self._newest((namespace, name), live)
        if live is None or controller_of(live).get("uid") != owner:
            return
        try:
            await self._kube.delete(HPAS, name, namespace, uid=live["metadata"]["uid"])
        except (NotFound, Conflict):
            _log.debug("HPA gone already", hpa=f"{namespace}/{name}")
        else:
            _log.info("deleted HPA", hpa=f"{namespace}/{name}")
        self._written.pop((namespace, name), None)

    def seen(self, live: Object | None, gone: Object | None) -> bool:
        """The watch showed an HPA, or that one is gone. True when it is only what we wrote ourselves."""
        shown = live or gone
        written = self._written.get(_key(shown)) if shown is not None else None
        if shown is None or written is None:
            return False
        if live is None:
            outdated = shown["metadata"]["uid"] == written["metadata"]["uid"]
        else:
            outdated = not later(_version(written), _version(live))
        if outdated:
            del self._written[_key(shown)]
        return live is not None and _version(written) == _version(live)

    def relisted(self) -> None:
        """The watch has shown all there are: what it does not show is gone, whatever we once wrote."""
        self._written.clear()

    async def _ensure(self, wanted: Object, live: Object | None) -> tuple[str, ...] | None:
        if live is None:
            self._remember(await self._kube.create(HPAS, wanted))
            _log.info("made HPA", hpa="/".join(_key(wanted)))
            return None
        paths = hpa.difference(live, wanted)
        if paths:
            self._remember(await self._kube.replace(HPAS, _over(live, wanted)))
            _log.info("updated HPA", hpa="/".join(_key(live)), fields=paths)
        return paths

    async def _read(self, wanted: Object) -> Object | None:
        meta = wanted["metadata"]
        try:
            return await self._kube.get(HPAS, meta["name"], meta["namespace"])
        except NotFound:
            return None

    def _remember(self, obj: Object) -> None:
        self._written[_key(obj)] = trim_hpa(obj)

    def _newest(self, key: tuple[str, str], live: Object | None) -> Object | None:
        written = self._written.get(key)
        if live is None or written is None:
            return live or written
        return written if later(_version(written), _version(live)) else live


def _over(live: Object, wanted: Object) -> Object:
    """Our HPA in place of what is there.

    Labels and annotations too, as in KEDA (facts 2.5): those that the object had once vanish. Other owners stay, but there is
    one controller.
    """
    mine, theirs = wanted["metadata"], live["metadata"]
    own = mine["ownerReferences"]
    others = [
        owner
        for owner in theirs.get("ownerReferences") or ()
        if not owner.get("controller") and owner.get("uid") != own[0].get("uid")
    ]
    identity = {name: theirs[name] for name in ("name", "namespace", "uid", "resourceVersion")}
    return {**wanted, "metadata": {**mine, **identity, "ownerReferences": [*own, *others]}}


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _version(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])
