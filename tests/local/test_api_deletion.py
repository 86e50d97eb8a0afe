"""Finalizers, grace periods, garbage collection, namespaces and definitions with contents."""

import pytest
from served import WIDGETS, served, until, widget

from scaler.local.errors import ApiError

CRDS = ("apiextensions.k8s.io", "customresourcedefinitions", "")
PODS = ("", "pods", "default")
MAPS = ("", "configmaps", "default")


@pytest.fixture
async def client():
    async with served() as client:
        yield client


def owned(name, *owners, **more):
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            **more,
        }
        for owner in owners
    ]
    return {"metadata": {"name": name, "ownerReferences": references}}


def exists(api, place, name):
    try:
        return api.get(*place, name)
    except ApiError:
        return None


async def test_an_object_waits_for_its_finalizers(client):
    await client.post(WIDGETS, widget("f", meta={"finalizers": ["lab.test/x"]}))
    status, obj = await client.delete(f"{WIDGETS}/f")
    meta = obj["metadata"]
    assert status == 200
    assert (meta["deletionGracePeriodSeconds"], meta["generation"]) == (0, 2)
    _, again = await client.delete(f"{WIDGETS}/f")
    assert again["metadata"]["deletionTimestamp"] == meta["deletionTimestamp"]
    added = {"metadata": {"finalizers": ["lab.test/x", "lab.test/y"]}}
    status, body = await client.patch(f"{WIDGETS}/f", added)
    assert (status, body["details"]["causes"][0]["field"]) == (422, "metadata.finalizers")
    async with client.watching(f"{WIDGETS}?watch=true&fieldSelector=metadata.name%3Df") as watch:
        await watch.until(1)
        await client.patch(f"{WIDGETS}/f", {"metadata": {"finalizers": None}})
        events = await watch.until(2)
    assert events[1]["type"] == "DELETED"
    assert (await client.get(f"{WIDGETS}/f"))[0] == 404


def pod(name, node=None):
    spec = {"containers": [{"name": "c", "image": "i"}], "terminationGracePeriodSeconds": 7}
    return {"metadata": {"name": name}, "spec": spec | ({"nodeName": node} if node else {})}


async def test_a_pod_on_a_node_gets_its_grace_period(client):
    api = client.api
    api.create(*PODS, pod("p", "n"))
    assert api.delete(*PODS, "p") is False
    assert api.get(*PODS, "p")["metadata"]["deletionGracePeriodSeconds"] == 7
    api.merge_patch(*PODS, "p", {"status": {"phase": "Running"}}, subresource="status")
    assert api.delete(*PODS, "p", grace=30) is False, "a longer period does not lengthen it"
    assert api.get(*PODS, "p")["metadata"]["deletionGracePeriodSeconds"] == 7
    assert api.delete(*PODS, "p", grace=0) is True
    assert exists(api, PODS, "p") is None


async def test_a_pod_nobody_runs_goes_at_once(client):
    client.api.create(*PODS, pod("p"))
    assert client.api.delete(*PODS, "p") is True
    client.api.create(*PODS, pod("q", "n"))
    client.api.merge_patch(*PODS, "q", {"status": {"phase": "Succeeded"}}, subresource="status")
    assert client.api.delete(*PODS, "q") is True


async def test_dependents_go_with_their_last_owner(client):
    api = client.api
    one, two = (api.create("lab.test", "widgets", "default", widget(name)) for name in ("one", "two"))
    api.create(*MAPS, owned("child", one))
    api.create(*MAPS, owned("shared", one, two))
    grandchild = api.get(*MAPS, "child")
    api.create(*MAPS, owned("grandchild", grandchild))
    await client.delete(f"{WIDGETS}/one")
    await until(lambda: not exists(api, MAPS, "child") and not exists(api, MAPS, "grandchild"))
    await until(lambda: len(api.get(*MAPS, "shared")["metadata"]["ownerReferences"]) == 1)
    await client.delete(f"{WIDGETS}/two")
    await until(lambda: not exists(api, MAPS, "shared"))


async def test_a_child_of_an_owner_that_is_gone_already(client):
    owner = client.api.create("lab.test", "widgets", "default", widget("one"))
    client.api.delete("lab.test", "widgets", "default", "one")
    client.api.create(*MAPS, owned("late", owner))
    await until(lambda: not exists(client.api, MAPS, "late"))


