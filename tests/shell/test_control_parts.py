"""Small parts of the controller: versions, the roster, triggers built one by one."""

import pytest

from scaler.control.managed import Managed
from scaler.control.observed import Observer
from scaler.control.resolution import Resolved
from scaler.control.roster import Roster
from scaler.control.targets import TargetKey
from scaler.control.triggers import build
from scaler.control.versions import later
from scaler.core import manifest
from scaler.kube.resources import DEPLOYMENTS
from scalers.registry import Registry
from scalers.sdk import Connection, InvalidMetadata, Metadata, MetricSpec, Reading, Scaler


def scaled_object(name="worker", uid="u1", triggers=(), **spec):
    obj = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": uid,
            "resourceVersion": "5",
            "generation": 1,
        },
        "spec": {
            "scaleTargetRef": {"name": "web"},
            "triggers": list(triggers)
            or [{"type": "redis", "metadata": {"address": "a:1", "listName": "l"}}],
            **spec,
        },
    }
    parsed = manifest.parse(obj)
    assert not parsed.problems
    return parsed.scaled_object


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("10", "9", True), ("9", "10", False), ("9", "9", False), ("x", "9", False), ("10", "", False)],
)
def test_later_versions(one, other, expected):
    assert later(one, other) is expected


def test_the_roster_finds_by_name_uid_target_and_namespace():
    roster, one, two = Roster(), Managed.of(scaled_object()), Managed.of(scaled_object("other", "u2"))
    for managed in (one, two):
        roster.add(managed)
    web, api = (TargetKey(DEPLOYMENTS, "default", name) for name in ("web", "api"))
    roster.aim(one, web)
    roster.aim(two, web)
    assert roster.of_target(web) == (one, two)
    roster.aim(one, api)
    assert (roster.of_target(web), roster.of_target(api)) == ((two,), (one,))
    assert (roster.get(("default", "worker")), roster.by_uid["u2"]) == (one, two)
    assert list(roster.in_namespace("default")) == [one, two]
    assert list(roster.in_namespace("else")) == []
    roster.remove(two)
    assert (len(roster), roster.of_target(web), dict(roster.by_uid)) == (1, (), {"u1": one})
    assert list(roster._by_target) == [api]


def test_the_target_of_an_event_is_written_as_keda_writes_it():
    assert str(TargetKey(DEPLOYMENTS, "shop", "web")) == "apps/v1.Deployment shop/web"


class _Connection(Connection):
    def open(self, _host):
        raise NotImplementedError


class _Metadata(Metadata):
    connection: _Connection

    def metric_name(self):
        return "odd"


class _Odd(Scaler):
    """A plugin whose `specs` is broken in its own way."""

    metadata = _Metadata

    def __init__(self, answer):
        self.answer = answer

    def specs(self, _metadata):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def measure(self, _client, _metadata):
        return Reading(0.0)


class _Scalers:
    def __init__(self, answer):
        self.answer, self.registry = answer, Registry()

    def get(self, trigger_type):
        return _Odd(self.answer) if trigger_type == "odd" else self.registry.get(trigger_type)


@pytest.mark.parametrize(
    "answer",
    [KeyError("oops"), ZeroDivisionError("oops"), [MetricSpec("n", float("nan"))], InvalidMetadata("no")],
)
def test_a_plugin_that_raises_spoils_only_its_own_trigger(answer):
    good = {"type": "redis", "metadata": {"address": "a:1", "listName": "l"}}
    so = scaled_object(triggers=[{"type": "odd", "metadata": {}}, good])
    bad, fine = build(so, [Resolved()] * 2, _Scalers(answer))
    assert (bad.names, fine.names) == (("s0-invalid",), ("s1-redis-l",))
    assert isinstance(bad.error, InvalidMetadata)
    assert fine.error is None
    assert bad.fault(bad.error).startswith("spec.triggers[0]")


def test_every_problem_of_a_trigger_has_its_path():
    triggers = [
        {"type": "redis", "metadata": {"address": "a:1", "listLength": "x"}},
        {"type": "tarot", "metadata": {}},
        {"type": "cron", "metadata": {}, "metricType": "Utilization"},
    ]
    redis, tarot, cron = build(scaled_object(triggers=triggers), [Resolved()] * 3, Registry())
    assert "spec.triggers[0].metadata.listLength: " in str(redis.error)
    assert "spec.triggers[0].metadata.listName: " in str(redis.error)
    assert str(tarot.error).startswith("spec.triggers[1].type: no scaler found for type: tarot")
    assert (redis.unknown_type, tarot.unknown_type) == (False, True)
    assert str(cron.error).startswith("spec.triggers[2].metricType: ")


def _seen(**changes):
    metadata = {
        "name": "worker",
        "namespace": "default",
        "uid": "u1",
        "resourceVersion": "1",
        "generation": 1,
        **changes,
    }
    triggers = [{"type": "redis", "metadata": {"address": "a:1", "listName": "l"}}]
    return {"metadata": metadata, "spec": {"scaleTargetRef": {"name": "web"}, "triggers": triggers}}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"resourceVersion": "2"}, True),
        ({"labels": {"a": "b"}}, True),
        ({"annotations": {"note": "x"}}, True),
        ({"annotations": {"tidegate.dev/activation": "desired"}}, False),
        ({"annotations": {"autoscaling.keda.sh/paused": "true"}}, False),
        ({"generation": 2}, False),
        ({"finalizers": ["f"]}, False),
        ({"deletionTimestamp": "2026-01-01T00:00:00Z"}, False),
        ({"uid": "u2"}, False),
    ],
)
def test_what_is_a_reason_to_reconcile(changes, same):
    observer = Observer()
    before, after = observer.decode(_seen()), observer.decode(_seen(**changes))
    assert before.same_wish(after) is same
    assert after.so is not None
    assert (after.so.labels, after.so.annotations) == (after.labels, after.annotations)


def test_our_own_status_writes_cost_no_parsing():
    observer = Observer()
    before = observer.decode(_seen())
    after = observer.decode({**_seen(resourceVersion="2"), "status": {"hpaName": "x"}})
    assert after.so.spec is before.so.spec
    assert (after.so.status, after.so.resource_version) == ({"hpaName": "x"}, "2")
    observer.forget("u1")
    assert observer.decode(_seen()).so.spec is not before.so.spec
