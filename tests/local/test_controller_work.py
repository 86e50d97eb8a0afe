"""What the controllers stand on: their worker, their view of the store, and their Events."""

import asyncio

import pytest
from embedded import EVENTS, PODS, lone_pod, new_api, until

from scaler.local.recorder import Recorder
from scaler.local.watched import Watched
from scaler.local.work import Worker


class Steps:
    """Scripted steps: what each key's steps return or raise, one after another; remembers what ran."""

    def __init__(self, **script):
        self.script, self.ran, self.running, self.most = script, [], 0, 0
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, key):
        self.running += 1
        self.most = max(self.most, self.running)
        self.ran.append(key)
        await self.go.wait()
        self.running -= 1
        answers = self.script.get(key) or [None]
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def worker(fake_clock):
    made = []

    def make(steps, **options):
        made.append(Worker("test", fake_clock, steps, **options))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def test_a_key_stands_in_line_once_and_runs_again_if_it_came_meanwhile(fake_clock, worker):
    steps = Steps()
    steps.go.clear()
    work = worker(steps, workers=3)
    for _ in range(3):
        work.add("a")
    await fake_clock.settle()
    assert steps.ran == ["a"]
    work.add("a")
    work.add("a")
    await fake_clock.settle()
    assert steps.ran == ["a"], "never two steps of one object at a time"
    steps.go.set()
    await fake_clock.settle()
    assert steps.ran == ["a", "a"]


async def test_several_objects_at_a_time_but_no_more_than_workers(fake_clock, worker):
    steps = Steps()
    steps.go.clear()
    work = worker(steps, workers=2)
    for key in "abcd":
        work.add(key)
    await fake_clock.settle()
    assert (steps.ran, steps.most) == (["a", "b"], 2)
    steps.go.set()
    await fake_clock.settle()
    assert steps.ran == list("abcd")


async def test_a_step_says_when_to_look_again_and_a_change_is_not_made_to_wait(fake_clock, worker):
    steps = Steps(a=[10.0, None])
    work = worker(steps)
    work.add("a")
    await fake_clock.advance(5)
    assert len(steps.ran) == 1
    work.add("a")
    await fake_clock.advance(60)
    assert len(steps.ran) == 2, "the change replaced the appointment"


async def test_the_earlier_appointment_counts(fake_clock, worker):
    steps = Steps()
    work = worker(steps)
    work.add_after("a", 30)
    work.add_after("a", 10)
    work.add_after("a", 20)
    await fake_clock.advance(11)
    assert steps.ran == ["a"]
    await fake_clock.advance(60)
    assert steps.ran == ["a"]


async def test_a_failing_step_is_tried_again_later_and_later_and_holds_nobody(fake_clock, worker):
    steps = Steps(bad=[ValueError("x")] * 3)
    work = worker(steps)
    work.add("bad")
    work.add("good")
    await fake_clock.settle()
    assert steps.ran == ["bad", "good"]
    for seconds, times in ((0.11, 2), (0.11, 2), (0.11, 3), (0.41, 4), (100, 4)):
        await fake_clock.advance(seconds)
        assert steps.ran.count("bad") == times


async def test_what_is_gone_is_owed_nothing(fake_clock, worker):
    steps = Steps()
    work = worker(steps)
    work.add_after("a", 5)
    work.forget("a")
    await fake_clock.advance(10)
    assert steps.ran == []


async def test_a_view_is_never_older_than_the_store(fake_clock):
    api = new_api(fake_clock)
    heard = []
    pods = Watched(api, "", "pods")
    pods.listeners.append(lambda kind, pod: heard.append((kind, pod["metadata"]["name"])))
    pods.start()
    try:
        for name, owner in (("a", "one"), ("b", "one"), ("c", "two")):
            body = lone_pod(name, {"name": "c", "image": "i"})
            reference = {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": owner,
                "uid": owner,
                "controller": True,
            }
            body["metadata"]["ownerReferences"] = [reference]
            api.create(*PODS, body)
        assert [p["metadata"]["name"] for p in pods.owned("one")] == ["a", "b"]
        api.merge_patch(*PODS, "a", {"metadata": {"ownerReferences": None}})
        api.delete(*PODS, "c")
        assert [p["metadata"]["name"] for p in pods.owned("one")] == ["b"]
        assert pods.owned("two") == []
        api.delete(*PODS, "b")
        await until(lambda: heard[-1] == ("DELETED", "b"))
    finally:
        await pods.close()


async def test_equal_events_are_counted_and_endless_ones_are_held_back(fake_clock):
    api = new_api(fake_clock)
    pod = api.create(*PODS, lone_pod("p", {"name": "c", "image": "i"}))
    recorder = Recorder(api, "test")
    for _ in range(3):
        recorder.event(("v1", "Pod"), pod, "Warning", "Bad", "the same")
    (event,) = api.list(*EVENTS)
    assert (event["count"], event["source"]["component"]) == (3, "test")
    api.delete(*EVENTS, event["metadata"]["name"])
    recorder.event(("v1", "Pod"), pod, "Warning", "Bad", "the same")
    for number in range(100):
        recorder.event(("v1", "Pod"), pod, "Warning", "Bad", f"other {number}")
    assert len(api.list(*EVENTS)) == 25 - 3
    await fake_clock.advance(301)
    recorder.event(("v1", "Pod"), pod, "Warning", "Bad", "later")
    assert len(api.list(*EVENTS)) == 25 - 3 + 1


async def test_an_event_that_cannot_be_written_is_dropped(fake_clock):
    api = new_api(fake_clock)
    pod = api.create(*PODS, lone_pod("p", {"name": "c", "image": "i"}))
    foreign = {**pod, "metadata": {**pod["metadata"], "namespace": "nowhere"}}
    Recorder(api, "test").event(("v1", "Pod"), foreign, "Normal", "Some", "thing")
    assert api.list(*EVENTS) == []