async def test_owners_of_an_unknown_kind_are_left_alone(client):
    owner = {"apiVersion": "nope.test/v1", "kind": "Nope", "metadata": {"name": "n", "uid": "u"}}
    client.api.create(*MAPS, owned("kept", owner))
    other = client.api.create("lab.test", "widgets", "default", widget("one"))
    client.api.create(*MAPS, owned("gone", other))
    client.api.delete("lab.test", "widgets", "default", "one")
    await until(lambda: not exists(client.api, MAPS, "gone"))
    assert exists(client.api, MAPS, "kept")


async def test_foreground_waits_for_the_dependents(client):
    api = client.api
    owner = api.create("lab.test", "widgets", "default", widget("one"))
    child = owned("child", owner, blockOwnerDeletion=True)
    child["metadata"]["finalizers"] = ["lab.test/x"]
    api.create(*MAPS, child)
    api.create(*MAPS, owned("free", owner))
    status, obj = await client.delete(f"{WIDGETS}/one", {"propagationPolicy": "Foreground"})
    assert (status, obj["metadata"]["finalizers"]) == (200, ["foregroundDeletion"])
    await until(lambda: "deletionTimestamp" in api.get(*MAPS, "child")["metadata"])
    assert exists(api, ("lab.test", "widgets", "default"), "one")
    api.merge_patch(*MAPS, "child", {"metadata": {"finalizers": None}})
    await until(lambda: not exists(api, ("lab.test", "widgets", "default"), "one"))
    assert exists(api, MAPS, "child") is None
    await until(lambda: not exists(api, MAPS, "free"))


async def test_orphans_stay(client):
    api = client.api
    owner = api.create("lab.test", "widgets", "default", widget("one"))
    api.create(*MAPS, owned("child", owner))
    await client.delete(f"{WIDGETS}/one", {"propagationPolicy": "Orphan"})
    await until(lambda: not exists(api, ("lab.test", "widgets", "default"), "one"))
    assert "ownerReferences" not in api.get(*MAPS, "child")["metadata"]


async def test_a_namespace_goes_when_it_is_empty(client):
    api = client.api
    api.create("", "namespaces", "", {"metadata": {"name": "n"}})
    api.create("lab.test", "widgets", "n", widget("held", meta={"finalizers": ["lab.test/x"]}))
    api.create("", "configmaps", "n", {"metadata": {"name": "m"}})
    status, obj = await client.delete("/api/v1/namespaces/n")
    assert (status, obj["status"]["phase"]) == (200, "Terminating")
    await until(lambda: not exists(api, ("", "configmaps", "n"), "m"))
    status, body = await client.post(WIDGETS.replace("default", "n"), widget("late"))
    assert (status, body["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    await until(lambda: api.get("", "namespaces", "", "n")["status"].get("conditions"))
    assert "widgets held" in api.get("", "namespaces", "", "n")["status"]["conditions"][0]["message"]
    api.merge_patch("lab.test", "widgets", "n", "held", {"metadata": {"finalizers": None}})
    await until(lambda: not exists(api, ("", "namespaces", ""), "n"))


async def test_an_empty_namespace_goes_and_may_come_back(client):
    for _ in range(2):
        client.api.create("", "namespaces", "", {"metadata": {"name": "n"}})
        assert (await client.delete("/api/v1/namespaces/n"))[0] == 200
        await until(lambda: not exists(client.api, ("", "namespaces", ""), "n"))
    assert (await client.delete("/api/v1/namespaces/default"))[0] == 403


async def test_a_definition_takes_its_objects_along(client):
    api = client.api
    api.create("lab.test", "widgets", "default", widget("a", meta={"finalizers": ["lab.test/x"]}))
    assert api.delete(*CRDS, "widgets.lab.test") is False
    await until(lambda: "deletionTimestamp" in api.get("lab.test", "widgets", "default", "a")["metadata"])
    api.merge_patch("lab.test", "widgets", "default", "a", {"metadata": {"finalizers": None}})
    await until(lambda: not exists(api, CRDS, "widgets.lab.test"))
    with pytest.raises(ApiError, match="could not find"):
        api.list("lab.test", "widgets")
