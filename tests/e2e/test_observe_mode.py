"""Observe mode beside a scripted KEDA: silent where it agrees, true in each way it differs, and nothing is ever written."""

import json

import aiohttp
import pytest
from controlled import HPAS, SCALED_OBJECTS, controlled
from scripted_keda import ScriptedKeda

from scaler.settings import ControllerSettings, RunSettings

pytestmark = pytest.mark.server

OBSERVE = ControllerSettings(mode="observe")
ME = {"annotations": {"tidegate.dev/mode": "observe"}}
INTERVAL, COOLDOWN = 10, 20


def report(run, namespace=None):
    return run.controller.comparisons.document(namespace)


def of(run, name):
    """What is reported of an object. Raises LookupError, for which `until` waits."""
    return {o["object"]["name"]: o for o in report(run)["objects"]}[name]


def found(run, name="worker"):
    return {(each["kind"], each["topic"], each["reason"]) for each in of(run, name)["disagreements"]}


def observing(redis, **options):
    # Five times as fast only: a grace of 15 s must stay longer than a busy machine's hiccups.
    return controlled(redis, factor=5, hpa_sync=6000, **options)


def make(run, name, **spec):
    run.deployment(name)
    trigger = run.redis_trigger(name)
    run.scaled_object(name, trigger, to=name, pollingInterval=INTERVAL, cooldownPeriod=COOLDOWN, **spec)


def asked_to_write(run):
    return [request for request in run.requests if request[0] not in {"get", "list", "watch"}]


async def test_twenty_objects_on_which_both_agree_and_the_report_is_empty(redis):
    names = [f"w{number}" for number in range(20)]
    # Twenty queues that are emptied at once are a mass event, which KEDA would not brake.
    settings = ControllerSettings(mode="observe", brake_share=1)
    async with observing(redis, settings=settings) as run:
        for number, name in enumerate(names):
            make(run, name, **({"minReplicaCount": 2} if number % 5 == 4 else {}))
        async with ScriptedKeda(run, interval=INTERVAL) as keda:
            await run.until(
                lambda: (
                    all(o["compared"] for o in report(run)["objects"]) and len(report(run)["objects"]) == 20
                )
            )
            for _ in range(2):
                for name in names:
                    run.push(7, name)
                await run.until(lambda: all(run.replicas(name) > 0 for name in names))
                for name in names:
                    run.clear(name)
                await run.until(lambda: sum(run.replicas(name) == 0 for name in names) == 16)
            await run.schedule(3 * INTERVAL)
            assert report(run)["summary"] == "20 objects, 20 agree"
            assert [o["disagreements"] for o in report(run)["objects"]] == [[]] * 20
            changes = sum(o["changes"] for o in report(run)["objects"])
            assert changes == len(keda.moves) >= 64
            assert sum(o["agreed"] for o in report(run)["objects"]) == changes
            assert run.controller.comparisons.states() == {"agree": 20, "disagree": 0, "not-compared": 0}
            assert asked_to_write(run) == []


