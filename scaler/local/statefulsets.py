"""StatefulSet → Pods: numbered pods, made upwards and removed downwards, one at a time unless Parallel.

`plan` is the whole rule and is pure; `statefulset_controller.py` carries it out. The order of a step is
kube-controller-manager's: first the pods within `spec.replicas`, then those beyond it, then those of an older
template. OrderedReady stops at the first pod that is not there, ready and available; Parallel does not wait
except while it updates. Pods belong to their owner (`ownerReferences`), never to a selector.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scaler.local.objects import Object, available_in, is_true, name_of, phase_of, terminating
from scaler.local.replicasets import BURST
from scaler.local.statefulset_pods import new_pod, ordinal_of, revision_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one step does to the pods of a StatefulSet, in order."""

    create: tuple[Object, ...] = ()
    delete: tuple[Object, ...] = ()


def replicas_of(stateful_set: Mapping[str, Any]) -> int:
    """`spec.replicas`, 1 when absent."""
    wanted = stateful_set["spec"].get("replicas")
    return 1 if wanted is None else int(wanted)


def start_of(stateful_set: Mapping[str, Any]) -> int:
    """`spec.ordinals.start`: the number of the first pod."""
    return int((stateful_set["spec"].get("ordinals") or {}).get("start") or 0)


def healthy(pod: Mapping[str, Any]) -> bool:
    """Whether a pod runs, is ready, and is not going."""
    return phase_of(pod) == "Running" and is_true(pod, "Ready") and not terminating(pod)


def available(stateful_set: Mapping[str, Any], pod: Mapping[str, Any], now: datetime) -> bool:
    """Whether a pod is ready, and has been for `minReadySeconds`."""
    return phase_of(pod) == "Running" and available_in(pod, _min_ready(stateful_set), now) == 0


def _min_ready(stateful_set: Mapping[str, Any]) -> float:
    return float(stateful_set["spec"].get("minReadySeconds") or 0)


@dataclass(frozen=True, slots=True)
class _Step:
    """One look at a StatefulSet: its pods by number, the two revisions, the time."""

    stateful_set: Mapping[str, Any]
    pods: Mapping[int, Object]
    current: Object
    update: Object
    now: datetime

    @property
    def ordered(self) -> bool:
        return bool(self.stateful_set["spec"].get("podManagementPolicy") != "Parallel")

    @property
    def wanted(self) -> range:
        start = start_of(self.stateful_set)
        return range(start, start + replicas_of(self.stateful_set))

    @property
    def beyond(self) -> list[int]:
        """The numbers that should not be, highest first."""
        return sorted((number for number in self.pods if number not in self.wanted), reverse=True)

    def waits_for(self, pod: Object) -> bool:
        """Whether nothing further may happen before this pod has come or gone."""
        return not healthy(pod) or not available(self.stateful_set, pod, self.now)


def plan(
    stateful_set: Mapping[str, Any],
    pods: Iterable[Object],
    *,
    current: Object,
    update: Object,
    now: datetime,
) -> Plan:
    """One step towards `spec` from the pods as they are.

    `pods` are those the StatefulSet owns; `current` and `update` the revisions before and after the update
    that is under way (the same when none is). Nothing is done to a StatefulSet that is going itself.
    """
    if terminating(stateful_set):
        return Plan()
    by_number = {number: pod for pod in pods if (number := ordinal_of(stateful_set, pod)) is not None}
    step = _Step(stateful_set, by_number, current, update, now)
    create: list[Object] = []
    delete: list[Object] = []
    for number in step.wanted:
        pod = by_number.get(number)
        if pod is None:
            create.append(new_pod(stateful_set, number, _revision_for(step, number)))
        elif _ended(pod):
            if not terminating(pod):
                delete.append(pod)
        elif not (step.ordered and step.waits_for(pod)):
            continue
        if step.ordered:
            return Plan(create=tuple(create), delete=tuple(delete))
    del create[BURST:]
    delete += _condemned(step)
    if not (step.ordered and step.beyond):
        delete += _outdated(step, changed={name_of(pod) for pod in (*create, *delete)})
    return Plan(create=tuple(create), delete=tuple(delete))


