"""Watches: where they start, what they show, how they end."""

import asyncio

import pytest
from served import TABLE, WIDGETS, definition, served, until, widget

from scaler.clock import SystemClock
from scaler.local.api import Api
from scaler.local.errors import ApiError
from scaler.local.store import MODIFIED, Shelf, Store


@pytest.fixture
async def client():
    async with served() as client:
        yield client


async def version(client, path=WIDGETS):
    return (await client.get(path))[1]["metadata"]["resourceVersion"]


async def test_without_a_version_the_present_state_comes_first(client):
    await client.post(WIDGETS, widget("a"))
    for query in ("watch=true", "watch=1&resourceVersion=0"):
        async with client.watching(f"{WIDGETS}?{query}") as watch:
            await watch.until(1)
            await client.patch(f"{WIDGETS}/a", {"spec": {"replicas": 2}})
            events = await watch.until(2)
            await client.patch(f"{WIDGETS}/a", {"spec": {"replicas": 1}})
        assert [event["type"] for event in events] == ["ADDED", "MODIFIED"]


async def test_from_a_version_exactly_what_was_missed_is_replayed(client):
    await client.post(WIDGETS, widget("a"))
    start = await version(client)
    for replicas in (21, 22):
        await client.patch(f"{WIDGETS}/a", {"spec": {"replicas": replicas}})
    async with client.watching(f"{WIDGETS}?watch=true&resourceVersion={start}") as watch:
        events = await watch.until(2)
    assert [(e["type"], e["object"]["spec"]["replicas"]) for e in events] == [
        ("MODIFIED", 21),
        ("MODIFIED", 22),
    ]


async def test_leaving_and_entering_a_selection(client):
    await client.post(WIDGETS, widget("a", meta={"labels": {"app": "x"}}))
    start = await version(client)
    path = f"{WIDGETS}?watch=true&labelSelector=app%3Dx&resourceVersion={start}"
    async with client.watching(path) as watch:
        await client.post(WIDGETS, widget("b", meta={"labels": {"app": "y"}}))
        _, out = await client.patch(f"{WIDGETS}/a", {"metadata": {"labels": {"app": "z"}}})
        await client.patch(f"{WIDGETS}/a", {"metadata": {"labels": {"app": "x"}}})
        await client.delete(f"{WIDGETS}/a")
        events = await watch.until(3)
    assert [event["type"] for event in events] == ["DELETED", "ADDED", "DELETED"]
    last = events[0]["object"]["metadata"]
    assert (last["labels"], last["resourceVersion"]) == ({"app": "x"}, out["metadata"]["resourceVersion"])


async def test_one_namespace_or_all(client):
    client.api.create("", "namespaces", "", {"metadata": {"name": "other"}})
    async with (
        client.watching("/apis/lab.test/v1/widgets?watch=true") as everywhere,
        client.watching(f"{WIDGETS}?watch=true") as here,
        client.watching(f"{WIDGETS}?watch=true&fieldSelector=metadata.name%3Db") as one,
    ):
        await client.post(WIDGETS.replace("default", "other"), widget("o"))
        await client.post(WIDGETS, widget("a"))
        await client.post(WIDGETS, widget("b"))
        await everywhere.until(3)
        await one.until(1)
    assert [event["object"]["metadata"]["name"] for event in here.events] == ["a", "b"]
    assert [event["object"]["metadata"]["name"] for event in one.events] == ["b"]


async def test_it_ends_when_its_time_is_over(client):
    async with client.watching(f"{WIDGETS}?watch=true&timeoutSeconds=1&allowWatchBookmarks=true") as watch:
        await watch.end()
    assert watch.ended
    (bookmark,) = watch.events
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["kind"] == "Widget"
    assert bookmark["object"]["metadata"] == {"resourceVersion": await version(client)}


async def test_a_version_that_is_too_old(client):
    async with client.watching(f"{WIDGETS}?watch=true&resourceVersion=1") as watch:
        await watch.end()
    (event,) = watch.events
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_a_version_from_the_future(client):
    status, body = await client.get(f"{WIDGETS}?watch=true&resourceVersion=99999999999999")
    assert (status, body["reason"]) == (504, "Timeout")


