"""Tidegate with exactly the Roles that `tidegate rbac` prints: whole lives, nothing missing, nothing granted for nothing."""

import pytest
from authenticated import CLUSTER, entries, refs, secret, user
from controlled import DEPLOYMENTS, HPAS, SCALED_OBJECTS, target
from least_rights import least

pytestmark = [pytest.mark.server, pytest.mark.slow]

SHOP = "shop"
READ_BY_NAME = {
    (SHOP, verb, kind) for verb in ("list",) for kind in ("secrets", "configmaps", "serviceaccounts")
}
"""Asked once each (and every five minutes): a Role by names gives no sight of all, and names are read instead."""


@pytest.mark.parametrize("namespaces", [(), ("default",)], ids=["whole cluster", "one namespace"])
async def test_zero_to_many_to_zero(redis, tmp_path, namespaces):
    """The story of test_controller_cycle, with its object's Roles."""
    async with least(redis, tmp_path, namespaces=namespaces) as run:
        run.deployment(replicas=1)
        run.scaled_object(cooldownPeriod=20, maxReplicaCount=4)
        text = await run.printed("--register")
        assert "*" not in text
        run.grant(text)
        kinds = [(obj["kind"], obj["metadata"]["name"]) for obj in run.granted]
        if namespaces:
            assert [each for each in kinds if each[0] == "ClusterRole"] == [("ClusterRole", "tidegate")]
            (aggregated,) = [obj for obj in run.granted if obj["kind"] == "ClusterRole"]
            assert {group for rule in aggregated["rules"] for group in rule["apiGroups"]} == {
                "apiregistration.k8s.io"
            }
        await run.begin()
        await run.registered()
        await run.until(lambda: run.replicas() == 0)
        run.push(20)
        await run.until(lambda: run.active() == ("True", "ScalerActive"))
        await run.until(lambda: run.replicas() == 4)  # The HPA's ramp: its controller has rights of its own.
        assert run.ready() == ("True", "ScaledObjectReady")
        run.clear()
        await run.until(lambda: run.replicas() == 0)
        await run.until(lambda: "KEDAScaleTargetDeactivated" in run.events())
        unseen = {("", "list", "clustertriggerauthentications.keda.sh")} if namespaces else set()
        assert run.denied() == unseen, "nothing more was needed"


async def test_a_whole_life_uses_every_right_and_lacks_none(redis, tmp_path):
    """One object that does all there is: every kind of reference, adoption, mending, pause, restart, restoring at the end."""
    for name in ("one", "two"):
        user(redis, name)
    async with least(redis, tmp_path, namespaces=(SHOP,)) as run:
        run.cluster.access.enforce_owners = (
            True  # As in OpenShift: it asks for the right to the owner's finalizers.
        )
        make_everything(run)
        run.api.create(*DEPLOYMENTS, SHOP, workload())
        run.grant(await run.printed("--register"))
        run.delete("web", DEPLOYMENTS, SHOP, propagation="Background")
        await run.begin()
        await run.registered()
        # Its Deployment comes later than the ScaledObject: until then it is looked for by name.
        await run.until(lambda: run.ready(namespace=SHOP) == ("False", "ScaledObjectCheckFailed"))
        await run.until(lambda: ("patch", "events.events.k8s.io", 200) in run.requests)
        run.api.create(*DEPLOYMENTS, SHOP, workload())
        await run.until(lambda: run.ready(namespace=SHOP) == ("True", "ScaledObjectReady"))
        assert owner(run) == "worker", "the HPA that was there is adopted"
        await run.until(lambda: run.replicas(namespace=SHOP) == 0)
        run.push(9, "mine")
        await run.until(lambda: run.replicas(namespace=SHOP) > 0)
        run.patch("keda-hpa-worker", HPAS, SHOP, spec={"maxReplicas": 99})
        await run.until(lambda: run.hpa(namespace=SHOP)["spec"]["maxReplicas"] == 4)
        await restarted(run)
        await changed_twice(run)
        await written_at_once(run)
        run.patch(namespace=SHOP, metadata={"annotations": {"autoscaling.keda.sh/paused": "true"}})
        await run.until(lambda: run.hpa(namespace=SHOP) is None)
        run.patch(namespace=SHOP, metadata={"annotations": {"autoscaling.keda.sh/paused": None}})
        await run.until(lambda: run.hpa(namespace=SHOP) is not None)
        run.clear("mine")
        await run.until(lambda: run.replicas(namespace=SHOP) == 0)
        run.delete(namespace=SHOP)
        await run.until(lambda: run.replicas(namespace=SHOP) == 3, within=40)
        await run.until(lambda: not run.api.list(*SCALED_OBJECTS, SHOP))
        home = {("tidegate", "list", kind) for kind in ("secrets", "configmaps")}
        assert run.denied() <= READ_BY_NAME | home
        assert run.unused() == set()


