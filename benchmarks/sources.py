"""What many triggers on one server cost, source by source: prints one JSON object. docs/performance.md explains it.

    python benchmarks/sources.py [-n 1000] [--poll 30] [--queues 10000] [--objects 500] [SOURCE...]

The triggers are read through scaler.control.sources, on the same event loop as the controller's; every answer is checked.
Servers are real, each a process of its own (SQS: a stub), and are gone at the end, also after Ctrl-C.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from _counted import SOURCES, Counted, Trigger, large_vhost
from _rotation import rotation

from scaler.clock import SystemClock
from scaler.commands.process import Stopped, calm_gc, run
from scaler.control.host import ClockHost
from scaler.control.sources import Result, Sources, TriggerKey

__all__: list[str] = []

_CYCLES = 10
_WITHIN = 60.0
_LARGE = "large-vhost"
_ROTATION = "rotation"


class Reader:
    """Sources with many triggers, each an object's only one. Raises RuntimeError for an error or another number."""

    def __init__(self, triggers: Sequence[Trigger], interval: float) -> None:
        clock = SystemClock()
        self._sources = Sources(clock, self._sink, host=ClockHost(clock))
        self._expected = {TriggerKey(f"uid-{n}", 0): trigger.value for n, trigger in enumerate(triggers)}
        self._wrong: dict[TriggerKey, str] = {}
        self._read: set[TriggerKey] = set()
        self._wanted = [
            (f"uid-{n}", trigger.wanted(f"uid-{n}", interval)) for n, trigger in enumerate(triggers)
        ]

    def _sink(self, key: TriggerKey, result: Result) -> None:
        if result.error is not None:
            self._wrong[key] = str(result.error)
        elif result.readings[0].value != self._expected[key]:
            self._wrong[key] = f"{result.readings[0].value} instead of {self._expected[key]}"
        self._read.add(key)

    async def start(self) -> None:
        """Want them all; return when each was read once."""
        for uid, wanted in self._wanted:
            self._sources.want(uid, [wanted])
            self._sources.below_floor(uid, below=True)
        async with asyncio.timeout(_WITHIN):
            while len(self._read) < len(self._expected):
                self._check()
                await asyncio.sleep(0.01)

    async def cycle(self) -> None:
        """Read all of them once, as many as may be together."""
        await self._sources.refresh(self._expected)
        self._check()

    def reads(self) -> int:
        """Triggers read so far (equal ones once)."""
        return sum(source.reads for source in self._sources.sources())

    def batches(self) -> int:
        """Calls of a scaler so far."""
        return sum(source.batches for source in self._sources.sources())

    async def close(self) -> None:
        """Close the clients."""
        await self._sources.close()

    def _check(self) -> None:
        if self._wrong:
            key, what = next(iter(self._wrong.items()))
            raise RuntimeError(f"{len(self._wrong)} triggers answer wrongly, such as {key.uid}: {what}")


async def measure(counted: Counted, poll: float) -> dict[str, Any]:
    """Cycles in which all are read at once, then their polls for as long as `poll` says."""
    reader = Reader(counted.triggers, poll or 60.0)
    try:
        await reader.start()
        await reader.cycle()
        calm_gc()
        _, before = await counted.count()
        batches, server = reader.batches(), counted.cpu() if counted.cpu else 0.0
        cpu, took = [], []
        for _ in range(_CYCLES):
            began, used = time.monotonic(), counted.own()
            await reader.cycle()
            cpu.append(counted.own() - used)
            took.append(time.monotonic() - began)
        connections, after = await counted.count()
        report: dict[str, Any] = {
            "triggers": len(counted.triggers),
            "connections": connections,
            "per_cycle": {name: (after[name] - before[name]) / _CYCLES for name in after},
            "batches_per_cycle": (reader.batches() - batches) / _CYCLES,
            "cpu_ms_per_trigger": _round(1000 * statistics.median(cpu) / len(counted.triggers)),
            "cycle_ms": _round(1000 * statistics.median(took)),
        }
        if counted.cpu:
            report["server_cpu_ms_per_cycle"] = _round(1000 * (counted.cpu() - server) / _CYCLES)
        if poll:
            report["polls"] = await _polls(reader, counted, poll)
        report["connections"], _ = await counted.count()
        return report
    finally:
        await reader.close()


async def _polls(reader: Reader, counted: Counted, seconds: float) -> dict[str, Any]:
    """One pollingInterval, in which each trigger is due once and nobody asks; after those that were due together."""
    await asyncio.sleep(1.5 * seconds)
    _, before = await counted.count()
    reads, cpu = reader.reads(), counted.own()
    await asyncio.sleep(seconds)
    cpu, reads = counted.own() - cpu, reader.reads() - reads
    _, after = await counted.count()
    return {
        "seconds": seconds,
        "reads": reads,
        "requests": {name: after[name] - before[name] for name in after},
        "cpu_ms_per_read": _round(1000 * cpu / reads) if reads else None,
    }


async def measure_all(options: argparse.Namespace) -> dict[str, Any]:
    """Each source by itself, one after the other."""
    report: dict[str, Any] = {"cores": os.cpu_count()}
    for name in options.sources or [*SOURCES, _LARGE, _ROTATION]:
        if name == _ROTATION:
            report[name] = await rotation(options.objects, -(-options.objects // 10))
        elif name == _LARGE:
            async with large_vhost(options.queues) as counted:
                report[name] = {"queues": options.queues, **await measure(counted, 0.0)}
        else:
            async with SOURCES[name](options.triggers) as counted:
                report[name] = await measure(counted, options.poll)
        print(f"{name}: {json.dumps(report[name])}", file=sys.stderr, flush=True)
    report["load_average"] = _round(os.getloadavg()[0])
    return report


def _round(number: float) -> float:
    return round(number, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what many triggers on one server cost.")
    known = [*SOURCES, _LARGE, _ROTATION]
    parser.add_argument("sources", nargs="*", metavar="SOURCE", help=f"only these of {', '.join(known)}")
    parser.add_argument("-n", dest="triggers", type=int, default=1000, help="triggers on each server (1000)")
    parser.add_argument(
        "--poll",
        type=float,
        default=30.0,
        help="pollingInterval, and for how long polls are measured; 0: not (30)",
    )
    parser.add_argument("--queues", type=int, default=10_000, help="queues of the large vhost (10000)")
    parser.add_argument(
        "--objects", type=int, default=500, help="ScaledObjects of the rotation, ten a Secret (500)"
    )
    options = parser.parse_args()
    if unknown := set(options.sources) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    if min(options.triggers, options.objects) < 1 or options.queues < 3:
        parser.error("-n and --objects need at least 1, --queues 3")
    try:
        print(json.dumps(run(measure_all(options))))
    except Stopped as stopped:
        sys.exit(stopped.code)


if __name__ == "__main__":
    main()
