"""The brake: a broker that answers 0 for nearly everything at once may have failed over to an empty replica.

That is no error, so nothing else holds the workers; and where it is true that all work is done, a few minutes
of workers too many are the price. The brake is told of every read that answered, and asked before a scale to
rest. What makes an event stands in `falls`; then:

    braked ──asks──► has a slot ──its slot came──► at rest
      │                 │
      └──work again─────┴──► free (cooldown starts anew), as after `release` or `forget`

- The brake engages for a Source, or for the whole controller where Sources are small. One event is told once.
- Affected are the objects that fell in the event, and those that fall while it is engaged. It ends when none of
  the former is left; the latter do not prolong it, or it would never end where queues drain all day.
- Before so many fell that it is an event, part of the first round may have passed: a cooldown shorter than the
  round waits for the round's end, as soon as more than `pace` of the active objects fell in it.

All state is here (in the records of `braked`) and none outlives the process. A read in which nothing changes costs
less than a microsecond, any other O(log n). Pure: times are monotonic seconds; one that goes back counts as
the latest.
"""

import math
from collections.abc import Collection, Hashable

from scaler.core.braked import BrakeSettings, Ended, Engaged, Engagement, Object, On, Read, Scope
from scaler.core.falls import Fall, Falls, Mass

__all__ = ["Brake", "BrakeSettings", "Ended", "Engaged"]

_SOONEST = 0.8
"""Polls are at least this part of their interval apart: one may be early to share a batch, the one before late."""
_SHORTEST = 0.1
"""A pollingInterval below this (seconds) is read that often."""


