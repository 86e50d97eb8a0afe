"""The reflector against an API server that misbehaves in every way we know, counting what it is asked."""

import asyncio
from collections import Counter

import pytest
from scripted_api import (
    CUT,
    EOF,
    HANG,
    RESET,
    ScriptedApi,
    answers,
    bookmark,
    event,
    fails,
    hangs,
    lists,
    resets,
    status,
    stream,
    thing,
    until,
)

from scaler.clock import SystemClock
from scaler.kube.cache import Change, trim
from scaler.kube.client import Kube
from scaler.kube.informer import Informer
from scaler.kube.reflector import Reflector
from scaler.kube.resources import CONFIG_MAPS

CLOCK = SystemClock(factor=10)  # Back-off runs ten times faster; IO does not.


@pytest.fixture
async def api():
    api = await ScriptedApi().start()
    yield api
    await api.stop()


@pytest.fixture
async def kube(api):
    async with Kube(api.access, CLOCK, jitter=lambda: 0.5) as kube:
        yield kube


class World:
    """A reflector's copy and what its handler was told."""

    def __init__(self, kube, **options):
        self.told = []
        self.relists = []
        options = {"decode": trim, "watch_seconds": (300, 300), "jitter": lambda: 0.5} | options
        self.reflector = Reflector(
            kube, CONFIG_MAPS, CLOCK, handler=self.handle, on_relist=self.relists.append, **options
        )
        self.task = asyncio.create_task(self.reflector.run())

    def handle(self, change, old, new):
        assert (old is None) == (change is Change.ADDED)
        assert (new is None) == (change is Change.DELETED)
        self.told.append((str(change), (new or old)["metadata"]["name"]))

    def names(self):
        return {name for _, name in self.reflector.snapshot()}


@pytest.fixture
async def follow(kube):
    worlds = []

    def start(**options):
        worlds.append(World(kube, **options))
        return worlds[-1]

    yield start
    for world in worlds:
        await world.reflector.close()
        await world.task


async def test_lists_then_follows_changes(api, follow):
    api.put(thing("a", 5), thing("b", 6))
    api.watches.append(
        stream(
            event("ADDED", thing("c", 7)),
            event("MODIFIED", thing("a", 8, data={"k": "v"})),
            event("DELETED", thing("b", 9)),
        )
    )
    world = follow()
    await until(lambda: len(world.told) == 5)
    assert world.told == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("ADDED", "c"),
        ("MODIFIED", "a"),
        ("DELETED", "b"),
    ]
    assert world.reflector.synced.is_set()
    assert world.reflector.get("shop", "a")["data"] == {"k": "v"}
    assert world.names() == {"a", "c"}
    (watch,) = api.asked("watch")
    assert watch.query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "6",
        "timeoutSeconds": "300",
    }


async def test_reads_pages(api, follow):
    api.lists.extend(
        [
            lists(thing("a", 5), version=9, token="p2"),
            lists(thing("b", 6), version=9, token="p3"),
            lists(thing("c", 7), version=9),
        ]
    )
    world = follow()
    await until(lambda: api.asked("watch"))
    assert [(request.query.get("continue"), request.query["limit"]) for request in api.asked("list")] == [
        (None, "500"),
        ("p2", "500"),
        ("p3", "500"),
    ]
    assert world.names() == {"a", "b", "c"}
    assert api.asked("watch")[0].query["resourceVersion"] == "9"
    assert world.reflector.epoch == 1


async def test_an_expired_page_starts_the_list_over(api, follow):
    api.put(thing("a", 5), thing("b", 6))
    api.lists.extend([lists(thing("a", 5), thing("x", 4), version=5, token="p2"), fails(410, "Expired")])
    world = follow()
    await until(world.reflector.synced.is_set)
    assert world.told == [("ADDED", "a"), ("ADDED", "x"), ("ADDED", "b"), ("DELETED", "x")]
    assert api.counts()["list"] == 3


async def test_clean_eof_resumes_at_the_last_version(api, follow):
    api.watches.append(stream(event("ADDED", thing("a", 7)), EOF))
    world = follow()
    await until(lambda: len(api.asked("watch")) == 2)
    assert [request.query["resourceVersion"] for request in api.asked("watch")] == ["1", "7"]
    assert world.told == [("ADDED", "a")]
    assert api.counts()["list"] == 1


