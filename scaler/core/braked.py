"""What `brake` is told, tells, and remembers of each object, Source and event. Records only; the rules stand there."""

import math
from collections.abc import Hashable
from dataclasses import dataclass, field

from scaler.core.falls import Falls
from scaler.core.pacing import Pacing

__all__ = ["BrakeSettings", "Ended", "Engaged", "Engagement", "Object", "On", "Read", "Scope"]


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
    """That brake ended; `through` objects went to rest under it, the others had work again or are gone."""

    source: Hashable | None
    through: int


@dataclass(slots=True, eq=False)
class Scope:
    """A Source, or (`source` None) the whole controller, and the brake that is engaged for it."""

    source: Hashable | None
    falls: Falls = field(default_factory=Falls)
    engaged: "Engagement | None" = None
    spared: float = -math.inf
    """When an event happened that left nobody to brake, as far as was seen."""


@dataclass(slots=True, eq=False)
class Engagement:
    """One event that is not over: `moment` is when (the latest part of) it happened.

    `members` are braked; it lasts while there are `holders` among them, those that fell in the event itself.
    """

    scope: Scope
    moment: float
    members: "set[Object]" = field(default_factory=set)
    holders: "set[Object]" = field(default_factory=set)
    pacing: Pacing = field(default_factory=Pacing)


@dataclass(slots=True, eq=False)
class On:
    """One object on one Source: how many of its triggers there are read and above zero, and when one last was.

    Without a scope: its triggers that ask nobody.
    """

    scope: Scope | None
    source: Hashable | None
    triggers: int = 0
    above: int = 0
    last: float = -math.inf


@dataclass(slots=True, eq=False)
class Read:
    """What one trigger last said."""

    on: On
    above: bool


@dataclass(slots=True, eq=False)
class Object:
    """One object: its triggers by index, and where they are read."""

    uid: str
    reads: dict[int, Read] = field(default_factory=dict)
    on: dict[Hashable | None, On] = field(default_factory=dict)
    engaged: Engagement | None = None
    slot: float | None = None
    passed: float | None = None
    """When it was let through without a slot, since nothing was known to be wrong."""
    held: float = -math.inf
    """The end of the round in which it fell, if that may yet prove an event."""
    released: bool = False

    def works(self) -> bool:
        """Is anything above zero?"""
        return any(on.above for on in self.on.values())

    def scopes(self) -> list[Scope]:
        """Its Sources."""
        return [on.scope for on in self.on.values() if on.scope is not None]

    def active(self) -> bool:
        """Is anything above zero that a Source said?"""
        return any(on.above for on in self.on.values() if on.scope is not None)

    def last(self) -> float:
        """When a Source last said so."""
        return max((on.last for on in self.on.values() if on.scope is not None), default=-math.inf)

    def brakeable(self) -> bool:
        """Has it no work, did nobody let it through, and does it not hold a brake already?"""
        if self.released or self.passed is not None or self.works():
            return False
        return self.engaged is None or self not in self.engaged.holders
