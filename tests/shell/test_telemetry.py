"""What the plain listener shows of the sources and of the requests to the API server."""

import asyncio
import contextlib
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from scaler.control.results import SourceInfo
from scaler.telemetry import ApiRequests, Listener, SourceCollector

SOURCE = SourceInfo(
    describe="redis shop:6379/0",
    kind="RedisConnection",
    triggers=3,
    queries=2,
    connected=True,
    clients=1,
    breaker="closed",
    error="",
    listening=("RedisList",),
    batches=4,
    reads=8,
    errors=1,
    skipped=5,
    wake_ups=6,
    dropped=7,
)


async def shown(registry, ready=True):
    listener = Listener(registry, lambda: ready)
    await listener.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.port}") as session:
            answers = {}
            for path in ("/healthz", "/livez", "/readyz", "/metrics"):
                async with session.get(path) as response:
                    answers[path] = (response.status, await response.text())
            return answers
    finally:
        await listener.close()


async def test_every_figure_of_a_source_is_shown():
    registry = CollectorRegistry()
    registry.register(SourceCollector(lambda: [SOURCE]))
    status, text = (await shown(registry))["/metrics"]
    assert status == 200
    labels = 'kind="RedisConnection",source="redis shop:6379/0"'
    figures = {
        line.split("{")[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if labels in line
    }
    assert figures == {
        "tidegate_source_triggers": 3,
        "tidegate_source_connected": 1,
        "tidegate_source_listening": 1,
        "tidegate_source_breaker_open": 0,
        "tidegate_source_reads_total": 8,
        "tidegate_source_batches_total": 4,
        "tidegate_source_errors_total": 1,
        "tidegate_source_wake_ups_total": 6,
        "tidegate_source_skipped_polls_total": 5,
        "tidegate_source_dropped_changes_total": 7,
        "tidegate_source_clients_total": 1,
    }


async def test_requests_to_the_api_server_are_counted_by_verb_resource_and_code():
    registry = CollectorRegistry()
    count = ApiRequests(registry)
    count("patch", "deployments.apps/scale", 200, 0.01)
    count("patch", "deployments.apps/scale", 200, 0.01)
    count("list", "namespaces", 0, 10.0)
    _, text = (await shown(registry))["/metrics"]
    assert 'requests_total{code="200",resource="deployments.apps/scale",verb="patch"} 2.0' in text
    assert 'requests_total{code="0",resource="namespaces",verb="list"} 1.0' in text
    assert "tidegate_api_request_seconds_count 3.0" in text


async def test_ready_only_when_the_watches_are():
    answers = await shown(CollectorRegistry(), ready=False)
    assert answers["/readyz"][0] == 503
    assert answers["/healthz"] == answers["/livez"] == (200, "ok")
    assert (await shown(CollectorRegistry()))["/readyz"] == (200, "ok")


async def test_a_source_keeps_its_label_while_others_come_and_go():
    def names(*sources):
        families = list(SourceCollector(lambda: list(sources)).collect())
        found = [[sample.labels["source"] for sample in family.samples] for family in families]
        assert all(each == found[0] for each in found)
        return found[0]

    other = replace(SOURCE, describe="redis mail:6379/0")
    assert names(SOURCE, other) == ["redis shop:6379/0", "redis mail:6379/0"]
    assert names(other) == ["redis mail:6379/0"]
    assert names(SOURCE, SOURCE, other) == ["redis shop:6379/0", "redis shop:6379/0#2", "redis mail:6379/0"]
    assert names(SOURCE, replace(SOURCE, kind="Other")) == ["redis shop:6379/0"] * 2


async def test_who_never_ends_a_request_does_not_hold_up_the_end():
    listener = Listener(CollectorRegistry(), lambda: True)
    await listener.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
    assert (await reader.readline()).endswith(b"405 Method Not Allowed\r\n")
    async with asyncio.timeout(5):
        await listener.close()
    writer.close()


class Known:
    """A journal of one object."""

    def document(self, namespace, name, last=None):
        return {"answer": f"{last}"} if (namespace, name) == ("shop", "worker") else None

    def objects(self):
        return [{"namespace": "shop", "name": "worker"}]


@contextlib.asynccontextmanager
async def asked(decisions=None, host="127.0.0.1"):
    listener = Listener(CollectorRegistry(), lambda: True, decisions)
    await listener.start(host, 0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.port}") as session:
            yield session
    finally:
        await listener.close()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/decisions/shop/worker", 200, {"answer": "None"}),
        ("/decisions/shop/worker?last=3", 200, {"answer": "3"}),
        ("/decisions", 200, {"objects": [{"namespace": "shop", "name": "worker"}]}),
        ("/decisions/shop/worker?last=-1", 400, {"error": "last='-1' is no count of entries"}),
        ("/decisions/shop/worker?last=" + "9" * 5000, 400, None),
        (
            "/decisions/shop/w%2Fx",
            404,
            {
                "error": "no ScaledObject shop/w/x is known here; /decisions lists those that are",
                "object": {"namespace": "shop", "name": "w/x"},
            },
        ),
    ],
)
async def test_decisions_are_served_as_json(path, status, body):
    async with asked(Known()) as session, session.get(path) as response:
        assert response.status == status
        assert response.content_type == "application/json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        found = await response.json()
        assert body is None or found == body


async def test_decisions_are_read_only_and_may_be_none():
    async with asked() as session:
        async with session.get("/decisions") as response:
            assert await response.json() == {"objects": []}
        async with session.get("/decisions/shop/worker") as response:
            assert response.status == 404
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            async with session.request(method, "/decisions/shop/worker") as response:
                assert response.status == 405


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:1", 200),
        ("[::1]:8080", 200),
        ("127.9.9.9:80", 200),
        ("evil.example", 403),
        ("evil.example:8080", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("10.0.0.1", 403),
        ("[", 403),
    ],
)
async def test_a_browser_led_astray_by_dns_is_refused(host, status):
    async with asked(Known()) as session:
        for path in ("/decisions", "/decisions/shop/worker", "/metrics", "/readyz"):
            async with session.get(path, headers={"Host": host}) as response:
                assert response.status == status


async def test_a_listener_for_the_network_answers_to_any_name():
    """Through the API server's pod proxy the name is the API server's."""
    async with (
        asked(Known(), host="0.0.0.0") as session,
        session.get("/decisions/shop/worker", headers={"Host": "kubernetes.example"}) as response,
    ):
        assert response.status == 200
