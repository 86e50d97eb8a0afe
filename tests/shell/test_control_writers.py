"""Who writes to the API server: HPAs and statuses, against conflicts, lagging watches and objects that vanish."""

import asyncio
import copy

import pytest
from fake_clock import FakeClock

from scaler.control.hpas import Hpas
from scaler.control.status_writer import StatusWriter
from scaler.core.conditions import Condition
from scaler.kube.errors import AlreadyExists, Conflict, NotFound, Unreachable
from scaler.kube.resources import HPAS, SCALED_OBJECTS


class FakeKube:
    """One collection with resourceVersions. `before` is called before each request, and may change things or raise."""

    def __init__(self):
        self.objects, self.version, self.requests = {}, 10, []
        self.before = lambda _verb: None

    def put(self, obj, uid=None):
        self.version += 1
        meta = {**obj["metadata"], "resourceVersion": str(self.version)}
        meta["uid"] = uid or meta.get("uid") or f"uid-{self.version}"
        stored = {**copy.deepcopy(obj), "metadata": meta}
        self.objects[meta["name"]] = stored
        return copy.deepcopy(stored)

    def _begin(self, verb, name):
        self.requests.append(verb)
        self.before(verb)
        if verb != "create" and name not in self.objects:
            raise NotFound(verb, 404)

    def _check(self, verb, name, metadata):
        version = metadata.get("resourceVersion")
        if version is not None and version != self.objects[name]["metadata"]["resourceVersion"]:
            raise Conflict(verb, 409)

    async def get(self, _resource, name, _namespace):
        self._begin("get", name)
        return copy.deepcopy(self.objects[name])

    async def create(self, _resource, obj):
        name = obj["metadata"]["name"]
        self._begin("create", name)
        if name in self.objects:
            raise AlreadyExists("create", 409)
        return self.put(obj)

    async def replace(self, _resource, obj):
        name = obj["metadata"]["name"]
        self._begin("update", name)
        self._check("update", name, obj["metadata"])
        return self.put(obj)

    async def patch(self, resource, name, body, _namespace, *, subresource=""):
        assert (resource, subresource) == (SCALED_OBJECTS, "status")
        self._begin("patch", name)
        self._check("patch", name, body["metadata"])
        found = self.objects[name]
        status = {**(found.get("status") or {}), **body["status"]}
        return self.put({**found, "status": {k: v for k, v in status.items() if v is not None}})

    async def delete(self, resource, name, _namespace, *, uid):
        assert resource == HPAS
        self._begin("delete", name)
        if self.objects[name]["metadata"]["uid"] != uid:
            raise Conflict("delete", 409)
        del self.objects[name]


def wanted(maximum=5, owner="so-1"):
    reference = {"kind": "ScaledObject", "name": "worker", "uid": owner, "controller": True}
    metadata = {"name": "h", "namespace": "n", "labels": {"a": "1"}, "ownerReferences": [reference]}
    target = {"averageValue": "5", "type": "AverageValue"}
    metrics = [{"type": "External", "external": {"metric": {"name": "m"}, "target": target}}]
    return {"metadata": metadata, "spec": {"minReplicas": 1, "maxReplicas": maximum, "metrics": metrics}}


async def test_an_hpa_is_made_once_though_the_watch_lags():
    kube = FakeKube()
    hpas = Hpas(kube)
    assert await hpas.ensure(wanted(), None) is None  # Made.
    assert await hpas.ensure(wanted(), None) == ()
    assert kube.requests == ["create"]
    seen = copy.deepcopy(kube.objects["h"])
    assert hpas.seen(seen, None) is True  # Our own write: no reason to reconcile.
    assert hpas.seen(kube.put(seen), seen) is False
    assert not hpas._written


async def test_a_lagging_watch_does_not_undo_our_write():
    kube = FakeKube()
    hpas = Hpas(kube)
    await hpas.ensure(wanted(5), None)
    old = copy.deepcopy(kube.objects["h"])
    await hpas.ensure(wanted(7), old)
    await hpas.ensure(wanted(7), old)  # The watch still shows the old one.
    assert kube.requests == ["create", "update"]
    assert hpas.seen(old, None) is False
    await hpas.ensure(wanted(7), old)
    assert kube.requests == ["create", "update"]


async def test_conflicts_are_overcome():
    kube = FakeKube()
    hpas = Hpas(kube)
    await hpas.ensure(wanted(5), None)
    live = copy.deepcopy(kube.objects["h"])
    hpas.seen(live, None)
    kube.put(kube.objects["h"])  # The HPA controller's status.
    await hpas.ensure(wanted(7), live)
    assert kube.objects["h"]["spec"]["maxReplicas"] == 7
    assert kube.requests == ["create", "update", "get", "update"]


async def test_an_hpa_that_vanishes_while_it_is_updated_is_made_anew():
    kube = FakeKube()
    hpas = Hpas(kube)
    await hpas.ensure(wanted(5), None)
    live = copy.deepcopy(kube.objects["h"])
    kube.objects.clear()
    assert await hpas.ensure(wanted(7), live) is None  # Made.
    assert kube.objects["h"]["spec"]["maxReplicas"] == 7


async def test_endless_conflicts_are_given_up():
    kube = FakeKube()
    hpas = Hpas(kube)
    await hpas.ensure(wanted(5), None)
    live = copy.deepcopy(kube.objects["h"])
    kube.before = lambda verb: kube.put(kube.objects["h"]) if verb == "update" else None
    with pytest.raises(Conflict):
        await hpas.ensure(wanted(7), live)
    assert kube.requests.count("update") == 3


