"""A controller's view of one resource: what there is, also by controlling owner, never older than the store.

A task hands every change to the `listeners` as it comes; reading first takes in what came since, so a step
that has just written something sees it. (Real informers lag; their expectations are not needed here.)
"""

import asyncio
from collections.abc import Callable

from scaler.local.api import Api
from scaler.local.objects import Object, controller_uid

Heard = Callable[[str, Object], None]
"""(ADDED, MODIFIED or DELETED; the object after it)."""


class Watched:
    """Subscribed from `start` to `close`. Objects are the store's own: never to be altered."""

    def __init__(self, api: Api, group: str, plural: str) -> None:
        self.listeners: list[Heard] = []
        self._api, self._group, self._plural = api, group, plural
        self._owned: dict[str, dict[str, Object]] = {}
        self._owner: dict[str, str] = {}

    def start(self) -> None:
        """Take in what is there and follow; needs a running loop."""
        self._subscription = self._api.subscribe(self._group, self._plural)
        self._task = asyncio.create_task(self._follow(), name=f"watch-{self._plural}")

    def owned(self, uid: str) -> list[Object]:
        """The objects whose controlling owner has that uid."""
        self._take_in()
        return list(self._owned.get(uid, {}).values())

    async def close(self) -> None:
        """Follow no longer."""
        self._subscription.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        async for kind, obj in self._subscription:
            self._apply(kind, obj)
            self._take_in()

    def _take_in(self) -> None:
        for kind, obj in self._subscription.pending():
            self._apply(kind, obj)

    def _apply(self, kind: str, obj: Object) -> None:
        uid, owner = obj["metadata"]["uid"], controller_uid(obj)
        before = self._owner.pop(uid, None)
        if before is not None and (before != owner or kind == "DELETED"):
            siblings = self._owned[before]
            siblings.pop(uid, None)
            if not siblings:
                del self._owned[before]
        if owner is not None and kind != "DELETED":
            self._owner[uid] = owner
            self._owned.setdefault(owner, {})[uid] = obj
        for heard in self.listeners:
            heard(kind, obj)
