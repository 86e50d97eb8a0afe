"""Secrets by reference: one watch a namespace, nothing kept without need, and reads where the Role forbids watching."""

import asyncio
import base64

import pytest
from fake_clock import FakeClock
from scripted_api import ScriptedApi, answers, event, fails, stream, thing, until

from scaler.control.contents import Contents
from scaler.control.references import Ref
from scaler.kube.client import Kube
from scaler.kube.errors import Forbidden, KubeError, Unreachable

FORBIDDEN = fails(403, "Forbidden", "no")


def secret(name, version, **entries):
    data = {key: base64.b64encode(value.encode()).decode() for key, value in entries.items()}
    return thing(name, version, data=data) | {"kind": "Secret"}


def ref(name, kind="Secret", namespace="shop"):
    return Ref(kind, namespace, name)


class Scene:
    def __init__(self, api, clock):
        self.api = api
        self.clock = clock
        self.changed = []
        self.kube = Kube(api.access, clock)
        self.contents = Contents(self.kube, clock, changed=self.changed.append)

    async def get(self, name, key="k", **where):
        found = await self.contents.get(ref(name, **where))
        return None if found is None else base64.b64decode(found[key]).decode()

    def answer(self, name, obj):
        self.api.paths[f"/api/v1/namespaces/shop/secrets/{name}"] = (
            obj if callable(obj) else answers(200, obj)
        )

    def reads(self):
        return [request.path.rpartition("/")[2] for request in self.api.asked("GET")]

    async def until_polled(self, condition):
        """Let schedule time pass in steps until reads have shown it."""
        for _ in range(100):
            await self.clock.advance(1)
            await asyncio.sleep(0.01)
            if condition():
                return
        raise AssertionError(self.changed)


@pytest.fixture
async def scene():
    api = await ScriptedApi().start()
    scene = Scene(api, FakeClock())
    yield scene
    await scene.contents.close()
    await scene.kube.close()
    await api.stop()
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


async def test_one_watch_for_all_references_into_a_namespace(scene):
    scene.api.put(secret("a", 2, k="1"), secret("b", 3, k="2"))
    assert await asyncio.gather(scene.get("a"), scene.get("b")) == ["1", "2"]
    assert scene.changed == []
    assert await scene.get("gone") is None
    assert scene.contents.watched == (("Secret", "shop", "watch"),)
    await until(lambda: scene.api.asked("watch"))
    assert [request.path for request in scene.api.asked("list")] == ["/api/v1/namespaces/shop/secrets"]


async def test_what_nobody_refers_to_is_not_kept_and_is_read_once_when_somebody_does(scene):
    scene.api.put(secret("a", 2, k="1"), secret("b", 3, k="2"))
    scene.answer("b", secret("b", 3, k="2"))
    assert await scene.get("a") == "1"
    assert scene.reads() == []
    (collection,) = scene.contents._collections.values()
    assert collection._seen("a").data is not None
    assert collection._seen("b").data is None
    assert await scene.get("b") == "2"
    assert await scene.get("b") == "2"
    assert scene.reads() == ["b"]
    scene.contents.forget(ref("a"))
    assert collection._seen("a").data is None


async def test_changes_are_told_of_what_is_referred_to_and_differs(scene):
    steps = [asyncio.Event() for _ in range(6)]
    scene.api.put(secret("a", 2, k="1"), secret("b", 3, k="2"))
    scene.answer("b", secret("b", 3, k="2"))
    scene.api.watches.append(
        stream(
            steps[0].wait, event("MODIFIED", secret("c", 4, k="9")),  # Nobody's.
            event("MODIFIED", secret("a", 5, k="1")),  # Its labels, say.
            event("MODIFIED", secret("a", 6, k="one")),
            steps[1].wait, event("MODIFIED", secret("b", 7, k="two")),
            steps[2].wait, event("DELETED", secret("b", 8, k="two")),
            steps[3].wait, event("ADDED", secret("b", 9, k="two again")),
        )
    )  # fmt: skip
    assert (await scene.get("a"), await scene.get("b")) == ("1", "2")
    for step, name, value in zip(steps, "abbb", ("one", "two", None, "two again"), strict=False):
        before = len(scene.changed)
        step.set()
        await until(lambda: len(scene.changed) > before)  # noqa: B023 - awaited within the turn
        assert scene.changed[before:] == [ref(name)]
        if value is None:
            scene.answer("b", fails(404, "NotFound"))
        assert await scene.get(name) == value


async def test_a_read_newer_than_the_watch_is_not_undone_by_it(scene):
    step = asyncio.Event()
    scene.api.put(secret("a", 2, k="1"), secret("b", 3, k="2"))
    scene.answer("b", secret("b", 5, k="new"))
    scene.api.watches.append(
        stream(
            step.wait,
            event("MODIFIED", secret("b", 4, k="between")),
            event("MODIFIED", secret("b", 5, k="new")),
            event("MODIFIED", secret("a", 6, k="x")),
        )
    )
    await scene.get("a")
    assert await scene.get("b") == "new"
    step.set()
    await until(lambda: scene.changed)
    assert scene.changed == [ref("a")]
    assert await scene.get("b") == "new"


async def test_the_last_reference_ends_the_watch_and_the_next_begins_another(scene):
    scene.api.put(secret("a", 2, k="1"))
    await scene.get("a")
    scene.contents.forget(ref("a"))
    assert scene.contents.watched == ()
    assert await scene.get("a") == "1"
    assert len(scene.api.asked("list")) == 2


