"""What a recorded scenario happens on: the sources its host names stand for, the objects it begins with, its steps.

    async with Sources() as sources, controlled(None, ...) as run:
        await sources.open(case.input)
        given = sources.located(case.input)                 # redis.test:6379 -> 127.0.0.1:40123, anywhere in it
        scenario = Scenario(run.api, sources, manifest=given["manifest"])
        scenario.begin(given.get("existing", ()), given.get("lists", {}))
        scenario.create()                                   # ApiError where the API server refuses
        for step in given["steps"]: scenario.do(step)       # {"do": "push", "with": {"list": "a", "n": 3}}

A source is started when a record names it, and gone at the end. Two custom kinds are registered with the cluster.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from copy import deepcopy
from typing import Any, Self

from aiohttp import web
from redis_server import RedisServer

from scaler.local.api import Api
from scalers.testing import free_port

__all__ = ["CUSTOM_KINDS", "NAMESPACE", "Numbers", "Scenario", "Sources"]

NAMESPACE = "default"

Json = Any


class Numbers:
    """A web server that answers `{"value": N}` on any path, or 500 while it fails."""

    def __init__(self) -> None:
        self.value: float = 0
        self.failing = False

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()

    @property
    def address(self) -> str:
        """As a record writes it: host and port."""
        return f"127.0.0.1:{self._runner.addresses[0][1]}"

    async def _answer(self, _request: web.BaseRequest) -> web.Response:
        return web.Response(status=500) if self.failing else web.json_response({"value": self.value})


class Sources:
    """The sources behind the names that end in `.test`. `redis`: a server to share, emptied here; None: one of our own."""

    def __init__(self, redis: RedisServer | None = None) -> None:
        self._shared = redis
        self._stack = AsyncExitStack()
        self._places: dict[str, str] = {}
        self.redis: RedisServer | None = None
        self.own: RedisServer | None = None
        self.http: Numbers | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def open(self, *records: Json) -> None:
        """Start what the records name."""
        text = json.dumps(records)
        for name, start in (
            ("redis.test:6379", self._redis),
            ("redis-own.test:6379", self._own),
            ("http.test:8000", self._http),
            ("closed.test:1", self._closed),
        ):
            if name in text and name not in self._places:
                self._places[name] = await start()

    def located(self, record: Json) -> Json:
        """A copy in which every name is the place of its source (which must be open)."""
        text = json.dumps(record)
        for name, place in self._places.items():
            text = text.replace(name, place)
        if ".test:" in text:
            raise LookupError(f"the record names a source that nobody plays: {text}")
        return json.loads(text)

    def lists(self) -> RedisServer:
        """The server whose lists a scenario fills: its own if it has one, else the shared one."""
        found = self.own or self.redis
        if found is None:
            raise LookupError("the record fills a list, and names no redis")
        return found

    async def _redis(self) -> str:
        self.redis = self._shared or self._stack.enter_context(RedisServer())
        self.redis.cli("FLUSHALL")
        return self.redis.address

    async def _own(self) -> str:
        self.own = self._stack.enter_context(RedisServer())
        return self.own.address

    async def _http(self) -> str:
        self.http = await self._stack.enter_async_context(Numbers())
        return self.http.address

    async def _closed(self) -> str:
        return f"127.0.0.1:{free_port()}"


class Scenario:
    """One record's objects in the namespace NAMESPACE of a cluster, and what is done to them."""

    def __init__(
        self, api: Api, sources: Sources, manifest: Mapping[str, Json], target: str = "Deployment"
    ) -> None:
        self.api = api
        self.sources = sources
        self.manifest = manifest
        self.target = target
        for kind in CUSTOM_KINDS:
            api.create("apiextensions.k8s.io", "customresourcedefinitions", "", kind)

    @property
    def name(self) -> str:
        """The ScaledObject's."""
        return self.manifest["metadata"]["name"]

    @property
    def target_name(self) -> str:
        """The scale target's."""
        return self.manifest["spec"]["scaleTargetRef"]["name"]

    def begin(self, existing: Iterable[Json] = (), lists: Mapping[str, int] | None = None) -> None:
        """Make what is there before the ScaledObject. ApiError for an object that is refused."""
        for obj in existing:
            self.make(obj)
        for name, length in (lists or {}).items():
            self.push(name, length)

    def make(self, obj: Json) -> Json:
        """Create any object in the namespace; the stored one. ApiError where it is refused."""
        group, _, _version = obj["apiVersion"].rpartition("/")
        found = self.api.by_kind(group, obj["kind"])
        if found is None:
            raise LookupError(f"the cluster has no {obj['apiVersion']} {obj['kind']}")
        placed = deepcopy(obj)
        placed["metadata"]["namespace"] = NAMESPACE
        return self.api.create(*found.key, NAMESPACE, placed)

    def create(self) -> Json:
        """Create the ScaledObject. ApiError where it is refused."""
        return self.make(self.manifest)

    def patch(self, body: Json) -> Json:
        """Merge-patch the ScaledObject."""
        return self.api.merge_patch("keda.sh", "scaledobjects", NAMESPACE, self.name, body)

    def do(self, step: Mapping[str, Json]) -> None:
        """One step of a life cycle: `do` names it, `with` is what it takes."""
        given = step.get("with") or {}
        getattr(self, f"_{step['do'].replace('-', '_')}")(given)

    def push(self, name: str, count: int) -> None:
        """Add so many items to a list."""
        if count:
            self.sources.lists().cli("RPUSH", name, *range(count))

    # The steps, by their names in the records.

    def _push(self, given: Json) -> None:
        self.push(given["list"], given["n"])

    def _pop(self, given: Json) -> None:
        self.sources.lists().cli("LPOP", given["list"], given["n"])

    def _annotate(self, given: Json) -> None:
        self.patch({"metadata": {"annotations": given}})

    def _patch(self, given: Json) -> None:
        self.patch(given)

    def _delete(self, _given: Json) -> None:
        self.api.delete("keda.sh", "scaledobjects", NAMESPACE, self.name)

    def _scale(self, given: Json) -> None:
        self.api.merge_patch(*self._target_key(), NAMESPACE, self.target_name, {"spec": given})

    def _delete_hpa(self, _given: Json) -> None:
        self.api.delete(*_HPAS, NAMESPACE, self._hpa_name())

    def _patch_hpa(self, given: Json) -> None:
        self.api.merge_patch(*_HPAS, NAMESPACE, self._hpa_name(), given)

    def _delete_target(self, _given: Json) -> None:
        self.api.delete(*self._target_key(), NAMESPACE, self.target_name)

    def _create_target(self, given: Json) -> None:
        self.make_target(given.get("replicas", 0))

    def _redis_stop(self, _given: Json) -> None:
        assert self.sources.own is not None
        self.sources.own.stop()

    def _redis_start(self, _given: Json) -> None:
        assert self.sources.own is not None
        self.sources.own.start()

    def _http_set(self, given: Json) -> None:
        assert self.sources.http is not None
        self.sources.http.value = given["value"]

    def _http_fail(self, _given: Json) -> None:
        assert self.sources.http is not None
        self.sources.http.failing = True

    def _http_ok(self, _given: Json) -> None:
        assert self.sources.http is not None
        self.sources.http.failing = False

    def make_target(self, replicas: int) -> None:
        """Create the scale target of a life cycle: one container, no command."""
        labels = {"app": self.target_name}
        containers = [{"name": "app", "image": "busybox"}]
        self.make(
            {
                "apiVersion": "apps/v1",
                "kind": self.target,
                "metadata": {"name": self.target_name},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"containers": containers, "terminationGracePeriodSeconds": 0},
                    },
                    **({"serviceName": self.target_name} if self.target == "StatefulSet" else {}),
                },
            }
        )

    def _target_key(self) -> tuple[str, str]:
        found = self.api.by_kind("apps", self.target)
        assert found is not None, self.target
        return found.key

    def _hpa_name(self) -> str:
        status = self.api.get("keda.sh", "scaledobjects", NAMESPACE, self.name).get("status") or {}
        return status["hpaName"]


_HPAS = ("autoscaling", "horizontalpodautoscalers")


def _custom_kind(kind: str, **subresources: Json) -> Json:
    plural = f"{kind.lower()}s"
    keep = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.lab.test"},
        "spec": {
            "group": "lab.test",
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": keep},
                    "subresources": {"status": {}, **subresources},
                }
            ],
        },
    }


CUSTOM_KINDS = (
    _custom_kind(
        "Widget",
        scale={
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    ),
    _custom_kind("Gadget"),
)
"""A kind with a scale subresource, and one without."""
