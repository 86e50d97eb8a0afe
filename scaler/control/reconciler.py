"""Makes what a ScaledObject asks for so: checks in KEDA's order (facts 2.2), triggers, HPA.

Level-triggered: it looks at what is, does what is missing, and writes nothing when nothing is.

An object is *in charge* once all of it stands; before that, and after a check has failed, nothing of its target is written.
A trigger that its scaler connects to while KEDA would build it (`connects_first`) must have been read before the HPA is made,
unless another trigger of the object is good already.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from scaler.clock import Clock
from scaler.control.check_failed import CheckFailed
from scaler.control.comparisons import Comparisons
from scaler.control.credentials import Credentials
from scaler.control.feed import Feed
from scaler.control.hpas import Hpas, controller_of
from scaler.control.journal import Journal
from scaler.control.managed import Managed
from scaler.control.observed import KEDA_FINALIZER, Observed
from scaler.control.roster import Roster
from scaler.control.sources import Sources
from scaler.control.targets import TargetError, Targets
from scaler.control.triggers import Built, Scalers, build
from scaler.core import annotations, hpa, rules
from scaler.core.model import ScaledObject
from scaler.core.steps import Step
from scaler.kube.client import Kube, Object
from scaler.kube.errors import KubeError, UnknownKind
from scaler.kube.resources import SCALED_OBJECTS

__all__ = ["Reconciler"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciler:
    """See the module. `namespace_annotations` and `live_hpa` read caches; `version` stands in the HPA's label."""

    clock: Clock
    kube: Kube
    scalers: Scalers
    roster: Roster
    targets: Targets
    credentials: Credentials
    sources: Sources
    feed: Feed
    hpas: Hpas
    journal: Journal
    comparisons: Comparisons
    live_hpa: Callable[[str, str], Object | None]
    namespace_annotations: Callable[[str], Mapping[str, str]]
    activation: Literal["floor", "desired"]
    mode: Literal["act", "observe"]
    version: str = field(repr=False)

    async def reconcile(self, managed: Managed) -> bool:
        """Bring one object in charge. True when it is; False while its triggers are read for the first time.

        Raises CheckFailed with KEDA's step.
        """
        so = managed.so
        managed.waiting = False
        managed.brake_off = annotations.brake_off(so.annotations, self.namespace_annotations(so.namespace))
        if managed.policy().pause.full:
            await self._pause(managed)
            managed.in_charge = True
            return True
        self._check(so, Step.LABEL)
        if not managed.observed:
            await self._mark(so, labelled=True)
        await self._target(managed, Step.TARGET)
        self._check(so, Step.BOUNDS, Step.TRIGGERS, Step.HPA, Step.ANNOTATIONS)
        await self._triggers(managed)
        if not self._tried(managed):
            return False
        wanted = self._wanted(managed)
        if managed.observed:
            managed.hpa_name = so.hpa_name
            self.comparisons.wanted(managed, wanted)
        else:
            await self._hpa(managed, wanted)
        managed.in_charge = True
        return True

    def observed(self, of: ScaledObject | Observed) -> bool:
        """Is nothing to be written for the object?"""
        return annotations.observed(of.annotations, self.namespace_annotations(of.namespace), self.mode)

    async def _pause(self, managed: Managed) -> None:
        """Nothing is read, there is no HPA, and the target has the paused replicas if any are given (facts 2.6)."""
        so, pause = managed.so, managed.policy().pause
        self.sources.forget(so.uid)
        self.feed.forget(managed.key)
        self.credentials.forget(managed.key)
        managed.in_charge = False
        managed.readings.take((), self.clock.now())
        problem = annotations.paused_replicas_problem(so.annotations)
        try:
            if managed.observed:
                self.comparisons.wanted(managed, None)
            else:
                for name in {managed.hpa_name, so.hpa_name} - {""}:
                    live = self.live_hpa(so.namespace, name)
                    await self.hpas.remove(so.namespace, name, live, owner=so.uid)
        except KubeError as error:
            raise CheckFailed.because(Step.PAUSED_HPA, error) from error
        if not managed.observed:
            await self._mark(so, labelled=False)
        if problem is not None:
            text = f"failed to parse paused replica count: {problem}"
            raise CheckFailed(Step.PAUSED_SCALE, text)
        if pause.replicas is not None:
            await self._target(managed, Step.PAUSED_SCALE)
        else:
            # Whether there is a target matters to nobody until the pause is over.
            with contextlib.suppress(TargetError, KubeError):
                self.roster.aim(managed, await self.targets.find(so.target, so.namespace))

    def _check(self, so: ScaledObject, *steps: Step) -> None:
        found = [refusal for refusal in rules.refusals(so) if refusal.step in steps]
        if not found:
            return
        step = found[0].step
        text = "\n".join(str(refusal.problem) for refusal in found if refusal.step is step)
        # KEDA means to tell of each by an Event; of all but this one the text is too long for its `action`.
        told = step is Step.TRIGGERS and "useCachedMetrics" in found[0].problem.path
        raise CheckFailed(step, text, events=[("ScaledObjectCheckFailed", f"{step}: {text}")] if told else ())

    async def _mark(self, so: ScaledObject, *, labelled: bool) -> None:
        """KEDA's label on the object itself, which tools look for, and a finalizer where its end is to be waited for."""
        metadata: dict[str, object] = {}
        if labelled and so.labels.get(hpa.OWNER_LABEL) != so.name:
            metadata["labels"] = {hpa.OWNER_LABEL: so.name}
        if so.restores and KEDA_FINALIZER not in so.finalizers:
            metadata["finalizers"] = [*so.finalizers, KEDA_FINALIZER]
            metadata["resourceVersion"] = so.resource_version
        if not metadata:
            return
        body = {"metadata": {"uid": so.uid, **metadata}}
        try:
            await self.kube.patch(SCALED_OBJECTS, so.name, body, so.namespace)
        except KubeError as error:
            raise CheckFailed.because(Step.LABEL, error) from error

    async def _target(self, managed: Managed, step: Step) -> None:
        so = managed.so
        try:
            key = await self.targets.find(so.target, so.namespace)
            self.roster.aim(managed, key)
            target = await self.targets.check(key)
        except TargetError as error:
            told = [("ScaledObjectCheckFailed", error.event)]
            raise CheckFailed(step, str(error), events=told, again=True) from error
        except UnknownKind as error:
            text = f"spec.scaleTargetRef: {error}"
            told = [("ScaledObjectUpdateFailed", text), ("ScaledObjectCheckFailed", f"{step}: {text}")]
            raise CheckFailed(step, text, events=told, again=True) from error
        except KubeError as error:
            raise CheckFailed.because(step, error) from error
        if managed.original_replicas is None:
            managed.original_replicas = target.replicas

    async def _triggers(self, managed: Managed) -> None:
        so = managed.so
        target = self.targets.get(managed.target) if managed.target is not None else None
        try:
            resolved = await self.credentials.resolve(so, target)
        except ValueError as error:
            text = f"spec.scaleTargetRef.envSourceContainerName: {error}"
            raise CheckFailed(Step.HPA, text, events=[("KEDAScalerFailed", text)]) from error
        around = self.namespace_annotations(so.namespace)
        managed.activation = annotations.activation(so.annotations, around, self.activation)
        now = self.clock.now()
        managed.readings.take(build(so, resolved, self.scalers), now)
        interval = float(so.polling_interval)
        wanted = [want for built in managed.triggers if (want := built.wanted(so.uid, interval)) is not None]
        self.sources.want(so.uid, wanted)
        replicas = target.replicas if target is not None else None
        judged = managed.judged(target, now)
        self.feed.declare(managed, judged, replicas, self.clock.monotonic(), now)

    def _tried(self, managed: Managed) -> bool:
        """Is a trigger good? False while that is not known; raises when none is. A first result asks again."""
        if any(self._good(managed, built) for built in managed.triggers):
            return True
        managed.waiting = True
        if managed.readings.unread():
            return False
        faults = [
            b.fault(error) for b in managed.triggers if (error := managed.readings.error(b)) is not None
        ]
        text = "\n".join(faults)
        events = [("KEDAScalerFailed", fault) for fault in faults]
        if any(built.unknown_type for built in managed.triggers):
            events.append(("ScaledObjectCheckFailed", f"{Step.HPA}: {text}"))
        raise CheckFailed(Step.HPA, text, events=events)

    @staticmethod
    def _good(managed: Managed, built: Built) -> bool:
        if built.error is not None:
            # A fallback stands in for it, if it was good once and it is still known what its metric asks for.
            return managed.policy().fallback is not None and bool(managed.hpa_name) and built.specified
        scaler, metadata = built.scaler, built.metadata
        # An HPA that was made once goes on: a restart while the source is down must not end a fallback.
        known = managed.in_charge or bool(managed.hpa_name)
        if known or scaler is None or metadata is None or not scaler.tried_first(metadata):
            return True
        result = managed.results.get(built.index)
        return result is not None and result.error is None

    def _wanted(self, managed: Managed) -> Object:
        """The HPA that the object should have."""
        so = managed.so
        metrics = [
            hpa.TriggerMetrics(b.index, (*b.specs, *b.resources), b.metric_type) for b in managed.triggers
        ]
        try:
            wanted = hpa.desired(so, metrics, self.version)
        except ValueError as error:
            told = ("ScaledObjectCheckFailed", f"{Step.HPA}: {error}")
            raise CheckFailed(Step.HPA, str(error), events=[told]) from error
        self._unclaimed(so, self.live_hpa(so.namespace, so.hpa_name))
        return wanted

    async def _hpa(self, managed: Managed, wanted: Object) -> None:
        so = managed.so
        live = self.live_hpa(so.namespace, so.hpa_name)
        try:
            before = managed.hpa_name
            if before and before != so.hpa_name:
                await self.hpas.remove(
                    so.namespace, before, self.live_hpa(so.namespace, before), owner=so.uid
                )
            self.journal.hpa_ensured(managed, wanted, await self.hpas.ensure(wanted, live))
        except KubeError as error:
            raise CheckFailed.because(Step.HPA, error) from error
        managed.hpa_name = so.hpa_name

    def _unclaimed(self, so: ScaledObject, live: Object | None) -> None:
        """Two objects with one HPA would take it from each other for ever. One that nobody else has is adopted, as by KEDA."""
        owner = controller_of(live) if live is not None else {}
        if owner.get("uid") != so.uid and owner.get("uid") in self.roster.by_uid:
            text = f"{so.hpa_name} belongs to ScaledObject {owner.get('name')}; choose another name"
            problem = f"spec.advanced.horizontalPodAutoscalerConfig.name: {text}"
            told = ("ScaledObjectCheckFailed", f"{Step.HPA}: {problem}")
            raise CheckFailed(Step.HPA, problem, events=[told], again=True)
