"""An embedded cluster over HTTPS and a client that speaks to it: what the tests of the API server share."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from scaler import pki
from scaler.clock import SystemClock
from scaler.local.cluster import Cluster

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
WIDGETS = "/apis/lab.test/v1/namespaces/default/widgets"

SPEC = {
    "type": "object",
    "required": ["replicas"],
    "properties": {
        "replicas": {"type": "integer", "minimum": 0},
        "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "m": {"type": "object", "additionalProperties": {"type": "string"}},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
            },
        },
    },
}


def definition(group="lab.test", plural="widgets", kind="Widget", spec=None, **version):
    """A namespaced CRD with status and scale."""
    schema = {
        "type": "object",
        "description": "A thing of the lab.",
        "properties": {
            "spec": spec or SPEC,
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    }
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind, "shortNames": ["wg"], "categories": ["all"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}, "scale": scale},
                    "schema": {"openAPIV3Schema": schema},
                    **version,
                }
            ],
        },
    }


def widget(name, *, meta=None, **spec):
    return {
        "apiVersion": "lab.test/v1",
        "kind": "Widget",
        "metadata": {"name": name, **(meta or {})},
        "spec": {"replicas": 1, **spec},
    }


def deployment(name="web", replicas=1, images=("i1", "i2"), **template):
    labels = {"app": name}
    containers = [{"name": f"c{index}", "image": image} for index, image in enumerate(images, 1)]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers, **template}},
        },
    }


class Watch:
    """A running watch; `events` grows as they come, `ended` when the server closed the stream."""

    def __init__(self, response):
        self.events = []
        self.ended = False
        self._response = response
        self._came = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self):
        async for line in self._response.content:
            self.events.append(json.loads(line))
            self._came.set()
        self.ended = True

    @property
    def types(self):
        return [event["type"] for event in self.events]

    async def until(self, count):
        async with asyncio.timeout(10):
            while len(self.events) < count:
                self._came.clear()
                await self._came.wait()
        return self.events[:count]

    async def end(self):
        async with asyncio.timeout(10):
            await self._task

    async def close(self):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._response.close()


class Client:
    """Requests with the admin's token, verified against the cluster's CA."""

    def __init__(self, session, cluster):
        self.session = session
        self.cluster = cluster
        self.api = cluster.api

    async def call(self, method, path, body=None, content_type="application/json", **headers):
        """(status, decoded body)."""
        data = body if isinstance(body, bytes | str | None) else json.dumps(body)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(self.cluster.url + path, encoded=True)  # sent as written
        async with self.session.request(
            method, url, data=data, headers={"Content-Type": content_type, **headers}
        ) as response:
            text = await response.text()
            is_json = "json" in response.headers.get("Content-Type", "")
            return response.status, json.loads(text) if is_json else text

    async def get(self, path, **headers):
        return await self.call("GET", path, **headers)

    async def post(self, path, body, **headers):
        return await self.call("POST", path, body, **headers)

    async def put(self, path, body):
        return await self.call("PUT", path, body)

    async def patch(self, path, body, content_type=MERGE):
        return await self.call("PATCH", path, body, content_type)

    async def delete(self, path, body=None):
        return await self.call("DELETE", path, body)

    async def names(self, path):
        return [item["metadata"]["name"] for item in (await self.get(path))[1]["items"]]

    @asynccontextmanager
    async def watching(self, path, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await self.session.get(self.cluster.url + path, headers=headers)
        assert response.status == 200, await response.text()
        watch = Watch(response)
        try:
            yield watch
        finally:
            await watch.close()


@asynccontextmanager
async def served(clock=None, *, widgets=True):
    """A started cluster (with the Widget kind) and a client of it."""
    async with Cluster(clock or SystemClock()) as cluster:
        if widgets:
            cluster.api.create("apiextensions.k8s.io", "customresourcedefinitions", "", definition())
        connector = aiohttp.TCPConnector(ssl=pki.client_context(cluster.ca), limit=0)
        headers = {"Authorization": f"Bearer {cluster.token}"}
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            yield Client(session, cluster)


async def until(condition, what="the state"):
    """Wait until a condition holds; it may be a coroutine function."""
    async with asyncio.timeout(10):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.005)
    raise AssertionError(f"{what} was never reached")
