"""Deployment → ReplicaSet → Pods: counts, rollouts, history, and which pods go first."""

from datetime import UTC, datetime

import pytest
from embedded import DEPLOYMENTS, PODS, SETS, cluster, condition, deployment, lone_pod, reasons, shell, until
from hypothesis import given
from hypothesis import strategies as st

from scaler.local import deployments, replicasets
from scaler.local.objects import is_active

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def replicaset(name, replicas, available, template, **meta):
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name, "creationTimestamp": name, **meta},
        "spec": {"replicas": replicas, "template": template},
        "status": {"replicas": replicas, "availableReplicas": available},
    }


def scale(api, name, replicas):
    api.update_scale(*DEPLOYMENTS, name, {"spec": {"replicas": replicas}})


def set_image(api, name, image):
    containers = [{"name": "c", "image": image}]
    api.merge_patch(*DEPLOYMENTS, name, {"spec": {"template": {"spec": {"containers": containers}}}})


def complete(api, name, replicas):
    """What `kubectl rollout status` waits for."""
    obj = api.get(*DEPLOYMENTS, name)
    status = obj["status"]
    return (
        status["observedGeneration"] == obj["metadata"]["generation"]
        and all(status.get(f, 0) == replicas for f in ("replicas", "updatedReplicas", "availableReplicas"))
        and obj
    )


async def test_a_deployment_gets_a_replicaset_and_ready_pods():
    async with cluster(pods="ready") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=3))
        obj = await until(lambda: complete(api, "web", 3))
        (rs,) = api.list(*SETS)
        code = rs["metadata"]["labels"]["pod-template-hash"]
        assert rs["metadata"]["name"] == f"web-{code}"
        assert rs["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": code}
        pods = api.list(*PODS, labels=f"pod-template-hash={code}")
        assert len(pods) == 3
        (owner,) = pods[0]["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == (
            "ReplicaSet",
            rs["metadata"]["uid"],
            True,
        )
        assert pods[0]["status"]["phase"] == "Running"
        assert condition(pods[0], "Ready")[0] == "True"
        assert condition(obj, "Available") == ("True", "MinimumReplicasAvailable")
        assert condition(obj, "Progressing") == ("True", "NewReplicaSetAvailable")
        assert obj["metadata"]["annotations"][deployments.REVISION] == "1"
        assert reasons(api, "web") == ["ScalingReplicaSet"]


async def test_to_zero_and_up_again():
    async with cluster(pods="ready") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=2))
        await until(lambda: complete(api, "web", 2))
        scale(api, "web", 0)
        await until(lambda: complete(api, "web", 0) and not api.list(*PODS))
        assert condition(api.get(*DEPLOYMENTS, "web"), "Available") == ("True", "MinimumReplicasAvailable")
        scale(api, "web", 5)
        await until(lambda: complete(api, "web", 5))
        assert len(api.list(*SETS)) == 1


async def test_nothing_is_written_at_rest():
    async with cluster(pods="ready") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=2))
        await until(lambda: complete(api, "web", 2))
        await until(lambda: len(api.list(*PODS)) == 2)
        before = api.store.version
        api.merge_patch(*DEPLOYMENTS, "web", {"metadata": {"labels": {"looked": "at"}}})
        await until(lambda: condition(api.get(*DEPLOYMENTS, "web"), "Available"))
        assert api.store.version == before + 1


async def test_a_rolling_update_never_has_too_few_or_too_many_pods():
    async with cluster(pods="ready") as api:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
        api.create(*DEPLOYMENTS, deployment(replicas=4, strategy=strategy))
        await until(lambda: complete(api, "web", 4))
        seen = []
        pods = {p["metadata"]["name"] for p in api.list(*PODS)}
        changes = api.subscribe("", "pods")
        set_image(api, "web", "two")
        await until(lambda: complete(api, "web", 4))
        pods.clear()
        for kind, pod in changes.pending():
            name = pod["metadata"]["name"]
            (pods.discard if kind == "DELETED" or not is_active(pod) else pods.add)(name)
            seen.append(len(pods))
        changes.close()
        assert max(seen[4:]) <= 5
        assert min(seen[4:]) >= 3
        assert {p["spec"]["containers"][0]["image"] for p in api.list(*PODS)} == {"two"}
        assert api.get(*DEPLOYMENTS, "web")["metadata"]["annotations"][deployments.REVISION] == "2"
        old, new = sorted(api.list(*SETS), key=lambda rs: rs["metadata"]["annotations"][deployments.REVISION])
        assert (old["spec"]["replicas"], new["spec"]["replicas"]) == (0, 4)


