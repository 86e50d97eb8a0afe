"""What Tidegate costs with N ScaledObjects, and how fast it is: prints one JSON object. docs/performance.md explains it.

    python benchmarks/scale.py [-n 1000] [--kubeconfig F [--advertise HOST:PORT]]

Redis, the controller (with the metrics adapter) and the embedded cluster are each a process of their own; with
--kubeconfig any other cluster takes the last one's place. Everything is ended, and what was made is deleted, at the end.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _meters import ApiMeter, RedisMeter
from _processes import Process, cluster, controller, free_port, redis_server
from _workloads import Workloads, workloads

from scaler.clock import SystemClock
from scaler.kube.client import Kube

__all__: list[str] = []

_RATE = 20.0
"""Pushes and pops of every list in a second of the busy phase."""
_QUIET = 5.0
"""So long without an API write means that the controller is at rest."""
_GAP = 0.05
"""The longest pause (seconds) between two activations; random, so that no period of ours meets one of theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the phases work with."""

    port: int
    redis: RedisMeter
    api: ApiMeter
    controller: Process
    load: Workloads

    async def quiet(self) -> None:
        """Return when nothing has been written to the API server for a while."""
        writes, since = await self.api.writes(), time.monotonic()
        while time.monotonic() - since < _QUIET:
            await asyncio.sleep(0.5)
            if (now := await self.api.writes()) != writes:
                writes, since = now, time.monotonic()

    async def rest(self) -> None:
        """Empty lists, no replicas, nothing being written."""
        await self.redis.drop(*self.load.names)
        await self.load.to_zero()
        await self.quiet()


class Meter:
    """What happens between `start` and `stop`, a second."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def start(self) -> None:
        """From now on."""
        self._before, self._began = await self._read(), time.monotonic()

    async def stop(self, *, foreign: int = 0) -> dict[str, float]:
        """Until now. `foreign` Redis commands are somebody else's."""
        after, seconds = await self._read(), time.monotonic() - self._began
        cpu, commands, writes = (now - then for now, then in zip(after, self._before, strict=True))
        return {
            "seconds": _round(seconds),
            "cpu_cores": _round(cpu / seconds),
            "rss_mib": _round(self._bench.controller.memory()),
            "redis_commands_per_second": _round((commands - foreign) / seconds),
            "api_writes": int(writes),
            "api_writes_per_second": _round(writes / seconds),
        }

    async def _read(self) -> tuple[float, float, float]:
        bench = self._bench
        return bench.controller.cpu(), await bench.redis.commands(), await bench.api.writes()


async def start(bench: Bench) -> dict[str, Any]:
    """From the first ScaledObject sent to the last HPA seen."""
    load = bench.load
    began = time.monotonic()
    await load.apply(f"127.0.0.1:{bench.port}")
    applied = time.monotonic() - began
    await load.until(lambda: len(load.hpas) == len(load.names), "an HPA for every ScaledObject")
    return {"apply_seconds": _round(applied), "hpas_seconds": _round(load.hpas_seen - began)}


async def at_rest(bench: Bench, seconds: float) -> dict[str, Any]:
    """Nothing to do: every list is polled once per pollingInterval."""
    await bench.quiet()
    meter = Meter(bench)
    await meter.start()
    await asyncio.sleep(seconds)
    found = await meter.stop()
    connections = await bench.redis.connections()
    return {**found, "redis_connections": len(connections)}


async def activation(bench: Bench, samples: int) -> dict[str, Any]:
    """One list after the other: from the push being sent to the news of the scale write."""
    load = bench.load
    taken = []
    for name in random.sample(load.names, min(samples, len(load.names))):
        await asyncio.sleep(random.uniform(0.0, _GAP))  # noqa: S311 - no secret
        pushed = time.monotonic()
        await bench.redis.push(name)
        await load.until(lambda n=name: load.replicas[n] > 0, f"{name} scaled")
        taken.append(load.changed[name] - pushed)
    taken.sort()
    return {
        "samples": len(taken),
        "p50_ms": _round(_rank(taken, 0.5) * 1000),
        "p99_ms": _round(_rank(taken, 0.99) * 1000),
        "max_ms": _round(taken[-1] * 1000),
    }


async def burst(bench: Bench) -> dict[str, Any]:
    """All lists in one pipeline: from its being sent to the news of the last scale write."""
    load = bench.load
    pushed = time.monotonic()
    await bench.redis.push(*load.names)
    await load.until(lambda: all(load.replicas.values()), "everything scaled")
    times = sorted(load.changed[name] - pushed for name in load.names)
    return {
        "woken": len(times),
        "first_seconds": _round(times[0]),
        "median_seconds": _round(_rank(times, 0.5)),
        "last_seconds": _round(times[-1]),
    }