class Brake:
    """See the module."""

    def __init__(self, settings: BrakeSettings | None = None) -> None:
        self._settings = settings or BrakeSettings()
        self._objects: dict[str, Object] = {}
        self._scopes: dict[Hashable, Scope] = {}
        self._whole = Scope(None)
        self._now = -math.inf

    def read(
        self, uid: str, source: Hashable | None, index: int, *, above: bool, interval: float, now: float
    ) -> Engaged | Ended | None:
        """Trigger `index` of an object was read: is its value above zero? Answers what that changed, if anything.

        Only reads that answered: an unknown value is no fall, and the next number is compared with the last one.
        `source` is equal for triggers on one Source; None for a trigger that asks nobody, as cron: its fall is a
        plan, not a sign. `interval` is the object's pollingInterval. The first read of a trigger, also after it
        moved to another Source, is never a fall.
        """
        known = self._objects.get(uid)
        read = known.reads.get(index) if known is not None else None
        if known is None or read is None or read.on.source != source:
            return self._first(uid, source, index, above=above, now=now)
        if above:
            read.on.last = now
        if read.above is above:
            return None
        read.above = above
        self._now = max(self._now, now)
        return self._rose(known, read.on) if above else self._fell(known, read.on, interval)

    def slot(self, uid: str, now: float) -> float:
        """The moment from which the object may go to rest, asked when nothing else keeps it from that.

        Braked objects get theirs when they first ask, and keep it: of 1,000 that ask at once, one goes every
        0.6 s. `now` itself for any other.
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

    def excuse(self, uid: str) -> Ended | None:
        """A pause keeps the object up, for as long as a person likes: it stays braked, and prolongs no brake."""
        return self._leave(known, stays=True) if (known := self._objects.get(uid)) is not None else None

    def resume(self, uid: str) -> None:
        """The object was braked when the process before ended; by which brake is not known: now by the controller's.

        Silent: that the brake engaged was told then. Not once the object has work.
        """
        known = self._objects.setdefault(uid, Object(uid))
        if known.engaged is None and known.brakeable():
            self._whole.engaged = self._whole.engaged or Engagement(self._whole, -math.inf)
            self._join(known, self._whole.engaged, holds=True)

    def edit(self, uid: str, kept: Collection[int]) -> None:
        """The object's triggers changed: what was read of those not `kept`, by index, says nothing any more.

        A braked object stays braked, since a rotated password is an edit too.
        """
        known = self._objects.get(uid)
        if known is not None:
            self._drop(known, set(known.reads) - set(kept))

    def forget(self, uid: str) -> Ended | None:
        """The object is gone."""
        known = self._objects.pop(uid, None)
        if known is None:
            return None
        self._drop(known, set(known.reads))
        return self._leave(known)

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
        known = self._objects.setdefault(uid, Object(uid))
        if index in known.reads:
            self._drop(known, {index})
        on = known.on.get(source)
        if on is None:
            scope = self._scopes.setdefault(source, Scope(source)) if source is not None else None
            if scope is not None:
                self._whole.falls.objects += not known.scopes()
                scope.falls.objects += 1
            on = known.on[source] = On(scope, source)
        on.triggers += 1
        known.reads[index] = Read(on, above)
        if not above:
            return None
        on.last = now
        return self._rose(known, on)

    def _rose(self, known: Object, on: On) -> Ended | None:
        if on.scope is not None and not on.above:
            on.scope.falls.rose(known.uid)
            if not known.active():
                self._whole.falls.rose(known.uid)
        on.above += 1
        known.slot = known.passed = None
        known.held, known.released = -math.inf, False
        return self._leave(known)

    def _fell(self, known: Object, on: On, interval: float) -> Engaged | None:
        on.above -= 1
        if on.above:
            return None
        scope = on.scope
        if scope is None:
            self._follow(known)
            return None
        interval = max(interval, _SHORTEST)
        # Wake-ups and refreshes read more often: what falls within one poll round still falls at once.
        reach = self._now - _SOONEST * interval
        here = Fall(min(on.last, reach), self._now)
        scope.falls.fell(known.uid, here)
        fallen = [(scope, here)]
        if not known.active():
            everywhere = Fall(min(known.last(), reach), self._now, covered=scope.engaged is not None)
            self._whole.falls.fell(known.uid, everywhere)
            fallen.append((self._whole, everywhere))
        for engaged in (scope.engaged, self._whole.engaged):
            if engaged is not None and here.after < engaged.moment:
                self._cover(known)
                self._join(known, engaged, holds=True)
                return None
        self._follow(known)
        for where, fall in fallen:
            if fall.after < where.spared and not known.brakeable():
                continue  # One more in an event that endangers nobody: not worth going through them all again.
            mass = where.falls.mass(fall.after, self._settings.share, self._settings.least)
            edge = self._engage(where, mass) if mass is not None else None
            if edge is not None:
                return edge
            if self._suspect(where.falls, fall.after):
                known.held = self._now + interval
        return None

    def _suspect(self, falls: Falls, after: float) -> bool:
        """May this yet become an event, and did more fall than may be deactivated in its first minute?"""
        before = falls.before(after)
        possible = self._settings.share < 1 and before >= self._settings.least
        return possible and before - falls.active > self._settings.pace * before

    def _engage(self, scope: Scope, mass: Mass) -> Engaged | None:
        """Answers None where the brake was engaged already, or there is nobody to brake."""
        affected = [self._objects[uid] for uid in mass.uids]
        if not any(known.brakeable() for known in affected):
            scope.spared = max(scope.spared, mass.moment)
            return None
        engaged, edge = scope.engaged or self._whole.engaged, None
        if engaged is None:
            engaged = scope.engaged = Engagement(scope, mass.moment)
            edge = Engaged(scope.source, len(affected), mass.of)
        engaged.moment = max(engaged.moment, mass.moment)
        engaged.pacing.count(known.passed for known in affected if known.passed is not None)
        for known in affected:
            self._cover(known)
            self._join(known, engaged, holds=True)
        return edge

    def _cover(self, known: Object) -> None:
        """Its falls are accounted for, wherever they are counted: one event is not told twice."""
        for scope in (self._whole, *known.scopes()):
            if (fall := scope.falls.fallen.get(known.uid)) is not None:
                fall.covered = True

    def _follow(self, known: Object) -> None:
        """What falls while a brake is engaged is braked too."""
        for scope in (self._whole, *known.scopes()):
            if scope.engaged is not None:
                self._join(known, scope.engaged, holds=False)
                return

    def _join(self, known: Object, engaged: Engagement, *, holds: bool) -> None:
        if not known.brakeable():
            return
        if known.engaged is not None:
            known.engaged.members.discard(known)
        known.engaged = engaged
        engaged.members.add(known)
        if holds:
            engaged.holders.add(known)

    def _leave(self, known: Object, *, stays: bool = False) -> Ended | None:
        if (engaged := known.engaged) is None:
            return None
        engaged.holders.discard(known)
        if not stays:
            known.engaged = None
            engaged.members.discard(known)
        if engaged.holders:
            return None
        engaged.scope.engaged = None
        self._tidy(engaged.scope)
        for member in engaged.members:
            member.engaged = None  # Whoever has a slot keeps it.
        return Ended(engaged.scope.source, engaged.pacing.through)

    def _drop(self, known: Object, indices: Collection[int]) -> None:
        """These triggers are no longer asked. That is no fall."""
        active, sourced = known.active(), bool(known.scopes())
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
                    self._tidy(scope)
        if active and not known.active():
            self._whole.falls.stopped()
        if sourced and not known.scopes():
            self._whole.falls.left(known.uid)

    def _tidy(self, scope: Scope) -> None:
        if scope.falls.objects == 0 and scope.engaged is None:
            self._scopes.pop(scope.source, None)
