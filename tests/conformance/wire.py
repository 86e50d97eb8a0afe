"""The recorded exchanges with a metrics adapter, played against ours in front of the embedded API server.

The store holds what the records say was there, so what is compared is who is answered, and how. Not compared: times,
sentences that are KEDA's own (they are gists), what a record cut short, headers that only say how bytes travel.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from metrics_adapter.certificates import self_signed
from metrics_adapter.guard import Guard
from metrics_adapter.register import Registration, register
from metrics_adapter.reviews import Reviews
from metrics_adapter.server import AdapterServer
from metrics_adapter.store import Metric, Sample, Store, Terms
from metrics_adapter.trust import Published
from scaler.app import VERSION
from scaler.clock import SystemClock
from scaler.kube.access import Access
from scaler.kube.client import Kube
from scaler.local.cluster import Cluster
from scaler.local.tokens import issue
from scaler.pki import KeyPair, client_context, make_ca
from scaler.pki import issue as certificate
from scalers._lib import quantity

Json = Any
Record = Mapping[str, Json]

JSON = "application/json"
OTHER_WORDS = "(in KEDA's words: "
WEAK = "weak"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_LABEL = "scaledobject.keda.sh/name"
_CUT = re.compile(r"\.\.\. \d+ more")
_BAD = re.compile(r"\b(bad|wrong|invalid|unknown|garbage|expired|foreign|self-signed|other|another)\b")


def accept(given: Record) -> str:
    """What a request accepts; empty where it does not say."""
    return dict((given.get("request") or {}).get("headers") or ()).get("Accept", "")


def object_name(given: Record) -> str:
    """The ScaledObject that a request's selector names, if any."""
    request = given.get("request") or {}
    query = request.get("query") or {key: v[0] for key, v in parse_qs(request.get("query_raw", "")).items()}
    found = re.search(rf"{re.escape(_LABEL)}=([^,]+)", query.get("labelSelector", ""))
    return found[1] if found else ""


def recorded_items(recorded: Record) -> list[dict[str, Json]]:
    """The metrics of a recorded answer; none where it holds none."""
    body = (recorded.get("response") or {}).get("body")
    return list(body.get("items") or ()) if isinstance(body, dict) else []


def shows_certificate(given: Record) -> bool:
    """Was the request made with a client certificate that its words tell of?"""
    what = given.get("what", "")
    return what.startswith("direct") and "certificate" in what and "without a client certificate" not in what


def shows_a_bad_one(given: Record) -> bool:
    """And one that no CA of the cluster's had signed, or that held no longer?"""
    return shows_certificate(given) and bool(_BAD.search(given["what"]))


