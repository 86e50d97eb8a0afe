"""Writes the status of ScaledObjects: late, merged, and only what differs.

Status follows scaling, never the other way round, so its writes have a queue of their own with few workers: a thousand
objects woken at once get their replicas first. What is wanted several times before its turn is written once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from scaler.clock import Clock
from scaler.control.queue import WorkQueue
from scaler.control.versions import later
from scaler.core import status
from scaler.kube.client import Kube
from scaler.kube.errors import Conflict, KubeError, NotFound
from scaler.kube.resources import SCALED_OBJECTS

__all__ = ["StatusWriter"]

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Subject:
    namespace: str
    name: str
    uid: str
    resource_version: str
    live: Mapping[str, Any]
    wanted: dict[str, Any] | None = None


class StatusWriter:
    """See the module. Objects are addressed by uid: a status never lands on a namesake made later."""

    def __init__(self, kube: Kube, clock: Clock, *, workers: int) -> None:
        self._kube = kube
        self._workers = workers
        self._queue: WorkQueue[str] = WorkQueue(clock, name="status", base=0.5, cap=60.0)
        self._subjects: dict[str, _Subject] = {}

    async def run(self) -> None:
        """Write until closed."""
        await self._queue.run(self._workers, self._write)

    def close(self) -> None:
        """Stop; what is wanted and not yet written will be found missing after the next start."""
        self._queue.close()

    def observed(
        self, namespace: str, name: str, uid: str, resource_version: str, live: Mapping[str, Any]
    ) -> None:
        """The object as the watch shows it. Older news than our own writes is passed over."""
        subject = self._subjects.get(uid)
        if subject is None:
            self._subjects[uid] = _Subject(namespace, name, uid, resource_version, live)
        elif not later(subject.resource_version, resource_version):
            subject.resource_version = resource_version
            subject.live = live

    def want(self, uid: str, wanted: Mapping[str, Any]) -> None:
        """Make these keys of the status so (see core.status.patch); keys wanted before and not named stay wanted."""
        subject = self._subjects.get(uid)
        if subject is None:
            return
        merged = {**(subject.wanted or {}), **wanted}
        if subject.wanted is None and status.patch(subject.live, merged) is None:
            return
        subject.wanted = merged
        self._queue.add(uid)

    def drop(self, uid: str) -> None:
        """Nothing is wanted of the object any more: somebody else writes its status from now on."""
        subject = self._subjects.get(uid)
        if subject is not None:
            subject.wanted = None
            self._queue.discard(uid)

    def forget(self, uid: str) -> None:
        """The object is gone."""
        self._subjects.pop(uid, None)
        self._queue.discard(uid)

    async def _write(self, uid: str) -> None:
        subject = self._subjects.get(uid)
        if subject is None or subject.wanted is None:
            return
        wanted = subject.wanted
        body = status.patch(subject.live, wanted)
        if body is not None:
            body["metadata"] = {"resourceVersion": subject.resource_version}
            try:
                answer = await self._kube.patch(
                    SCALED_OBJECTS, subject.name, body, subject.namespace, subresource="status"
                )
            except NotFound:
                self.forget(uid)
                return
            except Conflict:
                await self._refetch(subject)
                self._queue.retry(uid)
                return
            except KubeError as error:
                _log.warning(
                    "status not written", object=f"{subject.namespace}/{subject.name}", error=str(error)
                )
                self._queue.retry(uid)
                return
            self._take(subject, answer)
        if subject.wanted is wanted:
            subject.wanted = None

    async def _refetch(self, subject: _Subject) -> None:
        try:
            self._take(subject, await self._kube.get(SCALED_OBJECTS, subject.name, subject.namespace))
        except NotFound:
            self.forget(subject.uid)
        except KubeError as error:
            _log.warning("object not read", object=f"{subject.namespace}/{subject.name}", error=str(error))

    def _take(self, subject: _Subject, obj: Mapping[str, Any]) -> None:
        if obj["metadata"]["uid"] != subject.uid:
            self.forget(subject.uid)
            return
        subject.resource_version = obj["metadata"]["resourceVersion"]
        subject.live = obj.get("status") or {}
