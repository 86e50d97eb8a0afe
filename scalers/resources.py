"""The triggers `cpu` and `memory`: resource metrics, which the HPA reads itself from the cluster (KEDA's, facts 7).

Nothing is connected to and nothing read here: such a trigger is a metric in the HPA, and says nothing about whether
there is work.
"""

import re
from collections.abc import Sequence
from typing import ClassVar

from scalers._lib import quantity
from scalers.sdk import OBJECT, Metadata, NoData, Problem, Reading, ResourceSpec, Scaler, check, key

__all__ = ["Cpu", "Memory", "ResourceMetadata"]

_UTILIZATION, _AVERAGE = "Utilization", "AverageValue"
_WHOLE = re.compile(r"[+-]?\d{1,40}\Z", re.ASCII)
_INT32 = 1 << 31


class ResourceMetadata(Metadata):
    """KEDA's keys."""

    value: str = key(
        help="what a pod should use on average: with metricType Utilization a whole number of per cent of what it"
        " requests, with AverageValue a quantity (500m, 128Mi)"
    )
    container_name: str = key(default="", help="the container that counts; if not given, all of the pod")
    former_type: str = key("type", default="", help="refused, as by KEDA: write the trigger's metricType")
    metric_type: str = key(
        default="", order=(OBJECT,), raw=True, help="the trigger's metricType: Utilization or AverageValue"
    )

    @check("metric_type")
    def _metric_type_is_a_resources(self) -> Problem | None:
        if self.metric_type in {_UTILIZATION, _AVERAGE}:
            return None
        problem = f"{self.metric_type!r} is none of a resource metric" if self.metric_type else "is required"
        return Problem("metricType", problem, f"write {_UTILIZATION} or {_AVERAGE}")

    @check("former_type")
    def _has_no_type(self) -> Problem | None:
        if not self.former_type:
            return None
        mend = f"remove it and write metricType: {_UTILIZATION} or {_AVERAGE} beside the trigger's type"
        return Problem("metadata.type", "is no key any more", mend)

    @check("value", "metric_type")
    def _value_is_of_the_type(self) -> str | None:
        if self.metric_type == _UTILIZATION:
            return None if _per_cent(self.value) is not None else _NO_PER_CENT.format(self.value)
        try:
            quantity.parse(self.value)
        except ValueError as error:
            return str(error) if self.metric_type == _AVERAGE else None
        return None


_NO_PER_CENT = "{!r} is no whole number of per cent: write it like 60"


def _per_cent(text: str) -> int | None:
    """A whole number of 32 bits, as Go's ParseInt takes it."""
    found = int(text) if _WHOLE.match(text) else _INT32
    return found if -_INT32 <= found < _INT32 else None


class _Resource(Scaler[None, ResourceMetadata]):
    metadata: ClassVar[type[Metadata]] = ResourceMetadata
    reads = False
    resource: ClassVar[str]

    async def measure(self, client: None, metadata: ResourceMetadata) -> Reading:  # noqa: ARG002 - there is none
        """See Scaler: there is nothing to read."""
        raise NoData(f"{self.resource} is read by the HPA itself, from the cluster's resource metrics")

    def specs(self, metadata: ResourceMetadata) -> Sequence[ResourceSpec]:
        """See Scaler."""
        average = metadata.metric_type == _AVERAGE
        target = quantity.canonical(metadata.value) if average else int(metadata.value)
        return (ResourceSpec(self.resource, metadata.metric_type, target, metadata.container_name),)


class Cpu(_Resource):
    """Of the time of processors."""

    resource = "cpu"


class Memory(_Resource):
    """Of the working set."""

    resource = "memory"