async def test_going_back_uses_the_old_replicaset_with_a_new_revision():
    async with cluster(pods="ready") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        await until(lambda: complete(api, "web", 1))
        (first,) = api.list(*SETS)
        set_image(api, "web", "two")
        await until(lambda: complete(api, "web", 1) and len(api.list(*SETS)) == 2)
        set_image(api, "web", "one")
        name = first["metadata"]["name"]
        await until(lambda: complete(api, "web", 1) and api.get(*SETS, name)["spec"]["replicas"] == 1)
        assert api.get(*DEPLOYMENTS, "web")["metadata"]["annotations"][deployments.REVISION] == "3"
        assert len(api.list(*SETS)) == 2


async def test_history_is_kept_to_its_limit():
    async with cluster(pods="ready") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1, revisionHistoryLimit=1))
        for number, image in enumerate(("one", "two", "three", "four"), 1):
            set_image(api, "web", image)
            await until(
                lambda n=str(number): (
                    complete(api, "web", 1)
                    and api.get(*DEPLOYMENTS, "web")["metadata"]["annotations"][deployments.REVISION] == n
                )
            )
        await until(lambda: len(api.list(*SETS)) == 2)
        revisions = {rs["metadata"]["annotations"][deployments.REVISION] for rs in api.list(*SETS)}
        assert revisions == {"3", "4"}


async def test_recreate_waits_for_the_last_old_pod():
    slow = "trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.05; done"
    async with cluster(pods="process") as api:
        spec = deployment(replicas=2, pod={"containers": [shell(slow)]}, strategy={"type": "Recreate"})
        api.create(*DEPLOYMENTS, spec)
        await until(lambda: complete(api, "web", 2))
        changes = api.subscribe("", "pods")
        changes.pending()
        fresh = {"spec": {"template": {"spec": {"containers": [shell("exec sleep 60")]}}}}
        api.merge_patch(*DEPLOYMENTS, "web", fresh)
        await until(lambda: complete(api, "web", 2) and len(api.list(*PODS)) == 2)
        kinds = [kind for kind, _ in changes.pending() if kind != "MODIFIED"]
        changes.close()
        assert kinds == ["DELETED", "DELETED", "ADDED", "ADDED"]


async def test_a_broken_image_holds_the_rollout_with_the_old_pods_up():
    async with cluster(pods="process") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=2, pod={"containers": [shell("exec sleep 60")]}))
        await until(lambda: complete(api, "web", 2))
        bad = {"name": "main", "image": "none", "command": ["/no/such/program"]}
        api.merge_patch(*DEPLOYMENTS, "web", {"spec": {"template": {"spec": {"containers": [bad]}}}})
        await until(lambda: api.get(*DEPLOYMENTS, "web")["status"].get("unavailableReplicas"))
        obj = api.get(*DEPLOYMENTS, "web")
        assert obj["status"]["availableReplicas"] == 2
        assert condition(obj, "Available")[0] == "True"


async def test_no_progress_is_said_after_the_deadline(fake_clock):
    async with cluster(fake_clock, pods="none") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1, progressDeadlineSeconds=60))
        await fake_clock.settle()
        assert condition(api.get(*DEPLOYMENTS, "web"), "Progressing") == ("True", "ReplicaSetUpdated")
        await fake_clock.advance(61)
        obj = api.get(*DEPLOYMENTS, "web")
        assert condition(obj, "Progressing") == ("False", "ProgressDeadlineExceeded")
        assert condition(obj, "Available") == ("False", "MinimumReplicasUnavailable")


async def test_pods_are_available_only_after_min_ready_seconds(fake_clock):
    async with cluster(fake_clock, pods="ready") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=2, minReadySeconds=30))
        await fake_clock.settle()
        status = api.get(*DEPLOYMENTS, "web")["status"]
        assert (status["readyReplicas"], status.get("availableReplicas", 0)) == (2, 0)
        await fake_clock.advance(31)
        assert api.get(*DEPLOYMENTS, "web")["status"]["availableReplicas"] == 2


