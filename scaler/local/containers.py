"""One container of a pod as a local process: start, readiness, start again with back-off, graceful end.

The container's `Record` always says what is true now; `host.changed()` is called after each change of it, and
whoever holds the pod writes its status. Ending: `stop` sends SIGTERM and forbids restarts, `kill` sends
SIGKILL.
"""

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scaler.clock import Clock
from scaler.local.containerlog import Log
from scaler.local.environment import ConfigError, Lookup, arguments, environment
from scaler.local.objects import Object, name_of, rfc3339
from scaler.local.podstatus import Record
from scaler.local.probes import Prober, keep_asking
from scaler.local.process import Process, base_environment

CONFIG_RETRY = 10.0
"""Seconds after which a container whose ConfigMap or Secret was missing is tried again."""

_FIRST_DELAY = 10.0
_LAST_DELAY = 300.0
_CALM = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a container needs of the place where it runs."""

    clock: Clock
    prober: Prober
    directory: Path
    lookup: Lookup
    changed: Callable[[], None]
    event: Callable[[str, str, str], None]


class BackOff:
    """Seconds before the next start: none after the first end, then 10 s doubling to 300 s (kubelet)."""

    def __init__(self) -> None:
        self._next = 0.0

    def after(self, ran: float) -> float:
        """The wait after a run of `ran` seconds; a run of 10 minutes makes the container new again."""
        wait = 0.0 if ran >= _CALM else self._next
        self._next = min(_LAST_DELAY, wait * 2 or _FIRST_DELAY)
        return wait


class Container:
    """Runs one container of `pod` until it may not be started again; `restart(code)` says whether it may."""

    def __init__(
        self, pod: Object, spec: Mapping[str, Any], host: Host, restart: Callable[[int], bool]
    ) -> None:
        self.record = Record(name=str(spec["name"]), image=str(spec.get("image", "")))
        self.log: Log | None = None
        self.previous: Log | None = None
        self._pod, self._spec, self._host, self._restart = pod, spec, host, restart
        self._process: Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Return when the container has ended for good or was stopped. Cancelled, it kills its process."""
        if not self._spec.get("command"):
            await self._refuse()
        back_off, clock = BackOff(), self._host.clock
        while not self._stopping.is_set():
            began = clock.monotonic()
            try:
                code = await self._once()
            except ConfigError as error:
                self._wait("CreateContainerConfigError", str(error), warn=True)
                await self._sleep(CONFIG_RETRY)
                continue
            except (OSError, ValueError) as error:
                self._wait("CreateContainerError", str(error), warn=True)
                await self._sleep(max(_FIRST_DELAY, back_off.after(0)))
                continue
            if not self._restart(code):
                return
            await self._before_restart(back_off.after(clock.monotonic() - began))

    async def _before_restart(self, delay: float) -> None:
        if delay and not self._stopping.is_set():
            self.record.last = self.record.state
            text = f"waiting {delay:.0f} s before the container {self.record.name} is started again"
            self._wait("CrashLoopBackOff", text)
            self._host.event("Warning", "BackOff", f"{text} in pod {name_of(self._pod)}")
            await self._sleep(delay)

    async def _once(self) -> int:
        """Run the process to its end; returns the exit code. Raises ConfigError, OSError, ValueError."""
        host, clock = self._host, self._host.clock
        own = environment(self._pod, self._spec, host.lookup)
        env = {**base_environment(), "HOSTNAME": name_of(self._pod), **own}
        cwd = host.directory / str(self._spec.get("workingDir") or ".")
        self._again()
        log = Log()
        self._process = process = Process.start(
            arguments(self._spec, own), env=env, cwd=cwd, clock=clock, log=log
        )
        self.log, self.previous = log, self.log
        started = rfc3339(clock.now())
        self.record.state = {"running": {"startedAt": started}}
        host.event("Normal", "Started", f"Started container {self.record.name}")
        probing = self._watch_readiness(env, cwd)
        host.changed()
        try:
            code = await process.wait()
        finally:
            self._process = None
            if probing is not None:
                probing.cancel()
                with suppress(asyncio.CancelledError):
                    await probing
        self.record.ready = False
        self.record.state = {"terminated": _ended(code, started, rfc3339(clock.now()))}
        host.changed()
        return code

    async def _refuse(self) -> None:
        """Only containers with a command can be run here: say so, and wait for the pod's end."""
        text = (
            f"container {self.record.name} has no command: local pods run `command` and `args`, no images; "
            "add a command, or start the cluster with --pods ready"
        )
        self._wait("NoCommand", text, warn=True)
        await self._stopping.wait()

    def _again(self) -> None:
        """A second start counts as a restart, and the end of the run before becomes `lastState`."""
        if "terminated" in self.record.state:
            self.record.last = self.record.state
        if self.record.last:
            self.record.restarts += 1

    def _watch_readiness(self, env: Mapping[str, str], cwd: Path) -> "asyncio.Task[None] | None":
        probe, host = self._spec.get("readinessProbe"), self._host
        if not probe:
            self.record.ready = True
            return None

        def report(ready: bool, why: str) -> None:  # noqa: FBT001 - the answer of a probe
            if not ready:
                host.event("Warning", "Unhealthy", f"Readiness probe failed: {why}")
            if ready != self.record.ready:
                self.record.ready = ready
                host.changed()

        def ask() -> "asyncio.Future[str | None]":
            return asyncio.ensure_future(host.prober.ask(probe, self._spec, env, cwd))

        return asyncio.create_task(keep_asking(probe, ask, host.clock, report))

    def _wait(self, reason: str, message: str, *, warn: bool = False) -> None:
        self.record.ready = False
        self.record.state = {"waiting": {"reason": reason, "message": message}}
        if warn:
            self._host.event("Warning", "Failed", f"{reason}: {message}")
        self._host.changed()

    async def _sleep(self, seconds: float) -> None:
        """Wait, but no longer than until `stop`."""
        waits = [
            asyncio.create_task(self._host.clock.sleep(seconds)),
            asyncio.create_task(self._stopping.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def stop(self) -> None:
        """Ask it to end: SIGTERM to its group; no further start."""
        self._stopping.set()
        if self._process is not None:
            self._host.event("Normal", "Killing", f"Stopping container {self.record.name}")
            self._process.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it: SIGKILL to its group."""
        self._stopping.set()
        if self._process is not None:
            self._process.signal(signal.SIGKILL)


def _ended(code: int, started: str, finished: str) -> Object:
    out: Object = {
        "exitCode": code,
        "reason": "Completed" if code == 0 else "Error",
        "startedAt": started,
        "finishedAt": finished,
    }
    if code > 128:
        out["signal"] = code - 128
    return out
