"""The wake-up budget: so many new pods a minute when much wakes up at once, shared fairly by namespaces.

A thousand objects woken by one event ask the cluster for a thousand pods: nodes, image registry and API server
are then busy with the first to ask, who may be anybody. Whoever may not wake yet waits: first come, first
served in its namespace, and namespaces that wait take turns, one object each, however many others wait there.

Only the first write from zero is asked for here; what the HPA adds later is not ours to pace. Pure: times are
arguments (monotonic seconds); one that goes back counts as the latest.
"""

import math
from collections import OrderedDict, deque

__all__ = ["MINUTE", "WakeBudget"]

MINUTE = 60.0


class WakeBudget:
    """`per_minute` pods; None or 0: no limit.

    In no minute [t, t + 60) more than that is granted, except to one request that is larger by itself: it is
    granted once the whole budget is free, and takes up as many minutes as it is large. A whole budget may go at
    once. With 10 a minute: 4, 6 and 1 pods wake at 0, 0 and 60 s, 25 then at 120, and 5 more at 240.
    """

    def __init__(self, per_minute: int | None) -> None:
        self._budget = per_minute or 0
        self._waiting: OrderedDict[str, OrderedDict[str, int]] = OrderedDict()
        """Pods by uid by namespace; both in the order of their turns."""
        self._namespaces: dict[str, str] = {}
        """Where who waits is to be found."""
        self._charges: deque[tuple[float, int]] = deque()
        """When granted pods are no longer counted, and how many; in that order."""
        self._used = 0
        """Their sum."""
        self._granted: dict[str, tuple[float, int]] = {}
        """Who waited and now may wake: until when, and with how many pods."""
        self._news: dict[str, None] = {}
        """Those among them that `due` has not told of."""
        self._next: float | None = None
        """When the first in turn may wake; None until it is asked for."""
        self._now = -math.inf

    @property
    def waiting(self) -> int:
        """How many objects wait."""
        return len(self._namespaces)

    def ask(self, uid: str, namespace: str, pods: int, now: float) -> bool:
        """May the object wake now, with `pods` pods? If not, it waits until `due` names it; then ask again.

        Asking again meanwhile keeps its place, and the latest number counts. What is granted holds for a minute
        and one wake-up. If the object then asks for more, it gets that, and the rest is charged to those behind it.
        """
        if not self._budget:
            return True
        pods = max(pods, 1)
        self._pass(now)
        if uid in self._granted and self._granted[uid][0] <= self._now:
            self.forget(uid)
        if uid not in self._granted:
            self._wait(uid, namespace, pods)
            self._grant()
        if uid not in self._granted:
            return False
        _, granted = self._granted.pop(uid)
        self._news.pop(uid, None)
        self._charge(pods - granted)
        return True

    def due(self, now: float) -> list[str]:
        """Who waited and may wake now, each told once, in the order of their turns."""
        self._pass(now)
        self._grant()
        news, self._news = list(self._news), {}
        return news

    def next(self, now: float) -> float | None:
        """When `due` will have something to tell; None while nobody waits. Cheap to ask again and again."""
        self._pass(now)
        if self._news:
            return self._now
        if not self._waiting:
            return None
        if self._next is None:
            used, pods, self._next = self._used, self._first()[2], self._now
            for end, charged in self._charges:
                if self._fits(used, pods):
                    break
                used -= charged
                self._next = end
        return self._next

    def forget(self, uid: str) -> None:
        """The object is gone, or has no reason to wake any more. What was granted stays spent."""
        self._granted.pop(uid, None)
        self._news.pop(uid, None)
        namespace = self._namespaces.pop(uid, None)
        if namespace is not None:
            self._next = None
            del self._waiting[namespace][uid]
            if not self._waiting[namespace]:
                del self._waiting[namespace]

    def _wait(self, uid: str, namespace: str, pods: int) -> None:
        queue = self._waiting.setdefault(self._namespaces.setdefault(uid, namespace), OrderedDict())
        if queue.get(uid) != pods:
            queue[uid] = pods
            if self._first()[1] == uid:
                self._next = None

    def _grant(self) -> None:
        while self._waiting:
            namespace, uid, pods = self._first()
            if not self._fits(self._used, pods):
                return
            more = len(self._waiting[namespace]) > 1
            self.forget(uid)
            if more:
                self._waiting.move_to_end(namespace)
            self._charge(pods)
            self._granted[uid] = (self._now + MINUTE, pods)
            self._news[uid] = None

    def _first(self) -> tuple[str, str, int]:
        """Whose turn it is: namespace, uid, pods. Who needs much is waited for, or smaller ones would pass for ever."""
        namespace, queue = next(iter(self._waiting.items()))
        return namespace, *next(iter(queue.items()))

    def _fits(self, used: int, pods: int) -> bool:
        return not used or used + pods <= self._budget

    def _charge(self, pods: int) -> None:
        """Count these for a minute; each further budget's worth for one minute more."""
        end = self._now
        while pods > 0:
            end += MINUTE
            charged = min(pods, self._budget)
            self._charges.append((max(end, self._charges[-1][0] if self._charges else end), charged))
            self._used += charged
            pods -= charged
            self._next = None

    def _pass(self, now: float) -> None:
        self._now = max(self._now, now)
        while self._charges and self._charges[0][0] <= self._now:
            self._used -= self._charges.popleft()[1]
