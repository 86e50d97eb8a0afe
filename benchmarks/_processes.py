"""The processes that a benchmark runs, each on its own, and what the kernel says they cost (Linux: /proc).

They listen on loopback only, log into the benchmark's folder, and are ended by their ids.
"""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import msgspec

__all__ = ["Process", "cluster", "controller", "free_port", "redis_server", "role"]

_TIDEGATE = str(Path(sys.executable).with_name("tidegate"))
_STARTS_WITHIN = 60.0
_ENDS_WITHIN = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """One process. An async context manager: it runs within, and is gone afterwards."""

    def __init__(self, name: str, folder: Path, *words: str) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._words = words
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(*self._words, stdout=log, stderr=log)
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._running()
        if process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_ENDS_WITHIN):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def until(self, found: Callable[[], Awaitable[Any]]) -> Any:
        """Wait until `found()` is true, and answer it. Raises RuntimeError when the process ends before, or is late."""
        try:
            async with asyncio.timeout(_STARTS_WITHIN):
                while not (answer := await found()):
                    if self._running().returncode is not None:
                        raise RuntimeError(f"{self.name} ended: {self._tail()}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise RuntimeError(f"{self.name} is not ready in {_STARTS_WITHIN:g} s: {self._tail()}") from None
        return answer

    def kill(self) -> None:
        """End it without a word (SIGKILL)."""
        self._running().kill()

    def cpu(self) -> float:
        """Processor time used so far, seconds."""
        text = Path(f"/proc/{self._running().pid}/stat").read_text(encoding="ascii")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory(self, field: str = "VmRSS") -> float:
        """Resident memory now, or the most there was (`VmHWM`), MiB."""
        for line in Path(f"/proc/{self._running().pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError(f"/proc knows no {field} of {self.name}")

    async def says(self, text: str) -> bool:
        """Does this stand in its log?"""
        return text in self.log.read_text(encoding="utf-8", errors="replace")

    async def event(self, name: str) -> dict[str, Any] | None:
        """The first line of its log (JSON lines) about an event; None before."""
        for line in self.log.read_bytes().splitlines():
            if f'"event": "{name}"'.encode() in line:
                found: dict[str, Any] = msgspec.json.decode(line)
                return found
        return None

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    def _tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]


def redis_server(folder: Path, port: int) -> Process:
    """A Redis of our own: nothing is saved."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is not installed")
    options = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": str(folder)}
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Process("redis-server", folder, program, *words)


def cluster(folder: Path, kubeconfig: Path) -> Process:
    """The embedded cluster. It is ready when it says so; the kubeconfig is there then."""
    words = ("up", "--cluster-only", "--pods", "none", "--kubeconfig-out", str(kubeconfig))
    return Process("cluster", folder, _TIDEGATE, *words)


def controller(folder: Path, kubeconfig: Path, *, register: bool, advertise: str | None) -> Process:
    """Controller and metrics adapter in one process. It is ready when it has logged `running`."""
    words = ["run", "--kubeconfig", str(kubeconfig), "--secure-port", "0", "--metrics-port", "0"]
    if advertise is not None:
        words += ["--secure-port", advertise.rpartition(":")[2], "--bind-address", "0.0.0.0"]
    if register:
        words += ["--register", *(["--advertise", advertise] if advertise is not None else [])]
    return Process("controller", folder, _TIDEGATE, *words)


def role(name: str, number: int, folder: Path, kubeconfig: Path, *words: str) -> Process:
    """A controller or an adapter by itself; its feed's certificates are in `folder`. It runs when it has logged `running`."""
    common = ("--kubeconfig", str(kubeconfig), "--metrics-port", "0", "--lease", "default/tidegate")
    certificates = ("--feed-cert-dir", str(folder / "feed"))
    return Process(
        f"{name}-{number}", folder, _TIDEGATE, "run", "--role", name, *common, *certificates, *words
    )


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
