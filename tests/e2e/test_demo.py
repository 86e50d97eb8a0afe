"""`tidegate demo` as it is shipped: its result, its picture, and what it leaves behind in every way it can end."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import hiredis
import pytest
from command_line import TIDEGATE, Running, environment, left, running, tidegate, until

from scaler.clock import SystemClock
from scaler.demo.screen import Screen
from scaler.demo.story import tell
from scalers.testing import server_program

pytestmark = pytest.mark.slow

TYPES = {
    "jobs": int,
    "processed": int,
    "processed_twice": int,
    "first_write": int,
    "peak_replicas": int,
    "final_replicas": int,
    "push_to_scale_ms": float,
    "seconds": float,
}


@pytest.fixture
def redis():
    """redis-server is there."""
    return server_program("redis-server")


@pytest.fixture
def no_redis(tmp_path):
    """A PATH without redis-server."""
    (tmp_path / "bin").mkdir()
    return str(tmp_path / "bin")


def summary(out: str) -> dict[str, int | float]:
    """The last line of stdout, checked."""
    found = json.loads(out.splitlines()[-1])
    assert {name: type(value) for name, value in found.items()} == TYPES
    return found


def redis_cli(command: Running, *words: str) -> object:
    """One command to the demo's Redis."""
    host, port = re.search(r"Redis at (\S+):(\d+)", command.err).groups()
    reader = hiredis.Reader()
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(hiredis.pack_command(words))
        while (reply := reader.gets()) is False:
            reader.feed(connection.recv(1 << 16))
    return reply


@pytest.mark.server
def test_with_redis_server(tmp_path, redis):
    done = tidegate("demo", "--json", "--plot", "course.svg", home=tmp_path)
    assert done.returncode == 0, done.stderr
    found = summary(done.stdout)
    assert found["jobs"] == found["processed"] == 200
    assert found["processed_twice"] == found["final_replicas"] == 0
    assert 1 < found["first_write"] <= found["peak_replicas"] <= 10
    assert 0 < found["push_to_scale_ms"] < 1000 * found["seconds"] < 90_000
    assert "woken by Redis" in done.stderr
    assert "all of it went well" in done.stderr
    picture = (tmp_path / "course.svg").read_text()
    assert "<svg" in picture
    assert picture.rstrip().endswith("</svg>")
    assert not left(tmp_path)


def test_without_redis_server(tmp_path, no_redis):
    done = tidegate("demo", "--json", home=tmp_path, PATH=no_redis)
    assert done.returncode == 0, done.stderr
    found = summary(done.stdout)
    assert found["jobs"] == found["processed"] == 200
    assert found["processed_twice"] == found["final_replicas"] == 0
    assert found["first_write"] > 1
    assert "fakeredis" in done.stderr
    assert "polling" in done.stderr
    assert "woken" not in done.stderr
    assert not left(tmp_path)


@pytest.mark.server
def test_a_lost_job_and_one_done_twice_are_a_failure(tmp_path, redis):
    words = ("demo", "--json", "--jobs", 40)
    with running(*words, home=tmp_path, TIDEGATE_TIME_FACTOR="4") as command:
        command.until(lambda: "pushed 40 jobs" in command.err)
        assert isinstance(redis_cli(command, "RPOP", "jobs"), bytes)
        command.until(lambda: redis_cli(command, "HEXISTS", "jobs:done", "job-5"))
        assert redis_cli(command, "HINCRBY", "jobs:done", "job-5", "1") == 2
        assert command.process.wait(90) == 1
        found = summary(command.out)
        assert (found["jobs"], found["processed"], found["processed_twice"]) == (40, 39, 1)
        assert found["final_replicas"] == 0
        assert "WENT WRONG" in command.err
    assert not left(tmp_path)


@pytest.mark.server
async def test_the_time_is_limited(tmp_path, redis, capfd):
    told = await tell(SystemClock(), 1_000_000, Screen(), limit=6.0)
    assert not told.finished
    assert not told.summary.ok
    assert told.summary.jobs == 1_000_000
    assert told.summary.processed < 1_000_000
    assert told.summary.final_replicas > 0
    assert told.summary.seconds < 6.5
    assert "Redis at" in capfd.readouterr().err


