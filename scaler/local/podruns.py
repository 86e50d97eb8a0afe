"""A pod of local processes: init containers one after another, then the others together, then its end."""

import asyncio
from collections.abc import Callable

from scaler.local.containers import Container, Host
from scaler.local.objects import Object
from scaler.local.podstatus import View


class PodRun:
    """From admission to the end of the last process. `host.changed()` tells of each step, `view` shows it."""

    def __init__(self, pod: Object, host: Host) -> None:
        spec = pod["spec"]
        policy = str(spec.get("restartPolicy") or "Always")
        self._host = host
        self._init = [
            Container(pod, c, host, _until_success(policy)) for c in spec.get("initContainers") or ()
        ]
        self._main = [Container(pod, c, host, _by_policy(policy)) for c in spec.get("containers") or ()]
        self._initialized = not self._init
        self._kill_at: float | None = None
        self._killer: asyncio.Task[None] | None = None
        self._task = asyncio.create_task(self._run(), name=f"pod-{pod['metadata']['name']}")

    @property
    def over(self) -> bool:
        """Whether nothing runs, and nothing will be started."""
        return self._task.done()

    @property
    def view(self) -> View:
        """For the pod's status."""
        return View(
            init=[c.record for c in self._init],
            main=[c.record for c in self._main],
            initialized=self._initialized,
            over=self.over,
        )

    def container(self, name: str) -> Container | None:
        """One container, for its log."""
        return next((c for c in (*self._main, *self._init) if c.record.name == name), None)

    def stop(self) -> None:
        """SIGTERM now; nothing is started any more."""
        for container in self._all:
            container.stop()

    def terminate(self, grace: float) -> None:
        """SIGTERM now, SIGKILL after `grace` seconds of schedule. Asked again, the earlier kill counts."""
        due = self._host.clock.monotonic() + grace
        if self._kill_at is None:
            self.stop()
        elif due >= self._kill_at:
            return
        self._kill_at = due
        if self._killer is not None:
            self._killer.cancel()
        self._killer = asyncio.create_task(self._kill_later(due), name="pod-killer")

    def kill(self) -> None:
        """SIGKILL now."""
        for container in self._all:
            container.kill()

    async def close(self) -> None:
        """Wait for the end; the caller has asked for it."""
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def _all(self) -> list[Container]:
        return [*self._init, *self._main]

    async def _run(self) -> None:
        try:
            for container in self._init:
                await container.run()
                if container.record.exit_code != 0:
                    return
            self._initialized = True
            self._host.changed()
            async with asyncio.TaskGroup() as group:
                for container in self._main:
                    group.create_task(container.run())
        finally:
            if self._killer is not None:
                self._killer.cancel()
            asyncio.get_running_loop().call_soon(self._host.changed)  # Then `over` is true.

    async def _kill_later(self, due: float) -> None:
        await self._host.clock.sleep_until(due)
        self.kill()


def _by_policy(policy: str) -> Callable[[int], bool]:
    return lambda code: policy == "Always" or (policy == "OnFailure" and code != 0)


def _until_success(policy: str) -> Callable[[int], bool]:
    return lambda code: policy != "Never" and code != 0
