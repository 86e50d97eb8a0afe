"""StatefulSet → Pods: order, numbers, updates, revisions, claims, status, and what the API server refuses."""

import itertools
from datetime import UTC, datetime

import pytest
from embedded import EVENTS, PODS, cluster, deployment, new_api, reasons, shell, until
from hypothesis import given
from hypothesis import strategies as st

from scaler.local import revisions, statefulset_pods, statefulsets
from scaler.local.api import ApiError
from scaler.local.objects import name_of

SETS = ("apps", "statefulsets", "default")
REVISIONS = ("apps", "controllerrevisions", "default")
CLAIMS = ("", "persistentvolumeclaims", "default")
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def stateful_set(name="db", replicas=1, **more):
    return {**deployment(name, replicas, serviceName=name, **more), "kind": "StatefulSet"}


def scale(api, replicas, name="db"):
    api.update_scale(*SETS, name, {"spec": {"replicas": replicas}})


def set_image(api, image, name="db"):
    containers = [{"name": "c", "image": image}]
    api.merge_patch(*SETS, name, {"spec": {"template": {"spec": {"containers": containers}}}})


def strategy(**rolling):
    return {"type": "RollingUpdate", "rollingUpdate": rolling}


def names(api):
    return [name_of(pod) for pod in api.list(*PODS)]


def images(api):
    return {name_of(pod): pod["spec"]["containers"][0]["image"] for pod in api.list(*PODS)}


def status(api, name="db"):
    return api.get(*SETS, name)["status"]


def settled(api, replicas, name="db"):
    """All wanted pods are there, ready, and no others."""
    obj = api.get(*SETS, name)
    now = obj["status"]
    counts = (now["replicas"], now.get("readyReplicas", 0), now["availableReplicas"])
    seen = now.get("observedGeneration") == obj["metadata"]["generation"]
    return seen and counts == (replicas,) * 3 and len(api.list(*PODS)) == replicas and obj


def updated(api, replicas, name="db"):
    now = status(api, name)
    return settled(api, replicas, name) and now["currentRevision"] == now["updateRevision"] and now


def set_ready(api, name, *, ready=True):
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-05T11:00:00Z"}
    state = {"status": {"phase": "Running", "conditions": [condition]}}
    api.merge_patch(*PODS, name, state, subresource="status")


def history(api):
    """(kind of change, name) of the pods, as they came."""
    return [(kind, name_of(pod)) for kind, pod in api if kind != "MODIFIED"]


# Making and removing.


