"""The ScaledObjects under control: found by name, by uid, by target, by namespace."""

from collections.abc import Iterator, Mapping

from scaler.control.managed import Managed
from scaler.control.targets import TargetKey

__all__ = ["Key", "Roster"]

Key = tuple[str, str]
"""(namespace, name)."""


class Roster:
    """See the module. Belongs to the event loop."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Managed] = {}
        self._by_uid: dict[str, Managed] = {}
        self._by_target: dict[TargetKey, dict[Key, Managed]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    @property
    def by_uid(self) -> Mapping[str, Managed]:
        """All of them, seen live."""
        return self._by_uid

    def get(self, key: Key) -> Managed | None:
        """The one of this name."""
        return self._by_key.get(key)

    def add(self, managed: Managed) -> None:
        """Take it under control."""
        self._by_key[managed.key] = self._by_uid[managed.uid] = managed

    def remove(self, managed: Managed) -> None:
        """Let go of it."""
        self.aim(managed, None)
        self._by_key.pop(managed.key, None)
        self._by_uid.pop(managed.uid, None)

    def aim(self, managed: Managed, target: TargetKey | None) -> None:
        """It scales this target from now on: it is to hear of what happens to it, also while there is none yet."""
        before = managed.target
        if before == target:
            return
        if before is not None:
            aiming = self._by_target.get(before, {})
            aiming.pop(managed.key, None)
            if not aiming:
                self._by_target.pop(before, None)
        managed.target = target
        if target is not None:
            self._by_target.setdefault(target, {})[managed.key] = managed

    def of_target(self, target: TargetKey) -> tuple[Managed, ...]:
        """Those that scale this target."""
        return tuple(self._by_target.get(target, {}).values())

    def in_namespace(self, namespace: str) -> Iterator[Managed]:
        """Those in this namespace."""
        return (managed for managed in tuple(self._by_key.values()) if managed.so.namespace == namespace)
