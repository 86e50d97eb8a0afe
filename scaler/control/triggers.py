"""From a ScaledObject's triggers to what is read: each trigger built on its own, so that a bad one is only itself."""

from dataclasses import dataclass, replace
from typing import Any, Protocol

from scaler.control.environment import Environment
from scaler.control.results import TriggerKey, Wanted
from scaler.core import hpa, model
from scalers._lib import quantity
from scalers._lib.metric_type import external_metric_type
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
    unknown_type: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The external metrics' names as the HPA carries them."""
        return tuple(hpa.external_name(self.index, spec) for spec in self.specs)

    def fault(self, error: ScalerError) -> str:
        """The error with the place of the trigger, if it does not name it itself."""
        path, text = f"spec.triggers[{self.index}]", str(error)
        return text if text.startswith(path) else f"{path} ({self.type}): {text}"

    def wanted(self, uid: str, interval: float) -> Wanted | None:
        """What the Sources should read; None for a trigger that cannot be read."""
        if self.scaler is None or self.metadata is None:
            return None
        return Wanted(
            key=TriggerKey(uid, self.index), scaler=self.scaler, metadata=self.metadata, interval=interval
        )


def build(so: model.ScaledObject, env: Environment, scalers: Scalers) -> tuple[Built, ...]:
    """Every trigger of the object, in order. Never raises for what a user wrote: the error is the trigger's own."""
    return tuple(_build(so, index, env, scalers) for index in range(len(so.spec.triggers)))


def _build(so: model.ScaledObject, index: int, env: Environment, scalers: Scalers) -> Built:
    trigger = so.spec.triggers[index]
    built = Built(index=index, type=trigger.type, metric_type="AverageValue", specs=(INVALID,))
    path = f"spec.triggers[{index}]"
    inputs = Inputs(
        metadata=trigger.metadata, env=env.values, object={"namespace": so.namespace, "name": so.name}
    )
    try:
        scaler = scalers.get(trigger.type)
    except ScalerError as error:
        return replace(built, error=_placed(error, path), unknown_type=True)
    try:
        built = replace(built, metric_type=external_metric_type(trigger.metric_type or ""))
    except ValueError as error:
        return replace(built, error=InvalidMetadata(f"{path}.metricType: {error}"))
    try:
        metadata = _parse(path, scaler, inputs, env)
        specs = tuple(scaler.specs(metadata))
        for spec in specs:
            quantity.from_number(spec.target)  # Raises for what is no number.
    except ScalerError as error:
        return replace(built, error=error)
    except Exception as error:  # noqa: BLE001 - a plugin's code: its fault is this trigger's alone.
        return replace(built, error=InvalidMetadata(f"{path} ({trigger.type}): the scaler failed: {error!r}"))
    return replace(built, specs=specs, scaler=scaler, metadata=metadata)


def _parse(path: str, scaler: Scaler[Any, Any], inputs: Inputs, env: Environment) -> Metadata:
    parsed = parse(scaler.metadata, inputs)
    problems = (*env.unresolved(inputs.metadata), *parsed.problems)
    if parsed.value is None or problems:
        raise _placed(InvalidMetadata("", problems=problems), path)
    return parsed.value


def _placed(error: ScalerError, path: str) -> ScalerError:
    """The same problems with their whole path."""
    problems = [problem.under(path) for problem in getattr(error, "problems", ())]
    return InvalidMetadata("\n".join(map(str, problems)), problems=problems) if problems else error
