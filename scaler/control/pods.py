"""The pods of one namespace, counted while they are watched: what a scaler may know of pods (scalers.sdk.Pods).

Of a pod only its labels and node are kept. What was seen last is good for as long as the watch is in touch with the API
server; a short interruption is waited for, a longer one is an error, since not knowing is not zero.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from scaler.clock import Clock
from scaler.kube.cache import Change
from scaler.kube.client import Kube
from scaler.kube.errors import Forbidden, Unauthenticated
from scaler.kube.reflector import Reflector
from scaler.kube.resources import PODS
from scalers.sdk import PodGroup, Unauthorized, Unavailable

__all__ = ["WatchedPods", "watched_pods"]

_OVER = frozenset({"Succeeded", "Failed"})
"""Phases of pods that will do no more work; whatever else they are in (Pending, Unknown, terminating), they count."""
_IN_TOUCH_WITHIN = 2.0
"""Real seconds that a read waits for the first list, or for the watch to be resumed."""
_GLANCE = 0.02


@asynccontextmanager
async def watched_pods(kube: Kube, clock: Clock, namespace: str) -> AsyncIterator["WatchedPods"]:
    """The namespace's pods, watched within."""
    pods = WatchedPods(kube, clock, namespace)
    task = asyncio.get_running_loop().create_task(pods.reflector.run(), name=f"watch pods {namespace}")
    try:
        yield pods
    finally:
        await pods.reflector.close()
        await asyncio.gather(task, return_exceptions=True)


class WatchedPods:
    """See the module."""

    def __init__(self, kube: Kube, clock: Clock, namespace: str) -> None:
        self._clock = clock
        self._namespace = namespace
        self._groups: dict[PodGroup, int] = {}
        self._changed = asyncio.Event()
        self.reflector: Reflector[PodGroup] = Reflector(
            kube, PODS, clock, decode=_group, handler=self._told, namespace=namespace
        )

    @property
    def groups(self) -> Mapping[PodGroup, int]:
        """See Pods."""
        return self._groups

    async def synced(self) -> None:
        """See Pods."""
        reflector = self.reflector
        try:
            async with self._clock.deadline(_IN_TOUCH_WITHIN):
                while not reflector.synced.is_set() or reflector.problem is not None:
                    if isinstance(reflector.problem, Forbidden | Unauthenticated):
                        raise Unauthorized(
                            f"pods in namespace {self._namespace} cannot be watched: {reflector.problem}; let"
                            " Tidegate list and watch pods there"
                        )
                    await self._clock.pause(_GLANCE)
        except TimeoutError:
            why = reflector.problem or "the API server has not listed them yet"
            text = f"pods in namespace {self._namespace} are out of sight: {why}"
            raise Unavailable(text, connection=True) from None

    async def changes(self) -> AsyncIterator[None]:
        """See Pods."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            yield

    def _told(self, _: Change, old: PodGroup | None, new: PodGroup | None) -> None:
        if old == new:
            return
        if old is not None:
            left = self._groups[old] - 1
            if left:
                self._groups[old] = left
            else:
                del self._groups[old]
        if new is not None:
            self._groups[new] = self._groups.get(new, 0) + 1
        self._changed.set()


def _group(pod: Mapping[str, Any]) -> PodGroup | None:
    """What is kept of a pod; None of one that is over."""
    if (pod.get("status") or {}).get("phase") in _OVER:
        return None
    labels = pod["metadata"].get("labels") or {}
    return PodGroup(frozenset(labels.items()), (pod.get("spec") or {}).get("nodeName") or "")
