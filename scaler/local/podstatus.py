"""A pod's status from what its containers are doing. Pure; phases and conditions are the kubelet's.

Three views: of a pod whose containers run here (`running`), of one that is only marked Ready (`marked`), and
of one that no node takes (`pending`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scaler.local.objects import Object, rfc3339, with_condition

NODE = "tidegate-local"
ADDRESS = "127.0.0.1"


@dataclass(slots=True, kw_only=True)
class Record:
    """What is known of one container; `state` and `last` are the API's ContainerState."""

    name: str
    image: str = ""
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Object = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False

    @property
    def exit_code(self) -> int | None:
        """The exit code while the container is down; None while it runs or has not run."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def body(self, pod: Mapping[str, Any]) -> Object:
        """As it stands in `containerStatuses`."""
        runs = "running" in self.state
        out: Object = {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "ready": self.ready,
            "restartCount": self.restarts,
            "started": runs,
            "state": self.state,
            "lastState": self.last,
        }
        if runs or "terminated" in self.state:
            out["containerID"] = f"local://{pod['metadata']['uid']}/{self.name}/{self.restarts}"
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The containers of a pod at one moment. `over`: nothing will be started any more."""

    init: Sequence[Record] = ()
    main: Sequence[Record] = ()
    initialized: bool = True
    over: bool = False


def running(pod: Mapping[str, Any], view: View, now: datetime) -> Object:
    """The status of a pod whose containers are run here."""
    phase = _phase(str(pod["spec"].get("restartPolicy") or "Always"), view)
    old = pod.get("status") or {}
    conditions = _conditions(old.get("conditions") or (), phase, view, now)
    out: Object = {
        **old,
        "phase": phase,
        "conditions": conditions,
        **_place(old, now),
        "containerStatuses": [record.body(pod) for record in view.main],
    }
    if view.init:
        out["initContainerStatuses"] = [record.body(pod) for record in view.init]
    return out


def marked(pod: Mapping[str, Any], now: datetime) -> Object:
    """The status of a pod that is called Running and Ready without running anything."""
    state = {"running": {"startedAt": rfc3339(now)}}
    main = [
        Record(name=str(spec["name"]), image=str(spec.get("image", "")), state=state, ready=True)
        for spec in pod["spec"].get("containers") or ()
    ]
    return running(pod, View(main=main), now)


def pending(pod: Mapping[str, Any], now: datetime, why: str) -> Object:
    """The status of a pod that no node takes."""
    old = pod.get("status") or {}
    fresh = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": why,
    }
    return {**old, "phase": "Pending", "conditions": with_condition(old.get("conditions") or (), fresh, now)}


def _place(old: Mapping[str, Any], now: datetime) -> Object:
    return {
        "hostIP": ADDRESS,
        "hostIPs": [{"ip": ADDRESS}],
        "podIP": ADDRESS,
        "podIPs": [{"ip": ADDRESS}],
        "startTime": old.get("startTime") or rfc3339(now),
    }


def _phase(policy: str, view: View) -> str:
    if not view.initialized:
        return "Failed" if view.over else "Pending"
    # One that waits to be started again has run; one that waits for its first start holds the pod in Pending.
    if any("waiting" in record.state and not record.last for record in view.main):
        return "Pending"
    codes = [record.exit_code for record in view.main]
    if not all("terminated" in record.state for record in view.main) or policy == "Always":
        return "Running"
    if not any(codes):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _conditions(old: Sequence[Object], phase: str, view: View, now: datetime) -> list[Object]:
    unready = [record.name for record in view.main if not record.ready]
    done = phase == "Succeeded"
    why = {
        "reason": "PodCompleted" if done else "ContainersNotReady",
        "message": "" if done else f"containers with unready status: [{' '.join(unready)}]",
    }
    waiting = [record.name for record in view.init if record.exit_code != 0]
    uninitialized = {
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: [{' '.join(waiting)}]",
    }
    fresh = (
        _condition("PodScheduled", {}),
        _condition("Initialized", {} if view.initialized else uninitialized),
        _condition("ContainersReady", why if unready else {}),
        _condition("Ready", why if unready else {}),
    )
    out: list[Object] = list(old)
    for condition in fresh:
        out = with_condition(out, condition, now)
    return out


def _condition(kind: str, why: Mapping[str, str]) -> Object:
    """True without a reason, False with one."""
    return {"type": kind, "status": "False" if why else "True", **{k: v for k, v in why.items() if v}}
