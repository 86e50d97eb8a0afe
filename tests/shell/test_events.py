"""Events: what is written, what is counted instead, and that nothing ever comes of a failure."""

import asyncio
import json
import re

import pytest
from scripted_api import ScriptedApi, answers, fails, hangs, resets, until

from scaler.clock import SystemClock
from scaler.kube.client import Kube
from scaler.kube.events import EventRecorder, reference

ORDERS = {
    "apiVersion": "keda.sh/v1alpha1",
    "kind": "ScaledObject",
    "metadata": {"namespace": "shop", "name": "orders", "uid": "u-1", "resourceVersion": "7", "labels": {}},
}


def scaled_object(number):
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "namespace": "shop",
        "name": f"so{number}",
    }


@pytest.fixture
async def api():
    api = await ScriptedApi().start()

    async def accept(exchange):
        await answers(201 if exchange.request.method == "POST" else 200, {"kind": "Event"})(exchange)

    api.others = _Endless(accept)
    yield api
    await api.stop()


class _Endless(list):
    """Scripted answers first, then always the same."""

    def __init__(self, last):
        super().__init__()
        self.last = last

    def __bool__(self):
        return True

    def popleft(self):
        return self.pop(0) if len(self) else self.last


@pytest.fixture
async def kube(api):
    async with Kube(api.access, SystemClock(), jitter=lambda: 0.0) as kube:
        yield kube


@pytest.fixture
def recorder(kube, fake_clock):
    return EventRecorder(kube, fake_clock, instance="pod-1")


def bodies(api):
    return [(request.method, json.loads(request.body)) for request in api.requests]


async def test_an_event_as_the_api_wants_it(api, recorder):
    recorder.record(
        reference(ORDERS), "KEDAScalersStarted", "Started scalers watch", action="ScalersWatchStarted"
    )
    await recorder.flush()
    ((method, body),) = bodies(api)
    assert (method, api.requests[0].path) == ("POST", "/apis/events.k8s.io/v1/namespaces/shop/events")
    name = body["metadata"].pop("name")
    assert re.fullmatch(r"orders\.[0-9a-f]+", name)
    assert body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "shop"},
        "type": "Normal",
        "reason": "KEDAScalersStarted",
        "action": "ScalersWatchStarted",
        "note": "Started scalers watch",
        "eventTime": "2026-01-05T12:00:00.000000Z",
        "reportingController": "keda-operator",
        "reportingInstance": "pod-1",
        "regarding": {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "namespace": "shop",
            "name": "orders",
            "uid": "u-1",
            "resourceVersion": "7",
        },
    }


async def test_the_same_again_becomes_a_series(api, recorder, fake_clock):
    for _ in range(10):
        recorder.record(reference(ORDERS), "KEDAScalerFailed", "no route", type="Warning")
        await recorder.flush()
        await fake_clock.advance(30)
    methods = bodies(api)
    assert [method for method, _ in methods] == ["POST", "PATCH"]
    assert methods[1][1] == {"series": {"count": 2, "lastObservedTime": "2026-01-05T12:00:30.000000Z"}}
    assert api.requests[1].path.endswith(f"/events/{methods[0][1]['metadata']['name']}")
    await fake_clock.advance(360)
    recorder.record(reference(ORDERS), "KEDAScalerFailed", "no route", type="Warning")
    await recorder.flush()
    assert bodies(api)[2][1]["series"]["count"] == 11


async def test_repetitions_before_the_first_write_are_one_write(api, recorder):
    for _ in range(4):
        recorder.record(reference(ORDERS), "KEDAScalerFailed", "no route")
    await recorder.flush()
    ((method, body),) = bodies(api)
    assert method == "POST"
    assert body["series"]["count"] == 4


@pytest.mark.parametrize("change", ["object", "reason", "note", "type", "time"])
async def test_what_differs_is_an_event_of_its_own(api, recorder, fake_clock, change):
    recorder.record(scaled_object(1), "KEDAScalerFailed", "no route")
    await fake_clock.advance(601 if change == "time" else 599)
    recorder.record(
        scaled_object(2 if change == "object" else 1),
        "ScaledObjectCheckFailed" if change == "reason" else "KEDAScalerFailed",
        "other" if change == "note" else "no route",
        type="Warning" if change == "type" else "Normal",
    )
    await recorder.flush()
    assert [method for method, _ in bodies(api)] == ["POST", "POST"]
    assert len({body["metadata"]["name"] for _, body in bodies(api)}) == 2