async def test_each_way_to_disagree_is_told_with_what_was_done_and_our_reason(redis):
    names = ["never-up", "never-down", "up", "down", "max", "no-hpa", "numbers", "right"]
    async with observing(redis, settings=OBSERVE) as run:
        for name in names:
            make(run, name)
        async with ScriptedKeda(run, interval=INTERVAL) as keda:
            for name in ("never-down", "down", "numbers", "max"):
                run.push(40, name)
            await run.until(lambda: all(of(run, name)["compared"] for name in names))
            await run.until(
                lambda: all(run.replicas(n) == 1 for n in ("never-down", "down", "numbers", "max"))
            )
            for name in names[:-1]:
                keda.wrong[name] = {name}
            run.push(3, "never-up")
            run.clear("never-down")
            expected = {
                "never-up": {("not-scaled", "up", "Activated")},
                "never-down": {("not-scaled", "down", "Deactivated")},
                "up": {("scaled", "up", "AtRest")},
                "down": {("scaled", "down", "HPAInCharge")},
                "max": {("hpa", "spec.maxReplicas", "HPADiffers")},
                "no-hpa": {("hpa", "missing", "HPADiffers")},
                "numbers": {("metric", "s0-redis-numbers", "MetricDiffers")},
                "right": set(),
            }
            await run.until(lambda: {name: found(run, name) for name in names} == expected, within=60)
        texts = {name: next(iter(of(run, name)["disagreements"]), None) for name in names}
        assert (texts["up"]["done"], texts["up"]["wished"]) == ("scaled from 0 to 1", "left it at 0")
        assert texts["up"]["message"] == "no work; at 0"
        assert texts["down"]["message"].startswith("work in s0-redis-down")
        assert (texts["never-up"]["done"], texts["never-up"]["wished"]) == (
            "left at 0",
            "scaled it from 0 to 1",
        )
        assert (texts["max"]["done"], texts["max"]["wished"]) == (
            "spec.maxReplicas 7",
            "spec.maxReplicas 100",
        )
        assert texts["no-hpa"]["done"] == "there is no HPA keda-hpa-no-hpa"
        assert "400" in texts["numbers"]["done"]
        assert texts["numbers"]["wished"] == "served 40"
        assert report(run)["summary"] == "8 objects, 1 agree"
        assert run.controller.comparisons.counts()["scaled"] >= 2
        scraped = await page(run, "/metrics")
        assert 'tidegate_disagreements_total{kind="hpa"} 2.0' in scraped
        assert 'tidegate_observed_objects{state="agree"} 1.0' in scraped
        served = json.loads(await page(run, "/disagreements?namespace=default"))
        assert [o["disagreements"] for o in served["objects"]] == [
            o["disagreements"] for o in report(run)["objects"]
        ]
        assert json.loads(await page(run, "/disagreements?namespace=other"))["objects"] == []
        assert asked_to_write(run) == []
        run.delete("max")
        await run.until(lambda: len(report(run)["objects"]) == 7)
        assert run.controller.comparisons.counts()["hpa"] == 2


async def page(run, path):
    url = f"http://127.0.0.1:{run.embedded.tidegate.listener.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


async def live(run):
    """All that makes an acting Tidegate write."""
    run.api.create("keda.sh", "triggerauthentications", "default", authentication())
    run.deployment()
    restore = {"advanced": {"restoreToOriginalReplicaCount": True}}
    run.scaled_object(pollingInterval=5, cooldownPeriod=5, **restore)
    await run.until(lambda: decided(run) == "AtRest")
    run.push(9)
    await run.until(lambda: decided(run) == "Activated")
    run.scale(3)
    await run.until(lambda: decided(run) == "HPAInCharge")
    run.clear()
    await run.until(lambda: decided(run) == "Deactivated")
    for annotations, reason in (
        ({"autoscaling.keda.sh/paused-replicas": "1"}, "Paused"),
        (
            {"autoscaling.keda.sh/paused-replicas": None, "autoscaling.keda.sh/force-activation": "true"},
            "HPAInCharge",
        ),
    ):
        run.patch(metadata={"annotations": annotations})
        await run.until(lambda reason=reason: decided(run) == reason)
    run.patch(spec={"fallback": {"failureThreshold": 1, "replicas": 4}})
    run.patch("auth", ("keda.sh", "triggerauthentications"), spec={"env": [{"parameter": "a", "name": "B"}]})
    run.redis.stop()
    await run.until(lambda: run.controller._roster.get(("default", "worker")).fallen_back())
    run.patch(spec={"scaleTargetRef": {"name": "other"}})
    await run.until(
        lambda: "failed to get target" in refusal(run) or "no-such" in refusal(run) or "other" in refusal(run)
    )
    run.patch(
        spec={"scaleTargetRef": {"name": "web"}, "triggers": [{"type": "no-such-type", "metadata": {}}]}
    )
    await run.until(lambda: "no-such-type" in refusal(run))
    run.patch(metadata={"finalizers": ["finalizer.keda.sh"]})
    run.delete("auth", ("keda.sh", "triggerauthentications"))
    run.delete()
    await run.until(lambda: run.object()["metadata"].get("deletionTimestamp"))
    await run.until(lambda: run.controller.objects == 0)
    await run.schedule(10)
    assert run.object()["metadata"]["finalizers"] == ["finalizer.keda.sh"]
    await run.stop()


def authentication():
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "TriggerAuthentication",
        "metadata": {"name": "auth", "namespace": "default"},
        "spec": {"secretTargetRef": [{"parameter": "password", "name": "creds", "key": "password"}]},
    }


def decided(run):
    found = run.controller.decision("default", "worker")
    return found and str(found.reason)


def refusal(run):
    return of(run, "worker")["message"]