async def test_pods_have_numbers_labels_and_the_name_of_their_service():
    async with cluster(pods="ready") as api:
        api.create(*SETS, stateful_set(replicas=2))
        await until(lambda: updated(api, 2))
        first, second = api.list(*PODS)
        assert (name_of(first), name_of(second)) == ("db-0", "db-1")
        revision = status(api)["currentRevision"]
        assert second["metadata"]["labels"] == {
            "app": "db",
            "apps.kubernetes.io/pod-index": "1",
            "controller-revision-hash": revision,
            "statefulset.kubernetes.io/pod-name": "db-1",
        }
        assert (second["spec"]["hostname"], second["spec"]["subdomain"]) == ("db-1", "db")
        (owner,) = second["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("StatefulSet", "db", True)
        assert status(api) == {
            "observedGeneration": 1,
            "replicas": 2,
            "readyReplicas": 2,
            "availableReplicas": 2,
            "currentReplicas": 2,
            "updatedReplicas": 2,
            "currentRevision": revision,
            "updateRevision": revision,
            "collisionCount": 0,
        }
        assert reasons(api, "db") == ["SuccessfulCreate", "SuccessfulCreate"]


async def test_ordered_each_waits_until_the_one_before_is_ready(fake_clock):
    async with cluster(fake_clock, pods="none") as api:
        api.create(*SETS, stateful_set(replicas=3))
        for made in (["db-0"], ["db-0", "db-1"], ["db-0", "db-1", "db-2"]):
            await fake_clock.settle()
            assert names(api) == made
            set_ready(api, made[-1])
        await fake_clock.settle()
        assert status(api)["readyReplicas"] == 3


async def test_ordered_waits_for_the_minimum_of_ready_seconds(fake_clock):
    async with cluster(fake_clock, pods="ready") as api:
        api.create(*SETS, stateful_set(replicas=2, minReadySeconds=10))
        await fake_clock.advance(9)
        assert names(api) == ["db-0"]
        assert (status(api)["readyReplicas"], status(api)["availableReplicas"]) == (1, 0)
        await fake_clock.advance(2)
        assert names(api) == ["db-0", "db-1"]
        assert status(api)["availableReplicas"] == 1
        await fake_clock.advance(11)
        assert status(api)["availableReplicas"] == 2


async def test_parallel_makes_all_at_once(fake_clock):
    async with cluster(fake_clock, pods="none") as api:
        api.create(*SETS, stateful_set(replicas=3, podManagementPolicy="Parallel"))
        await fake_clock.settle()
        assert names(api) == ["db-0", "db-1", "db-2"]
        scale(api, 1)
        await fake_clock.settle()
        assert names(api) == ["db-0"]


async def test_pending_pods_can_be_scaled_away(fake_clock):
    """Without nodes: only the first is made, and it goes although it was never ready."""
    async with cluster(fake_clock, pods="none") as api:
        api.create(*SETS, stateful_set(replicas=3))
        await fake_clock.settle()
        assert names(api) == ["db-0"]
        scale(api, 0)
        await fake_clock.settle()
        assert names(api) == []
        assert status(api)["replicas"] == 0


async def test_scales_in_from_the_top_one_by_one():
    async with cluster(pods="ready") as api:
        api.create(*SETS, stateful_set(replicas=3))
        await until(lambda: settled(api, 3))
        changes = api.subscribe("", "pods")
        changes.pending()
        scale(api, 0)
        await until(lambda: settled(api, 0))
        gone = [name for kind, name in history(changes.pending()) if kind == "DELETED"]
        changes.close()
        assert gone == ["db-2", "db-1", "db-0"]


async def test_ordered_scale_in_waits_for_an_unready_pod(fake_clock):
    async with cluster(fake_clock, pods="none") as api:
        api.create(*SETS, stateful_set(replicas=3, podManagementPolicy="OrderedReady"))
        for number in range(3):
            await fake_clock.settle()
            set_ready(api, f"db-{number}")
        await fake_clock.settle()
        for number in (0, 2):
            set_ready(api, f"db-{number}", ready=False)
        scale(api, 1)
        await fake_clock.settle()
        assert names(api) == ["db-0", "db-1", "db-2"]
        set_ready(api, "db-0")
        await fake_clock.settle()
        assert names(api) == ["db-0"]


async def test_a_lost_pod_comes_back_under_its_name():
    async with cluster(pods="ready") as api:
        api.create(*SETS, stateful_set(replicas=3))
        await until(lambda: settled(api, 3))
        lost = api.get(*PODS, "db-1")["metadata"]["uid"]
        api.delete(*PODS, "db-1")
        await until(lambda: api.get(*PODS, "db-1")["metadata"]["uid"] != lost and settled(api, 3))


async def test_numbers_begin_where_they_are_told_to():
    async with cluster(pods="ready") as api:
        api.create(*SETS, stateful_set(replicas=2, ordinals={"start": 5}))
        await until(lambda: settled(api, 2))
        assert names(api) == ["db-5", "db-6"]
        api.merge_patch(*SETS, "db", {"spec": {"ordinals": {"start": 6}}})
        await until(lambda: names(api) == ["db-6", "db-7"] and settled(api, 2))


async def test_a_pod_of_its_name_that_it_does_not_own_is_in_the_way(fake_clock):
    async with cluster(fake_clock, pods="ready") as api:
        containers = [{"name": "c", "image": "one"}]
        alien = {"metadata": {"name": "db-0", "namespace": "default"}, "spec": {"containers": containers}}
        api.create(*PODS, alien)
        api.create(*SETS, stateful_set())
        await fake_clock.settle()
        (event,) = [e for e in api.list(*EVENTS) if e["reason"] == "FailedCreate"]
        assert "db-0" in event["message"]
        assert "already exists" in event["message"]
        api.delete(*PODS, "db-0", grace=0)
        await fake_clock.advance(6)
        assert settled(api, 1)


async def test_nothing_is_written_at_rest(fake_clock):
    async with cluster(fake_clock, pods="ready") as api:
        api.create(*SETS, stateful_set(replicas=2))
        await fake_clock.settle()
        assert updated(api, 2)
        before = api.store.version
        api.merge_patch(*SETS, "db", {"metadata": {"labels": {"looked": "at"}}})
        await fake_clock.advance(60)
        assert api.store.version == before + 1


async def test_one_that_is_going_makes_no_pods(fake_clock):
    async with cluster(fake_clock, pods="ready") as api:
        api.create(*SETS, stateful_set(replicas=1))
        await fake_clock.settle()
        assert settled(api, 1)
        api.delete(*SETS, "db", propagation="Foreground")
        api.delete(*PODS, "db-0")
        await fake_clock.advance(60)
        assert names(api) == []


async def test_pods_are_processes(tmp_path):
    script = f'echo "$HOSTNAME_FROM_POD" >> {tmp_path}/log; sleep 1000'
    field = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    pod = {
        "containers": [shell(script, env=[{"name": "HOSTNAME_FROM_POD", **field}])],
        "terminationGracePeriodSeconds": 0,
    }
    async with cluster(pods="process") as api:
        api.create(*SETS, stateful_set(replicas=2, pod=pod))
        await until(lambda: settled(api, 2))
        await until(lambda: (tmp_path / "log").read_text().split() == ["db-0", "db-1"])
        scale(api, 1)
        await until(lambda: settled(api, 1))


# Updates.


async def test_a_rolling_update_goes_from_the_top_one_at_a_time():
    async with cluster(pods="ready") as api:
        api.create(*SETS, stateful_set(replicas=3))
        first = (await until(lambda: updated(api, 3)))["currentRevision"]
        changes = api.subscribe("", "pods")
        changes.pending()
        set_image(api, "two")
        await until(lambda: status(api)["updateRevision"] != first)
        await until(lambda: updated(api, 3))
        steps = history(changes.pending())
        changes.close()
        assert steps == [(kind, f"db-{n}") for n in (2, 1, 0) for kind in ("DELETED", "ADDED")]
        assert set(images(api).values()) == {"two"}
        assert [one["revision"] for one in api.list(*REVISIONS)] in ([1, 2], [2, 1])


async def test_an_update_that_does_not_get_ready_stops_at_its_first_pod(fake_clock):
    async with cluster(fake_clock, pods="none") as api:
        api.create(*SETS, stateful_set(replicas=2, podManagementPolicy="Parallel"))
        await fake_clock.settle()
        for name in names(api):
            set_ready(api, name)
        await fake_clock.settle()
        old = status(api)["currentRevision"]
        set_image(api, "broken")
        await fake_clock.advance(60)
        assert images(api) == {"db-0": "one", "db-1": "broken"}
        now = status(api)
        assert (now["currentReplicas"], now["updatedReplicas"], now["readyReplicas"]) == (1, 1, 1)
        assert now["currentRevision"] == old != now["updateRevision"]


async def test_only_pods_at_and_above_the_partition_are_updated():
    async with cluster(pods="ready") as api:
        api.create(*SETS, stateful_set(replicas=3, updateStrategy=strategy(partition=2)))
        await until(lambda: updated(api, 3))
        set_image(api, "two")
        await until(lambda: status(api).get("updatedReplicas") == 1 and settled(api, 3))
        assert images(api) == {"db-0": "one", "db-1": "one", "db-2": "two"}
        uid = api.get(*PODS, "db-0")["metadata"]["uid"]
        api.delete(*PODS, "db-0")  # One below the partition comes back as it was.
        await until(lambda: api.get(*PODS, "db-0")["metadata"]["uid"] != uid and settled(api, 3))
        assert images(api)["db-0"] == "one"
        assert (status(api)["currentReplicas"], status(api)["updatedReplicas"]) == (2, 1)
        api.merge_patch(*SETS, "db", {"spec": {"updateStrategy": strategy(partition=0)}})
        await until(lambda: updated(api, 3))
        assert set(images(api).values()) == {"two"}


async def test_on_delete_updates_nothing_by_itself():
    async with cluster(pods="ready") as api:
        api.create(*SETS, stateful_set(replicas=2, updateStrategy={"type": "OnDelete"}))
        await until(lambda: settled(api, 2))
        set_image(api, "two")
        await until(lambda: status(api)["updateRevision"] != status(api)["currentRevision"])
        await until(lambda: settled(api, 2))
        assert set(images(api).values()) == {"one"}
        api.delete(*PODS, "db-0")
        await until(lambda: images(api).get("db-0") == "two" and settled(api, 2))
        assert images(api)["db-1"] == "one"


@pytest.mark.parametrize(("most", "together"), [(2, 2), ("50%", 2), ("1%", 1)])
async def test_as_many_as_may_be_unavailable_are_updated_together(fake_clock, most, together):
    updates = strategy(partition=0, maxUnavailable=most)
    async with cluster(fake_clock, pods="none") as api:
        api.create(*SETS, stateful_set(replicas=4, podManagementPolicy="Parallel", updateStrategy=updates))
        await fake_clock.settle()
        for name in names(api):
            set_ready(api, name)
        await fake_clock.settle()
        set_image(api, "two")
        await fake_clock.settle()
        assert list(images(api).values()).count("two") == together
        assert images(api)["db-3"] == "two"


async def test_going_back_uses_the_old_revision_under_a_new_number():
    async with cluster(pods="ready") as api:
        api.create(*SETS, stateful_set())
        first = (await until(lambda: updated(api, 1)))["currentRevision"]
        set_image(api, "two")
        await until(lambda: status(api)["currentRevision"] != first and updated(api, 1))
        set_image(api, "one")
        await until(lambda: status(api)["currentRevision"] == first and updated(api, 1))
        assert {one["revision"] for one in api.list(*REVISIONS)} == {2, 3}
        assert api.get(*REVISIONS, first)["revision"] == 3


async def test_history_is_kept_to_its_limit():
    async with cluster(pods="ready") as api:
        api.create(*SETS, stateful_set(revisionHistoryLimit=1))
        seen = set()
        for image in ("one", "two", "three", "four"):
            set_image(api, image)
            await until(lambda s=seen: updated(api, 1) and status(api)["currentRevision"] not in s)
            seen.add(status(api)["currentRevision"])
        await until(lambda: sorted(one["revision"] for one in api.list(*REVISIONS)) == [3, 4])


async def test_a_revision_that_has_the_name_already_is_gone_around():
    async with cluster(pods="ready") as api:
        obj = api.create(*SETS, stateful_set(replicas=0))
        name = revisions.history(obj, []).name
        alien = {"metadata": {"name": f"{name}x", "namespace": "default"}, "data": {}, "revision": 1}
        api.create(*REVISIONS, alien)
        await until(lambda: status(api).get("updateRevision") == name)
        api.delete(*SETS, "db")
        await until(lambda: not api.list(*SETS))
        taken = api.get(*REVISIONS, name)
        api.merge_patch(*REVISIONS, name, {"metadata": {"ownerReferences": None}})
        assert name_of(taken) == name
        api.create(*SETS, stateful_set(replicas=1))
        now = await until(lambda: updated(api, 1))
        assert now["updateRevision"] != name
        assert now["collisionCount"] == 1


# Claims.


async def test_claims_are_made_with_a_pod_and_stay_when_it_goes():
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    async with cluster(pods="ready") as api:
        made = api.create(*SETS, stateful_set(replicas=2, volumeClaimTemplates=[claim]))
        assert made["spec"]["volumeClaimTemplates"][0]["spec"]["volumeMode"] == "Filesystem"
        await until(lambda: settled(api, 2))
        assert [name_of(one) for one in api.list(*CLAIMS)] == ["data-db-0", "data-db-1"]
        (first, _) = api.list(*CLAIMS)
        assert first["metadata"]["labels"] == {"app": "db"}
        assert first["spec"]["resources"] == {"requests": {"storage": "1Gi"}}
        assert api.get(*PODS, "db-1")["spec"]["volumes"] == [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}
        ]
        uid = first["metadata"]["uid"]
        scale(api, 0)
        await until(lambda: settled(api, 0))
        scale(api, 1)
        await until(lambda: settled(api, 1))
        assert api.get(*CLAIMS, "data-db-0")["metadata"]["uid"] == uid