async def test_an_event_the_server_has_forgotten_is_made_anew(api, recorder, fake_clock):
    recorder.record(reference(ORDERS), "KEDAScalerFailed", "no route")
    await recorder.flush()
    api.others.append(fails(404, "NotFound"))
    recorder.record(reference(ORDERS), "KEDAScalerFailed", "no route")
    await recorder.flush()
    assert [method for method, _ in bodies(api)] == ["POST", "PATCH", "POST"]
    assert bodies(api)[2][1]["series"]["count"] == 2


async def test_an_answer_that_was_lost_does_not_make_two(api, recorder, fake_clock):
    api.others.extend([resets, fails(409, "AlreadyExists")])
    recorder.record(reference(ORDERS), "ScaledObjectReady", "ready")
    task = asyncio.create_task(recorder.flush())
    await until(lambda: fake_clock.sleepers == 1)
    await fake_clock.advance(1)
    await task
    assert len(api.requests) == 2
    assert recorder.failed == 0


async def test_long_texts_are_cut_to_the_apis_limits_in_whole_characters(api, recorder):
    recorder.record(
        scaled_object(1) | {"name": "n" * 253}, "R" * 200, "é" * 2000 + "\ud800", action="a" * 200
    )
    await recorder.flush()
    body = bodies(api)[0][1]
    assert len(body["note"].encode()) == 1024
    assert set(body["note"]) == {"é"}
    assert (len(body["action"]), len(body["reason"])) == (128, 128)
    assert len(body["metadata"]["name"]) <= 253


async def test_one_talkative_object_does_not_silence_another(api, recorder, fake_clock):
    for number in range(40):
        recorder.record(scaled_object(1), "KEDAScalerFailed", f"error {number}")
    recorder.record(scaled_object(2), "ScaledObjectReady", "ready")
    assert recorder.dropped == 15
    await recorder.flush()
    assert len(api.requests) == 26
    await fake_clock.advance(300)
    recorder.record(scaled_object(1), "KEDAScalerFailed", "error 100")
    recorder.record(scaled_object(1), "KEDAScalerFailed", "error 101")
    assert recorder.dropped == 16


async def test_a_full_queue_drops_and_counts(api, kube, fake_clock):
    recorder = EventRecorder(kube, fake_clock, instance="pod-1", capacity=3)
    for number in range(5):
        recorder.record(scaled_object(number), "ScaledObjectReady", "ready")
    assert recorder.dropped == 2
    await recorder.flush()
    assert len(api.requests) == 3


async def test_failures_are_counted_and_the_next_event_goes_on(api, recorder, fake_clock):
    api.others.extend([fails(403, "Forbidden"), fails(422, "Invalid"), fails(500), fails(500), fails(500)])
    for number in range(4):
        recorder.record(scaled_object(number), "ScaledObjectReady", "ready")
    task = asyncio.create_task(recorder.flush())
    for _ in range(2):
        await until(lambda: fake_clock.sleepers == 1)
        await fake_clock.advance(2)
    await task
    assert recorder.failed == 3
    assert len(api.requests) == 6


async def test_a_cluster_wide_object_speaks_in_the_default_namespace(api, recorder):
    recorder.record({"apiVersion": "v1", "kind": "Node", "name": "n"}, "ScaledObjectReady", "ready")
    await recorder.flush()
    assert api.requests[0].path == "/apis/events.k8s.io/v1/namespaces/default/events"


async def test_the_task_writes_as_events_come(api, recorder):
    task = asyncio.create_task(recorder.run())
    recorder.record(scaled_object(1), "ScaledObjectReady", "ready")
    await until(lambda: len(api.requests) == 1)
    recorder.record(scaled_object(2), "ScaledObjectReady", "ready")
    await until(lambda: len(api.requests) == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_closing_writes_what_is_left_but_does_not_wait_for_ever(api, recorder):
    recorder.record(scaled_object(1), "ScaledObjectReady", "ready")
    await recorder.close()
    assert len(api.requests) == 1
    api.others.append(hangs)
    recorder.record(scaled_object(2), "ScaledObjectReady", "ready")
    recorder.record(scaled_object(3), "ScaledObjectReady", "ready")
    await recorder.close(seconds=0.1)
    assert recorder.dropped == 1
