"""What the end-to-end stories of the sources share: 0 → N → 0 on the embedded cluster, with workers that are processes.

await tell(tmp_path, trigger, worker, put, secret={"password": "pw"}, env={"PORT": "6379"})

`put(jobs)` gives work to a real server; `worker` is a Python program that takes it from there. `trigger` reads the number of
jobs on the same server, with a login that a TriggerAuthentication takes from a Secret. The story ends well when each job was
done once, the replicas are zero again and no process is left.

A worker's program begins after BEFORE: it has `env`, `stopping` (true once told to stop) and `work(job)`.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import web
from authenticated import authentication
from authenticated import secret as make_secret
from command_line import left
from controlled import DEPLOYMENTS, Run, controlled, target

from scalers.http import basic

__all__ = ["JOBS", "PASSWORD", "TAKING", "USER", "JobServer", "tell"]

JOBS = 24
USER, PASSWORD = "reader-of-the-story", "s3cret-of-the-story"

BEFORE = """\
import os, signal, time

env = os.environ
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))


def work(job):
    time.sleep(0.2)
    with open(env["DONE"], "a") as done:
        done.write(f"{job}\\n")


"""


TAKING = """\
import urllib.request

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def post(path):
    with opener.open(urllib.request.Request(env["JOBS"] + path, method="POST"), timeout=10) as answer:
        return answer.read().decode()


while not stopping:
    if job := post("/take"):
        work(job)
        post("/done")
    else:
        time.sleep(0.05)
"""


async def tell(
    tmp_path: Any,
    trigger: dict[str, Any] | Callable[[datetime], dict[str, Any]],
    worker: str,
    put: Callable[[list[str]], Any],
    *,
    secret: dict[str, str] | None = None,
    env: dict[str, Any] | None = None,
    factor: float = 10,
) -> None:
    """See the module. `factor`: how much faster the schedules are (no worker's work). `trigger` may depend on their time."""
    jobs = [f"job-{number}" for number in range(JOBS)]
    async with _stage(tmp_path, trigger, worker, secret or {}, env or {}, factor) as run:
        await run.settled()
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        assert run.replicas() == 0
        seen = run.api.subscribe(*DEPLOYMENTS)
        try:
            await asyncio.to_thread(put, jobs)
            await run.until(lambda: len(_done(tmp_path)) >= JOBS)
            await run.until(lambda: run.replicas() == 0)
            await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
            await run.until(lambda: not left(tmp_path))
            course = [obj for _, obj in seen.pending()]
        finally:
            seen.close()
        assert Counter(_done(tmp_path)) == Counter(jobs)
        assert 1 < max(obj["spec"]["replicas"] for obj in course) <= 3
        assert max(obj["status"].get("readyReplicas", 0) for obj in course) > 1, "workers worked side by side"
        told = {"KEDAScaleTargetActivated", "KEDAScaleTargetDeactivated", "ScaledObjectReady"}
        await run.until(lambda: told <= set(run.events()))
        assert "KEDAScalerFailed" not in run.events()
        assert run.ready() == ("True", "ScaledObjectReady")
        told_to_all = str([run.object(), *run.api.list("", "events", "default")])
        assert not [name for name, word in (secret or {}).items() if word in told_to_all]


@asynccontextmanager
async def _stage(
    tmp_path: Any,
    trigger: dict[str, Any] | Callable[[datetime], dict[str, Any]],
    worker: str,
    login: dict[str, str],
    env: dict[str, Any],
    factor: float,
) -> AsyncIterator[Run]:
    """Tidegate on the embedded cluster, with a Deployment of such workers and its ScaledObject."""
    try:
        async with controlled(None, factor=factor, pods="process") as run:
            if callable(trigger):
                trigger = trigger(run.embedded.clock.now())
            if login:
                make_secret(run, "creds", **login)
                refs = [{"parameter": key, "name": "creds", "key": key} for key in login]
                authentication(run, secretTargetRef=refs)
                trigger = {**trigger, "authenticationRef": {"name": "auth"}}
            # HOME is what `left` finds them by.
            own = {"HOME": tmp_path, "DONE": tmp_path / "done", **env}
            variables = [{"name": name, "value": str(value)} for name, value in own.items()]
            deployment = target(
                env=variables, image="python", command=[sys.executable, "-c", BEFORE + worker]
            )
            # On a sped-up clock a grace of 30 s would end before the job in hand does.
            deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1000
            run.api.create(*DEPLOYMENTS, "default", deployment)
            run.scaled_object("worker", trigger, pollingInterval=5, cooldownPeriod=10, maxReplicaCount=3)
            yield run
    finally:
        remaining = left(tmp_path)
        for pid in remaining:
            os.kill(pid, signal.SIGKILL)
    assert not remaining


def _done(tmp_path: Any) -> list[str]:
    """What the workers have done so far."""
    try:
        return (tmp_path / "done").read_text().split()
    except FileNotFoundError:
        return []


class JobServer:
    """An HTTP server that gives out jobs, to workers that run TAKING, and tells how many are not done yet.

    POST /take answers a job, or 204; POST /done is for each that is done. GET /queue answers JSON to USER with
    PASSWORD, GET /metrics answers everybody in Prometheus' text.
    """

    host = "127.0.0.1"

    def __init__(self) -> None:
        self._waiting: list[str] = []
        self._taken = 0

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/queue", self._queue)
        app.router.add_post("/take", self._take)
        app.router.add_post("/done", self._finished)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def put(self, jobs: Iterable[str]) -> None:
        self._waiting.extend(jobs)

    @property
    def _left(self) -> int:
        return len(self._waiting) + self._taken

    async def _metrics(self, _request):
        return web.Response(text=f"jobs_left {self._left}\n")

    async def _queue(self, request):
        if request.headers.get("Authorization") != basic(USER, PASSWORD)[1]:
            return web.Response(status=401)
        return web.json_response({"queue": {"left": self._left}})

    async def _take(self, _request):
        if not self._waiting:
            return web.Response(status=204)
        self._taken += 1
        return web.Response(text=self._waiting.pop(0))

    async def _finished(self, _request):
        self._taken -= 1
        return web.Response(status=204)
