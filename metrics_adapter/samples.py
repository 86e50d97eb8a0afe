"""The words of the metrics store: a metric, its terms, a sample, and what a reader may be told.

Pure values. `store` keeps and judges them. Every `at` and `age` is in seconds of one monotonic clock.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["Metric", "Sample", "Served", "Stale", "Terms", "Undeclared", "Unserved", "Verdict", "Why"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One external metric of one ScaledObject. `name` is as in the HPA; look-ups ignore its case."""

    namespace: str
    object: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a metric may be served."""

    freshness: float
    """A sample older than this (seconds) is read anew before it is served."""

    interval: float
    """How often the source is polled (seconds). While it is silent, a sample outlives that by a grace."""

    metric_type: str = "AverageValue"
    """As in the HPA. `Value` is a ratio of the present replicas, which a change of replicas outdates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One number from a source."""

    value: str
    """Quantity text."""

    at: float
    """When the read was sent."""

    moment: datetime
    """The wall clock when it was answered; aware."""

    bound: bool = False
    """It may be served for the present replicas alone: a change of them outdates it, as it does a `Value`."""


@dataclass(frozen=True, slots=True)
class Served:
    """A sample to answer with. `metric` carries the declared name."""

    metric: Metric
    sample: Sample
    age: float


@dataclass(frozen=True, slots=True)
class Stale:
    """Nothing recent enough: have `metric` read again, then ask with `refreshed=True`."""

    metric: Metric


@dataclass(frozen=True, slots=True)
class Unserved:
    """Declared, but without a number that may be served. `reason` is one CamelCase word."""

    metric: Metric
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Undeclared:
    """Nobody declared this metric; `known_object` says whether its ScaledObject is known."""

    known_object: bool


Verdict = Served | Stale | Unserved | Undeclared


class Why(StrEnum):
    """Reasons of `Unserved` where the source itself gave none."""

    NO_SAMPLE = "NoSample"
    """Declared, but its source has not answered yet."""

    STALE = "Stale"
    """The last sample is older than its polling interval and the grace."""

    NO_LEADER = "NoLeader"
    """This adapter is told nothing, since no controller leads; what it was told is too old by now."""

    OUTDATED = "Outdated"
    """A ratio (`Value`) read before the replicas last changed: applying it again would compound it."""
