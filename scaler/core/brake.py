"""The brake: a broker that answers 0 for nearly everything at once may have failed over to an empty replica.

That is no error, so nothing else holds the workers; and where it is true that all work is done, a few minutes
of workers too many are the price. The brake is told of every read that answered, and asked before a scale to
rest. What makes an event stands in `falls`; then:

    braked ──asks──► has a slot ──its slot came──► at rest
      │                 │
      └──work again─────┴──► free (cooldown starts anew), as after `release` or `forget`

- The brake engages for a Source, or for the whole controller where sources are small. One event is told once.
- Affected are the objects that fell in the event, and those that fall while it is engaged. It ends when none of
  the former is left; the latter do not prolong it, or it would never end where queues drain all day.
- Before so many fell that it is an event, part of the first round may have passed: a cooldown shorter than the
  round waits for the round's end, as soon as more than `pace` of the active objects fell in it.

All state is here and none outlives the process. One read in which nothing changes costs a microsecond or less,
any other O(log n). Pure: times are arguments, monotonic seconds; one that goes back is taken for the last.
"""

import math
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field

from scaler.core.falls import Fall, Falls, Mass
from scaler.core.pacing import Pacing

__all__ = ["Brake", "BrakeSettings", "Ended", "Engaged"]

_SOONEST = 0.9
"""A poll may go this part of its interval after the one before, to share a batch."""
_SHORTEST = 0.1
"""A pollingInterval below this (seconds) is read that often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeSettings:
    """When the brake engages, and how slowly it then lets go."""

    share: float = 0.5
    """More than this part (0 to 1) of the active objects fell at one moment; 1 turns the brake off. Queues that
    drain by chance do not reach a half between two polls."""

    least: int = 20
    """At least so many objects fell at that moment. Among fewer, work that ends together is everyday."""

    pace: float = 0.1
    """The part (0 to 1) of the affected objects that may be deactivated in a minute; at least one object. With a
    tenth, somebody has ten minutes to look before the last worker is gone."""


@dataclass(frozen=True, slots=True)
class Engaged:
    """The brake engaged for a Source (None: the whole controller): `fell` of `of` active objects fell at once."""

    source: Hashable | None
    fell: int
    of: int


@dataclass(frozen=True, slots=True)
class Ended:
    """That brake ended; `through` objects were deactivated under it, the others had work again or are gone."""

    source: Hashable | None
    through: int


@dataclass(slots=True, eq=False)
class _Scope:
    source: Hashable | None
    falls: Falls = field(default_factory=Falls)
    engaged: "_Engagement | None" = None


@dataclass(slots=True, eq=False)
class _Engagement:
    """`members` are braked; the brake stays engaged while there are `holders` among them, those of the event itself."""

    scope: _Scope
    moment: float
    members: "set[_Object]" = field(default_factory=set)
    holders: "set[_Object]" = field(default_factory=set)
    pacing: Pacing = field(default_factory=Pacing)


@dataclass(slots=True, eq=False)
class _On:
    """One object on one Source: how many of its triggers there are read and above zero, and when one last was."""

    scope: _Scope | None
    source: Hashable | None
    triggers: int = 0
    above: int = 0
    last: float = -math.inf


@dataclass(slots=True, eq=False)
class _Read:
    on: _On
    above: bool


@dataclass(slots=True, eq=False)
class _Object:
    uid: str
    reads: dict[int, _Read] = field(default_factory=dict)
    on: dict[Hashable | None, _On] = field(default_factory=dict)
    engaged: _Engagement | None = None
    slot: float | None = None
    passed: float | None = None
    """When it was let through without a slot, since nothing was wrong yet."""
    held: float = -math.inf
    """The end of the round in which it fell, if that may yet prove an event."""
    released: bool = False

    def works(self) -> bool:
        """Is anything above zero?"""
        return any(on.above for on in self.on.values())

    def sourced(self) -> bool:
        """Is anything above zero that a source said?"""
        return any(on.above for on in self.on.values() if on.scope is not None)


class Brake:
    """See the module."""

    def __init__(self, settings: BrakeSettings | None = None) -> None:
        self._settings = settings or BrakeSettings()
        self._objects: dict[str, _Object] = {}
        self._scopes: dict[Hashable, _Scope] = {}
        self._whole = _Scope(None)
        self._now = -math.inf

    def read(
        self, uid: str, source: Hashable | None, index: int, *, above: bool, interval: float, now: float
    ) -> Engaged | Ended | None:
        """Trigger `index` of an object was read: is its value above zero? Answers what that changed, if anything.

        Only reads that answered: an unknown value is no fall, and the next number is compared with the last one.
        `source` is equal for triggers on one Source; None for a trigger that asks nobody, as cron: its fall is a
        plan, not a sign. `interval` is the object's pollingInterval. The first read of a trigger is never a fall.
        """
        known = self._objects.get(uid)
        read = known.reads.get(index) if known is not None else None
        if known is not None and read is not None and read.on.source == source:
            if above:
                read.on.last = now
            if read.above is above:
                return None
            read.above = above
            self._now = max(self._now, now)
            return self._rose(known, read.on) if above else self._fell(known, read.on, interval)
        edge = self._drop(known, {index}) if known is not None and read is not None else None
        return self._first(uid, source, index, above=above, now=now) or edge

    def slot(self, uid: str, now: float) -> float:
        """The moment from which the object may go to rest, asked when nothing else keeps it from that.

        Braked objects get theirs when they first ask, and keep it: 1,000 that ask at once get one every 0.6 s.
        `now` itself for any other.
        """
        known = self._objects.get(uid)
        if known is None or known.released:
            return now
        if known.slot is None:
            if known.engaged is None:
                if now < known.held:
                    return known.held
                known.passed = now if known.passed is None else known.passed
                return now
            engaged = known.engaged
            known.slot = engaged.pacing.slot(len(engaged.members), self._settings.pace, now)
        return known.slot

    def at_rest(self, uid: str) -> Ended | None:
        """Without work, the object is where it stays: it was deactivated, or there is nothing to take away.

        To be said after every decision that finds it so. One that never asked for a slot is then not affected.
        """
        known = self._objects.get(uid)
        if known is None:
            return None
        if known.engaged is not None and known.slot is not None:
            known.engaged.pacing.through += 1
        known.slot = None
        return self._leave(known)

    def release(self, uid: str) -> Ended | None:
        """A person lets this object through: nothing holds it until it has had work again."""
        known = self._objects.get(uid)
        if known is None or known.released:
            return None
        known.released, known.slot = True, None
        return self._leave(known)

    def resume(self, uid: str) -> None:
        """The object was braked when the process before ended. Nobody remembers by which brake: by the controller's."""
        known = self._objects.setdefault(uid, _Object(uid))
        if known.engaged is None and not known.works():
            if self._whole.engaged is None:
                self._whole.engaged = _Engagement(self._whole, -math.inf)
            self._join(known, self._whole.engaged, holds=True)

    def edit(self, uid: str, kept: Collection[int]) -> Ended | None:
        """The object's triggers changed. What was read of those not `kept`, by index, says nothing any more."""
        known = self._objects.get(uid)
        return self._drop(known, set(known.reads) - set(kept)) if known is not None else None

    def forget(self, uid: str) -> Ended | None:
        """The object is gone."""
        known = self._objects.get(uid)
        if known is None:
            return None
        edge = self._drop(known, set(known.reads)) or self._leave(known)
        del self._objects[uid]
        return edge

    def braked(self, uid: str) -> bool:
        """Is the object affected: will its way to rest be paced?"""
        known = self._objects.get(uid)
        return known is not None and known.engaged is not None

    def engaged(self) -> dict[Hashable | None, int]:
        """How many objects are braked, by Source (None: by the controller's brake); empty when all is well."""
        scopes = (self._whole, *self._scopes.values())
        return {scope.source: len(scope.engaged.members) for scope in scopes if scope.engaged is not None}

    # What a read changes.

    def _first(
        self, uid: str, source: Hashable | None, index: int, *, above: bool, now: float
    ) -> Ended | None:
        known = self._objects.setdefault(uid, _Object(uid))
        on = known.on.get(source)
        if on is None:
            scope = self._scopes.setdefault(source, _Scope(source)) if source is not None else None
            if scope is not None:
                scope.falls.objects += 1
                self._whole.falls.objects += all(other.scope is None for other in known.on.values())
            on = known.on[source] = _On(scope, source)
        on.triggers += 1
        known.reads[index] = _Read(on, above)
        if not above:
            return None
        on.last = now
        return self._rose(known, on)

    def _rose(self, known: _Object, on: _On) -> Ended | None:
        if on.scope is not None and not on.above:
            on.scope.falls.rose(known.uid)
            if not known.sourced():
                self._whole.falls.rose(known.uid)
        on.above += 1
        known.slot = known.passed = None
        known.held, known.released = -math.inf, False
        return self._leave(known)

    def _fell(self, known: _Object, on: _On, interval: float) -> Engaged | None:
        on.above -= 1
        if on.above:
            return None
        if on.scope is None:
            self._follow(known)
            return None
        interval = max(interval, _SHORTEST)
        # Wake-ups and refreshes read more often: what falls within one poll round still falls at once.
        reach = self._now - _SOONEST * interval
        fall = Fall(min(on.last, reach), self._now)
        fallen = [(on.scope, fall)]
        on.scope.falls.fell(known.uid, fall)
        if not known.sourced():
            last = max(other.last for other in known.on.values() if other.scope is not None)
            known_to = on.scope.engaged is not None
            fallen.append((self._whole, Fall(min(last, reach), self._now, covered=known_to)))
            self._whole.falls.fell(*(known.uid, fallen[-1][1]))
        for engaged in (on.scope.engaged, self._whole.engaged):
            if engaged is not None and fall.after < engaged.moment:
                self._cover(known)
                self._join(known, engaged, holds=True)
                return None
        self._follow(known)
        for scope, one in fallen:
            mass = scope.falls.mass(one.after, self._settings.share, self._settings.least)
            edge = self._engage(scope, mass) if mass is not None else None
            if edge is not None:
                return edge
            if self._suspect(scope.falls, one.after):
                known.held = self._now + interval
        return None

    def _suspect(self, falls: Falls, after: float) -> bool:
        """May this yet become an event, and did more fall than may be deactivated in its first minute?"""
        before = falls.before(after)
        possible = self._settings.share < 1 and before >= self._settings.least
        return possible and before - falls.active > self._settings.pace * before

    def _engage(self, scope: _Scope, mass: Mass) -> Engaged | None:
        """Answers None where the brake was engaged already, or nobody is in danger."""
        idle = [known for uid in mass.uids if not (known := self._objects[uid]).works()]
        if all(known.passed is not None or known.released for known in idle):
            return None
        engaged = scope.engaged or self._whole.engaged
        fresh = engaged is None
        if engaged is None:
            engaged = scope.engaged = _Engagement(scope, mass.moment)
        engaged.moment = max(engaged.moment, mass.moment)
        engaged.pacing.count(known.passed for known in idle if known.passed is not None)
        for known in map(self._objects.__getitem__, mass.uids):
            self._cover(known)
            self._join(known, engaged, holds=True)
        return Engaged(scope.source, len(mass.uids), mass.of) if fresh else None

    def _cover(self, known: _Object) -> None:
        """Its falls are accounted for, wherever they are counted: one event is not told twice."""
        for scope in (self._whole, *(on.scope for on in known.on.values() if on.scope is not None)):
            if (fall := scope.falls.fallen.get(known.uid)) is not None:
                fall.covered = True

    def _follow(self, known: _Object) -> None:
        """What falls while a brake is engaged is braked too."""
        scopes = (self._whole, *(on.scope for on in known.on.values() if on.scope is not None))
        for engaged in (scope.engaged for scope in scopes):
            if engaged is not None:
                self._join(known, engaged, holds=False)
                return

    def _join(self, known: _Object, engaged: _Engagement, *, holds: bool) -> None:
        if known.works() or known.released or known.passed is not None:
            return
        if known.engaged is not None and known.engaged is not engaged:
            if known in known.engaged.holders:
                return
            known.engaged.members.discard(known)
        known.engaged = engaged
        engaged.members.add(known)
        if holds:
            engaged.holders.add(known)

    def _leave(self, known: _Object) -> Ended | None:
        engaged, known.engaged = known.engaged, None
        if engaged is None:
            return None
        engaged.members.discard(known)
        engaged.holders.discard(known)
        if engaged.holders:
            return None
        engaged.scope.engaged = None
        for member in engaged.members:
            member.engaged = None  # Whoever has a slot keeps it.
        return Ended(engaged.scope.source, engaged.pacing.through)

    def _drop(self, known: _Object, indices: Collection[int]) -> Ended | None:
        """These triggers are no longer asked. That is no fall; a brake on a source left is no longer its own."""
        active = known.sourced()
        for index in indices:
            read = known.reads.pop(index)
            on, scope = read.on, read.on.scope
            on.triggers -= 1
            on.above -= read.above
            if scope is not None and read.above and not on.above:
                scope.falls.stopped()
            if on.triggers == 0:
                del known.on[on.source]
                if scope is not None:
                    scope.falls.left(known.uid)
                    if scope.falls.objects == 0:
                        del self._scopes[scope.source]
        if active and not known.sourced():
            self._whole.falls.stopped()
        if indices and all(on.scope is None for on in known.on.values()):
            self._whole.falls.left(known.uid)
        source = known.engaged.scope.source if known.engaged is not None else None
        return self._leave(known) if source is not None and source not in known.on else None
