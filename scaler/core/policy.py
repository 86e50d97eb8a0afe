"""What a ScaledObject says about its own scaling, as `decision` takes it: KEDA's defaults filled in, annotations read.

Pure values, plain enough to be recorded as JSON and read back. Counts are replicas, spans are seconds.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from scaler.core.rates import Rules

__all__ = ["FREE", "Fallback", "Modifiers", "OnError", "Pause", "Policy", "Restraint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The pause annotations in effect (facts 1.8). `replicas` is that of `paused-replicas`."""

    full: bool = False
    replicas: int | None = None
    scale_in: bool = False
    scale_out: bool = False

    @property
    def any(self) -> bool:
        """Is anything paused?"""
        return self.full or self.scale_in or self.scale_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """`spec.fallback`: when more than `threshold` polls in a row failed, `replicas` by `behavior`."""

    threshold: int
    replicas: int
    behavior: str = "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnError:
    """`tidegate.dev/on-error`: what stands in for a trigger without a number.

    `hold` changes nothing because of it; with `seconds`, after that long as `ignore`. `ignore` leaves the decision to
    the healthy triggers. `last-known` counts the last value as read for `seconds`, then as `hold`.
    """

    kind: Literal["hold", "ignore", "last-known"] = "hold"
    seconds: float | None = None


_UNPAUSED = Pause()
_HOLD = OnError()


@dataclass(frozen=True, slots=True, kw_only=True)
class Modifiers:
    """`spec.advanced.scalingModifiers`: `target` in thousandths; active strictly above `activation`."""

    formula: str
    target: int
    activation: float = 0.0
    metric_type: str = "AverageValue"
    names: tuple[str, ...] = ()
    """The names of the triggers that the formula may use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the object says.

    The bounds hold already: 0 <= minimum <= maximum, maximum > 0, 0 <= idle < minimum. `activation` is
    `floor` or `desired`; `scale_up` is the object's `behavior.scaleUp`, None where it has none (see
    `desired.scale_up`). `after_scale_in`: to zero only once the HPA has scaled in to the floor.
    """

    minimum: int = 0
    maximum: int = 100
    idle: int | None = None
    cooldown: float = 300.0
    initial_cooldown: float = 0.0
    activation: str = "floor"
    scale_up: Rules | None = None
    pause: Pause = _UNPAUSED
    forced: bool = False
    fallback: Fallback | None = None
    on_error: OnError = _HOLD
    modifiers: Modifiers | None = None
    after_scale_in: bool = False

    @property
    def floor(self) -> int:
        """Where the HPA takes over: minReplicaCount, or 1."""
        return self.minimum or 1

    @property
    def rest(self) -> int:
        """The replicas without work: idleReplicaCount, or minReplicaCount."""
        return self.minimum if self.idle is None else self.idle


@dataclass(frozen=True, slots=True, kw_only=True)
class Restraint:
    """What the controller holds against one object for the sake of all, or after a bad experience with it.

    `braked`: the mass-event brake will pace its way to rest; `not_before`: only after that moment.
    `awaits_budget`: the budget of new pods per minute is used up. `to_floor`: its last activation failed, so this
    one starts at the floor.
    """

    braked: bool = False
    not_before: datetime | None = None
    awaits_budget: bool = False
    to_floor: bool = False


FREE = Restraint()
"""Nothing is held against it."""
