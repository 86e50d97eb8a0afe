"""From a ScaledObject's triggers to what is read: each trigger built on its own, so that a bad one is only itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from scaler.control.environment import Environment
from scaler.control.results import TriggerKey, Wanted
from scaler.core import hpa, model
from scalers._lib.metric_type import external_metric_type
from scalers._lib.problem import Problem
from scalers.sdk import Inputs, InvalidMetadata, Metadata, MetricSpec, Scaler, ScalerError, parse

__all__ = ["Built", "Scalers", "build"]

INVALID = MetricSpec("invalid", 1)


class Scalers(Protocol):
    """Where scalers come from: the registry."""

    def get(self, trigger_type: str) -> Scaler[Any, Any]:
        """The scaler of a trigger type. Raises ScalerError with the remedy."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One trigger, ready to be read, or with the error that keeps it from being read."""

    index: int
    type: str
    metric_type: str
    specs: tuple[MetricSpec, ...]
    scaler: Scaler[Any, Any] | None = None
    metadata: Metadata | None = None
    error: ScalerError | None = None
    unused: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The external metrics' names as the HPA carries them."""
        return tuple(hpa.external_name(self.index, spec) for spec in self.specs)

    def wanted(self, uid: str, interval: float) -> Wanted | None:
        """What the Sources should read; None for a trigger that cannot be read."""
        if self.scaler is None or self.metadata is None:
            return None
        return Wanted(
            key=TriggerKey(uid, self.index), scaler=self.scaler, metadata=self.metadata, interval=interval
        )


def build(so: model.ScaledObject, env: Environment, scalers: Scalers) -> tuple[Built, ...]:
    """Every trigger of the object, in order. Never raises for what a user wrote: the error is the trigger's own."""
    return tuple(_build(index, trigger, env, scalers) for index, trigger in enumerate(so.spec.triggers))


def _build(index: int, trigger: model.Trigger, env: Environment, scalers: Scalers) -> Built:
    metric_type = trigger.metric_type or "AverageValue"
    try:
        metric_type = external_metric_type(trigger.metric_type or "")
        scaler = scalers.get(trigger.type)
        metadata, unused = _parse(index, scaler, trigger.metadata, env)
        specs = tuple(scaler.specs(metadata))
    except ScalerError as error:
        return Built(index=index, type=trigger.type, metric_type=metric_type, specs=(INVALID,), error=error)
    except ValueError as error:
        invalid = InvalidMetadata(f"spec.triggers[{index}].metricType: {error}")
        return Built(
            index=index, type=trigger.type, metric_type="AverageValue", specs=(INVALID,), error=invalid
        )
    return Built(
        index=index,
        type=trigger.type,
        metric_type=metric_type,
        specs=specs,
        scaler=scaler,
        metadata=metadata,
        unused=unused,
    )


def _parse(
    index: int, scaler: Scaler[Any, Any], metadata: Mapping[str, str], env: Environment
) -> tuple[Metadata, tuple[str, ...]]:
    parsed = parse(scaler.metadata, Inputs(metadata=metadata, env=env.values))
    problems: Sequence[Problem] = (*parsed.problems, *env.unresolved(metadata))
    if parsed.value is None or problems:
        mended = [problem.under(f"spec.triggers[{index}]") for problem in problems]
        raise InvalidMetadata("\n".join(str(problem) for problem in mended), problems=mended)
    return parsed.value, parsed.unused
