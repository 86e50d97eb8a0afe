"""Each source on its real server, with many triggers and somebody who counts: what sources.py measures.

The servers are those of the tests. Where a server does not count itself, a proxy of its own process stands before it.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from _processes import free_port

from scaler.control.sources import TriggerKey, Wanted
from scalers.registry import Registry
from scalers.sdk import Inputs, parse

# The tests' helpers for servers; at the end, so that they shadow nothing.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

from prometheus_server import PASSWORD, USER, PrometheusServer
from rabbitmq_server import RabbitMqServer
from redis_families import RedisCluster
from redis_server import RedisServer

__all__ = ["SOURCES", "Counted", "Trigger", "large_vhost"]

_HERE = Path(__file__).parent
_REGISTRY = Registry()
_DECLARE = r"\x00\x32\x00\x0a"  # AMQP's queue.declare.


@dataclass(frozen=True, slots=True)
class Trigger:
    """One to read, and the number that it must answer."""

    type: str
    metadata: dict[str, str]
    value: float
    auth: dict[str, str] | None = None

    def wanted(self, uid: str, interval: float) -> Wanted:
        """As the controller wants it."""
        scaler = _REGISTRY.get(self.type)
        found = parse(scaler.metadata, Inputs(metadata=self.metadata, auth=self.auth or {}))
        if found.problems:
            raise RuntimeError(f"{self.type}: {found.problems}")
        return Wanted(key=TriggerKey(uid, 0), scaler=scaler, metadata=found.value, interval=interval)


@dataclass(frozen=True, slots=True)
class Counted:
    """Triggers, and who counts: connections (the most at a time) and requests so far, by kind."""

    triggers: Sequence[Trigger]
    count: Callable[[], Awaitable[tuple[int, dict[str, int]]]]
    cpu: Callable[[], float] | None = None
    """Processor time of the server so far, where it is of interest."""
    own: Callable[[], float] = time.process_time
    """Our processor time so far, without that of helpers which share the process."""


@asynccontextmanager
async def _proxy(upstream: int, **needles: str) -> AsyncIterator[tuple[int, Any]]:
    """A counting proxy before a port: its own port, and `count` for Counted."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, _HERE / "_counting_proxy.py", str(port), str(upstream), *needles.values(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise RuntimeError("the proxy has no pipes")

    async def count() -> tuple[int, dict[str, int]]:
        stdin.write(b"\n")
        found = json.loads(await stdout.readline())
        return found["most"], {name: found["passed"][needle] for name, needle in needles.items()}

    try:
        if not await stdout.readline():
            raise RuntimeError("the proxy does not start")
        yield port, count
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def redis(number: int) -> AsyncIterator[Counted]:
    """Lists."""
    with RedisServer() as server:
        triggers = [
            Trigger("redis", {"address": server.address, "listName": f"list-{n}"}, float(n % 3))
            for n in range(number)
        ]
        for n in range(number):
            if n % 3:
                server.cli("RPUSH", f"list-{n}", *range(n % 3))

        async def count() -> tuple[int, dict[str, int]]:
            return server.clients(), {"LLEN": server.commands("llen")}

        yield Counted(triggers, count)


@asynccontextmanager
async def redis_cluster(number: int) -> AsyncIterator[Counted]:
    """Lists, spread over three masters."""
    with RedisCluster() as cluster:
        place = {"addresses": cluster.addresses}
        triggers = [
            Trigger("redis-cluster", {**place, "listName": f"list-{n}"}, float(n == 1)) for n in range(number)
        ]
        cluster.cli("RPUSH", "list-1", "job")

        async def count() -> tuple[int, dict[str, int]]:
            calls = sum(node.commands("llen") for node in cluster.nodes)
            return sum(node.clients() for node in cluster.nodes), {"LLEN": calls}

        yield Counted(triggers, count)


def _queues(number: int, host: str, vhost: str) -> list[Trigger]:
    return [
        Trigger("rabbitmq", {
            "host": host, "vhostName": vhost, "queueName": f"queue-{n}", "mode": "QueueLength", "value": "5",
        }, float(3 * (n == 1)))
        for n in range(number)
    ]  # fmt: skip


