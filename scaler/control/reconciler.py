"""Makes what a ScaledObject asks for so: checks in KEDA's order (facts 2.2), triggers, HPA.

Level-triggered: it looks at what is, does what is missing, and writes nothing when nothing is.

An object is *in charge* once all of it stands; before that, and after a check has failed, nothing of its target is written.
A trigger that its scaler connects to while KEDA would build it (`connects_first`) is read before the HPA is made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog

from scaler.clock import Clock
from scaler.control.environment import environment
from scaler.control.feed import Feed
from scaler.control.hpas import Hpas
from scaler.control.managed import Managed
from scaler.control.observed import KEDA_FINALIZER, Observed
from scaler.control.sources import Sources
from scaler.control.targets import TargetError, TargetKey, Targets
from scaler.control.triggers import Built, Scalers, build
from scaler.core import hpa, rules
from scaler.core.model import ScaledObject
from scaler.core.steps import Step
from scaler.kube.client import Kube, Object
from scaler.kube.errors import Conflict, KubeError, NotFound, UnknownKind
from scaler.kube.resources import SCALED_OBJECTS

__all__ = ["CheckFailed", "Reconciler"]

_log = structlog.get_logger(__name__)


class CheckFailed(Exception):
    """The object cannot be in charge now. `events` are (reason, note) of warnings; `again`: time may cure it."""

    def __init__(
        self, step: Step, message: str, *, events: Sequence[tuple[str, str]] = (), again: bool = False
    ) -> None:
        super().__init__(message)
        self.step = step
        self.events = tuple(events)
        self.again = again

    @property
    def text(self) -> str:
        """`<step>: <error>`, as it stands in the Ready condition."""
        return f"{self.step}: {self}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """See the module. `namespace_annotations` and `live_hpa` read caches; `version` stands in the HPA's label."""

    clock: Clock
    kube: Kube
    scalers: Scalers
    targets: Targets
    sources: Sources
    feed: Feed
    hpas: Hpas
    live_hpa: Callable[[str, str], Object | None]
    namespace_annotations: Callable[[str], Mapping[str, str]]
    activation: Literal["floor", "desired"]
    version: str
    on_target: Callable[[Managed, TargetKey | None], None] = field(repr=False)

    async def reconcile(self, managed: Managed) -> bool:
        """Bring one object in charge. True when it is; False while its triggers are read for the first time.

        Raises CheckFailed with KEDA's step; the object is not in charge then.
        """
        so = managed.so
        try:
            self._check(so, (Step.LABEL,))
            self._not_yet(so)
            await self._label(managed)
            self._targeting(managed, await self._target(so))
            self._check(so, (Step.BOUNDS, Step.TRIGGERS, Step.HPA, Step.ANNOTATIONS))
            self._triggers(managed)
            if not self._tried(managed):
                return False
            await self._hpa(managed)
        except CheckFailed:
            managed.in_charge = False
            raise
        managed.in_charge = True
        return True

    async def finalize(self, seen: Observed) -> None:
        """The object is being deleted. Nothing of ours must be undone; KEDA's finalizer, if any, has no duty left."""
        if KEDA_FINALIZER not in seen.finalizers:
            return
        rest = [name for name in seen.finalizers if name != KEDA_FINALIZER]
        body = {"metadata": {"resourceVersion": seen.resource_version, "finalizers": rest}}
        try:
            await self.kube.patch(SCALED_OBJECTS, seen.name, body, seen.namespace)
        except NotFound:
            _log.debug("object gone already", object="/".join(seen.key))

    def _check(self, so: ScaledObject, steps: Sequence[Step]) -> None:
        found = [refusal for refusal in rules.refusals(so) if refusal.step in steps]
        if not found:
            return
        step = found[0].step
        text = "\n".join(str(refusal.problem) for refusal in found if refusal.step is step)
        cached = step is Step.TRIGGERS and "useCachedMetrics" in found[0].problem.path
        # KEDA tells of this one by an event as well.
        raise CheckFailed(
            step, text, events=[("ScaledObjectCheckFailed", f"{step}: {text}")] if cached else []
        )

    def _not_yet(self, so: ScaledObject) -> None:
        later = rules.not_yet(so)
        if later:
            text = "\n".join(map(str, later))
            raise CheckFailed(
                Step.NOT_YET, text, events=[("ScaledObjectCheckFailed", f"{Step.NOT_YET}: {text}")]
            )

    async def _label(self, managed: Managed) -> None:
        """KEDA's label on the object itself; its metrics' selector and tools look for it."""
        so = managed.so
        if so.labels.get(hpa.OWNER_LABEL) == so.name:
            return
        body = {"metadata": {"resourceVersion": so.resource_version, "labels": {hpa.OWNER_LABEL: so.name}}}
        try:
            answer = await self.kube.patch(SCALED_OBJECTS, so.name, body, so.namespace)
        except Conflict:
            # Our own status write may have come between; the label does not depend on what changed.
            del body["metadata"]["resourceVersion"]
            answer = await self._patched(so, body)
        except KubeError as error:
            raise CheckFailed(Step.LABEL, str(error), again=True) from error
        managed.labelled(answer["metadata"])

    async def _patched(self, so: ScaledObject, body: Mapping[str, Any]) -> Object:
        try:
            live = await self.kube.get(SCALED_OBJECTS, so.name, so.namespace)
            meta = {**body["metadata"], "resourceVersion": live["metadata"]["resourceVersion"]}
            return await self.kube.patch(SCALED_OBJECTS, so.name, {"metadata": meta}, so.namespace)
        except KubeError as error:
            raise CheckFailed(Step.LABEL, str(error), again=True) from error

    async def _target(self, so: ScaledObject) -> TargetKey:
        try:
            key = await self.targets.find(so.target, so.namespace)
            if self.targets.get(key) is None:
                await self.targets.read(key)
        except TargetError as error:
            raise CheckFailed(
                Step.TARGET, str(error), events=[("ScaledObjectCheckFailed", error.event)], again=True
            ) from error
        except UnknownKind as error:
            raise CheckFailed(
                Step.TARGET, str(error), events=[("ScaledObjectUpdateFailed", str(error))], again=True
            ) from error
        except KubeError as error:
            raise CheckFailed(
                Step.TARGET, str(error), events=[("ScaledObjectCheckFailed", str(error))], again=True
            ) from error
        return key

    def _targeting(self, managed: Managed, key: TargetKey) -> None:
        if managed.target != key:
            before, managed.target = managed.target, key
            self.on_target(managed, before)
        managed.observe_target(self.targets.get(key))

    def _triggers(self, managed: Managed) -> None:
        so = managed.so
        target = self.targets.get(managed.target) if managed.target is not None else None
        container = so.target.env_source_container_name
        try:
            env = environment(target.containers if target is not None else (), container)
        except ValueError as error:
            raise CheckFailed(
                Step.HPA, str(error), events=[("KEDAScalerFailed", str(error))], again=True
            ) from error
        managed.activation = rules.activation(so, self.namespace_annotations(so.namespace), self.activation)
        managed.take(build(so, env, self.scalers))
        interval = float(so.polling_interval)
        wanted = [want for built in managed.triggers if (want := built.wanted(so.uid, interval)) is not None]
        self.sources.want(so.uid, wanted)
        self.feed.declare(managed, self.clock.monotonic())

    def _tried(self, managed: Managed) -> bool:
        """Is it known of each trigger that KEDA would connect to by now whether it answers? Raises when none is good."""
        first = [b for b in managed.triggers if b.scaler is not None and b.scaler.connects_first]
        if not managed.in_charge and any(built.index not in managed.results for built in first):
            return False
        if any(self._good(managed, built) for built in managed.triggers):
            return True
        errors = [error for built in managed.triggers if (error := managed.error(built)) is not None]
        text = "\n".join(str(error) for error in errors)
        events = [("KEDAScalerFailed", str(error)) for error in errors]
        if any(error.reason == "InvalidMetadata" and "no scaler found" in str(error) for error in errors):
            events.append(("ScaledObjectCheckFailed", f"{Step.HPA}: {text}"))
        raise CheckFailed(Step.HPA, text, events=events, again=True)

    @staticmethod
    def _good(managed: Managed, built: Built) -> bool:
        if built.error is not None:
            return False
        if managed.in_charge or not (built.scaler and built.scaler.connects_first):
            return True
        result = managed.results.get(built.index)
        return result is not None and result.error is None

    async def _hpa(self, managed: Managed) -> None:
        so = managed.so
        metrics = [hpa.TriggerMetrics(b.index, b.specs, b.metric_type) for b in managed.triggers]
        try:
            wanted = hpa.desired(so, metrics, self.version)
            before = managed.hpa_name or so.status.get("hpaName") or ""
            if before and before != so.hpa_name:
                await self.hpas.remove(before, so.namespace, so.uid)
            if await self.hpas.ensure(wanted, self.live_hpa(so.namespace, so.hpa_name)):
                _log.info("made HPA", object=so.key, hpa=so.hpa_name)
        except (ValueError, KubeError) as error:
            again = isinstance(error, KubeError)
            events = [("ScaledObjectCheckFailed", f"{Step.HPA}: {error}")]
            raise CheckFailed(Step.HPA, str(error), events=events, again=again) from error
        managed.hpa_name = so.hpa_name