@pytest.mark.parametrize(
    ("resource", "verb", "words"),
    [
        ("deployments", "list", "list and watch apps/deployments in namespace default"),
        ("deployments/scale", "patch", "patch apps/deployments/scale (name web) in namespace default"),
    ],
)
async def test_a_missing_right_to_the_target_is_told_and_its_coming_noticed(
    redis, tmp_path, resource, verb, words
):
    async with least(redis, tmp_path, namespaces=("default",), factor=40) as run:
        run.deployment(replicas=2)
        run.scaled_object(cooldownPeriod=20)
        run.grant(await run.printed("--register"))
        (role,) = [o for o in run.granted if o["kind"] == "Role" and o["metadata"]["namespace"] == "default"]
        whole = role["rules"]
        without = [
            {**rule, "verbs": [one for one in rule["verbs"] if one != verb]}
            if resource in rule["resources"]
            else rule
            for rule in whole
        ]
        rewrite(run, role, [rule for rule in without if rule["verbs"]])
        await run.begin()
        await run.until(lambda: run.ready() == ("False", "ScaledObjectCheckFailed"))
        text = f"TargetForbidden: the right to {words} is missing"
        assert text in run.message("Ready")
        await run.until(lambda: any(text in note for note in run.notes("ScaledObjectCheckFailed")))
        assert run.replicas() == 2
        rewrite(run, role, whole)
        await run.until(lambda: run.ready() == ("True", "ScaledObjectReady"), within=60)
        await run.until(lambda: run.replicas() == 0)


def rewrite(run, role, rules):
    place = "rbac.authorization.k8s.io", "roles"
    run.patch("tidegate", place, role["metadata"]["namespace"], rules=rules)


async def restarted(run):
    """Another Tidegate, with another certificate: what is registered is mended."""
    await run.stop()
    await run.begin()
    await run.registered()
    await run.until(lambda: run.ready(namespace=SHOP) == ("True", "ScaledObjectReady"))


async def changed_twice(run):
    """An Event about what is in no namespace is written to `default`; a second one of its kind adds to the first."""

    def told():
        (event,) = [e for e in run.api.list("", "events", "default") if e["reason"] == f"{CLUSTER}Updated"]
        return (event.get("series") or {"count": 1})["count"]

    for number in (1, 2):
        scopes = [{"parameter": f"scope{number}", "name": "creds", "key": "username"}]
        spec = {"secretTargetRef": [*refs("creds"), *scopes]}
        run.patch("login", ("keda.sh", "clustertriggerauthentications"), "", spec=spec)
        await run.until(lambda number=number: _is(told, number))


def _is(told, number):
    try:
        return told() == number
    except ValueError:
        return False  # None yet.


async def written_at_once(run):
    """Somebody writes the object again and again, until a status of ours meets a conflict and is read anew."""
    before = len(run.requests)

    def met():
        run.patch(namespace=SHOP, metadata={"annotations": {"note": str(len(run.requests))}})
        forced = "force" if len(run.requests) % 2 else None
        run.patch(namespace=SHOP, spec={"cooldownPeriod": 20 if forced else 21})
        run.push(1, "mine")
        run.clear("mine") if forced else None
        return ("get", "scaledobjects.keda.sh", 200) in run.requests[before:]

    await run.until(met)


def make_everything(run):
    secret(run, "creds", SHOP, username="one", password="pw-one")
    secret(run, "creds", "tidegate", username="two", password="pw-two")
    run.api.create("", "configmaps", SHOP, {"metadata": {"name": "place"}, "data": {"at": address(run)}})
    run.api.create("", "serviceaccounts", SHOP, {"metadata": {"name": "runner"}})
    spec = {
        "secretTargetRef": refs("creds"),
        "boundServiceAccountToken": [{"parameter": "token", "serviceAccountName": "runner"}],
    }
    kinds = {"TriggerAuthentication": SHOP, CLUSTER: ""}
    for kind, where in kinds.items():
        obj = {"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": "login"}, "spec": spec}
        run.api.create("keda.sh", f"{kind.lower()}s", where, obj)
        spec = {"secretTargetRef": refs("creds")}
    # Made by hand under the name that ours will have, and without its label.
    hpa = {
        "metadata": {"name": "keda-hpa-worker"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 2,
        },
    }
    run.api.create(*HPAS, SHOP, hpa)
    triggers = [
        {**run.redis_trigger("mine"), "authenticationRef": {"name": "login"}},
        {
            **run.redis_trigger("ours"),
            "authenticationRef": {"name": "login", "kind": CLUSTER},
        },
        run.redis_trigger("all", address=None, addressFromEnv="REDIS"),
        {"type": "kubernetes-workload", "metadata": {"podSelector": "app=none", "value": "5"}},
    ]
    run.scaled_object(
        "worker",
        *triggers,
        namespace=SHOP,
        cooldownPeriod=20,
        maxReplicaCount=4,
        advanced={"restoreToOriginalReplicaCount": True},
    )


def address(run):
    return f"{run.redis.host}:{run.redis.port}"


def workload():
    at = entries("place", "at")["valueFrom"]["secretKeyRef"]
    env = [{"name": "REDIS", "valueFrom": {"configMapKeyRef": at}}]
    return target(replicas=3, namespace=SHOP, env=env)


def owner(run):
    return run.hpa(namespace=SHOP)["metadata"]["ownerReferences"][0]["name"]