class World:
    """A cluster, an adapter that is registered in it, and the ways to ask either."""

    def __init__(
        self, cluster: Cluster, adapter: AdapterServer, store: Store, clock: SystemClock, ca: bytes
    ) -> None:
        self.cluster = cluster
        self.adapter = adapter
        self.store = store
        self.clock = clock
        self.ca = ca

    def holds(self, given: Record, recorded: Record) -> None:
        """Put into the store what a record says was there: its metrics with their values, and a source that fails."""
        self._put("wire", "live", {"s0-redis-wire": "7"})
        name = object_name(given)
        place = re.search(r"/namespaces/([^/]+)/([^/?]+)", (given.get("request") or {}).get("path", ""))
        if not name or not place:
            return
        response = recorded.get("response") or {}
        items = {item["metricName"]: item["value"] for item in recorded_items(recorded)}
        if items:
            self._put(place[1], name, items)
        elif recorded.get("answered") == 200:
            self._put(place[1], name, {place[2]: "5"})
        elif response.get("status") == 503:
            metric = Metric(place[1], name, place[2])
            self.store.declare(place[1], name, {place[2]: Terms(freshness=1, interval=30)})
            self.store.fail(metric, "Unavailable", "it does not answer", self.clock.monotonic())

    def _put(self, namespace: str, name: str, values: Mapping[str, str]) -> None:
        self.store.declare(namespace, name, {each: Terms(freshness=60, interval=60) for each in values})
        for each, value in values.items():
            sample = Sample(
                value=quantity.canonical(value), at=self.clock.monotonic(), moment=self.clock.now()
            )
            self.store.put(Metric(namespace, name, each), sample)

    def token(self, what: str) -> str:
        """The token that a record's `Bearer ...` stands for."""
        if _BAD.search(what):
            return "nope"
        if "admin" in what:
            return self.cluster.token
        account = self.cluster.api.get("", "serviceaccounts", "wire", WEAK)
        return issue(account, {"spec": {}}, self.cluster.api.clock.now())["status"]["token"]

    async def ask(self, given: Record) -> tuple[int, Mapping[str, str], bytes]:
        """Send a recorded request the way it went then."""
        what, request = given["what"], given["request"]
        headers: CIMultiDict[str] = CIMultiDict()
        sent = request.get("headers") or {}
        for name, value in sent.items() if isinstance(sent, Mapping) else sent:
            headers.add(name, f"Bearer {self.token(what)}" if value == "Bearer ..." else value)
        direct = what.startswith(("direct", "adapter"))
        anonymous = what.startswith("direct,")
        if request.get("client_certificate"):
            direct = True
        elif "Authorization" not in headers and not anonymous:
            headers["Authorization"] = f"Bearer {self.cluster.token}"
        query = request.get("query_raw") or urlencode(request.get("query") or {})
        root = f"https://127.0.0.1:{self.adapter.port}" if direct else self.cluster.url
        url = URL(root + request["path"] + (f"?{query}" if query else ""), encoded=True)
        context = client_context(self.ca if direct else self.cluster.ca, self._certificate(given))
        body = request.get("body")
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector, skip_auto_headers=("Accept",)) as session:
            data = None if body is None else json.dumps(body)
            try:
                async with session.request(
                    request["method"], url, headers=_sent(headers), data=data
                ) as response:
                    return response.status, dict(response.headers), await response.read()
            except (aiohttp.ClientConnectionError, ConnectionError):
                return 0, {}, b""  # TLS ended it.

    def _certificate(self, given: Record) -> KeyPair | None:
        """The client certificate that a request was made with, as far as its record says."""
        if given["request"].get("client_certificate"):
            return self.cluster.aggregator._front_proxy
        if not shows_certificate(given):
            return None
        if _BAD.search(given["what"]):
            return certificate(make_ca("another-ca"), "admin", client=True)
        return certificate(self.cluster._ca, "admin", organizations=["system:masters"], client=True)

    async def row(self, namespace: str) -> list[str]:
        """What kubectl would print of the namespace's HPA, without its age: one as it stood then."""
        api = self.cluster.api
        api.create("", "namespaces", "", {"metadata": {"name": namespace}})
        targets = {
            "m0": {"type": "AverageValue", "averageValue": "5"},
            "s0-upper_x.y": {"type": "Value", "value": "5"},
        }
        metrics = [
            {"type": "External", "external": {"metric": {"name": name}, "target": target}}
            for name, target in targets.items()
        ]
        spec = {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": metrics,
        }
        api.create(
            "autoscaling", "horizontalpodautoscalers", namespace, {"metadata": {"name": "h"}, "spec": spec}
        )
        current = {
            "type": "External",
            "external": {"metric": {"name": "m0"}, "current": {"averageValue": "5"}},
        }
        status = {"currentReplicas": 1, "desiredReplicas": 1, "currentMetrics": [current, {"type": ""}]}
        key = "autoscaling", "horizontalpodautoscalers", namespace, "h"
        api.merge_patch(*key, {"status": status}, subresource="status")
        path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
        request = {"method": "GET", "path": path, "headers": {"Accept": _TABLE}}
        _, _, body = await self.ask({"what": "as the admin", "request": request})
        (found,) = json.loads(body)["rows"]
        return [str(cell) for cell in found["cells"]][:-1]

    async def protocol(self) -> str | None:
        """What the adapter chooses of what an API server offers."""
        context = client_context(self.ca, self.cluster.aggregator._front_proxy)
        context.set_alpn_protocols(["h2", "http/1.1"])
        _, writer = await asyncio.open_connection("127.0.0.1", self.adapter.port, ssl=context)
        try:
            return writer.get_extra_info("ssl_object").selected_alpn_protocol()
        finally:
            writer.transport.abort()