async def test_paused_deployments_scale_but_roll_nothing_out():
    async with cluster(pods="ready") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        await until(lambda: complete(api, "web", 1))
        api.merge_patch(*DEPLOYMENTS, "web", {"spec": {"paused": True}})
        set_image(api, "web", "two")
        scale(api, "web", 3)
        await until(lambda: api.get(*DEPLOYMENTS, "web")["status"].get("availableReplicas") == 3)
        assert {p["spec"]["containers"][0]["image"] for p in api.list(*PODS)} == {"one"}
        assert condition(api.get(*DEPLOYMENTS, "web"), "Progressing") == ("Unknown", "DeploymentPaused")
        api.merge_patch(*DEPLOYMENTS, "web", {"spec": {"paused": None}})
        await until(lambda: complete(api, "web", 3))
        assert {p["spec"]["containers"][0]["image"] for p in api.list(*PODS)} == {"two"}


async def test_a_name_in_use_is_avoided():
    async with cluster(pods="ready") as api:
        wanted = deployment(replicas=1)
        stored = api.create(*DEPLOYMENTS, wanted)
        code = deployments.template_hash(stored["spec"]["template"], 0)
        squatter = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": f"web-{code}", "namespace": "default"},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"a": "b"}},
                "template": _template({"a": "b"}),
            },
        }
        api.create(*SETS, squatter)
        obj = await until(lambda: complete(api, "web", 1))
        assert obj["status"]["collisionCount"] == 1
        assert len(api.list(*SETS)) == 2


async def test_a_replicaset_alone_keeps_its_pods():
    async with cluster(pods="ready") as api:
        body = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": "alone", "namespace": "default"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": {"a": "b"}},
                "template": _template({"a": "b"}),
            },
        }
        api.create(*SETS, body)
        await until(lambda: api.get(*SETS, "alone")["status"].get("availableReplicas") == 2)
        first = api.list(*PODS)[0]["metadata"]["name"]
        api.delete(*PODS, first)
        await until(
            lambda: (
                len(api.list(*PODS)) == 2 and first not in {p["metadata"]["name"] for p in api.list(*PODS)}
            )
        )
        assert reasons(api, "alone") == ["SuccessfulCreate"] * 3


async def test_a_refused_pod_is_reported_and_tried_again(fake_clock):
    async with cluster(fake_clock, pods="none") as api:
        body = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": "alone", "namespace": "default"},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"a": "b"}},
                "template": _template({"a": "b"}),
            },
        }
        api.create(*SETS, body)
        await fake_clock.settle()
        assert len(api.list(*PODS)) == 1
        api.merge_patch("", "namespaces", "", "default", {"metadata": {"finalizers": ["a/b"]}})
        api.delete("", "namespaces", "", "default")
        api.delete(*PODS, api.list(*PODS)[0]["metadata"]["name"])
        await fake_clock.settle()
        assert condition(api.get(*SETS, "alone"), "ReplicaFailure") == ("True", "FailedCreate")


async def test_pods_stay_pending_where_nothing_runs():
    async with cluster(pods="none") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        pod = (await until(lambda: [p for p in api.list(*PODS) if p["status"].get("conditions")]))[0]
        assert pod["status"]["phase"] == "Pending"
        assert condition(pod, "PodScheduled") == ("False", "Unschedulable")
        scale(api, "web", 0)
        await until(lambda: not api.list(*PODS))


@pytest.mark.slow
async def test_a_thousand_deployments_are_no_burden():
    async with cluster(pods="ready") as api:
        for number in range(1000):
            api.create(*DEPLOYMENTS, deployment(f"web-{number}", 1))
        await until(
            lambda: all(d.get("status", {}).get("availableReplicas") for d in api.list(*DEPLOYMENTS)),
            within=60,
        )
        assert len(api.list(*PODS)) == 1000


def _template(labels):
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "one"}]}}


# Pure steps.