async def test_initial_events_end_with_a_marked_bookmark(client):
    await client.post(WIDGETS, widget("a"))
    query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with client.watching(f"{WIDGETS}?{query}") as watch:
        first, bookmark = await watch.until(2)
    assert first["type"] == "ADDED"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    status, body = await client.get(f"{WIDGETS}?watch=true&sendInitialEvents=true")
    assert (status, body["details"]["causes"][0]["field"]) == (422, "resourceVersionMatch")


async def test_rows_of_a_table(client):
    await client.post(WIDGETS, widget("a"))
    async with client.watching(f"{WIDGETS}?watch=true", Accept=TABLE) as watch:
        await watch.until(1)
        await client.patch(f"{WIDGETS}/a", {"spec": {"replicas": 2}})
        first, second = await watch.until(2)
    assert first["object"]["columnDefinitions"][0]["name"] == "Name"
    assert second["object"]["columnDefinitions"] is None
    assert second["object"]["rows"][0]["cells"][0] == "a"


async def test_many_watchers_see_the_same_events(client):
    async with (
        client.watching(f"{WIDGETS}?watch=true") as one,
        client.watching(f"{WIDGETS}?watch=true") as two,
    ):
        for index in range(50):
            await client.post(WIDGETS, widget(f"w{index}"))
        await one.until(50)
        await two.until(50)
    assert one.events == two.events


async def test_watches_end_when_a_definition_goes(client):
    async with client.watching(f"{WIDGETS}?watch=true") as watch:
        await client.post(WIDGETS, widget("a"))
        crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.lab.test"
        assert (await client.delete(crd))[0] == 200
        await watch.end()
    assert watch.types == ["ADDED", "DELETED"]
    assert (await client.get(WIDGETS))[0] == 404
    client.api.create("apiextensions.k8s.io", "customresourcedefinitions", "", definition())
    assert await client.names(WIDGETS) == []


async def test_a_client_that_goes_away_is_forgotten(client):
    shelf = client.api.store.open(("lab.test", "widgets"))
    async with client.watching(f"{WIDGETS}?watch=true"):
        await until(lambda: shelf.cursors)
    await until(lambda: not shelf.cursors)


async def test_the_listener_can_close_and_open_again(client):
    await client.post(WIDGETS, widget("a"))
    port = client.cluster.port
    async with client.watching(f"{WIDGETS}?watch=true") as watch:
        await watch.until(1)
        await client.cluster.close_listener()
        await until(watch._task.done)
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)
    await client.cluster.open_listener()
    assert client.cluster.port == port
    assert await client.names(WIDGETS) == ["a"]


def test_history_is_bounded_and_says_so():
    shelf = Shelf(("", "things"), 10, history=4)
    store = Store(10)
    cursor = shelf.follow()
    for index in range(6):
        store.commit(shelf, MODIFIED, {"metadata": {"name": f"n{index}"}})
    with pytest.raises(ApiError, match="slower") as caught:
        cursor.take()
    assert caught.value.code == 410
    with pytest.raises(ApiError, match="too old"):
        shelf.follow(11)
    assert [change.version for change in shelf.follow(12).take()] == [13, 14, 15, 16]
    assert [change.version for change in shelf.follow(15).take()] == [16]
    assert shelf.follow(16).take() == []


async def test_a_subscription_begins_with_the_state_and_misses_nothing():
    api = Api(SystemClock())
    for name in ("a", "b"):
        api.create("", "namespaces", "", {"metadata": {"name": name}})
    subscription = api.subscribe("", "namespaces")
    api.delete("", "namespaces", "", "a")
    seen = [await anext(subscription) for _ in range(3)]
    assert [(kind, obj["metadata"]["name"]) for kind, obj in seen] == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("MODIFIED", "a"),
    ]
    waiting = asyncio.ensure_future(anext(subscription, "over"))
    await asyncio.sleep(0)
    subscription.close()
    assert await waiting == "over"
    api.create("", "namespaces", "", {"metadata": {"name": "c"}})
    assert subscription.pending() == []
