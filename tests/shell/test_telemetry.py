"""What the plain listener shows of the sources and of the requests to the API server."""

import asyncio
from dataclasses import replace

import aiohttp
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
    writer.write(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
    assert (await reader.readline()).endswith(b"405 Method Not Allowed\r\n")
    async with asyncio.timeout(5):
        await listener.close()
    writer.close()