async def busy(bench: Bench, seconds: float) -> dict[str, Any]:
    """Every list pushed to and popped from 20 times a second, beginning at rest."""
    meter = Meter(bench)
    await meter.start()
    words = [str(Path(__file__).with_name("_load.py")), str(bench.port), str(seconds), str(_RATE)]
    load = await asyncio.create_subprocess_exec(
        sys.executable, *words, *bench.load.names, stdout=asyncio.subprocess.PIPE
    )
    try:
        out, _ = await load.communicate()
    finally:
        if load.returncode is None:
            load.kill()
            await load.wait()
    if load.returncode:
        raise RuntimeError(f"the load ended with {load.returncode}")
    sent = json.loads(out)
    found = await meter.stop(foreign=sent["commands"])
    found["pushes_per_second_and_list"] = _round(sent["rounds"] / sent["seconds"])
    return {**found, "awake": sum(map(bool, bench.load.replicas.values()))}


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run it; SIGTERM ends it, and what it started, as Ctrl-C does."""
    running = asyncio.ensure_future(run(options))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """All phases, in processes that are gone afterwards."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-benchmark-")))
        clock = SystemClock()
        embedded = options.kubeconfig is None
        kubeconfig = folder / "kubeconfig" if embedded else Path(options.kubeconfig)
        if embedded:
            server = await stack.enter_async_context(cluster(folder, kubeconfig))
            await server.until(lambda: server.says("ready https://"))
        port = free_port()
        redis = RedisMeter(port)
        await (await stack.enter_async_context(redis_server(folder, port))).until(redis.answers)
        stack.push_async_callback(redis.close)
        kube = await stack.enter_async_context(await Kube.connect(kubeconfig, clock))
        namespace = f"tidegate-benchmark-{secrets.token_hex(3)}"
        load = await stack.enter_async_context(
            workloads(kube, clock, namespace, options.objects, keep=embedded)
        )
        await load.deploy()
        program = controller(
            folder, kubeconfig, register=embedded or bool(options.advertise), advertise=options.advertise
        )
        process = await stack.enter_async_context(program)
        running = await process.until(lambda: process.event("running"))
        api = ApiMeter(running["metrics"])
        stack.push_async_callback(api.close)
        await process.until(api.ready)
        bench = Bench(port=port, redis=redis, api=api, controller=process, load=load)
        return await phases(bench, options)


async def phases(bench: Bench, options: argparse.Namespace) -> dict[str, Any]:
    """Each phase begins at rest."""
    report: dict[str, Any] = {
        "objects": options.objects,
        "cluster": options.kubeconfig or "embedded",
        "cores": os.cpu_count(),
    }
    report["start"] = await _phase("start", start(bench))
    report["rest"] = await _phase("rest", at_rest(bench, options.rest))
    report["activation"] = await _phase("activation", activation(bench, options.samples))
    await bench.rest()
    report["burst"] = await _phase("burst", burst(bench))
    await bench.rest()
    report["busy"] = await _phase("busy", busy(bench, options.busy))
    report["rss_peak_mib"] = _round(bench.controller.memory("VmHWM"))
    report["load_average"] = _round(os.getloadavg()[0])
    return report


async def _phase(name: str, work: Any) -> dict[str, Any]:
    found: dict[str, Any] = await work
    print(f"{name}: {json.dumps(found)}", file=sys.stderr, flush=True)
    return found


def _rank(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _round(number: float) -> float:
    return round(number, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures Tidegate with many ScaledObjects.")
    parser.add_argument("-n", dest="objects", type=int, default=1000, help="ScaledObjects (1000)")
    parser.add_argument("--kubeconfig", help="a cluster to use; else an embedded one is started")
    parser.add_argument("--advertise", metavar="HOST:PORT", help="with --kubeconfig: register, reached there")
    parser.add_argument("--rest", type=float, default=40.0, help="seconds measured at rest (40)")
    parser.add_argument("--samples", type=int, default=200, help="activations measured one by one (200)")
    parser.add_argument("--busy", type=float, default=30.0, help="seconds of the busy phase (30)")
    options = parser.parse_args()
    if options.objects < 1 or options.samples < 1:
        parser.error("-n and --samples need at least 1")
    try:
        print(json.dumps(asyncio.run(measure(options))))
    except asyncio.CancelledError:
        sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
