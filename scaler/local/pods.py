"""Pods: admits each to the runtime, writes its status where that changed, removes it once nothing runs.

The runtimes are in `runtimes.py`. Level-triggered: whatever happens to a pod or in one only makes its key
due.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta

from scaler.local.api import Api, ApiError
from scaler.local.containerlog import LogOptions
from scaler.local.errors import bad_request
from scaler.local.objects import Object, instant, key_of, name_of, terminating
from scaler.local.runtimes import Runtime
from scaler.local.watched import Watched
from scaler.local.work import Worker

_MANAGER = "kubelet"


class PodController:
    """Plays scheduler and kubelet."""

    def __init__(self, api: Api, pods: Watched) -> None:
        self._api = api
        self._worker: Worker[tuple[str, str]] = Worker("pods", api.clock, self._step)
        self.add = self._worker.add
        pods.listeners.append(self._heard)

    def start(self, runtime: Runtime) -> None:
        """Begin with that runtime, and serve `pods/log` from it."""
        self._runtime = runtime
        self._api.logs = self.logs
        self._worker.start()

    async def close(self) -> None:
        """Stop, and end all that runs."""
        self._api.logs = None
        await self._worker.close()
        await self._runtime.close()

    def logs(self, pod: Object, container: str | None, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The bytes of `pods/{name}/log`; raises ApiError at once for a query or container that is wrong."""
        names = [str(c["name"]) for c in pod["spec"].get("containers") or ()]
        if not container and len(names) > 1:
            choice = f"choose one of: [{' '.join(names)}]"
            raise bad_request(f"a container name must be specified for pod {name_of(pod)}, {choice}")
        return self._runtime.logs(pod, options(container, query, self._api.clock.now()))

    def _heard(self, kind: str, pod: Object) -> None:
        if kind == "DELETED":
            self._worker.forget(key_of(pod))
            self._runtime.drop(pod)
        else:
            self._worker.add(key_of(pod))

    async def _step(self, key: tuple[str, str]) -> None:
        try:
            pod = self._api.get("", "pods", *key)
        except ApiError as error:
            if error.code == 404:
                return
            raise
        if terminating(pod):
            self._end(key, pod)
            return
        status = self._runtime.admit(pod)
        if status != (pod.get("status") or {}):
            self._api.merge_patch(
                "", "pods", *key, {"status": status}, subresource="status", manager=_MANAGER
            )

    def _end(self, key: tuple[str, str], pod: Object) -> None:
        meta = pod["metadata"]
        if self._runtime.release(pod, float(meta.get("deletionGracePeriodSeconds") or 0)):
            self._api.delete("", "pods", *key, grace=0, uid=meta["uid"])


def options(container: str | None, query: Mapping[str, str], now: datetime) -> LogOptions:
    """The query of `pods/log`, read; ApiError 400 for what cannot be."""

    def flag(name: str) -> bool:
        return query.get(name, "false").lower() in {"true", "1", "t", ""} and name in query

    def number(name: str) -> int | None:
        text = query.get(name)
        if text in {None, ""}:
            return None
        if not str(text).isdigit():
            raise bad_request(f"{name}: {text!r} is no whole number of 0 or more")
        return int(str(text))

    seconds, since = number("sinceSeconds"), instant(query.get("sinceTime"))
    if seconds is not None:
        since = now - timedelta(seconds=seconds)
    return LogOptions(
        container=container or None,
        follow=flag("follow"),
        previous=flag("previous"),
        timestamps=flag("timestamps"),
        tail_lines=number("tailLines"),
        limit_bytes=number("limitBytes"),
        since=since,
    )
