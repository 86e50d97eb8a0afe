"""What Tidegate offers to the connections of scalers: the time of schedules, the off switch of wake-ups, pods.

See scalers.sdk.Host.
"""

from contextlib import AbstractAsyncContextManager
from datetime import datetime

from scaler.clock import Clock
from scaler.control.pods import watched_pods
from scaler.kube.client import Kube
from scalers.sdk import Pods, Unavailable

__all__ = ["ClockHost"]


class ClockHost:
    """A Host on the one Clock. Without `kube` it knows no pods."""

    def __init__(
        self, clock: Clock, kube: Kube | None = None, *, wake_ups: bool = True, allow_loopback: bool = True
    ) -> None:
        self._clock = clock
        self._kube = kube
        self._wake_ups = wake_ups
        self._allow_loopback = allow_loopback

    @property
    def wake_ups(self) -> bool:
        """See Host."""
        return self._wake_ups

    @property
    def allow_loopback(self) -> bool:
        """See Host."""
        return self._allow_loopback

    def now(self) -> datetime:
        """See Host."""
        return self._clock.now()

    async def sleep_until(self, moment: datetime) -> None:
        """See Host. The wall clock may be set while we sleep, so it is asked again."""
        while (left := (moment - self._clock.now()).total_seconds()) > 0:
            await self._clock.sleep(left)

    def pods(self, namespace: str) -> AbstractAsyncContextManager[Pods]:
        """See Host."""
        if self._kube is None:
            raise Unavailable("there is no cluster here whose pods could be counted")
        return watched_pods(self._kube, self._clock, namespace)