def pod(
    name,
    *,
    phase="Running",
    ready=True,
    node="n",
    since="2026-01-05T11:00:00Z",
    created="2026-01-05T10:00:00Z",
    **meta,
):
    obj = lone_pod(name, {"name": "c"}, nodeName=node)
    obj["metadata"] |= {"creationTimestamp": created, **meta}
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": since}]
    obj["status"] = {"phase": phase, "conditions": conditions}
    return obj


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        (pod("a", node=""), pod("b", phase="Pending", ready=False)),
        (pod("a", phase="Pending", ready=False), pod("b", ready=False)),
        (pod("a", ready=False), pod("b")),
        (pod("a", annotations={"controller.kubernetes.io/pod-deletion-cost": "-1"}), pod("b")),
        (pod("a", since="2026-01-05T11:30:00Z"), pod("b", since="2026-01-05T11:00:00Z")),
        (pod("a", created="2026-01-05T10:30:00Z"), pod("b", created="2026-01-05T10:00:00Z")),
    ],
    ids=["unscheduled", "pending", "not-ready", "cheaper", "ready-for-less-time", "younger"],
)
def test_which_pod_goes_first(goes, stays):
    rs = {"metadata": {}, "spec": {"replicas": 1}}
    for pods in ([goes, stays], [stays, goes]):
        assert [p["metadata"]["name"] for p in replicasets.plan(rs, pods).delete] == ["a"]


def test_terminating_and_finished_pods_do_not_count():
    pods = [pod("a"), pod("b", deletionTimestamp="2026-01-05T11:00:00Z"), pod("c", phase="Failed")]
    assert replicasets.plan({"metadata": {}, "spec": {"replicas": 2}}, pods) == replicasets.Plan(create=1)
    status, _ = replicasets.status({"metadata": {}, "spec": {"replicas": 2}}, pods, NOW, None)
    assert (status["replicas"], status["readyReplicas"], status["terminatingReplicas"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (4, 0, 0, (0, 1)),
        (3, "0%", "10%", (0, 1)),
        (2, 0, 5, (0, 2)),
    ],
)
def test_surge_is_rounded_up_and_unavailable_down(replicas, surge, unavailable, expected):
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    assert deployments.bounds(deployment(replicas=replicas, strategy=strategy)) == expected


@given(
    wanted=st.integers(0, 8),
    old=st.integers(0, 8),
    old_available=st.integers(0, 8),
    new=st.integers(0, 8),
    new_available=st.integers(0, 8),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
)
def test_a_step_of_a_rollout_keeps_both_bounds(
    wanted, old, old_available, new, new_available, surge, unavailable
):
    old_available, new_available = min(old, old_available), min(new, new_available)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    spec = deployment(replicas=wanted, strategy=strategy)
    now, before = spec["spec"]["template"], _template({"app": "older"})
    owned = [replicaset("a", old, old_available, before), replicaset("b", new, new_available, now)]
    plan = deployments.plan(spec, owned, 0)
    counts = {"a": old, "b": new} | {move.name: move.replicas for move in plan.rescale}
    most, fewest = deployments.bounds(spec)
    assert counts["b"] <= max(wanted, 0)
    if counts["b"] > new:
        assert counts["b"] + old <= wanted + most
    assert counts["a"] <= old
    if counts["a"] < old and new <= wanted:
        # Pods that are not available go first; only beyond them are available ones taken, and never too many.
        left = min(old_available, counts["a"]) + new_available
        assert left >= min(wanted - fewest, old_available + new_available)
    if old_available == old and new_available == new and (old or new < wanted):
        assert counts != {"a": old, "b": new}, "a rollout whose pods are all available moves on"


async def test_pods_of_a_deleted_owner_are_left_to_the_collector():
    async with cluster(pods="ready") as api:
        api.create(*DEPLOYMENTS, deployment(replicas=1))
        await until(lambda: complete(api, "web", 1))
        api.delete(*SETS, api.list(*SETS)[0]["metadata"]["name"])
        await until(lambda: complete(api, "web", 1) and len(api.list(*SETS)) == 1)


def test_the_same_template_has_the_same_hash_and_another_after_a_collision():
    first, again = _template({"a": "b", "c": "d"}), _template({"c": "d", "a": "b"})
    assert deployments.template_hash(first, 0) == deployments.template_hash(again, 0)
    assert deployments.template_hash(first, 0) != deployments.template_hash(first, 1)
