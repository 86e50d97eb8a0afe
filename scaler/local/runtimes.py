"""What becomes of a pod: local processes (`process`), a mark that it is Ready (`ready`), nothing (`none`)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from scaler.local import podstatus
from scaler.local.api import Api, ApiError
from scaler.local.containerlog import LogOptions
from scaler.local.containers import Host
from scaler.local.environment import Lookup
from scaler.local.errors import bad_request
from scaler.local.objects import Object, condition_of, key_of, name_of, phase_of
from scaler.local.podruns import PodRun
from scaler.local.probes import Prober
from scaler.local.recorder import Recorder

POD = ("v1", "Pod")

MAX_PODS = 110
"""Pods that run at a time, a kubelet's own default: the rest stay Pending, so that no mistake floods the machine."""

_LAST_WORDS = 2.0
"""Real seconds between SIGTERM and SIGKILL where nobody waits: at our end, and for pods deleted by force."""


class Runtime(Protocol):
    """How pods are run. All of it is called on the loop, and again whenever the pod changed."""

    def admit(self, pod: Object) -> Object:
        """Take on a pod that is not going (again and again: nothing happens twice). Returns its status."""
        ...

    def release(self, pod: Object, grace: float) -> bool:
        """End a pod within `grace` seconds. True: nothing of it runs any more."""
        ...

    def drop(self, pod: Object) -> None:
        """The object is gone, whatever was still running."""
        ...

    def logs(self, pod: Object, options: LogOptions) -> AsyncIterator[bytes]:
        """What a container wrote; raises ApiError at once when there is no such log."""
        ...

    async def close(self) -> None:
        """End everything and wait for it."""
        ...


