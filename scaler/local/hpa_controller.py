"""The HPA controller: every sync period and object, scale, pods and metrics in; scale, status, Events out.

The arithmetic is `core/desired.py`; here is what a kube-controller-manager does around it. Whatever is heard of
an HPA makes it due one period later unless it is due earlier: a new one waits a period for its first sync, an
edited one for its next, and one that was deleted and made anew meanwhile goes on where the former was. State
(recommendations, scale changes) is kept by name until a sync finds no HPA, as there. One thing is kinder than
the real one: a scale write is refused only if the replicas changed under it, not for any new resourceVersion.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from scaler.core import desired
from scaler.local.api import Api, ApiError
from scaler.local.metadata import selector_text
from scaler.local.objects import Object, is_true, key_of, phase_of, rfc3339, terminating, with_condition
from scaler.local.recorder import Recorder
from scaler.local.watched import Watched
from scaler.local.work import Worker

MANAGER = "kube-controller-manager"
KIND = ("autoscaling/v2", "HorizontalPodAutoscaler")
HPAS = ("autoscaling", "horizontalpodautoscalers")

Fetch = Callable[[str, str, str], Awaitable[Sequence[str]]]
"""(namespace, metric name in lower case, label selector) → the quantities the external-metrics API returned.

Whatever it raises means that the metric could not be read; the sentence goes into the HPA's condition.
"""

_SYNCS = 5
_TIMEOUT = 10.0

_log = structlog.get_logger(__name__)


class HpaController:
    """Syncs every HPA each `period` seconds of schedule time, at most five at a time."""

    def __init__(self, api: Api, hpas: Watched, recorder: Recorder, *, period: float, fetch: Fetch) -> None:
        self._api, self._recorder, self._period, self._fetch = api, recorder, period, fetch
        self._states: dict[tuple[str, str], desired.State] = {}
        self._selectors: dict[tuple[str, str], str] = {}
        self._counting: dict[tuple[str, str], set[str]] = {}
        """Each HPA's selector when it last looked at pods, and the HPAs of each selector. Two with the same pods are both
        stopped; a real controller finds those too whose selectors differ and whose pods are the same."""
        self._worker: Worker[tuple[str, str]] = Worker("hpas", api.clock, self._step, workers=_SYNCS)
        self.start, self.close = self._worker.start, self._worker.close
        hpas.listeners.append(self._heard)

    def _heard(self, _kind: str, hpa: Object) -> None:
        self._worker.add_after(key_of(hpa), self._period)

    async def _step(self, key: tuple[str, str]) -> float | None:
        try:
            hpa = self._api.get(*HPAS, *key)
        except ApiError as error:
            if error.code == 404:
                self._states.pop(key, None)
                self._forget_selector(key)
                return None
            raise
        if terminating(hpa):
            return None
        try:
            target, scale = self._scale(hpa)
        except ApiError as error:
            self._without_scale(hpa, error.message)
            return self._period
        selector = str(scale["status"].get("selector") or "")
        trouble = self._trouble(hpa, scale, selector)
        if trouble is not None:
            self._without_pods(hpa, scale, *trouble)
            return self._period
        await self._sync(hpa, target, scale, selector)
        return self._period

    def _trouble(self, hpa: Object, scale: Object, selector: str) -> tuple[str, str, str] | None:
        """Why its pods cannot be told (Event, reason of ScalingActive, sentence), where a sync looks at pods at all."""
        if not desired.needs_metrics(hpa["spec"], replicas_of(scale)):
            return None
        if not selector:
            text = "the scale of the target has no selector, so its pods cannot be told"
            return "SelectorRequired", "InvalidSelector", text
        rivals = self._rivals(key_of(hpa), selector)
        if len(rivals) == 1:
            return None
        text = f"the pods of selector {selector} belong to several HPAs: {', '.join(rivals)}"
        return "AmbiguousSelector", "AmbiguousSelector", text

    def _rivals(self, key: tuple[str, str], selector: str) -> list[str]:
        """The names of the HPAs that count the same pods, its own first; alone while there is no pod."""
        namespace, name = key
        if self._selectors.get(key) != selector:
            self._forget_selector(key)
            self._selectors[key] = selector
            self._counting.setdefault((namespace, selector), set()).add(name)
        others = self._counting[namespace, selector] - {name}
        if not others or not self._api.list("", "pods", namespace, labels=selector):
            return [name]
        return [name, *sorted(others)]

    def _forget_selector(self, key: tuple[str, str]) -> None:
        namespace, name = key
        selector = self._selectors.pop(key, None)
        if selector is not None:
            self._counting[namespace, selector].discard(name)

    def _scale(self, hpa: Object) -> tuple[tuple[str, str], Object]:
        """((group, plural), Scale) of the target; ApiError when there is none."""
        reference = hpa["spec"]["scaleTargetRef"]
        group = str(reference.get("apiVersion") or "").rpartition("/")[0]
        resource = self._api.by_kind(group, reference["kind"])
        if resource is None:
            text = f'no matches for kind "{reference["kind"]}" in group "{group}"'
            raise ApiError(404, "NotFound", text)
        namespace = hpa["metadata"]["namespace"]
        return resource.key, self._api.get_scale(*resource.key, namespace, reference["name"])

    async def _sync(self, hpa: Object, target: tuple[str, str], scale: Object, selector: str) -> None:
        key, spec = key_of(hpa), hpa["spec"]
        now = desired.Scale(
            replicas=replicas_of(scale),
            observed=int(scale["status"].get("replicas") or 0),
            ready=self._ready(hpa, selector),
        )
        answers = await self._answers(hpa) if desired.needs_metrics(spec, now.replicas) else ()
        result = desired.evaluate(
            spec,
            scale=now,
            answers=answers,
            state=self._states.get(key, desired.State()),
            now=self._api.clock.monotonic(),
        )
        if result.write is not None:
            try:
                self._write(target, scale, result.write)
            except ApiError as error:
                result = desired.unwritten(result, error.message)
        if not self._lives(hpa):
            return  # Deleted meanwhile.
        self._states[key] = result.state
        for event in result.events:
            self._recorder.event(KIND, hpa, event.type, event.reason, event.message)
        status: Object = {"currentReplicas": now.replicas, "currentMetrics": list(result.current_metrics)}
        if result.desired is not None:
            status["desiredReplicas"] = result.desired
        if result.write is not None:
            status["lastScaleTime"] = rfc3339(self._api.clock.now())
        self._write_status(hpa, status, result.conditions)

    def _ready(self, hpa: Object, selector: str) -> int | None:
        """Pods that run and are ready; None when there is no pod. Counted only where a Value metric asks."""
        if all("value" not in _target(metric) for metric in hpa["spec"].get("metrics") or ()):
            return None
        pods = self._api.list("", "pods", hpa["metadata"]["namespace"], labels=selector)
        return sum(phase_of(pod) == "Running" and is_true(pod, "Ready") for pod in pods) if pods else None

    async def _answers(self, hpa: Object) -> list[desired.Answer]:
        return [await self._answer(hpa, metric) for metric in hpa["spec"].get("metrics") or ()]

    async def _answer(self, hpa: Object, metric: Mapping[str, Any]) -> desired.Answer:
        """One metric's values; an External one only, as nobody serves the others here."""
        kind = metric.get("type")
        if kind != "External":
            return desired.Answer(error=f"metrics of type {kind} are not served by this cluster")
        wanted, namespace = metric["external"]["metric"], hpa["metadata"]["namespace"]
        labels = selector_text(wanted.get("selector"))
        try:
            async with self._api.clock.deadline(_TIMEOUT):
                values = await self._fetch(namespace, str(wanted["name"]).lower(), labels)
        except TimeoutError:
            return desired.Answer(error=_unread(wanted["name"], f"no answer within {_TIMEOUT:.0f} s"))
        except Exception as error:  # noqa: BLE001 - whatever it is, the metric was not read
            return desired.Answer(error=_unread(wanted["name"], str(error) or type(error).__name__))
        return desired.Answer(values=tuple(values))

    def _write(self, target: tuple[str, str], scale: Object, replicas: int) -> None:
        namespace, name = key_of(scale)
        fresh = self._api.get_scale(*target, namespace, name)
        if replicas_of(fresh) != replicas_of(scale) or fresh["metadata"]["uid"] != scale["metadata"]["uid"]:
            fresh = scale  # Its resourceVersion is refused, with the API server's own sentence.
        body = {**fresh, "spec": {"replicas": replicas}}
        self._api.update_scale(*target, namespace, name, body, manager=MANAGER)

    def _without_scale(self, hpa: Object, why: str) -> None:
        self._recorder.event(KIND, hpa, "Warning", "FailedGetScale", why)
        text = f"the scale of the target could not be read: {why}"
        self._write_status(hpa, {}, [desired.Condition("AbleToScale", "False", "FailedGetScale", text)])

    def _without_pods(self, hpa: Object, scale: Object, event: str, reason: str, text: str) -> None:
        self._recorder.event(KIND, hpa, "Warning", event, text)
        self._recorder.event(KIND, hpa, "Warning", "FailedComputeMetricsReplicas", text)
        got = desired.Condition(
            "AbleToScale", "True", "SucceededGetScale", "the scale of the target was read"
        )
        bad = desired.Condition("ScalingActive", "False", reason, text)
        self._write_status(hpa, {"currentReplicas": replicas_of(scale)}, [got, bad])

    def _write_status(self, hpa: Object, changes: Object, conditions: Sequence[desired.Condition]) -> None:
        """Write the status where it differs. An HPA that is gone meanwhile needs none."""
        key, old = key_of(hpa), hpa.get("status") or {}
        fresh = list(old.get("conditions") or ())
        for one in conditions:
            body = {"type": one.type, "status": one.status, "reason": one.reason, "message": one.message}
            fresh = with_condition(fresh, body, self._api.clock.now())
        status = {"desiredReplicas": 0, "currentMetrics": None, **old, **changes, "conditions": fresh}
        if status == {"desiredReplicas": 0, "currentMetrics": None, **old}:
            return
        try:
            present = self._api.get(*HPAS, *key)
            if present["metadata"]["uid"] == hpa["metadata"]["uid"]:
                self._api.update(
                    *HPAS, *key, {**present, "status": status}, subresource="status", manager=MANAGER
                )
        except ApiError as error:
            _log.debug("hpa_status_not_written", hpa=key, error=str(error))

    def _lives(self, hpa: Object) -> bool:
        try:
            present = self._api.get(*HPAS, *key_of(hpa))
        except ApiError:
            return False
        return bool(present["metadata"]["uid"] == hpa["metadata"]["uid"])


def replicas_of(scale: Mapping[str, Any]) -> int:
    """`spec.replicas` of a Scale, which leaves out 0."""
    return int((scale.get("spec") or {}).get("replicas") or 0)


def _target(metric: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Mapping[str, Any] = (metric.get("external") or {}).get("target") or {}
    return target


def _unread(name: str, why: str) -> str:
    return f"external metric {name}: {why}"
