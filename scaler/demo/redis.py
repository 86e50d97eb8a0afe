"""The demo's Redis: `redis-server` where it is installed, else fakeredis' TCP server (which has no client tracking)."""

import asyncio
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from scaler.clock import Clock
from scaler.local.process import with_us

__all__ = ["DemoRedis", "NoRedisError", "client_of", "demo_redis"]

_START = 10.0
_LAST_WORDS = 2.0
_TRIES = 3


class NoRedisError(Exception):
    """There is no Redis to run the demo on. The message says how to get one."""


@dataclass(frozen=True, slots=True)
class DemoRedis:
    """A Redis on a free loopback port; `real` tells redis-server from fakeredis."""

    address: str
    real: bool


@asynccontextmanager
async def demo_redis(clock: Clock) -> AsyncIterator[DemoRedis]:
    """A Redis for as long as the block lasts. Raises NoRedisError, and OSError when redis-server cannot be run."""
    program = shutil.which("redis-server")
    if program is None:
        with _fake() as port:
            yield DemoRedis(f"127.0.0.1:{port}", real=False)
        return
    with tempfile.TemporaryDirectory(prefix="tidegate-demo-") as folder:
        process, port = await _started(clock, program, folder)
        try:
            yield DemoRedis(f"127.0.0.1:{port}", real=True)
        finally:
            await _end(clock, process)


def client_of(address: str) -> Redis:
    """A client that fails at once, and has no deadlines: with them, redis-py loses cancellations on Python 3.11."""
    host, _, port = address.rpartition(":")
    never = Retry(NoBackoff(), 0)
    return Redis(host=host, port=int(port), socket_timeout=None, socket_connect_timeout=None, retry=never)


async def _started(clock: Clock, program: str, folder: str) -> tuple[asyncio.subprocess.Process, int]:
    """A running redis-server. Its port was free a moment ago: where somebody else was faster, another is tried."""
    for _ in range(_TRIES):
        port = _free_port()
        process = await asyncio.create_subprocess_exec(
            *with_us(), program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no",
            "--dir", folder,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            if await _answers(clock, port, process):
                return process, port
        except BaseException:
            await _end(clock, process)
            raise
    raise NoRedisError(
        f"{program} ends at once with exit code {process.returncode}; run it by hand to see why, or take it out "
        "of PATH to have the demo use fakeredis"
    )


async def _answers(clock: Clock, port: int, process: asyncio.subprocess.Process) -> bool:
    """Wait for its first answer; False when it ended instead."""
    client = client_of(f"127.0.0.1:{port}")
    try:
        async with clock.deadline(_START):
            while process.returncode is None:
                try:
                    await client.ping()
                except (RedisError, OSError):
                    await clock.pause(0.02)
                else:
                    return True
    except TimeoutError as error:
        raise NoRedisError(f"redis-server did not answer on port {port} within {_START:g} s") from error
    finally:
        await client.aclose()
    return False


async def _end(clock: Clock, process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        with suppress(TimeoutError):
            async with clock.deadline(_LAST_WORDS):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    await process.wait()


class _fake:  # noqa: N801 - used like a function
    """fakeredis' TCP server in a thread."""

    def __enter__(self) -> int:
        try:
            from fakeredis import TcpFakeServer  # noqa: PLC0415 - the extra `demo`
        except ImportError as error:
            raise NoRedisError(
                "neither redis-server nor fakeredis is installed: apt-get install redis-server, "
                "or pip install 'tidegate[demo]'"
            ) from error
        self._server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="fakeredis", daemon=True)
        self._thread.start()
        return int(self._server.server_address[1])

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
