"""What can happen to the metrics store, as values: so that a store elsewhere can be kept like it. Pure.

`Store.follow` gives them as they happen, `Store.snapshot` those that lead from nothing to the present, `Store.apply` does
what they say.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from metrics_adapter.samples import Metric, Sample, Terms

__all__ = ["Change", "Declared", "Failed", "Forgotten", "Pinned", "Put", "ReplicasChanged"]


@dataclass(frozen=True, slots=True)
class Declared:
    """The metrics of a ScaledObject are these."""

    namespace: str
    object: str
    terms: Mapping[str, Terms]


@dataclass(frozen=True, slots=True)
class Put:
    """A sample was taken in."""

    metric: Metric
    sample: Sample


@dataclass(frozen=True, slots=True)
class Failed:
    """A read sent `at` gave no number, and why."""

    metric: Metric
    reason: str
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class Pinned:
    """The present sample is to be served once, whatever comes."""

    metric: Metric


@dataclass(frozen=True, slots=True)
class ReplicasChanged:
    """What is true of certain replicas alone is outdated when read before `at`."""

    namespace: str
    object: str
    at: float


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A ScaledObject is gone."""

    namespace: str
    object: str


Change = Declared | Put | Failed | Pinned | ReplicasChanged | Forgotten