@asynccontextmanager
async def _rabbitmq(number: int) -> AsyncIterator[RabbitMqServer]:
    with RabbitMqServer(sampling=5) as server:
        server.vhost("load")
        server.import_queues([f"queue-{n}" for n in range(number)], "load")
        if number > 1:
            server.publish("queue-1", 3, "load")
            server.await_statistics("queue-1", 3, "load")
        server.await_statistics(f"queue-{number - 1}", 3 * (number == 2), "load")
        yield server


@asynccontextmanager
async def rabbitmq_amqp(number: int) -> AsyncIterator[Counted]:
    """Queues of one vhost, by passive declares."""
    async with _rabbitmq(number) as server, _proxy(server.port, declares=_DECLARE) as (port, count):
        yield Counted(_queues(number, f"amqp://guest:guest@127.0.0.1:{port}", "load"), count)


@asynccontextmanager
async def rabbitmq_http(number: int) -> AsyncIterator[Counted]:
    """Queues of one vhost, by the management API."""
    async with (
        _rabbitmq(number) as server,
        _proxy(server.api_port, requests="GET ", pages="page=") as (port, count),
    ):
        yield Counted(_queues(number, f"http://guest:guest@127.0.0.1:{port}", "load"), count)


@asynccontextmanager
async def large_vhost(queues: int) -> AsyncIterator[Counted]:
    """Three triggers among many queues; `cpu` is the broker's."""
    async with (
        _rabbitmq(queues) as server,
        _proxy(server.api_port, requests="GET ", pages="page=") as (port, count),
    ):
        triggers = _queues(3, f"http://guest:guest@127.0.0.1:{port}", "load")

        def cpu() -> float:
            return _cpu_of(server.pid)

        yield Counted(triggers, count, cpu)


@asynccontextmanager
async def prometheus(number: int, distinct: int = 0) -> AsyncIterator[Counted]:
    """So many distinct queries (all, if 0)."""
    with PrometheusServer(login=True) as server:
        async with _proxy(server.port, requests="GET ", posts="POST ") as (port, count):
            place = {"serverAddress": f"http://127.0.0.1:{port}", "threshold": "5", "authModes": "basic"}
            login = {"username": USER, "password": PASSWORD}
            triggers = [
                Trigger("prometheus", {**place, "query": f"vector(3) + {n}"}, 3.0 + n, login)
                for n in (k % (distinct or number) for k in range(number))
            ]
            # What it scrapes is a thread of this process (and may be late, so no query needs it).
            yield Counted(triggers, count, own=time.thread_time)


@asynccontextmanager
async def prometheus_equal(number: int) -> AsyncIterator[Counted]:
    """All with one query."""
    async with prometheus(number, 1) as counted:
        yield counted


@asynccontextmanager
async def sqs(number: int) -> AsyncIterator[Counted]:
    """Queues, at the stub."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, _HERE / "_sqs_stub.py", str(port), "3")
    endpoint = f"http://127.0.0.1:{port}"
    keys = {"awsAccessKeyID": "AKIABENCHMARK", "awsSecretAccessKey": "benchmark"}
    place = {"awsRegion": "eu-west-1", "awsEndpoint": endpoint}
    triggers = [
        Trigger("aws-sqs-queue", {**place, "queueURL": f"{endpoint}/123456789012/queue-{n}"}, 3.0, keys)
        for n in range(number)
    ]
    try:
        async with aiohttp.ClientSession() as session:

            async def count() -> tuple[int, dict[str, int]]:
                async with session.get(f"{endpoint}/counts", raise_for_status=True) as answer:
                    found = await answer.json()
                if found["errors"]:
                    raise RuntimeError(f"the stub refused requests: {found}")
                return found["most"] - 1, {"requests": found["requests"]}  # One is this session's.

            await _answering(count)
            yield Counted(triggers, count)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _answering(count: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await count()
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
            else:
                return


def _cpu_of(pid: int) -> float:
    """Processor time of a process so far, seconds."""
    # The scheduler's own nanoseconds of each thread: /proc/PID/stat counts only whole ticks.
    return sum(
        int(path.read_text(encoding="ascii").split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
    ) / 1e9  # fmt: skip


SOURCES = {
    "redis": redis,
    "redis-cluster": redis_cluster,
    "rabbitmq-amqp": rabbitmq_amqp,
    "rabbitmq-http": rabbitmq_http,
    "prometheus": prometheus,
    "prometheus-one-query": prometheus_equal,
    "aws-sqs-queue": sqs,
}
"""By name: number of triggers → Counted."""
