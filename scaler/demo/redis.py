"""The demo's Redis: `redis-server` where it is installed, else fakeredis' TCP server (which has no client tracking)."""

import asyncio
import shutil
import socket
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from scaler.clock import Clock

__all__ = ["DemoRedis", "NoRedisError", "demo_redis"]

_START = 10.0


class NoRedisError(Exception):
    """There is no Redis to run the demo on. The message says how to get one."""


@dataclass(frozen=True, slots=True)
class DemoRedis:
    """A Redis on a free loopback port; `real` tells redis-server from fakeredis."""

    address: str
    real: bool


@asynccontextmanager
async def demo_redis(clock: Clock, program: str | None = None) -> AsyncIterator[DemoRedis]:
    """A Redis for as long as the block lasts. `program` names redis-server; None: look for it. Raises NoRedisError."""
    found = shutil.which(program or "redis-server")
    if found is None:
        with _fake() as port:
            yield DemoRedis(f"127.0.0.1:{port}", real=False)
        return
    with tempfile.TemporaryDirectory(prefix="tidegate-demo-") as folder:
        port = _free_port()
        process = await asyncio.create_subprocess_exec(
            found, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", folder,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            await _answers(clock, port, process)
            yield DemoRedis(f"127.0.0.1:{port}", real=True)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _answers(clock: Clock, port: int, process: asyncio.subprocess.Process) -> None:
    client = Redis(host="127.0.0.1", port=port, socket_connect_timeout=1)
    try:
        async with clock.deadline(_START):
            while process.returncode is None:
                try:
                    await client.ping()
                except (RedisError, OSError):
                    await clock.pause(0.02)
                else:
                    return
    except TimeoutError as error:
        raise NoRedisError(f"redis-server did not answer on port {port} within {_START:g} s") from error
    finally:
        await client.aclose()
    raise NoRedisError(
        f"redis-server ended at once with exit code {process.returncode}; run it by hand to see why"
    )


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