class Unscheduled:
    """`--pods none`: pods stay Pending. What somebody else makes of them by hand is left alone."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def admit(self, pod: Object) -> Object:
        """See Runtime."""
        if condition_of(pod, "PodScheduled") is None and phase_of(pod) == "Pending":
            return podstatus.pending(pod, self._api.clock.now(), "this cluster runs no pods (--pods none)")
        return dict(pod.get("status") or {})

    def release(self, pod: Object, grace: float) -> bool:  # noqa: ARG002 - nothing runs
        """See Runtime."""
        return True

    def drop(self, pod: Object) -> None:
        """See Runtime."""

    def logs(self, pod: Object, options: LogOptions) -> AsyncIterator[bytes]:  # noqa: ARG002 - nothing runs
        """See Runtime."""
        raise bad_request(
            f'pod "{name_of(pod)}" has no log: this cluster runs no processes (--pods process does)'
        )

    async def close(self) -> None:
        """See Runtime."""


class Marked(Unscheduled):
    """`--pods ready`: pods are Running and Ready as soon as they exist."""

    def admit(self, pod: Object) -> Object:
        """See Runtime."""
        if phase_of(pod) == "Pending":
            return podstatus.marked(pod, self._api.clock.now())
        return dict(pod.get("status") or {})


class Processes:
    """`--pods process`: containers are processes of this machine, run in `directory` as this user."""

    def __init__(
        self,
        api: Api,
        recorder: Recorder,
        directory: Path,
        changed: Callable[[tuple[str, str]], None],
        *,
        limit: int = MAX_PODS,
    ) -> None:
        self._api, self._recorder, self._directory, self._changed = api, recorder, directory, changed
        self._limit = limit
        self._prober = Prober(api.clock)
        self._runs: dict[str, PodRun] = {}
        self._waiting: dict[tuple[str, str], None] = {}
        self._dropped: set[asyncio.Task[None]] = set()

    def admit(self, pod: Object) -> Object:
        """See Runtime."""
        uid, key = pod["metadata"]["uid"], key_of(pod)
        if uid not in self._runs:
            if sum(not run.over for run in self._runs.values()) >= self._limit:
                self._waiting[key] = None
                why = f"0/1 nodes are available: 1 Too many pods ({self._limit} run already)."
                return podstatus.pending(pod, self._api.clock.now(), why)
            if not pod["spec"].get("nodeName"):
                node = {"spec": {"nodeName": podstatus.NODE}}
                pod = self._api.merge_patch("", "pods", *key, node, manager="kubelet")
            self._say_what_is_missing(pod)
            self._runs[uid] = PodRun(pod, self._host(pod))
        return podstatus.running(pod, self._runs[uid].view, self._api.clock.now())

    def release(self, pod: Object, grace: float) -> bool:
        """See Runtime."""
        run = self._runs.get(pod["metadata"]["uid"])
        if run is None or run.over:
            return True
        run.terminate(grace)
        return False

    def drop(self, pod: Object) -> None:
        """See Runtime."""
        run = self._runs.pop(pod["metadata"]["uid"], None)
        if run is not None and not run.over:
            task = asyncio.create_task(self._end([run]), name="pod-end")
            self._dropped.add(task)
            task.add_done_callback(self._dropped.discard)
        self._waiting.pop(key_of(pod), None)
        self._room()

    def logs(self, pod: Object, options: LogOptions) -> AsyncIterator[bytes]:
        """See Runtime."""
        name = options.container or str(pod["spec"]["containers"][0]["name"])
        run = self._runs.get(pod["metadata"]["uid"])
        container = run.container(name) if run is not None else None
        if container is None:
            raise bad_request(f"container {name} is not valid for pod {name_of(pod)}")
        log = container.previous if options.previous else container.log
        if log is None and options.previous:
            raise bad_request(f'previous terminated container "{name}" in pod "{name_of(pod)}" not found')
        if log is None:
            why = container.record.state.get("waiting", {}).get("reason", "")
            raise bad_request(f'container "{name}" in pod "{name_of(pod)}" is waiting to start: {why}')
        return log.read(options)

    async def close(self) -> None:
        """See Runtime."""
        runs, self._runs = [*self._runs.values()], {}
        await asyncio.gather(self._end(runs), *self._dropped)
        await self._prober.close()

    async def _end(self, runs: list[PodRun]) -> None:
        """SIGTERM, a moment of real time, SIGKILL, and wait until all are gone. Cancelled, it grants no moment."""
        for run in runs:
            run.stop()
        closing = [asyncio.create_task(run.close()) for run in runs]
        try:
            if closing:
                with suppress(TimeoutError):
                    async with self._api.clock.deadline(_LAST_WORDS):
                        await asyncio.wait(closing)
        finally:
            for run in runs:
                run.kill()
            await asyncio.gather(*closing)

    def _room(self) -> None:
        """A pod has ended: the one that waited longest is looked at again."""
        if self._waiting:
            key = next(iter(self._waiting))
            del self._waiting[key]
            self._changed(key)

    def _host(self, pod: Object) -> Host:
        key, uid = key_of(pod), pod["metadata"]["uid"]

        def changed() -> None:
            self._changed(key)
            run = self._runs.get(uid)
            if run is not None and run.over:
                self._room()

        def event(type_: str, reason: str, message: str) -> None:
            if uid in self._runs:
                self._recorder.event(POD, pod, type_, reason, message)

        return Host(
            clock=self._api.clock,
            prober=self._prober,
            directory=self._directory,
            lookup=self._lookup(key[0]),
            changed=changed,
            event=event,
        )

    def _lookup(self, namespace: str) -> Lookup:
        def find(kind: str, name: str) -> Any:
            try:
                return self._api.get("", f"{kind.lower()}s", namespace, name)
            except ApiError:
                return None

        return find

    def _say_what_is_missing(self, pod: Object) -> None:
        mounted = [c["name"] for c in pod["spec"]["containers"] if c.get("volumeMounts")]
        if mounted:
            text = f"volumeMounts of {', '.join(mounted)} have no effect: containers are local processes here"
            self._recorder.event(POD, pod, "Warning", "VolumesNotMounted", text)