# The API.


def test_defaults():
    spec = new_api().create(*SETS, {**stateful_set(), "spec": {**stateful_set()["spec"], "replicas": None}})[
        "spec"
    ]
    assert spec["replicas"] == 1
    assert spec["podManagementPolicy"] == "OrderedReady"
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert spec["revisionHistoryLimit"] == 10
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"podManagementPolicy": "Random"}, "spec.podManagementPolicy"),
        ({"updateStrategy": {"type": "Recreate"}}, "spec.updateStrategy.type"),
        ({"updateStrategy": {"type": "OnDelete", "rollingUpdate": {}}}, "spec.updateStrategy.rollingUpdate"),
        ({"updateStrategy": strategy(partition=-1)}, "spec.updateStrategy.rollingUpdate.partition"),
        *(
            (
                {"updateStrategy": strategy(maxUnavailable=n)},
                "spec.updateStrategy.rollingUpdate.maxUnavailable",
            )
            for n in (0, -1, "0%", "101%", "two", "2")
        ),
        ({"minReadySeconds": -1}, "spec.minReadySeconds"),
        ({"ordinals": {"start": -1}}, "spec.ordinals.start"),
        ({"replicas": -1}, "spec.replicas"),
        ({"serviceName": "Not.A.Label"}, "spec.serviceName"),
        (
            {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Keep"}},
            "spec.persistentVolumeClaimRetentionPolicy.whenScaled",
        ),
        ({"selector": {"matchLabels": {"app": "other"}}}, "spec.template.metadata.labels"),
    ],
)
def test_what_is_refused(changes, field):
    body = stateful_set()
    body["spec"] |= changes
    with pytest.raises(ApiError) as caught:
        new_api().create(*SETS, body)
    assert caught.value.code == 422
    assert [cause["field"] for cause in caught.value.details["causes"]] == [field]


