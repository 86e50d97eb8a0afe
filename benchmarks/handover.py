"""The leader killed again and again while HPAs read their metrics: prints one JSON object. docs/performance.md explains it.

    python benchmarks/handover.py [--kills 20] [--busy 10] [--lease-duration 15]

Two controllers and an adapter on an embedded cluster, each a process of its own. Each kill is SIGKILL to whoever leads.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
from _meters import RedisMeter
from _processes import Process, cluster, free_port, redis_server, role
from _workloads import workloads

from scaler.clock import SystemClock
from scaler.kube.access import load
from scaler.kube.client import Kube
from scaler.kube.resources import LEASES, SCALED_OBJECTS
from scaler.pki import issue, make_ca

__all__: list[str] = []

_NAMESPACE = "handover"
_ITEMS = 10
"""Items in a busy list, which ask for two replicas."""
_EVERY = 0.05
_WITHIN = 120.0


class Queries:
    """Asks for every busy object's metric in turn, through the API server, as an HPA controller does."""

    def __init__(self, access: Any, names: list[str]) -> None:
        self._access = access
        self._names = names
        self.asked = 0
        self.failures: list[str] = []
        self.longest = 0.0
        """Seconds: the longest time between two answers with a value."""
        self._good = time.monotonic()

    async def run(self) -> None:
        """Ask until cancelled."""
        headers = {"Authorization": await self._access.authorization()}
        connector = aiohttp.TCPConnector(ssl=self._access.tls)
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            while True:
                for name in self._names:
                    await self._ask(session, name)
                    await asyncio.sleep(_EVERY)

    async def _ask(self, session: aiohttp.ClientSession, name: str) -> None:
        path = f"/apis/external.metrics.k8s.io/v1beta1/namespaces/{_NAMESPACE}/s0-redis-{name}"
        query = {"labelSelector": f"scaledobject.keda.sh/name={name}"}
        async with session.get(self._access.server + path, params=query) as answer:
            body = await answer.json(content_type=None)
        self.asked += 1
        if answer.status == 200 and body["items"][0]["value"] == str(_ITEMS):
            now = time.monotonic()
            self.longest = max(self.longest, now - self._good)
            self._good = now
        else:
            self.failures.append(f"{answer.status} {body.get('message', body)}")


class Leaders:
    """Two controllers, and who of them leads."""

    def __init__(
        self, stack: AsyncExitStack, folder: Path, kubeconfig: Path, kube: Kube, duration: float
    ) -> None:
        self._stack, self._folder, self._kubeconfig, self._kube = stack, folder, kubeconfig, kube
        self._terms = ("--lease-duration", f"{duration:g}s")
        self._terms += (
            "--lease-renew-deadline",
            f"{duration * 2 / 3:g}s",
            "--lease-retry-period",
            f"{duration / 7.5:g}s",
        )
        self._made = 0
        self._members: dict[str, Process] = {}

    async def add(self) -> None:
        """Start a controller, and wait until it stands by or leads."""
        self._made += 1
        member = role(
            "controller", self._made, self._folder, self._kubeconfig, "--feed-port", "0", *self._terms,
        )  # fmt: skip
        await self._stack.enter_async_context(member)
        running = await member.until(lambda: member.event("running"))
        await member.until(lambda: member.event("ready"))
        self._members[running["identity"]] = member

    async def leader(self, but: str = "") -> str:
        """The identity in the Lease, when it is one of ours and not `but`."""
        async with asyncio.timeout(_WITHIN):
            while True:
                page = await self._kube.list_page(LEASES, "default")
                holder = next((x["spec"].get("holderIdentity", "") for x in page.items), "")
                if holder in self._members and holder != but:
                    return holder
                await asyncio.sleep(0.02)

    def kill(self, identity: str) -> None:
        """SIGKILL."""
        self._members.pop(identity).kill()


async def _measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    clock = SystemClock()
    kubeconfig = folder / "kubeconfig"
    _certificates(folder / "feed")
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(cluster(folder, kubeconfig))
        await api.until(lambda: api.says("ready "))
        port = free_port()
        redis = await stack.enter_async_context(redis_server(folder, port))
        meter = RedisMeter(port)
        stack.push_async_callback(meter.close)
        await redis.until(meter.answers)
        access = await load(kubeconfig, clock)
        kube = await stack.enter_async_context(Kube(access, clock))
        made = await stack.enter_async_context(workloads(kube, clock, _NAMESPACE, args.busy + 1, keep=True))
        await made.deploy()
        adapter = await stack.enter_async_context(
            role("adapter", 1, folder, kubeconfig, "--register", "--secure-port", "0")
        )
        await adapter.until(lambda: adapter.event("running"))
        leaders = Leaders(stack, folder, kubeconfig, kube, args.lease_duration)
        await leaders.add()
        await leaders.add()
        *busy, idle = made.names
        await made.apply(f"127.0.0.1:{port}")
        # Back to rest soon, so that each kill can wait for a wake-up anew.
        await kube.patch(
            SCALED_OBJECTS, idle, {"spec": {"cooldownPeriod": 1, "pollingInterval": 2}}, _NAMESPACE
        )
        for _ in range(_ITEMS):
            await meter.push(*busy)
        await made.until(lambda: all(made.replicas[name] == 2 for name in busy), "all that are busy at two")
        began = {name: made.changed[name] for name in busy}
        queries = Queries(access, busy)
        asking = asyncio.create_task(queries.run())
        gaps, wakes = [], []
        for number in range(args.kills):
            await made.until(lambda: made.replicas[idle] == 0, "the idle one at rest")
            old = await leaders.leader()
            killed = time.monotonic()
            leaders.kill(old)
            await meter.push(idle)
            await leaders.leader(but=old)
            gaps.append(time.monotonic() - killed)
            await made.until(lambda: made.replicas[idle] > 0, "the idle one awake")
            wakes.append(made.changed[idle] - killed)
            await meter.drop(idle)
            await leaders.add()
            _say(
                f"kill {number + 1}: another leads after {gaps[-1]:.1f} s, its first wake-up after {wakes[-1]:.1f} s"
            )
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        wrong = sorted(name for name in busy if made.changed[name] != began[name] or made.replicas[name] != 2)
        return {
            "kills": args.kills,
            "lease_seconds": args.lease_duration,
            "queries": {
                "asked": queries.asked,
                "failed": len(queries.failures),
                "failed_share": len(queries.failures) / max(1, queries.asked),
                "reasons": sorted(set(queries.failures))[:5],
                "longest_without_a_value_seconds": round(queries.longest, 2),
            },
            "without_a_leader_seconds": _spread(gaps),
            "wake_up_seconds": _spread(wakes),
            "wrong_writes": wrong,
        }


def _spread(seconds: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(seconds), 2), "longest": round(max(seconds), 2)}


def _certificates(folder: Path) -> None:
    folder.mkdir()
    ca = make_ca("handover CA")
    pair = issue(ca, "handover", hosts=["tidegate-feed"], peer=True)
    for name, content in (("ca.crt", ca.certificate), ("tls.crt", pair.certificate), ("tls.key", pair.key)):
        (folder / name).write_bytes(content)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Kill the leader under HPA load.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--busy", type=int, default=10, help="ScaledObjects whose HPAs read all the time")
    parser.add_argument(
        "--lease-duration", type=float, default=15.0, help="seconds; the other times go with it"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidegate-handover-") as folder:
        print(json.dumps(asyncio.run(_measure(args, Path(folder))), indent=2))


if __name__ == "__main__":
    main()
