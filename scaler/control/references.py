"""Who depends on which object: the index by which a changed Secret finds the ScaledObjects that it concerns."""

from collections.abc import Callable, Collection
from typing import NamedTuple

__all__ = ["Ref", "References", "User"]

User = tuple[str, str]
"""Namespace and name of a ScaledObject."""


class Ref(NamedTuple):
    """Something that credentials come from. `kind` is Kubernetes', or `File` or `Token`."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`Secret shop/redis`, `ClusterTriggerAuthentication redis`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class References:
    """See the module. `idle` is told of what nobody depends on any more. Belongs to the event loop."""

    def __init__(self, idle: Callable[[Ref], None]) -> None:
        self._idle = idle
        self._users: dict[Ref, dict[User, None]] = {}
        self._used: dict[User, set[Ref]] = {}

    def add(self, user: User, ref: Ref) -> None:
        """From now on `user` depends on it."""
        self._users.setdefault(ref, {})[user] = None
        self._used.setdefault(user, set()).add(ref)

    def keep(self, user: User, refs: Collection[Ref]) -> None:
        """Of all that `user` depended on, only these are left."""
        used = self._used.get(user, set())
        for ref in used.difference(refs):
            used.discard(ref)
            users = self._users[ref]
            del users[user]
            if not users:
                del self._users[ref]
                self._idle(ref)
        if not used:
            self._used.pop(user, None)

    def users(self, ref: Ref) -> tuple[User, ...]:
        """Those that depend on it."""
        return tuple(self._users.get(ref, ()))
