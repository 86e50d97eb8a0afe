"""The controller at work in one process: embedded cluster, adapter, sped-up clock, a real redis-server.

async with controlled(redis) as run:
    run.deployment()
    run.scaled_object()
    await run.until(lambda: run.ready() == ("True", "ScaledObjectReady"))
    run.push(3)
    await run.until(lambda: run.replicas() == 1)

The schedule runs `factor` times faster; nothing here asserts on real time.
"""

import asyncio
from contextlib import asynccontextmanager

from scaler.app import Embedded, Tidegate
from scaler.clock import SystemClock
from scaler.kube.access import Access
from scaler.local.api import ApiError
from scaler.pki import client_context
from scaler.settings import AdapterSettings, ControllerSettings, RunSettings

SCALED_OBJECTS = ("keda.sh", "scaledobjects")
DEPLOYMENTS = ("apps", "deployments")
HPAS = ("autoscaling", "horizontalpodautoscalers")
WITHIN = 30.0

__all__ = ["DEPLOYMENTS", "HPAS", "SCALED_OBJECTS", "Run", "controlled", "redis_trigger", "target"]


def target(name="web", replicas=0, env=(), namespace="default", **container):
    """A Deployment."""
    labels = {"app": name}
    containers = [{"name": "app", "image": "busybox", "env": list(env), **container}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


class Run:
    """What a test sees of a running Embedded, and does to it. Names default to ScaledObject `worker`, Deployment `web`."""

    def __init__(self, embedded, redis):
        self.embedded = embedded
        self.api = embedded.api
        self.cluster = embedded.cluster
        self.redis = redis
        self.requests = []

    @property
    def controller(self):
        return self.embedded.tidegate.controller

    # What Tidegate asked of the API server.

    def observe(self, verb, resource, status, _seconds):
        self.requests.append((verb, resource, status))

    def writes(self, resource=""):
        """Writes so far (Events and reviews, which change nothing, aside), those to one resource if named."""
        reading = {"get", "list", "watch"}
        aside = {
            "events.events.k8s.io",
            "subjectaccessreviews.authorization.k8s.io",
            "tokenreviews.authentication.k8s.io",
        }
        return [
            (verb, what)
            for verb, what, _ in self.requests
            if verb not in reading and what not in aside and (not resource or what == resource)
        ]

    async def stop(self):
        """End Tidegate; the cluster stays."""
        await self.embedded.tidegate.close()

    async def start(self, settings=None):
        """Start another Tidegate on the cluster."""
        cluster = self.cluster
        access = Access(cluster.url, tls=client_context(cluster.ca), token=cluster.token)
        run = RunSettings(
            controller=settings or ControllerSettings(),
            adapter=AdapterSettings(secure_port=0),
            metrics_port=0,
            register=True,
        )
        self.embedded.tidegate = Tidegate(run, self.embedded.clock, access=access, observer=self.observe)
        await self.embedded.tidegate.__aenter__()
        await self.embedded.tidegate.wait_ready()

    async def restart(self):
        await self.stop()
        await self.start()

    async def reconcile(self, name="worker", namespace="default"):
        """One reconcile of an object, whether there is a reason or not."""
        await self.controller._lifecycle.reconcile((namespace, name))

    # What the test makes.

    def redis_trigger(self, name="jobs", **metadata):
        return redis_trigger(self.redis, name, **metadata)

    def deployment(self, name="web", replicas=0, **more):
        obj = target(name, replicas, **more)
        return self.api.create(*DEPLOYMENTS, obj["metadata"]["namespace"], obj)

    def scaled_object(self, name="worker", *triggers, to="web", meta=None, namespace="default", **spec):
        """One with a redis trigger unless others are given, polled every 10 s."""
        ref = {"name": to} if isinstance(to, str) else to
        obj = {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": name, "namespace": namespace, **(meta or {})},
            "spec": {
                "scaleTargetRef": ref,
                "pollingInterval": 10,
                "triggers": list(triggers) or [self.redis_trigger()],
                **spec,
            },
        }
        return self.api.create(*SCALED_OBJECTS, namespace, obj)

    def patch(self, name="worker", of=SCALED_OBJECTS, namespace="default", **body):
        return self.api.merge_patch(*of, namespace, name, body)

    def delete(self, name="worker", of=SCALED_OBJECTS, namespace="default", **options):
        return self.api.delete(*of, namespace, name, **options)

    def scale(self, replicas, name="web", namespace="default"):
        return self.patch(name, DEPLOYMENTS, namespace, spec={"replicas": replicas})

    def push(self, count=1, name="jobs"):
        self.redis.cli("RPUSH", name, *range(count))

    def clear(self, name="jobs"):
        self.redis.cli("DEL", name)

    # What the test sees.

    def object(self, name="worker", namespace="default"):
        return self.api.get(*SCALED_OBJECTS, namespace, name)

    def status(self, name="worker", namespace="default"):
        return self.object(name, namespace).get("status") or {}

    def condition(self, kind, name="worker", namespace="default"):
        """(status, reason), or None."""
        found = self._condition(kind, name, namespace)
        return (found["status"], found.get("reason", "")) if found else None

    def message(self, kind="Ready", name="worker", namespace="default"):
        return (self._condition(kind, name, namespace) or {}).get("message", "")

    def ready(self, name="worker", namespace="default"):
        return self.condition("Ready", name, namespace)

    def failing(self, name="worker"):
        """Is Ready False for its triggers? (An HPA of more than a minute that fails for the same reason is told too.)"""
        return self.ready(name) == ("False", "TriggerError") or (
            self.ready(name) == ("False", "ScalingDegraded") and "TriggerError" in self.message("Ready", name)
        )

    def active(self, name="worker", namespace="default"):
        return self.condition("Active", name, namespace)

    def hpa(self, name="keda-hpa-worker", namespace="default"):
        try:
            return self.api.get(*HPAS, namespace, name)
        except ApiError:
            return None

    def replicas(self, name="web", namespace="default"):
        return self.api.get(*DEPLOYMENTS, namespace, name)["spec"]["replicas"]

    def events(self, name="worker", namespace="default"):
        """The reasons of the Events about an object, in order."""
        found = [e for e in self.api.list("", "events", namespace) if e["involvedObject"]["name"] == name]
        return [e["reason"] for e in sorted(found, key=lambda e: e.get("eventTime") or "")]

    def notes(self, reason, name="worker"):
        found = self.api.list("", "events", "default")
        return [e["message"] for e in found if e["involvedObject"]["name"] == name and e["reason"] == reason]

    async def until(self, condition, within=WITHIN):
        """Wait for a true value; what it gave last is the failure's message."""
        last = None
        try:
            async with asyncio.timeout(within):
                while True:
                    try:
                        last = condition()
                    except (ApiError, LookupError) as error:
                        last = error
                    if last and not isinstance(last, Exception):
                        return last
                    await asyncio.sleep(0.01)
        except TimeoutError:
            told = (
                [f"{k}: {self.condition(k)} {self.message(k)}" for k in ("Ready", "Active")]
                if self._known()
                else []
            )
            raise AssertionError(f"not reached within {within} s; last: {last!r}; {told}") from None

    async def settled(self, name="worker"):
        """Wait until the object is ready."""
        await self.until(lambda: self.ready(name) == ("True", "ScaledObjectReady"))

    async def schedule(self, seconds):
        """Let schedule time pass: for what must not happen."""
        await self.embedded.clock.sleep(seconds)

    async def polls(self, count):
        """Wait for so many further reads by the sources."""
        before = self._reads()
        await self.until(lambda: self._reads() >= before + count)

    def _reads(self):
        return sum(source.reads + source.skipped for source in self.embedded.sources())

    def _condition(self, kind, name, namespace):
        found = self.status(name, namespace).get("conditions") or ()
        return next((c for c in found if c["type"] == kind), None)

    def _known(self):
        try:
            return bool(self.object())
        except ApiError:
            return False


def redis_trigger(redis, name="jobs", **metadata):
    written = {"address": f"{redis.host}:{redis.port}", "listName": name, **metadata}
    return {"type": "redis", "metadata": {key: value for key, value in written.items() if value is not None}}


@asynccontextmanager
async def controlled(redis, *, factor=20, pods="none", hpa_sync=2.0, settings=None, **options):
    clock = SystemClock(factor)
    told = []
    embedded = Embedded(
        clock,
        pods=pods,
        hpa_sync=hpa_sync,
        settings=settings or ControllerSettings(),
        observer=lambda *request: [tell(*request) for tell in told],
        **options,
    )
    embedded.clock = clock
    async with embedded:
        run = Run(embedded, redis)
        told.append(run.observe)
        try:
            yield run
        finally:
            await embedded.tidegate.close()