@pytest.mark.parametrize(
    "changes",
    [
        {"updateStrategy": "RollingUpdate"},
        {"updateStrategy": {"rollingUpdate": 3}},
        {"updateStrategy": strategy(partition="1")},
        {"ordinals": 3},
        {"ordinals": {"start": "a"}},
        {"minReadySeconds": True},
        {"replicas": "2"},
        {"serviceName": 7},
        {"volumeClaimTemplates": {"name": "data"}},
        {"volumeClaimTemplates": ["data"]},
        {"persistentVolumeClaimRetentionPolicy": "Retain"},
    ],
)
def test_what_cannot_be_decoded(changes):
    body = stateful_set()
    body["spec"] |= changes
    with pytest.raises(ApiError) as caught:
        new_api().create(*SETS, body)
    assert caught.value.code == 400
    assert next(iter(changes)) in caught.value.message


def test_a_name_is_one_label():
    with pytest.raises(ApiError) as caught:
        new_api().create(*SETS, stateful_set("a.b"))
    assert caught.value.details["causes"][0]["field"] == "metadata.name"


@pytest.mark.parametrize(
    "changes",
    [
        {"serviceName": "other"},
        {"podManagementPolicy": "Parallel"},
        {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]},
        {"selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}},
    ],
)
def test_what_never_changes(changes):
    api = new_api()
    api.create(*SETS, stateful_set())
    with pytest.raises(ApiError) as caught:
        api.merge_patch(*SETS, "db", {"spec": changes})
    assert [cause["reason"] for cause in caught.value.details["causes"]] == ["FieldValueForbidden"]