def _revision_for(step: _Step, number: int) -> Object:
    """The template a missing pod is made from: below the partition of a rolling update, the former one."""
    strategy = step.stateful_set["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return step.update
    return step.current if number < step.wanted.start + _partition(step.stateful_set) else step.update


def _partition(stateful_set: Mapping[str, Any]) -> int:
    rolling = (stateful_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return int(rolling.get("partition") or 0)


def _condemned(step: _Step) -> Iterator[Object]:
    """Those beyond `replicas`: all at once, or the highest once every other pod is well."""
    if not step.ordered:
        yield from (step.pods[number] for number in step.beyond if not terminating(step.pods[number]))
        return
    if not step.beyond:
        return
    unwell = next((pod for _, pod in sorted(step.pods.items()) if not healthy(pod)), None)
    pod = step.pods[step.beyond[0]]
    # Kinder than upstream with one that has ended: it would be waited for in vain.
    if not terminating(pod) and (pod is unwell or _ended(pod) or not step.waits_for(pod)):
        yield pod


def _ended(pod: Object) -> bool:
    return phase_of(pod) in {"Failed", "Succeeded"}


def _outdated(step: _Step, changed: set[str]) -> Iterator[Object]:
    """Pods of an older template that a rolling update replaces now: from the top, `maxUnavailable` at a time."""
    strategy = step.stateful_set["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return
    missing, most = 0, max_unavailable(step.stateful_set)
    for number in reversed(step.wanted[_partition(step.stateful_set) :]):
        pod = step.pods.get(number)
        if pod is not None and revision_of(pod) != name_of(step.update) and not terminating(pod):
            if name_of(pod) not in changed:
                yield pod
            missing += 1
        elif pod is None or step.waits_for(pod):
            missing += 1
        if missing >= most:
            return


def max_unavailable(stateful_set: Mapping[str, Any]) -> int:
    """`updateStrategy.rollingUpdate.maxUnavailable` in pods: a percentage is rounded up, and it is 1 at least."""
    rolling = (stateful_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    text = str(rolling.get("maxUnavailable") or 1)
    if text.endswith("%"):
        return max(1, -(-int(text[:-1]) * replicas_of(stateful_set) // 100))
    return max(1, int(text))


def status(
    stateful_set: Mapping[str, Any], pods: Sequence[Object], *, current: str, update: str, now: datetime
) -> tuple[Object, float | None]:
    """The status, and in how many seconds to look again (when the next pod becomes available).

    `current` and `update` are the names of the two revisions. A rolling update is done, and `currentRevision`
    moves on, once all wanted pods are ready and of the new template.
    """
    wanted = replicas_of(stateful_set)
    running = [pod for pod in pods if phase_of(pod) == "Running" and not terminating(pod)]
    waits = [available_in(pod, _min_ready(stateful_set), now) for pod in running]
    staying = [revision_of(pod) for pod in pods if not terminating(pod)]
    counts = {
        "readyReplicas": sum(phase_of(pod) == "Running" and is_true(pod, "Ready") for pod in pods),
        "currentReplicas": staying.count(current),
        "updatedReplicas": staying.count(update),
    }
    rolling = (stateful_set["spec"].get("updateStrategy") or {}).get("type") != "OnDelete"
    if rolling and len(pods) == counts["updatedReplicas"] == counts["readyReplicas"] == wanted:
        current, counts["currentReplicas"] = update, counts["updatedReplicas"]
    out: Object = {
        "observedGeneration": int(stateful_set["metadata"].get("generation", 1)),
        "replicas": len(pods),
        "availableReplicas": sum(available(stateful_set, pod, now) for pod in pods),
        **{field: count for field, count in counts.items() if count},
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": int((stateful_set.get("status") or {}).get("collisionCount") or 0),
    }
    return out, min((wait for wait in waits if wait), default=None)