def _sent(headers: CIMultiDict[str]) -> CIMultiDict[str]:
    """Without what belongs to the connection, and the tag of a document that nobody has yet."""
    left = headers.copy()
    for name in ("Host", "Accept-Encoding", "If-None-Match"):
        left.popall(name, None)
    return left


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """A cluster with the namespace `wire`, an account without rights there, and a registered adapter."""
    clock, store = SystemClock(factor=20), Store()
    async with Cluster(clock) as cluster:
        for namespace in ("wire", "tidegate"):
            cluster.api.create("", "namespaces", "", {"metadata": {"name": namespace}})
        cluster.api.create("", "serviceaccounts", "wire", {"metadata": {"name": WEAK}})
        access = Access(cluster.url, tls=client_context(cluster.ca), token=cluster.token)
        async with Kube(access, clock) as kube:
            published, reviews = Published(kube, clock), Reviews(clock, kube)
            await published.start()
            ca, pair = self_signed("tidegate-metrics", "tidegate")
            guard = Guard(lambda: published.trust, reviews)
            adapter = AdapterServer(
                clock, store, _nothing_new, certificate=pair, guard=guard, version=VERSION
            )
            await adapter.start("127.0.0.1", 0)
            try:
                place = Registration(
                    service="tidegate-metrics",
                    namespace="tidegate",
                    host="127.0.0.1",
                    port=adapter.port,
                    ca=ca,
                )
                await register(kube, place)
                await _available(cluster, clock)
                yield World(cluster, adapter, store, clock, ca)
            finally:
                await adapter.close()
                await reviews.close()
                await published.close()


async def _nothing_new(_metrics: object) -> None:
    """A source in back-off: asked, it returns at once."""


async def _available(cluster: Cluster, clock: SystemClock) -> None:
    async with clock.deadline(15):
        while True:
            name = "v1beta1.external.metrics.k8s.io"
            found = cluster.api.get("apiregistration.k8s.io", "apiservices", "", name)
            conditions = (found.get("status") or {}).get("conditions") or ()
            if any(each["status"] == "True" for each in conditions):
                return
            await clock.pause(0.01)


def compared(status: int, headers: Mapping[str, str], body: bytes | Json) -> dict[str, Json]:
    """The compared part of an answer, recorded or ours."""
    kind = headers.get("Content-Type", "")
    if isinstance(body, bytes):
        body = json.loads(body) if kind.startswith(JSON) and body else body.decode()
    found = {"status": status, "type": kind.partition(";")[0], "cache": _directives(headers), "body": body}
    if "X-Content-Type-Options" in headers:
        found["sniff"] = headers["X-Content-Type-Options"]
    return found


def differences(want: dict[str, Json], have: dict[str, Json], path: str = "") -> dict[str, Json]:
    """Where ours is not what was recorded or promised; what only ours has is no difference."""
    found: dict[str, Json] = {}
    for key, wanted in want.items():
        where = f"{path}.{key}".lstrip(".")
        got = have.get(key)
        if isinstance(wanted, dict) and isinstance(got, dict):
            found |= differences(wanted, got, where)
        elif isinstance(wanted, list) and isinstance(got, list):
            found |= _items(wanted, got, where)
        elif not _same(key, wanted, got):
            found[where] = [wanted, got]
    return found


def _items(want: list[Json], have: list[Json], path: str) -> dict[str, Json]:
    whole = [each for each in want if not (isinstance(each, str) and _CUT.fullmatch(each))]
    if len(whole) < len(want):
        missing = [each for each in whole if each not in have]
        return {path: [missing, have]} if missing else {}
    if len(want) != len(have):
        return {path: [want, have]}
    found: dict[str, Json] = {}
    for number, (one, other) in enumerate(zip(want, have, strict=True)):
        found |= differences({"": one}, {"": other}, f"{path}[{number}]")
    return found


def _same(key: str, want: Json, have: Json) -> bool:
    if want == "TIME" or (key == "timestamp" and isinstance(have, str)):
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(have)))
    if isinstance(want, str) and want.startswith(OTHER_WORDS):
        return isinstance(have, str) and bool(have)
    if want == "(Prometheus text)":
        return str(have).startswith("# HELP ")
    if key == "value" and isinstance(want, str) and isinstance(have, str):
        return quantity.parse(want) == quantity.parse(have)
    return bool(want == have)


def _directives(headers: Mapping[str, str]) -> list[str]:
    """A kube-apiserver adds its own to those of the server behind it."""
    return sorted({each.strip() for each in headers.get("Cache-Control", "").split(",")})