def untouched(run):
    """Nothing but what the test did stands in the objects."""
    obj = run.object()
    assert "status" not in obj
    assert "labels" not in obj["metadata"]
    assert run.api.list(*HPAS, "default") == []
    about = {e["involvedObject"]["kind"] for e in run.api.list("", "events", "default")}
    assert not about & {"ScaledObject", "TriggerAuthentication"}
    assert run.replicas() == 3


async def test_an_observing_process_asks_for_no_write_in_a_whole_life(redis, monkeypatch):
    # The client that refuses writes stands aside: not even the wish for one may come up.
    monkeypatch.setattr("scaler.kube.transport._reads", lambda _call: True)
    async with controlled(redis, settings=OBSERVE, hpa_sync=6000) as run:
        await live(run)
        assert asked_to_write(run) == []
        assert {verb for verb, *_ in run.requests} >= {"list", "watch"}
        untouched(run)
        with pytest.raises(Exception, match="not found"):
            run.api.get("apiregistration.k8s.io", "apiservices", "", "v1beta1.external.metrics.k8s.io")


async def test_an_observed_namespace_is_written_to_by_nobody_though_the_process_acts(redis):
    async with controlled(redis, hpa_sync=6000) as run:
        run.api.merge_patch("", "namespaces", "", "default", {"metadata": ME})
        await run.until(lambda: run.controller._sightings.defaults("default"))
        await live(run)
        assert asked_to_write(run) == []
        untouched(run)


async def test_one_object_is_observed_beside_others_and_taken_over_when_told_to(redis):
    async with controlled(redis, hpa_sync=6000) as run:
        run.deployment("seen")
        run.scaled_object("seen", run.redis_trigger("seen"), to="seen", meta=ME)
        run.deployment()
        run.scaled_object()
        run.push(3)
        run.push(3, "seen")
        await run.until(lambda: run.replicas() == 1)
        await run.until(
            lambda: str(getattr(run.controller.decision("default", "seen"), "reason", "")) == "Activated"
        )
        await run.schedule(20)
        assert run.replicas("seen") == 0
        assert "status" not in run.object("seen")
        assert [o["object"]["name"] for o in report(run)["objects"]] == ["seen"]
        await run.until(lambda: ("not-scaled", "up", "Activated") in found(run, "seen"))
        run.patch("seen", metadata={"annotations": {"tidegate.dev/mode": None}})
        await run.until(lambda: run.replicas("seen") == 1)
        await run.settled("seen")
        assert run.hpa("keda-hpa-seen")
        assert report(run)["objects"] == []
        run.patch("seen", metadata={"annotations": {"tidegate.dev/mode": "observe"}})
        await run.until(lambda: of(run, "seen"))
        before = run.object("seen")["metadata"]["resourceVersion"]
        run.clear("seen")
        await run.schedule(60)
        assert run.object("seen")["metadata"]["resourceVersion"] == before


@pytest.mark.parametrize("ready", ["True", "False"])
async def test_what_our_models_refuse_is_left_alone_too(redis, ready):
    """Another CRD than ours, KEDA's of some day: what our models refuse may well run."""
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definitions = ("apiextensions.k8s.io", "customresourcedefinitions", "")
    async with controlled(redis, settings=OBSERVE, hpa_sync=6000) as run:
        crd = run.api.get(*definitions, "scaledobjects.keda.sh")
        versions = [{**version, "schema": anything} for version in crd["spec"]["versions"]]
        run.api.merge_patch(*definitions, "scaledobjects.keda.sh", {"spec": {"versions": versions}})
        run.deployment()
        meta = {"finalizers": ["finalizer.keda.sh"]}
        run.scaled_object(meta=meta, pollingInterval="soon")
        status = {"conditions": [{"type": "Ready", "status": ready}]}
        run.api.merge_patch(*SCALED_OBJECTS, "default", "worker", {"status": status}, subresource="status")
        await run.until(lambda: of(run, "worker"))
        await run.reconcile()
        assert not of(run, "worker")["compared"]
        assert "spec.pollingInterval" in of(run, "worker")["message"]
        await run.schedule(40)
        refused = {("refused", "", "ScaledObjectCheckFailed")}
        assert found(run) == (refused if ready == "True" else set())
        run.delete()
        await run.schedule(20)
        assert run.object()["metadata"]["finalizers"] == meta["finalizers"]
        assert run.object()["status"] == status
        assert asked_to_write(run) == []


def test_a_process_that_observes_cannot_register():
    with pytest.raises(ValueError, match="register: in mode observe nothing is written"):
        RunSettings(controller=OBSERVE, register=True)