async def test_what_is_known_stays_known_while_the_api_server_is_away(scene):
    scene.api.put(secret("a", 2, k="1"))
    await scene.get("a")
    await scene.api.stop()
    assert await scene.get("a") == "1"
    with pytest.raises(Unreachable):
        await scene.get("b")


async def test_each_kind_and_namespace_has_its_own(scene):
    scene.api.put(secret("a", 2, k="1"))
    await scene.get("a")
    await scene.contents.get(ref("a", kind="ConfigMap"))
    await scene.contents.get(ref("a", namespace="bank"))
    assert {place[:2] for place in scene.contents.watched} == {
        ("Secret", "shop"),
        ("ConfigMap", "shop"),
        ("Secret", "bank"),
    }


@pytest.mark.parametrize("what", ["list", "watch"])
async def test_where_watching_is_forbidden_it_is_read_by_name(scene, what):
    if what == "list":
        scene.api.lists.append(FORBIDDEN)
    else:
        scene.api.put(secret("a", 2, k="1"))
        scene.api.watches.append(FORBIDDEN)
    scene.answer("a", secret("a", 2, k="1"))
    assert await scene.get("a") == "1"
    await until(lambda: scene.contents.watched == (("Secret", "shop", "poll"),))
    scene.answer("a", secret("a", 3, k="new"))
    await scene.until_polled(lambda: scene.changed)
    assert scene.changed == [ref("a")]
    assert scene.clock.elapsed <= 5
    assert await scene.get("a") == "new"
    scene.answer("a", fails(404, "NotFound"))
    await scene.until_polled(lambda: len(scene.changed) == 2)
    assert await scene.get("a") is None
    assert len(scene.api.asked("watch")) <= 1


async def test_a_forbidden_read_is_told_and_so_is_its_end(scene):
    scene.api.lists.append(FORBIDDEN)
    scene.answer("a", FORBIDDEN)
    with pytest.raises(Forbidden):
        await scene.get("a")
    scene.answer("a", secret("a", 2, k="1"))
    await scene.until_polled(lambda: scene.changed)
    assert await scene.get("a") == "1"
    scene.answer("a", FORBIDDEN)
    await scene.until_polled(lambda: len(scene.changed) == 2)
    with pytest.raises(Forbidden):
        await scene.get("a")


async def test_a_failing_server_is_no_news_to_a_reader(scene):
    scene.api.lists.append(FORBIDDEN)
    scene.answer("a", secret("a", 2, k="1"))
    await scene.get("a")
    await scene.api.stop()
    await scene.clock.advance(10)
    await asyncio.sleep(0.05)
    assert scene.changed == []
    assert await scene.get("a") == "1"


async def test_a_right_that_comes_later_is_used(scene):
    scene.api.lists.append(FORBIDDEN)
    scene.answer("a", secret("a", 2, k="1"))
    scene.answer("b", secret("b", 2, k="1"))
    assert (await scene.get("a"), await scene.get("b")) == ("1", "1")
    scene.api.put(secret("a", 3, k="listed"))  # b is gone by then.
    scene.answer("b", fails(404, "NotFound"))
    await scene.until_polled(lambda: ref("b") in scene.changed)
    for _ in range(310):
        await scene.clock.advance(1)
        await asyncio.sleep(0)
    await until(lambda: scene.contents.watched == (("Secret", "shop", "watch"),))
    assert await scene.get("a") == "listed"
    assert await scene.get("b") is None


async def test_values_stand_in_no_repr_and_no_error(scene):
    scene.api.put(secret("a", 2, k="hunter2"))
    await scene.get("a")
    (collection,) = scene.contents._collections.values()
    assert "aHVudGVyMg" not in repr(collection._seen("a"))
    scene.answer("b", answers(200, b'{"data": {"k": "aHVudGVyMg=="'))
    with pytest.raises(KubeError) as caught:
        await scene.get("b")
    assert "aHVudGVyMg" not in str(caught.value)


@pytest.mark.parametrize("answer", [{}, {"metadata": {}}, {"metadata": None, "data": {"k": "hush"}}])
async def test_an_answer_without_sense_is_tried_again(scene, answer):
    scene.answer("a", answers(200, answer))
    with pytest.raises(Unreachable, match="makes no sense") as caught:
        await scene.get("a")
    assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r}"
    scene.answer("a", secret("a", 2, k="1"))
    assert await scene.get("a") == "1"


async def test_odd_data_holds_nothing(scene):
    scene.api.put(thing("a", 2, data="text"))
    assert await scene.contents.get(ref("a")) == {}


async def test_reads_that_find_nothing_new_are_no_news(scene):
    scene.api.lists.append(FORBIDDEN)
    scene.answer("a", secret("a", 2, k="1"))
    await scene.get("a")
    await scene.until_polled(lambda: len(scene.reads()) > 3)
    assert scene.changed == []


async def test_what_went_while_nobody_watched_is_noticed(scene):
    scene.api.lists.append(FORBIDDEN)
    scene.answer("a", secret("a", 2, k="1"))
    await scene.get("a")
    await until(lambda: scene.contents.watched == (("Secret", "shop", "poll"),))
    (collection,) = scene.contents._collections.values()
    collection._names.discard("a")  # So that no read finds out first.
    for _ in range(80):
        await scene.clock.advance(4)
        await asyncio.sleep(0)
    collection._names.add("a")
    scene.answer("a", fails(404, "NotFound"))
    await until(lambda: scene.contents.watched == (("Secret", "shop", "watch"),))
    assert scene.changed == [ref("a")]
    assert await scene.get("a") is None