@pytest.mark.parametrize("how", [RESET, CUT])
async def test_a_broken_connection_resumes_at_the_last_version(api, follow, how):
    api.watches.append(stream(event("ADDED", thing("a", 7)), how))
    api.watches.append(stream(event("ADDED", thing("b", 8))))
    world = follow()
    await until(lambda: len(world.told) == 2)
    assert [request.query["resourceVersion"] for request in api.asked("watch")] == ["1", "7"]
    assert world.told == [("ADDED", "a"), ("ADDED", "b")]
    assert api.counts()["list"] == 1


@pytest.mark.parametrize("how", [EOF, CUT, RESET])
async def test_a_cut_line_is_no_event(api, follow, how):
    whole = event("ADDED", thing("b", 8))
    api.watches.append(stream(event("ADDED", thing("a", 7)), whole[: len(whole) // 2], how))
    api.watches.append(stream(whole))
    world = follow()
    await until(lambda: len(world.told) == 2)
    assert world.told == [("ADDED", "a"), ("ADDED", "b")]
    assert [request.query["resourceVersion"] for request in api.asked("watch")] == ["1", "7"]


async def test_an_event_in_pieces_is_one_event(api, follow):
    whole = event("ADDED", thing("a", 7)) + event("ADDED", thing("b", 8))
    api.watches.append(stream(*(whole[i : i + 9] for i in range(0, len(whole), 9))))
    world = follow()
    await until(lambda: len(world.told) == 2)
    assert api.counts() == {"list": 1, "watch": 1}


async def test_410_in_the_stream_lists_again_and_tells_what_was_missed(api, follow):
    api.put(thing("a", 5), thing("b", 6), thing("c", 6), thing("d", 6, uid="first"))

    async def meanwhile():
        del api.objects["b"]
        api.put(thing("c", 8, data={"k": "new"}), thing("d", 9, uid="second"), thing("e", 10))

    api.watches.append(stream(meanwhile, event("ERROR", status(410, "Expired", "too old resource version"))))
    world = follow()
    await until(lambda: world.reflector.epoch == 2)
    assert Counter(world.told[4:]) == Counter(
        [("MODIFIED", "c"), ("DELETED", "d"), ("ADDED", "d"), ("ADDED", "e"), ("DELETED", "b")]
    ), "and nothing about a, which is as it was"
    assert world.relists[-1].missing == (("shop", "b"),)
    await until(lambda: len(api.asked("watch")) == 2)
    assert api.asked("watch")[1].query["resourceVersion"] == "10"


async def test_410_as_status_lists_again(api, follow):
    api.put(thing("a", 5))
    api.watches.append(stream(event("ADDED", thing("b", 6)), EOF))
    api.watches.append(fails(410, "Expired"))
    world = follow()
    await until(lambda: world.reflector.epoch == 2)
    assert world.told == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "b")]


@pytest.fixture
async def paced(kube, fake_clock):
    """A reflector whose rests last until the test lets time pass: `rest()` says how long the next one is."""
    reflector = Reflector(kube, CONFIG_MAPS, fake_clock, decode=trim, jitter=lambda: 1.0)
    task = asyncio.create_task(reflector.run())

    async def rest():
        await until(lambda: fake_clock.sleepers == 1)
        seconds = fake_clock.next_due
        await fake_clock.advance(seconds)
        return round(seconds, 3)

    yield rest
    await reflector.close()
    await task


async def test_410_for_ever_does_not_become_a_busy_loop(api, paced):
    api.watches.extend([fails(410, "Expired")] * 50)
    assert [await paced() for _ in range(5)] == [0.2, 0.4, 0.8, 1.6, 3.2]
    assert 5 <= api.counts()["list"] <= 6


async def test_a_watch_closed_at_once_and_empty_is_not_hammered(api, paced):
    api.watches.extend([stream(EOF)] * 50)
    assert [await paced() for _ in range(9)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30]
    assert 9 <= api.counts()["watch"] <= 10
    assert api.counts()["list"] == 1


async def test_429_waits_for_retry_after(api, paced):
    api.watches.append(fails(429, "TooManyRequests", retry_after=7))
    assert await paced() == 7.2
    await until(lambda: len(api.asked("watch")) == 2)


async def test_a_server_that_is_not_there_is_asked_every_five_seconds(api, paced, fake_clock):
    await api.stop()
    assert [await paced() for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5]
    await until(lambda: fake_clock.sleepers == 1)
    await api.start()
    await paced()
    await until(lambda: api.asked("watch"))


@pytest.mark.parametrize("code", [500, 503, 403, 401])
async def test_failures_back_off_and_keep_what_is_known(api, follow, code):
    api.put(thing("a", 5))
    api.watches.extend([fails(code, "Whatever")] * 3)
    api.watches.append(stream(event("ADDED", thing("b", 6))))
    world = follow()
    await until(lambda: world.reflector.problem is not None)
    assert world.names() == {"a"}
    await until(lambda: len(world.told) == 2)
    assert world.reflector.problem is None
    assert api.counts() == {"list": 1, "watch": 4}


async def test_bookmarks_move_the_version(api, follow):
    api.watches.append(stream(event("ADDED", thing("a", 7)), bookmark(90), EOF))
    world = follow()
    await until(lambda: len(api.asked("watch")) == 2)
    assert api.asked("watch")[1].query["resourceVersion"] == "90"
    assert world.told == [("ADDED", "a")]


async def test_a_three_megabyte_line(api, follow):
    api.watches.append(stream(event("ADDED", thing("big", 7, data={"k": "x" * 3_000_000}))))
    world = follow()
    await until(lambda: world.told == [("ADDED", "big")])
    assert len(world.reflector.get("shop", "big")["data"]["k"]) == 3_000_000


async def test_a_silent_peer_is_given_up(api, follow):
    api.watches.append(stream(event("ADDED", thing("a", 7)), HANG))
    follow(watch_seconds=(1, 1), grace=0.5)
    await until(lambda: len(api.asked("watch")) == 2)
    assert [request.query["resourceVersion"] for request in api.asked("watch")] == ["1", "7"]
    assert api.counts()["list"] == 1


async def test_a_server_that_is_gone_is_waited_for(api, follow):
    api.put(thing("a", 5))
    world = follow()
    await until(lambda: api.asked("watch"))
    await api.stop()
    await until(lambda: world.reflector.problem is not None)
    api.watches.append(stream(event("ADDED", thing("b", 6))))
    await api.start()
    await until(lambda: ("ADDED", "b") in world.told)
    assert world.reflector.problem is None
    assert world.names() == {"a", "b"}
    assert api.counts() == {"list": 1, "watch": 2}
    assert api.asked("watch")[1].query["resourceVersion"] == "5"


@pytest.mark.parametrize(
    "failure", [fails(500), fails(403), resets, answers(200, b"<html>"), answers(200, {})]
)
async def test_a_failed_list_deletes_nothing(api, follow, failure):
    api.put(thing("a", 5))
    api.watches.append(stream(event("ERROR", status(410, "Expired"))))
    world = follow()
    await until(world.reflector.synced.is_set)
    api.lists.append(failure)
    await until(lambda: world.reflector.epoch == 2)
    assert world.told == [("ADDED", "a")]
    assert api.counts()["list"] == 3


async def test_half_a_list_deletes_nothing(api, follow):
    api.put(thing("a", 5), thing("b", 6))
    api.watches.append(stream(event("ERROR", status(410, "Expired"))))
    world = follow()
    await until(world.reflector.synced.is_set)
    api.lists.extend(
        [lists(thing("b", 6), version=20, token="p2"), fails(500), lists(thing("a", 5), version=20)]
    )
    await until(lambda: world.reflector.epoch == 2)
    assert world.told == [("ADDED", "a"), ("ADDED", "b")]
    assert [request.query.get("continue") for request in api.asked("list")] == [None, None, "p2", "p2"]


async def test_a_server_that_comes_back_empty_is_told_as_a_relist_and_then_deletions(api, follow):
    api.put(thing("a", 5), thing("b", 6))
    world = follow()
    await until(lambda: api.asked("watch"))
    await api.stop()
    api.objects.clear()
    api.version = 1
    api.watches.append(
        fails(
            504,
            "Timeout",
            retry_after=1,
            causes=[{"reason": "ResourceVersionTooLarge", "message": "Too large"}],
        )
    )
    await api.start()
    await until(lambda: world.reflector.epoch == 2)
    assert world.relists[-1].present == 0
    assert set(world.relists[-1].missing) == {("shop", "a"), ("shop", "b")}
    assert Counter(world.told[2:]) == Counter([("DELETED", "a"), ("DELETED", "b")])


async def test_garbage_lines_and_odd_objects_are_survived(api, follow):
    api.watches.append(stream(b"<html>busy</html>\n"))
    api.watches.append(stream(b'{"type": "ADDED"}\n'))
    api.watches.append(stream(b'{"type": "ADDED", "object": {"metadata": 5}}\n'))
    api.watches.append(stream(b"[]\n"))
    api.watches.append(stream(event("ERROR", status(500, "InternalError"))))
    api.watches.append(stream(b"\n\n" + event("ADDED", thing("a", 7))))
    world = follow()
    await until(lambda: world.told == [("ADDED", "a")])
    assert {request.query["resourceVersion"] for request in api.asked("watch")} == {"1"}


async def test_what_decode_and_the_handler_raise_stops_nothing(api, follow):
    api.put(thing("bad", 5), thing("unwanted", 5), thing("good", 6))

    def decode(obj):
        if obj["metadata"]["name"] == "bad":
            raise ValueError("odd")
        return None if obj["metadata"]["name"] == "unwanted" else obj

    def handler(change, old, new):
        raise RuntimeError("handler is broken")

    api.watches.append(stream(event("ADDED", thing("next", 7))))
    world = follow(decode=decode)
    world.reflector._cache._handler = handler
    await until(lambda: world.names() == {"good", "next"})


async def test_an_object_that_decode_no_longer_wants_is_told_as_deleted(api, follow):
    api.watches.append(
        stream(event("ADDED", thing("a", 7)), event("MODIFIED", thing("a", 8, data={"hide": "1"})))
    )
    world = follow(decode=lambda obj: None if obj.get("data") else obj)
    await until(lambda: world.told == [("ADDED", "a"), ("DELETED", "a")])


async def test_trim_drops_what_nobody_reads():
    obj = thing("a", 5)
    obj["metadata"]["managedFields"] = [{"manager": "x"}]
    obj["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "keep": "1"}
    assert trim(obj)["metadata"] == {**thing("a", 5)["metadata"], "annotations": {"keep": "1"}}


async def test_closing_leaves_no_task_and_a_readable_copy(api, kube):
    api.put(thing("a", 5))
    world = World(kube)
    await until(lambda: api.asked("watch"))
    await world.reflector.close()
    assert world.task.done()
    assert world.task.exception() is None
    assert world.names() == {"a"}
    await world.reflector.run()  # Closed stays closed.


async def test_a_hanging_list_does_not_hang_the_reflector(api):
    api.lists.append(hangs)
    api.put(thing("a", 5))
    async with Kube(api.access, CLOCK, timeout=0.5) as kube:
        world = World(kube)
        await until(world.reflector.synced.is_set)
        assert api.counts()["list"] >= 2
        await world.reflector.close()


async def test_an_informer_minds_only_its_namespaces(api, kube):
    base = "/api/v1/namespaces/{}/configmaps"
    told = []
    for namespace in ("one", "two"):
        listing = lists(thing("a", 5, namespace=namespace), version=5)

        async def answer(exchange, listing=listing):
            await (stream(HANG) if exchange.request.kind == "watch" else listing)(exchange)

        api.paths[base.format(namespace)] = answer
    api.paths[base.format("forbidden")] = fails(403, "Forbidden")
    informer = Informer(
        kube,
        CONFIG_MAPS,
        CLOCK,
        decode=trim,
        handler=lambda _change, _old, new: told.append(new["metadata"]["namespace"]),
        namespaces=["one", "two", "forbidden", "one"],
    )
    task = asyncio.create_task(informer.run())
    await until(lambda: len(told) == 2 and informer.problems)
    assert sorted(told) == ["one", "two"]
    assert len(informer) == 2
    assert informer.get("one", "a")["metadata"]["namespace"] == "one"
    assert informer.get("three", "a") is None
    assert list(informer.problems) == ["forbidden"]
    assert not informer.synced
    await informer.close()
    await task


async def test_an_informer_of_the_whole_cluster_is_one_watch(api, kube):
    api.put(thing("a", 5, namespace="one"), thing("b", 5, namespace="two"))
    informer = Informer(kube, CONFIG_MAPS, CLOCK, decode=trim)
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    assert informer.synced
    assert set(informer.snapshot()) == {("one", "a"), ("two", "b")}
    assert informer.get("two", "b") is not None
    await until(lambda: api.asked("watch"))
    assert {request.path for request in api.requests} == {"/api/v1/configmaps"}
    await informer.close()
    await task
