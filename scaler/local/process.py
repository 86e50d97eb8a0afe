"""One local process: started in a session of its own, its output into a Log, its whole group ended with it.

The session makes a process group that signals can be sent to, and keeps the terminal's Ctrl-C away from it:
whoever started us ends us, and we end our children. Where `setpriv` is installed the child is also told to
die with us, should we be killed without a chance to clean up. The child's output goes through a pipe, so it
blocks nobody but a child that writes faster than we read.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Self

from scaler.clock import Clock
from scaler.local.containerlog import Log

_CHUNK = 1 << 16
_POLL = 0.05


class Process:
    """A running child; `wait` is to be called once, and cleans up after it."""

    def __init__(self, child: "subprocess.Popen[bytes]", output: int, clock: Clock, log: Log) -> None:
        self._child, self._output, self._clock, self._log = child, output, clock, log
        self._reaped = False
        asyncio.get_running_loop().add_reader(output, self._read)

    @classmethod
    def start(cls, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, clock: Clock, log: Log) -> Self:
        """Start `argv`; raises OSError with a sentence when that is impossible."""
        program = shutil.which(argv[0], path=env.get("PATH")) if "/" not in argv[0] else argv[0]
        if program is None:
            raise FileNotFoundError(f"{argv[0]}: no such program in PATH of this machine")
        if not cwd.is_dir():
            raise NotADirectoryError(f"working directory {cwd}: not on this machine")
        absolute = str(cwd / program)  # A relative program is relative to the child's directory.
        if not os.access(absolute, os.X_OK) or Path(absolute).is_dir():
            raise PermissionError(f"{program}: not there or not executable")
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        try:
            child = subprocess.Popen(  # noqa: S603 - running commands is what it is for
                [*with_us(), absolute, *argv[1:]],
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return cls(child, reading, clock, log)

    @property
    def pid(self) -> int:
        """The process id, which is also its group's."""
        return self._child.pid

    def signal(self, number: signal.Signals) -> None:
        """Send to the whole group; nothing happens once the process was waited for."""
        if not self._reaped:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)

    async def wait(self) -> int:
        """Return the exit code (128 + n after signal n) when the process has ended.

        What is left of its group is killed, as a container ends with its first process. Cancelled, it kills
        the group.
        """
        try:
            await self._ended()
        finally:
            # The zombie still holds its id, so the group cannot be somebody else's yet.
            self.signal(signal.SIGKILL)
            code = self._child.wait()
            self._reaped = True
            self._finish()
        return code if code >= 0 else 128 - code

    async def _ended(self) -> None:
        try:
            descriptor = os.pidfd_open(self._child.pid)
        except (AttributeError, OSError):  # No Linux, or an old one.
            while not self._is_zombie():
                await self._clock.pause(_POLL)
            return
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_reader(descriptor, ended.set)
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def _is_zombie(self) -> bool:
        return os.waitid(os.P_PID, self._child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _read(self) -> bool:
        """Take what is there; False when there is nothing (now, or any more)."""
        try:
            data = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._output)
            return False
        self._log.feed(data, self._clock.now())
        return True

    def _finish(self) -> None:
        while self._read():
            pass
        asyncio.get_running_loop().remove_reader(self._output)
        os.close(self._output)
        self._log.close(self._clock.now())


@cache
def with_us() -> tuple[str, ...]:
    """The words before a command that tie its life to ours; () where no `setpriv` knows how."""
    program = shutil.which("setpriv")
    if program is None:
        return ()
    words = (program, "--pdeathsig", "KILL", "--")
    probe = subprocess.run([*words, "/bin/sh", "-c", ":"], check=False, capture_output=True)  # noqa: S603 - fixed words
    return words if probe.returncode == 0 else ()


def base_environment() -> Mapping[str, str]:
    """What every process is given before its container's variables: of ours only PATH, HOME and LANG.

    The directory of the Python that runs us comes first in PATH, so that `python` is one that exists.
    """
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH") or os.defpath))
    return {"PATH": path, "HOME": os.environ.get("HOME") or "/", "LANG": os.environ.get("LANG") or "C.UTF-8"}
