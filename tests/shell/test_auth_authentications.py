"""TriggerAuthentications as watches show them: whom they serve, what is said where they cannot be seen."""

import asyncio

import pytest
from fake_clock import FakeClock
from scripted_api import ScriptedApi, answers, event, fails, stream, until

from scaler.control.authentications import ALLOWED, CLUSTER, NAMESPACED, Authentications
from scaler.control.references import Ref, References
from scaler.control.unresolved import Failure, SecretForbidden
from scaler.kube.client import Kube

LOCAL, WIDE = Ref(NAMESPACED, "shop", "auth"), Ref(CLUSTER, "", "auth")
SPEC = {"secretTargetRef": [{"parameter": "password", "name": "creds", "key": "password"}]}


def authentication(version, spec=SPEC, kind=NAMESPACED, generation=1, **annotations):
    metadata = {
        "name": "auth",
        "uid": f"uid-{kind}",
        "resourceVersion": str(version),
        "generation": generation,
        "annotations": annotations,
    }
    if kind == NAMESPACED:
        metadata["namespace"] = "shop"
    return {"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def listing(kind, *objects):
    return answers(
        200,
        {
            "kind": f"{kind}List",
            "apiVersion": "keda.sh/v1alpha1",
            "metadata": {"resourceVersion": "1"},
            "items": objects,
        },
    )


class Said:
    def __init__(self):
        self.events = []

    def record(self, regarding, reason, note):
        self.events.append((regarding["name"], reason, note))


class Scene:
    def __init__(self, api, namespaces=()):
        self.api = api
        self.changed = []
        self.said = Said()
        clock = FakeClock()
        self.kube = Kube(api.access, clock)
        self.known = Authentications(
            self.kube, clock, namespaces=namespaces, events=self.said, changed=self.changed.append
        )
        self.tasks = []

    def serve(self, local=None, wide=None):
        """What the lists answer; the watch of TriggerAuthentications takes what the test queues."""
        for plural, answer in (("triggerauthentications", local), ("clustertriggerauthentications", wide)):
            kind = NAMESPACED if plural.startswith("trigger") else CLUSTER
            made = answer if callable(answer) else listing(kind, *(answer or ()))
            path = f"/apis/keda.sh/v1alpha1/{plural}"

            async def script(exchange, made=made, kind=kind):
                if exchange.request.query.get("watch"):
                    scripted = kind == NAMESPACED and self.api.watches
                    made = self.api.watches.popleft() if scripted else stream("HANG")
                await made(exchange)

            self.api.paths[path] = script

    async def run(self):
        self.tasks = [asyncio.create_task(run) for run in self.known.runs()]
        await until(lambda: self.known.synced)
        return self.known


@pytest.fixture
async def scene():
    api = await ScriptedApi().start()
    scene = Scene(api)
    yield scene
    await scene.known.close()
    await asyncio.gather(*scene.tasks)
    await scene.kube.close()
    await api.stop()
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})


async def test_each_kind_is_found_by_its_own_name(scene):
    scene.serve([authentication(2)], [authentication(3, kind=CLUSTER)])
    known = await scene.run()
    assert known.get(LOCAL, "shop").spec.secret_target_ref[0].name == "creds"
    assert known.get(WIDE, "anywhere").ref == WIDE
    missing = known.get(Ref(NAMESPACED, "bank", "auth"), "bank")
    assert (missing.problem, missing.error.reason) == (
        "TriggerAuthentication bank/auth does not exist",
        "InvalidMetadata",
    )
    assert "is no name" in known.get(Ref(NAMESPACED, "bank", "../shop/auth"), "bank").problem
    assert scene.said.events == []  # They were there before us.


@pytest.mark.parametrize(
    ("listed", "namespace", "served"),
    [
        ("shop", "shop", True),
        ("bank, shop", "shop", True),
        ("bank", "shop", False),
        ("", "shop", False),
        ("shopping", "shop", False),
    ],
)
async def test_whom_a_cluster_s_authentication_serves(scene, listed, namespace, served):
    scene.serve(wide=[authentication(3, kind=CLUSTER, **{ALLOWED: listed})])
    found = (await scene.run()).get(WIDE, namespace)
    assert isinstance(found, Failure) is not served
    if not served:
        assert found.problem == "ClusterTriggerAuthentication auth may not be used in namespace shop"


@pytest.mark.parametrize(
    "spec", [None, 5, [], {"secretTargetRef": [{"name": "n"}]}, {"podIdentity": {"provider": "wizard"}}]
)
async def test_one_that_is_not_valid_says_so(scene, spec):
    scene.serve([authentication(2, spec)])
    found = (await scene.run()).get(LOCAL, "shop")
    assert found.problem.startswith("TriggerAuthentication shop/auth is not valid: spec")


async def test_without_the_right_to_see_them_that_is_said(scene):
    scene.serve(fails(403, "Forbidden", "no"), fails(403, "Forbidden", "no"))
    known = await scene.run()
    found = known.get(LOCAL, "shop")
    assert found.error is SecretForbidden
    assert (
        "the right to get, list and watch triggerauthentications.keda.sh in namespace shop is missing"
        in found.problem
    )
    assert "clustertriggerauthentications.keda.sh in the cluster" in known.get(WIDE, "shop").problem


async def test_without_their_crds_nobody_waits_for_them(scene):
    scene.serve(fails(404, "NotFound"), fails(404, "NotFound"))
    assert "does not exist" in (await scene.run()).get(LOCAL, "shop").problem


async def test_changes_are_told_and_said(scene):
    steps = [asyncio.Event() for _ in range(4)]
    scene.serve([])
    scene.api.watches.append(
        stream(
            steps[0].wait, event("ADDED", authentication(2)),
            steps[1].wait, event("MODIFIED", authentication(3, note="no matter")),
            event("MODIFIED", authentication(4, {"env": []}, generation=2)),
            steps[2].wait, event("MODIFIED", authentication(5, {"env": []}, generation=2, **{ALLOWED: "x"})),
            steps[3].wait, event("DELETED", authentication(6, {"env": []}, generation=2)),
        )
    )  # fmt: skip
    await scene.run()
    for count, step in enumerate(steps, 1):
        step.set()
        await until(lambda count=count: len(scene.changed) == count)
    assert {ref.name for ref in scene.changed} == {"auth"}
    assert [reason for _, reason, _ in scene.said.events] == [
        "TriggerAuthenticationAdded",
        "ClusterTriggerAuthenticationUpdated",
        "TriggerAuthenticationDeleted",
    ]


def test_the_index_of_references():
    idle = []
    index = References(idle.append)
    one, two = ("shop", "a"), ("shop", "b")
    index.add(one, LOCAL)
    index.add(two, LOCAL)
    index.add(one, WIDE)
    assert set(index.users(LOCAL)) == {one, two}
    index.keep(one, {WIDE})
    assert index.users(LOCAL) == (two,)
    assert idle == []
    index.keep(two, ())
    assert idle == [LOCAL]
    index.keep(one, ())
    index.keep(one, ())
    assert idle == [LOCAL, WIDE]
    assert (index.users(WIDE), index._users, index._used) == ((), {}, {})
    assert (str(LOCAL), str(WIDE)) == ("TriggerAuthentication shop/auth", "ClusterTriggerAuthentication auth")
