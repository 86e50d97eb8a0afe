"""The budget of new pods: when everything wakes at once, so many pods a minute and no more, fair by namespace.

A bucket that fills evenly and holds one minute's pods. Who asks and finds it too empty waits; what is free goes to
the namespaces in turn, and in each to who waited longest. Pure: times are arguments, monotonic seconds.
"""

from collections import deque
from dataclasses import dataclass, field

__all__ = ["WakeBudget"]

_MINUTE = 60.0


@dataclass(slots=True)
class WakeBudget:
    """See the module. `per_minute` is above 0."""

    per_minute: int
    _free: float = field(init=False)
    _at: float | None = field(init=False, default=None)
    _waiting: dict[str, dict[str, int]] = field(init=False, default_factory=dict)
    _turn: deque[str] = field(init=False, default_factory=deque)
    _namespaces: dict[str, str] = field(init=False, default_factory=dict)
    _granted: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._free = float(self.per_minute)

    def ask(self, uid: str, namespace: str, pods: int, now: float) -> bool:
        """May this object wake with so many pods now? If not it waits, and `due` will name it."""
        self._fill(now)
        if uid in self._granted:
            self._granted.discard(uid)
            return True
        if not self._waiting and self._affordable(pods):
            self._free -= pods
            return True
        self.forget(uid)
        self._namespaces[uid] = namespace
        if namespace not in self._waiting:
            self._waiting[namespace] = {}
            self._turn.append(namespace)
        self._waiting[namespace][uid] = pods
        return False

    def due(self, now: float) -> list[str]:
        """Those who may wake now; each is to ask again, and is not refused."""
        self._fill(now)
        granted: list[str] = []
        while self._turn:
            namespace = self._turn[0]
            uid, pods = next(iter(self._waiting[namespace].items()))
            if not self._affordable(pods):
                break
            self._free -= pods
            self.forget(uid)
            self._turn.rotate(-1 if namespace in self._waiting else 0)
            self._granted.add(uid)
            granted.append(uid)
        return granted

    def next(self, now: float) -> float | None:
        """When `due` has something to say at the earliest; None while nobody waits."""
        if not self._turn:
            return None
        pods = next(iter(self._waiting[self._turn[0]].values()))
        missing = min(pods, self.per_minute) - self._free
        return now + max(0.0, missing) * _MINUTE / self.per_minute

    def forget(self, uid: str) -> None:
        """The object is gone, or wants to wake no more."""
        self._granted.discard(uid)
        namespace = self._namespaces.pop(uid, None)
        if namespace is None:
            return
        del self._waiting[namespace][uid]
        if not self._waiting[namespace]:
            del self._waiting[namespace]
            self._turn.remove(namespace)

    def _affordable(self, pods: int) -> bool:
        """More than a whole minute's pods are granted when that minute is free, or they never would be."""
        return min(pods, self.per_minute) <= self._free + 1e-9

    def _fill(self, now: float) -> None:
        if self._at is not None and now > self._at:
            more = (now - self._at) * self.per_minute / _MINUTE
            self._free = min(float(self.per_minute), self._free + more)
        self._at = now if self._at is None else max(self._at, now)