@pytest.mark.server
def test_a_redis_that_hangs(tmp_path, redis):
    with running("demo", home=tmp_path) as command:
        command.until(lambda: "pushed" in command.err)
        server = int(redis_cli(command, "INFO", "server").decode().partition("process_id:")[2].split()[0])
        os.kill(server, signal.SIGSTOP)
        assert command.process.wait(60) == 1
        assert command.err.splitlines()[-1] == "tidegate: the demo's Redis did not answer within 5 s"
        assert "Traceback" not in command.err
    assert not left(tmp_path)


def test_a_redis_server_that_does_not_start(tmp_path, no_redis):
    program = Path(no_redis, "redis-server")
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    done = tidegate("demo", "--json", home=tmp_path, PATH=f"{no_redis}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"tidegate: {program} ends at once with exit code 3")
    assert not done.stdout
    assert not left(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_told_to_stop_in_the_middle(tmp_path, number):
    with running("demo", "--json", home=tmp_path) as command:
        command.until(lambda: re.search(r"ready +[1-9]", command.err), "workers")
        assert any("BRPOPLPUSH" in words or "python" in words for words in left(tmp_path).values())
        assert command.stop(number) == 128 + number
        assert command.err.splitlines()[-1] == f"tidegate: stopped by {number.name}; nothing is left running"
        assert not command.out
    assert not left(tmp_path)


@pytest.mark.server
def test_killed_without_a_chance_to_clean_up(tmp_path, redis):
    with running("demo", home=tmp_path) as command:
        command.until(lambda: re.search(r"ready +[1-9]", command.err), "workers")
        command.process.kill()
        command.process.wait()
        until(lambda: not left(tmp_path), "everything gone")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--jobs", "0"], "--jobs"),
        (["--jobs", "many"], "--jobs"),
        (["--plot", "/nowhere/course.svg"], "--plot /nowhere/course.svg: there is no folder /nowhere"),
        (["--plot", "/tmp"], "--plot /tmp: is there and is no file"),
    ],
)
def test_flags_that_cannot_be(tmp_path, words, message):
    done = tidegate("demo", *words, home=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert not done.stdout


def test_a_time_factor_that_is_none(tmp_path):
    done = tidegate("demo", home=tmp_path, TIDEGATE_TIME_FACTOR="fast")
    assert done.returncode == 2
    assert "TIDEGATE_TIME_FACTOR" in done.stderr


_AT_TERMINAL = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """A command at a terminal of its own, which is also where Ctrl-C comes from."""

    def __init__(self, *words: str, home: Path, **changes: str) -> None:
        self.ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AT_TERMINAL, TIDEGATE, *words],
            stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, cwd=home,
            env=environment(home, TERM="xterm-256color", COLUMNS="120", LINES="40", **changes),
        )  # fmt: skip
        os.close(theirs)
        self.text = ""

    def read_until(self, pattern: str, within: float = 40) -> None:
        """Read until the pattern was written; the pattern sees no colours."""
        give_up = time.monotonic() + within
        while not re.search(pattern, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.text)):
            assert time.monotonic() < give_up, self.text[-3000:]
            if select.select([self.ours], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self.ours, 1 << 16).decode(errors="replace")
                except OSError:  # The other side is closed.
                    raise AssertionError(self.text[-3000:]) from None

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        os.close(self.ours)


def test_the_live_table_and_ctrl_c(tmp_path):
    terminal = Terminal("demo", "--json", "--jobs", "500", home=tmp_path)
    try:
        terminal.read_until(r"tidegate demo")
        terminal.read_until(r"desired +\d+ +█+")
        terminal.read_until(r"decision +(Activated|HPAInCharge): work in s0-redis-jobs")
        terminal.read_until(r"HPA +average \d+")
        assert "\x1b[?25l" in terminal.text, "the cursor is hidden while the table is drawn"
        assert re.search(r"\x1b\[\d*A", terminal.text), "it is drawn over the one before"
        os.write(terminal.ours, b"\x03")
        terminal.read_until(r"tidegate: stopped by SIGINT; nothing is left running")
        assert terminal.process.wait(20) == 130
        assert "\x1b[?25h" in terminal.text, "the cursor is back"
        assert "Traceback" not in terminal.text
        assert terminal.process.stdout.read() == b""
    finally:
        terminal.close()
    assert not left(tmp_path)