async def test_what_the_watch_does_not_show_after_a_list_is_gone():
    kube = FakeKube()
    hpas = Hpas(kube)
    await hpas.ensure(wanted(), None)
    kube.objects.clear()
    hpas.relisted()
    assert await hpas.ensure(wanted(), None) is None  # Made.


async def test_only_the_owners_hpa_is_removed():
    kube = FakeKube()
    hpas = Hpas(kube)
    await hpas.ensure(wanted(owner="so-1"), None)
    await hpas.remove("n", "h", None, owner="so-2")
    assert "h" in kube.objects
    await hpas.remove("n", "h", None, owner="so-1")
    await hpas.remove("n", "h", None, owner="so-1")
    assert kube.objects == {}
    assert kube.requests == ["create", "delete"]


async def test_a_removal_meets_another_hpa_of_that_name():
    kube = FakeKube()
    hpas = Hpas(kube)
    await hpas.ensure(wanted(), None)
    kube.put({**wanted(), "metadata": {**wanted()["metadata"], "uid": "another"}})
    await hpas.remove("n", "h", None, owner="so-1")
    assert kube.objects["h"]["metadata"]["uid"] == "another"


class Writing:
    """A StatusWriter at work on one object, in fake time."""

    def __init__(self):
        self.clock, self.kube = FakeClock(), FakeKube()
        self.writer = StatusWriter(self.kube, self.clock, workers=2)
        made = self.kube.put({"metadata": {"name": "worker", "namespace": "n"}, "status": {}}, uid="u")
        self.observe(made)
        self.task = asyncio.create_task(self.writer.run())

    def observe(self, obj):
        meta = obj["metadata"]
        self.writer.observed("n", "worker", meta["uid"], meta["resourceVersion"], obj.get("status") or {})

    @property
    def status(self):
        return self.kube.objects["worker"].get("status")

    async def close(self):
        self.writer.close()
        await self.task


@pytest.fixture
async def writing():
    writing = Writing()
    yield writing
    await writing.close()


async def test_only_what_differs_is_written(writing):
    ready = {"conditions": {"Ready": Condition("Ready", "True", "R", "m")}, "hpaName": "h"}
    writing.writer.want("u", ready)
    await writing.clock.settle()
    writing.writer.want("u", ready)
    writing.writer.want("u", {"hpaName": "h"})
    await writing.clock.settle()
    assert writing.kube.requests == ["patch"]
    assert writing.status["hpaName"] == "h"


async def test_what_is_wanted_before_its_turn_is_written_once(writing):
    for number in range(5):
        writing.writer.want("u", {"hpaName": str(number), f"x{number}": number})
    await writing.clock.settle()
    assert writing.kube.requests == ["patch"]
    assert writing.status == {"hpaName": "4", **{f"x{number}": number for number in range(5)}}


async def test_wanted_and_taken_back_is_not_written(writing):
    writing.writer.want("u", {"hpaName": "h"})
    writing.writer.want("u", {"hpaName": None})
    await writing.clock.settle()
    assert writing.kube.requests == []


async def test_what_is_wanted_during_a_write_is_written_after_it(writing):
    def meanwhile(_verb):
        writing.kube.before = lambda _verb: None
        writing.writer.want("u", {"hpaName": "second"})

    writing.kube.before = meanwhile
    writing.writer.want("u", {"hpaName": "first"})
    await writing.clock.settle()
    assert writing.status["hpaName"] == "second"
    assert writing.kube.requests == ["patch", "patch"]


async def test_a_conflict_is_read_and_tried_again(writing):
    writing.kube.put({**writing.kube.objects["worker"], "status": {"pausedReplicaCount": 3}})
    writing.writer.want("u", {"hpaName": "h"})
    await writing.clock.settle()
    assert writing.kube.requests == ["patch", "get"]
    await writing.clock.advance(1)
    assert writing.kube.requests == ["patch", "get", "patch"]
    assert writing.status == {"pausedReplicaCount": 3, "hpaName": "h"}


async def test_a_failure_is_tried_again(writing):
    def away(_verb):
        raise Unreachable("nobody there")

    writing.kube.before = away
    writing.writer.want("u", {"hpaName": "h"})
    await writing.clock.advance(3)
    writing.kube.before = lambda _verb: None
    await writing.clock.advance(10)
    assert writing.status == {"hpaName": "h"}


async def test_a_status_never_lands_on_a_namesake(writing):
    writing.kube.put({"metadata": {"name": "worker", "namespace": "n"}}, uid="another")
    writing.writer.want("u", {"hpaName": "h"})
    await writing.clock.advance(100)
    assert "status" not in writing.kube.objects["worker"]
    assert writing.kube.requests == ["patch", "get"]


async def test_an_object_that_is_gone_is_forgotten(writing):
    writing.kube.objects.clear()
    writing.writer.want("u", {"hpaName": "h"})
    await writing.clock.advance(100)
    assert writing.kube.requests == ["patch"]
    assert not writing.writer._subjects


async def test_old_news_is_passed_over(writing):
    before = copy.deepcopy(writing.kube.objects["worker"])
    writing.writer.want("u", {"hpaName": "h"})
    await writing.clock.settle()
    writing.observe(before)  # The watch lags.
    writing.writer.want("u", {"hpaName": "h"})
    await writing.clock.settle()
    assert writing.kube.requests == ["patch"]
    writing.observe(
        writing.kube.put({**writing.kube.objects["worker"], "status": {}})
    )  # Somebody took it away.
    writing.writer.want("u", {"hpaName": "h"})
    await writing.clock.settle()
    assert writing.kube.requests == ["patch", "patch"]
