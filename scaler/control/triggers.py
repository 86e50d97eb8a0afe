"""From a ScaledObject's triggers to what is read: each trigger built on its own, so that a bad one is only itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from scaler.control.resolution import Resolved
from scaler.control.results import TriggerKey, Wanted
from scaler.control.unresolved import error_of
from scaler.core import hpa, model
from scalers._lib import quantity
from scalers._lib.metric_type import external_metric_type
from scalers.sdk import (
    AUTH,
    ENV,
    Inputs,
    InvalidMetadata,
    Metadata,
    MetricSpec,
    Parsed,
    ResourceSpec,
    Scaler,
    ScalerError,
    Spec,
    parse,
)

__all__ = ["Built", "Scalers", "build"]

INVALID = MetricSpec("invalid", 1)


class Scalers(Protocol):
    """Where scalers come from: the registry."""

    def get(self, trigger_type: str) -> Scaler[Any, Any]:
        """The scaler of a trigger type. Raises ScalerError with the remedy."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """One trigger, ready to be read, or with the error that keeps it from being read.

    `specs` are its external metrics. A trigger that the HPA reads itself has `resources` in their place.
    """

    index: int
    type: str
    metric_type: str
    specs: tuple[MetricSpec, ...]
    resources: tuple[ResourceSpec, ...] = ()
    scaler: Scaler[Any, Any] | None = None
    metadata: Metadata | None = None
    error: ScalerError | None = None
    unknown_type: bool = False
    name: str = ""
    """As the user called the trigger; formulas use it."""
    cached: bool = False
    """`useCachedMetrics`: the HPA is answered with the last poll's value."""

    @property
    def names(self) -> tuple[str, ...]:
        """The external metrics' names as the HPA carries them."""
        return tuple(hpa.external_name(self.index, spec) for spec in self.specs)

    @property
    def specified(self) -> bool:
        """Are the names and targets of its metrics known?"""
        return self.specs != (INVALID,)

    @property
    def reads(self) -> bool:
        """Is there something that we read?"""
        return self.scaler is not None and self.scaler.reads

    def fault(self, error: ScalerError) -> str:
        """The error with the place of the trigger, if it does not name it itself."""
        path, text = f"spec.triggers[{self.index}]", str(error)
        return text if text.startswith(path) else f"{path} ({self.type}): {text}"

    def wanted(self, uid: str, interval: float) -> Wanted | None:
        """What the Sources should read; None for a trigger that cannot be read, or not by us."""
        if self.scaler is None or self.metadata is None or not self.reads:
            return None
        return Wanted(
            key=TriggerKey(uid, self.index), scaler=self.scaler, metadata=self.metadata, interval=interval
        )


def build(so: model.ScaledObject, resolved: Sequence[Resolved], scalers: Scalers) -> tuple[Built, ...]:
    """Every trigger of the object, in order, with what it resolved to.

    Never raises for what a user wrote: the error is the trigger's own.
    """
    return tuple(_build(so, index, given, scalers) for index, given in enumerate(resolved))


def _build(so: model.ScaledObject, index: int, given: Resolved, scalers: Scalers) -> Built:
    trigger = so.spec.triggers[index]
    built = Built(
        index=index,
        type=trigger.type,
        name=trigger.name,
        cached=trigger.use_cached_metrics,
        metric_type="AverageValue",
        specs=(INVALID,),
    )
    path = f"spec.triggers[{index}]"
    try:
        scaler = scalers.get(trigger.type)
    except ScalerError as error:
        return replace(built, error=_placed(error, path), unknown_type=True)
    try:
        if scaler.reads:
            built = replace(built, metric_type=external_metric_type(trigger.metric_type or ""))
    except ValueError as error:
        return replace(built, error=InvalidMetadata(f"{path}.metricType: {error}"))
    try:
        parsed = parse(scaler.metadata, _inputs(so, trigger, given))
        problems = [problem.under(path) for problem in (*given.problems, *parsed.problems)]
        specs, resources = _specs(scaler, parsed)
        if problems or parsed.value is None:
            failures = [failure for _, failure in given.failures]
            return replace(built, specs=specs or built.specs, error=error_of(failures, problems))
        for spec in specs:
            quantity.from_number(spec.target)  # Raises for what is no number.
    except ScalerError as error:
        return replace(built, error=error)
    except Exception as error:  # noqa: BLE001 - a plugin's code: its fault is this trigger's alone.
        return replace(built, error=InvalidMetadata(f"{path} ({trigger.type}): the scaler failed: {error!r}"))
    return replace(built, specs=specs, resources=resources, scaler=scaler, metadata=parsed.value)


def _inputs(so: model.ScaledObject, trigger: model.Trigger, given: Resolved) -> Inputs:
    """Where something could not be had, all that only it could supply is not missed a second time."""
    failed = {path.partition(".")[0] for path, _ in given.failures}
    unknown = {source for source, path in ((AUTH, "authenticationRef"), (ENV, "metadata")) if path in failed}
    return Inputs(
        metadata=trigger.metadata,
        env=given.env,
        auth=given.auth,
        object={
            "namespace": so.namespace,
            "name": so.name,
            "podIdentity": given.pod_identity,
            "metricType": trigger.metric_type or "",
        },
        unknown=frozenset(unknown),
        formula=so.modifiers is not None,
    )


def _specs(
    scaler: Scaler[Any, Any], parsed: Parsed[Metadata]
) -> tuple[tuple[MetricSpec, ...], tuple[ResourceSpec, ...]]:
    """The trigger's metrics. Of one whose credentials are missing, too, unless a name or target hangs on them."""
    found: tuple[Spec, ...] = ()
    try:
        found = tuple(scaler.specs(parsed.value)) if parsed.value is not None else ()
    except AttributeError:
        if not parsed.assumed:
            raise
    return (
        tuple(spec for spec in found if isinstance(spec, MetricSpec)),
        tuple(spec for spec in found if isinstance(spec, ResourceSpec)),
    )


def _placed(error: ScalerError, path: str) -> ScalerError:
    """The same problems with their whole path."""
    problems = [problem.under(path) for problem in getattr(error, "problems", ())]
    return InvalidMetadata("\n".join(map(str, problems)), problems=problems) if problems else error
