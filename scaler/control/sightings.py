"""What is seen of ScaledObjects, their HPAs and their namespaces, and which objects must therefore be reconciled."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from scaler.clock import Clock
from scaler.control.hpas import Hpas, controller_of, trim_hpa
from scaler.control.managed import Managed
from scaler.control.observed import Observed, Observer
from scaler.control.queue import WorkQueue
from scaler.control.roster import Key, Roster
from scaler.control.status_writer import StatusWriter
from scaler.core import annotations, hpa
from scaler.core.model import ScaledObject
from scaler.kube.client import Kube, Object
from scaler.kube.errors import Forbidden, NotFound
from scaler.kube.informer import Informer
from scaler.kube.resources import HPAS, NAMESPACES, SCALED_OBJECTS

__all__ = ["Sightings"]

_log = structlog.get_logger(__name__)


class Sightings:
    """See the module. No `namespaces` means all of them."""

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        *,
        namespaces: tuple[str, ...],
        queue: WorkQueue[Key],
        roster: Roster,
        hpas: Hpas,
        status: StatusWriter,
        hpa_seen: Callable[[Managed, Object], None],
        observed: Callable[[ScaledObject], bool],
    ) -> None:
        self._queue = queue
        self._roster = roster
        self._known_hpas = hpas
        self._status = status
        self._tell_hpa = hpa_seen
        self._only_observed = observed
        self._observer = Observer()
        self._objects = Informer(
            kube,
            SCALED_OBJECTS,
            clock,
            decode=self._observer.decode,
            handler=self._seen,
            namespaces=namespaces,
        )
        self._hpas = Informer(
            kube,
            HPAS,
            clock,
            decode=trim_hpa,
            handler=self._hpa_seen,
            on_relist=lambda _: hpas.relisted(),
            namespaces=namespaces,
            selector=hpa.OWNER_LABEL,
        )
        # A Role in some namespaces gives no sight of namespaces themselves; their defaults are then not read.
        self._namespaces = (
            None
            if namespaces
            else Informer(kube, NAMESPACES, clock, decode=_defaults, handler=self._namespace_seen)
        )

    @property
    def _informers(self) -> tuple[Informer[Any], ...]:
        needed = (self._objects, self._hpas)
        return needed if self._namespaces is None else (*needed, self._namespaces)

    def runs(self) -> list[Coroutine[Any, Any, None]]:
        """What must run, each in a task."""
        return [informer.run() for informer in self._informers]

    async def close(self) -> None:
        """See no more; what was seen stays readable."""
        await asyncio.gather(*(informer.close() for informer in self._informers))

    @property
    def synced(self) -> bool:
        """Has every watch shown a first complete list? For the namespaces a refusal is enough."""
        return self._objects.synced and self._hpas.synced and self._defaults_known()

    @property
    def blind(self) -> bool:
        """Does the API server serve no ScaledObjects, like an empty one in the place of ours?"""
        return any(isinstance(problem, NotFound) for problem in self._objects.problems.values())

    @property
    def in_touch(self) -> bool:
        """Are the ScaledObjects being watched, as far as we know?"""
        return not self._objects.problems

    @property
    def trouble(self) -> str:
        """Why ScaledObjects are not watched just now, in words; "" when they are."""
        problems = {str(problem): None for problem in self._objects.problems.values()}
        return f"The API server does not show ScaledObjects: {'; '.join(problems)}" if problems else ""

    def scaled_object(self, key: Key) -> Observed | None:
        """The ScaledObject as last seen."""
        return self._objects.get(*key)

    def hpa(self, namespace: str, name: str) -> Object | None:
        """The HPA as last seen; one without our label is not."""
        return self._hpas.get(namespace, name)

    def defaults(self, namespace: str) -> Mapping[str, str]:
        """Our annotations on the namespace."""
        found = self._namespaces.get("", namespace) if self._namespaces is not None else None
        return found["annotations"] if found is not None else {}

    def _defaults_known(self) -> bool:
        informer = self._namespaces
        if informer is None or informer.synced:
            return True
        return any(isinstance(problem, Forbidden) for problem in informer.problems.values())

    def _seen(self, _: object, old: Observed | None, new: Observed | None) -> None:
        if new is None:
            if old is not None:
                self._observer.forget(old.uid)
                self._status.forget(old.uid)
                self._queue.add(old.key)
            return
        self._status.observed(new.namespace, new.name, new.uid, new.resource_version, new.status)
        managed = self._roster.by_uid.get(new.uid)
        if managed is not None and new.so is not None:
            managed.so = new.so
            self._respect_mode(managed)
        if old is None or not old.same_wish(new):
            self._queue.add(new.key)

    def _hpa_seen(self, _: object, old: Object | None, new: Object | None) -> None:
        if new is not None:
            owner = self._roster.by_uid.get(controller_of(new).get("uid", ""))
            if owner is not None:
                self._tell_hpa(owner, new)
        if self._known_hpas.seen(new, old) or not _hpa_changed(old, new):
            return
        for uid in {controller_of(shown).get("uid", "") for shown in (old, new) if shown is not None}:
            managed = self._roster.by_uid.get(uid)
            if managed is not None:
                self._queue.add(managed.key)

    def _namespace_seen(self, _: object, old: Object | None, new: Object | None) -> None:
        before, after = (shown["annotations"] if shown is not None else {} for shown in (old, new))
        if before == after:
            return
        name = (new or old or {})["name"]
        for problem in annotations.namespace_problems(after):
            _log.warning("namespace's default ignored", namespace=name, problem=str(problem))
        for managed in self._roster.in_namespace(name):
            self._respect_mode(managed)
        # Those too that are not under control: the end of one that is being deleted may have waited for this.
        for key in self._objects.snapshot():
            if key[0] == name:
                self._queue.add(key)

    def _respect_mode(self, managed: Managed) -> None:
        """Who is only to be observed is not written from this moment on; the other way waits for a reconcile."""
        managed.observed = managed.observed or self._only_observed(managed.so)


def _defaults(obj: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a namespace."""
    meta = obj["metadata"]
    kept = {k: v for k, v in (meta.get("annotations") or {}).items() if k.startswith("tidegate.dev/")}
    return {"name": meta["name"], "annotations": kept}


def _hpa_changed(old: Object | None, new: Object | None) -> bool:
    """Did what we compare change (also: is it gone)? Its status is judged when the next read comes."""
    if old is None or new is None:
        return True
    fields = ("uid", "labels", "annotations", "ownerReferences")
    return any(old["metadata"].get(f) != new["metadata"].get(f) for f in fields) or old["spec"] != new["spec"]