def test_what_may_change():
    api = new_api()
    api.create(*SETS, stateful_set())
    changes = {
        "replicas": 3,
        "ordinals": {"start": 1},
        "minReadySeconds": 5,
        "revisionHistoryLimit": 2,
        "updateStrategy": {"type": "OnDelete", "rollingUpdate": None},
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"},
    }
    changed = api.merge_patch(*SETS, "db", {"spec": changes})
    assert changed["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert changed["metadata"]["generation"] == 2


async def test_the_scale_has_replicas_and_a_selector():
    async with cluster(pods="ready") as api:
        api.create(*SETS, stateful_set(replicas=2))
        await until(lambda: settled(api, 2))
        seen = api.get_scale(*SETS, "db")
        assert seen["spec"] == {"replicas": 2}
        assert seen["status"] == {"replicas": 2, "selector": "app=db"}


# The plan, pure.

ONE, TWO = (
    {"metadata": {"name": name}, "data": {"spec": {"template": {"spec": {"containers": [name]}}}}}
    for name in ("db-one", "db-two")
)


def pod_of(number, revision, state):
    """state: ready, unready, failed or going."""
    conditions = [{"type": "Ready", "status": str(state in {"ready", "going"})}]
    meta = {"name": f"db-{number}", "labels": {statefulset_pods.REVISION_LABEL: name_of(revision)}}
    if state == "going":
        meta["deletionTimestamp"] = "2026-01-05T12:00:00Z"
    phase = "Failed" if state == "failed" else "Running"
    return {"metadata": meta, "status": {"phase": phase, "conditions": conditions}}


def the_set(replicas, policy, partition, start=0):
    return {
        "metadata": {"name": "db", "namespace": "default", "uid": "u"},
        "spec": {
            "replicas": replicas,
            "ordinals": {"start": start},
            "podManagementPolicy": policy,
            "updateStrategy": strategy(partition=partition),
        },
    }


PODS_DRAWN = st.dictionaries(
    st.integers(0, 6),
    st.tuples(st.sampled_from([ONE, TWO]), st.sampled_from(["ready", "unready", "failed", "going"])),
)


@given(
    PODS_DRAWN,
    st.integers(0, 5),
    st.sampled_from(["OrderedReady", "Parallel"]),
    st.integers(0, 6),
    st.integers(0, 2),
)
def test_from_any_state_the_wanted_pods_are_reached(pods, replicas, policy, partition, start):
    """Pods become ready and gone ones vanish between steps; OrderedReady never does two things at once."""
    wanted = the_set(replicas, policy, partition, start)
    for _ in range(60):
        objects = [pod_of(n, revision, state) for n, (revision, state) in pods.items()]
        plan = statefulsets.plan(wanted, objects, current=ONE, update=TWO, now=NOW)
        if policy == "OrderedReady":
            assert len(plan.create) + len(plan.delete) <= 1
        for pod in plan.delete:
            number = int(name_of(pod).removeprefix("db-"))
            pods[number] = (pods[number][0], "going")
        settle = not (plan.create or plan.delete)
        for pod in plan.create:
            number = int(name_of(pod).removeprefix("db-"))
            assert number not in pods
            labels = pod["metadata"]["labels"]
            revision = ONE if labels[statefulset_pods.REVISION_LABEL] == "db-one" else TWO
            pods[number] = (revision, "unready")
        before = dict(pods)
        pods = {
            n: (revision, "ready" if state == "unready" else state)
            for n, (revision, state) in pods.items()
            if state != "going"
        }
        if settle and before == pods:
            break
    else:
        pytest.fail("no rest after 60 steps")
    assert sorted(pods) == list(range(start, start + replicas))
    assert all(revision is TWO for n, (revision, _) in pods.items() if n >= start + partition)


def test_a_pod_of_another_name_is_not_counted():
    strays = [
        pod_of(0, ONE, "ready") | {"metadata": {"name": name}} for name in ("db-x", "db-01", "web-0", "db")
    ]
    plan = statefulsets.plan(the_set(1, "OrderedReady", 0), strays, current=ONE, update=ONE, now=NOW)
    assert [name_of(pod) for pod in plan.create] == ["db-0"]
    assert plan.delete == ()


def test_a_revision_is_found_whatever_the_order():
    obj = the_set(1, "OrderedReady", 0)
    obj["spec"]["template"] = {"spec": {"containers": ["db-one"]}}
    kept = [{**ONE, "revision": 1}, {**TWO, "revision": 2}]
    for order in itertools.permutations(kept):
        found = revisions.history(obj, order)
        assert (found.name, found.renumber, found.update["revision"]) == ("db-one", True, 3)
