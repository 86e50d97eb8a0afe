"""Access control of the embedded API server: who may do what, and how a refusal reads."""

import pytest
from served import WIDGETS, served, until, widget

from scaler.local.attributes import Attributes, asked
from scaler.local.rbac import allows

GROUP = "rbac.authorization.k8s.io"
RBAC = f"/apis/{GROUP}/v1"
SPACE = f"{RBAC}/namespaces/default"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
REVIEWS = "/apis/authorization.k8s.io/v1"
PODS = "/api/v1/namespaces/default/pods"
READ = ["get", "list", "watch"]


@pytest.fixture
async def client():
    async with served() as client:
        yield client


def rule(resources, verbs, group="", **more):
    return {"apiGroups": [group], "resources": resources, "verbs": verbs, **more}


class Account:
    """A ServiceAccount with a token, and what it may do."""

    def __init__(self, client, name, token):
        self.client, self.name = client, name
        self.headers = {"Authorization": f"Bearer {token}"}

    async def ask(self, method, path, body=None, **more):
        status, answer = await self.client.call(method, path, body, **self.headers, **more)
        return status, answer

    async def status(self, method, path, body=None, **more):
        return (await self.ask(method, path, body, **more))[0]

    async def granted(
        self, *rules, name="granted", kind="Role", cluster=False, labels=None, aggregation=None
    ):
        """A Role with these rules, bound to the account."""
        role = {"metadata": {"name": name, "labels": labels or {}}, "rules": list(rules)}
        if aggregation:
            role["aggregationRule"] = {"clusterRoleSelectors": aggregation}
        place = SPACE if kind == "Role" else RBAC
        assert (await self.client.post(f"{place}/{kind.lower()}s", role))[0] == 201
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": self.name, "namespace": "default"}],
        }
        where = f"{RBAC}/clusterrolebindings" if cluster else f"{SPACE}/rolebindings"
        assert (await self.client.post(where, binding))[0] == 201


@pytest.fixture
async def account(client):
    return await make(client, "weak")


async def make(client, name):
    assert (await client.post(ACCOUNTS, {"metadata": {"name": name}}))[0] == 201
    _, answer = await client.post(f"{ACCOUNTS}/{name}/token", {"spec": {}})
    return Account(client, name, answer["status"]["token"])


async def test_without_a_binding_nothing_but_discovery(account):
    """The refusals' words are recorded ones (conformance/wire/authentication.json, adapter-authentication.json)."""
    status, body = await account.ask("GET", "/apis/keda.sh/v1alpha1/namespaces/wire/scaledobjects")
    assert (status, body) == (
        403,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": 'scaledobjects.keda.sh is forbidden: User "system:serviceaccount:default:weak" cannot list '
            'resource "scaledobjects" in API group "keda.sh" in the namespace "wire"',
            "reason": "Forbidden",
            "details": {"group": "keda.sh", "kind": "scaledobjects"},
            "code": 403,
        },
    )
    _, body = await account.ask("GET", "/api/v1/nodes/one")
    assert body["message"] == (
        'nodes "one" is forbidden: User "system:serviceaccount:default:weak" cannot get resource "nodes" in API '
        'group "" at the cluster scope'
    )
    _, body = await account.ask("PATCH", "/apis/apps/v1/namespaces/default/deployments/web/scale", {})
    assert 'cannot patch resource "deployments/scale" in API group "apps" in the' in body["message"]
    assert body["details"] == {"name": "web", "group": "apps", "kind": "deployments"}
    for path in ("/api", "/apis", "/api/v1", "/apis/apps/v1", "/openapi/v3", "/version", "/healthz"):
        assert await account.status("GET", path) == 200, path
    _, body = await account.ask("GET", "/metrics")
    assert (body["message"], body["details"]) == (
        'forbidden: User "system:serviceaccount:default:weak" cannot get path "/metrics"',
        {},
    )


async def test_who_says_nothing_may_see_health_and_version_only(client):
    for path in ("/healthz", "/livez", "/readyz", "/version"):
        assert (await client.get(path, Authorization=""))[0] == 200
    status, body = await client.get("/apis", Authorization="")
    assert (status, body["message"]) == (403, 'forbidden: User "system:anonymous" cannot get path "/apis"')


@pytest.mark.parametrize(
    ("granted", "request_", "allowed"),
    [
        (rule(["pods"], ["get"]), ("GET", f"{PODS}/a"), True),
        (rule(["pods"], ["get"]), ("GET", PODS), False),
        (rule(["pods"], ["list"]), ("GET", PODS), True),
        (rule(["pods"], ["list"]), ("GET", f"{PODS}?watch=true"), False),
        (rule(["pods"], ["watch"]), ("GET", f"{PODS}?watch=1&resourceVersion=none"), True),
        (rule(["pods"], ["list"]), ("GET", "/api/v1/pods"), False),
        (rule(["pods"], ["get"]), ("GET", f"{PODS}/a/log"), False),
        (rule(["pods/log"], ["get"]), ("GET", f"{PODS}/a/log"), True),
        (rule(["pods/proxy"], ["get"]), ("GET", f"{PODS}/a/proxy/some/page"), True),
        (rule(["pods"], ["create"]), ("POST", PODS), True),
        (rule(["pods"], ["update"]), ("PATCH", f"{PODS}/a"), False),
        (rule(["pods"], ["delete"]), ("DELETE", PODS), False),
        (rule(["pods"], ["deletecollection"]), ("DELETE", PODS), True),
        (rule(["deployments"], ["*"], "apps"), ("GET", "/apis/apps/v1/namespaces/default/deployments/a/scale"), False),
        (rule(["*/scale"], ["get"], "*"), ("GET", "/apis/apps/v1/namespaces/default/deployments/a/scale"), True),
        (rule(["*"], ["get"], "apps"), ("GET", "/apis/apps/v1/namespaces/default/deployments/a/scale"), True),
        (rule(["*"], ["get"], "apps"), ("GET", f"{PODS}/a"), False),
        (rule(["secrets"], ["get"], resourceNames=["a"]), ("GET", "/api/v1/namespaces/default/secrets/a"), True),
        (rule(["secrets"], ["get"], resourceNames=["a"]), ("GET", "/api/v1/namespaces/default/secrets/b"), False),
        (rule(["secrets"], ["list"], resourceNames=["a"]), ("GET", "/api/v1/namespaces/default/secrets"), False),
        (
            rule(["secrets"], ["list"], resourceNames=["a"]),
            ("GET", "/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Da"),
            True,
        ),
        (rule(["secrets"], ["create"], resourceNames=["a"]), ("POST", "/api/v1/namespaces/default/secrets"), False),
        (rule(["namespaces"], ["get"]), ("GET", "/api/v1/namespaces/default"), True),
        (rule(["namespaces"], ["get"]), ("GET", "/api/v1/namespaces/kube-system"), False),
        (rule(["events"], ["create"]), ("POST", "/apis/events.k8s.io/v1/namespaces/default/events"), False),
        (rule(["serviceaccounts"], ["create"]), ("POST", f"{ACCOUNTS}/weak/token"), False),
        (rule(["serviceaccounts/token"], ["create"]), ("POST", f"{ACCOUNTS}/weak/token"), True),
    ],
)  # fmt: skip
async def test_what_a_rule_covers(account, granted, request_, allowed):
    method, path = request_
    body = None if method in ("GET", "DELETE") else {}
    before = await account.status(method, path, body)
    assert before == 403
    await account.granted(granted)
    assert (await account.status(method, path, body) != 403) is allowed


async def test_a_binding_reaches_as_far_as_its_kind(client, account):
    await account.granted(rule(["secrets"], ["list"]), kind="ClusterRole", name="readers")
    assert await account.status("GET", "/api/v1/namespaces/default/secrets") == 200
    assert await account.status("GET", "/api/v1/namespaces/kube-system/secrets") == 403
    assert await account.status("GET", "/api/v1/secrets") == 403
    await account.granted(rule(["secrets"], ["list"]), kind="ClusterRole", name="more", cluster=True)
    assert await account.status("GET", "/api/v1/namespaces/kube-system/secrets") == 200
    assert await account.status("GET", "/api/v1/secrets") == 200
    assert (await client.delete(f"{RBAC}/clusterrolebindings/more"))[0] == 200
    assert await account.status("GET", "/api/v1/secrets") == 403, "it was taken back"


async def test_an_aggregated_role_is_what_its_selectors_choose(client, account):
    label = {"lab.test/aggregate": "true"}
    await account.granted(kind="ClusterRole", name="sum", aggregation=[{"matchLabels": label}])
    assert await account.status("GET", WIDGETS) == 403
    part = {"metadata": {"name": "part", "labels": label}, "rules": [rule(["widgets"], READ, "lab.test")]}
    assert (await client.post(f"{RBAC}/clusterroles", part))[0] == 201
    assert await account.status("GET", WIDGETS) == 200
    assert (await client.patch(f"{RBAC}/clusterroles/part", {"metadata": {"labels": None}}))[0] == 200
    assert await account.status("GET", WIDGETS) == 403


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("view", [("list", "", "configmaps"), ("get", "apps", "deployments")], [("list", "", "secrets")]),
        ("edit", [("list", "", "configmaps"), ("get", "", "secrets"), ("patch", "apps", "deployments")],
         [("create", GROUP, "roles")]),
        ("admin", [("get", "", "secrets"), ("create", GROUP, "roles")], [("create", GROUP, "clusterroles")]),
    ],
)  # fmt: skip
async def test_view_edit_and_admin_hold_each_other(client, role, may, may_not):
    binding = {
        "metadata": {"name": "people"},
        "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "Group", "name": "people"}],
    }
    assert (await client.post(f"{SPACE}/rolebindings", binding))[0] == 201
    for verb, group, resource in (*may, *may_not):
        about = {"verb": verb, "group": group, "resource": resource, "namespace": "default"}
        spec = {"user": "one", "groups": ["people"], "resourceAttributes": about}
        _, answer = await client.post(f"{REVIEWS}/subjectaccessreviews", {"spec": spec})
        assert answer["status"]["allowed"] is ((verb, group, resource) in may), (role, verb, resource)


async def test_the_hpa_controller_may_read_every_external_metric_and_nobody_else(client):
    about = {"verb": "list", "group": "external.metrics.k8s.io", "resource": "s0-x", "namespace": "default"}
    account = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
    for user, allowed in ((account, True), ("system:serviceaccount:default:weak", False)):
        spec = {"user": user, "groups": ["system:authenticated"], "resourceAttributes": about}
        _, answer = await client.post(f"{REVIEWS}/subjectaccessreviews", {"spec": spec})
        assert answer["status"]["allowed"] is allowed
    _, answer = await client.post(
        f"{REVIEWS}/subjectaccessreviews", {"spec": {"user": account, "resourceAttributes": about}}
    )
    assert answer["status"]["reason"] == (
        'RBAC: allowed by ClusterRoleBinding "system:controller:horizontal-pod-autoscaler" of ClusterRole '
        '"system:controller:horizontal-pod-autoscaler" to ServiceAccount "horizontal-pod-autoscaler/kube-system"'
    )


async def test_reviews_of_ones_own_rights_need_none(account):
    await account.granted(rule(["secrets"], ["get"], resourceNames=["a"]))
    about = {"verb": "get", "resource": "secrets", "namespace": "default", "name": "a"}
    status, answer = await account.ask(
        "POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": {"resourceAttributes": about}}
    )
    assert (status, answer["status"]["allowed"]) == (201, True)
    _, answer = await account.ask(
        "POST", f"{REVIEWS}/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}
    )
    assert {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]} in (
        answer["status"]["resourceRules"]
    )
    assert any("/healthz" in each["nonResourceURLs"] for each in answer["status"]["nonResourceRules"])
    assert await account.status("POST", f"{REVIEWS}/subjectaccessreviews", {"spec": {}}) == 403
    await account.granted(rule(["subjectaccessreviews"], ["create"], "authorization.k8s.io"), name="delegator",
                          kind="ClusterRole", cluster=True)  # fmt: skip
    spec = {"user": "system:serviceaccount:default:weak", "resourceAttributes": about}
    _, answer = await account.ask("POST", f"{REVIEWS}/subjectaccessreviews", {"spec": spec})
    assert answer["status"]["allowed"] is True
    local = f"{REVIEWS}/namespaces/default/localsubjectaccessreviews"
    assert await account.status("POST", local, {"spec": spec}) == 403
    status, answer = await account.client.post(local, {"spec": spec})
    assert (status, answer["status"]["allowed"]) == (201, True)
    elsewhere = {**spec, "resourceAttributes": {**about, "namespace": "kube-system"}}
    assert (await account.client.post(local, {"spec": elsewhere}))[0] == 422


@pytest.mark.parametrize(
    "spec",
    [
        {"user": "one"},
        {"resourceAttributes": {"verb": "get", "resource": "pods"}},
        {"user": "one", "resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"path": "/x"}},
    ],
)
async def test_half_a_question_is_refused(client, spec):
    assert (await client.post(f"{REVIEWS}/subjectaccessreviews", {"spec": spec}))[0] == 422


async def test_a_token_is_good_for_its_account_its_audience_and_its_time(client, account):
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    token = account.headers["Authorization"].removeprefix("Bearer ")
    _, answer = await client.post(reviews, {"spec": {"token": token}})
    user = answer["status"]["user"]
    assert answer["status"]["authenticated"] is True
    assert (user["username"], user["groups"]) == (
        "system:serviceaccount:default:weak",
        ["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"],
    )
    assert user["uid"] == (await client.get(f"{ACCOUNTS}/weak"))[1]["metadata"]["uid"]
    _, answer = await client.post(reviews, {"spec": {"token": token, "audiences": ["other"]}})
    assert "authenticated" not in answer["status"]
    assert "audiences" in answer["status"]["error"]
    _, made = await client.post(f"{ACCOUNTS}/weak/token", {"spec": {"audiences": ["vault"]}})
    foreign = made["status"]["token"]
    assert (await client.get("/api", Authorization=f"Bearer {foreign}"))[0] == 401
    _, answer = await client.post(reviews, {"spec": {"token": foreign, "audiences": ["vault", "x"]}})
    assert answer["status"]["audiences"] == ["vault"]
    head, body, signature = token.split(".")
    for forged in (
        f"{head}.{body}.{signature[:-2]}xx",
        f"{head}.{body[:-2]}AA.{signature}",
        "a.b.c",
        "..",
        "é",
    ):
        assert (await client.get("/api", Authorization=f"Bearer {forged}"))[0] == 401, forged
    assert await account.status("GET", "/api") == 200
    await client.delete(f"{ACCOUNTS}/weak")
    assert await account.status("GET", "/api") == 401, "the account is gone"
    await make(client, "weak")
    assert await account.status("GET", "/api") == 401, "another account of the same name"


async def test_a_token_ends(fake_clock):
    async with served(fake_clock) as client:
        account = await make(client, "weak")
        assert await account.status("GET", "/api") == 200
        await fake_clock.advance(3601)
        assert await account.status("GET", "/api") == 401


async def test_groups_of_accounts_are_subjects_too(client, account):
    role = {"metadata": {"name": "readers"}, "rules": [rule(["configmaps"], ["list"])]}
    binding = {
        "metadata": {"name": "readers"},
        "roleRef": {"kind": "ClusterRole", "name": "readers"},
        "subjects": [{"kind": "Group", "name": "system:serviceaccounts:default"}],
    }
    await client.post(f"{RBAC}/clusterroles", role)
    await client.post(f"{RBAC}/clusterrolebindings", binding)
    assert await account.status("GET", "/api/v1/configmaps") == 200
    binding["metadata"]["name"] = "masters"
    binding |= {"roleRef": {"kind": "ClusterRole", "name": "nobody"}}
    await client.post(f"{RBAC}/clusterrolebindings", binding)
    _, body = await account.ask("GET", "/api/v1/secrets")
    assert 'RBAC: [clusterroles.rbac.authorization.k8s.io "nobody" not found]' in body["message"]


async def test_asking_as_another(client, account):
    """`kubectl --as`: who may impersonate is answered as the other would be."""
    path = "/api/v1/namespaces/default/configmaps"
    other = "system:serviceaccount:default:weak"
    assert (await client.get(path, Impersonate_User=other))[0] == 403
    await account.granted(rule(["configmaps"], ["list"]))
    assert (await client.get(path, Impersonate_User=other))[0] == 200
    status, body = await account.ask("GET", path, Impersonate_User="kubernetes-admin")
    assert (status, 'cannot impersonate resource "users"' in body["message"]) == (403, True)
    _, answer = await client.call(
        "POST",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        {},
        Impersonate_User="jane",
        Impersonate_Group="people",
    )
    assert answer["status"]["userInfo"] == {"username": "jane", "groups": ["people", "system:authenticated"]}
    assert (await client.get(path, Impersonate_Group="people"))[0] == 400


async def test_nobody_gives_away_more_than_they_have(client, account):
    """Kubernetes' guard against escalation, and the verbs `escalate` and `bind` that lift it."""
    writes = rule(["roles", "rolebindings"], ["create", "update", "patch", "get"], GROUP)
    await account.granted(writes, rule(["configmaps"], ["get", "list"]))
    role = {"metadata": {"name": "small"}, "rules": [rule(["configmaps"], ["get"], resourceNames=["a"])]}
    assert await account.status("POST", f"{SPACE}/roles", role) == 201
    big = {"metadata": {"name": "big"}, "rules": [rule(["secrets", "configmaps"], ["get"])]}
    status, body = await account.ask("POST", f"{SPACE}/roles", big)
    assert status == 403
    assert "attempting to grant RBAC permissions not currently held" in body["message"]
    assert '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}' in body["message"]
    grown = {"rules": big["rules"]}
    merge = "application/merge-patch+json"
    assert await account.status("PATCH", f"{SPACE}/roles/small", grown, content_type=merge) == 403
    assert await account.status("PATCH", f"{SPACE}/roles/small", {"metadata": {"labels": {"a": "b"}}},
                                content_type=merge) == 200  # fmt: skip
    assert (await client.post(f"{SPACE}/roles", big))[0] == 201
    binding = {
        "metadata": {"name": "self"},
        "roleRef": {"kind": "Role", "name": "big"},
        "subjects": [{"kind": "ServiceAccount", "name": "weak", "namespace": "default"}],
    }
    assert await account.status("POST", f"{SPACE}/rolebindings", binding) == 403
    await account.granted(rule(["roles"], ["bind"], GROUP, resourceNames=["big"]), name="binder")
    assert await account.status("POST", f"{SPACE}/rolebindings", binding) == 201
    await account.granted(rule(["roles"], ["escalate"], GROUP), name="escalator")
    big["metadata"]["name"] = "bigger"
    big["rules"] = [rule(["pods"], ["*"])]
    assert await account.status("POST", f"{SPACE}/roles", big) == 201


async def test_owners_are_enforced_where_the_plugin_is_on(client, account):
    """OwnerReferencesPermissionEnforcement, off unless asked for: the right to the owner's finalizers, or to delete."""
    configs = "/api/v1/namespaces/default/configmaps"
    await account.granted(rule(["configmaps"], ["create", "patch", "get"]))
    _, owner = await client.post(WIDGETS, widget("owner"))
    reference = {
        "apiVersion": "lab.test/v1",
        "kind": "Widget",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
    }
    held = {**reference, "blockOwnerDeletion": True}

    def config(name, *owners):
        return {"metadata": {"name": name, "ownerReferences": list(owners)}}

    assert await account.status("POST", configs, config("before", held)) == 201
    client.cluster.access.enforce_owners = True
    status, body = await account.ask("POST", configs, config("a", held))
    assert (status, "cannot set blockOwnerDeletion" in body["message"]) == (403, True)
    assert await account.status("POST", configs, config("b", {**held, "kind": "Nobody"})) == 403
    assert await account.status("POST", configs, config("c", reference)) == 201
    await account.granted(
        rule(["widgets/finalizers"], ["update"], "lab.test", resourceNames=["owner"]), name="finalizers"
    )
    assert await account.status("POST", configs, config("a", held)) == 201
    patch = {"content_type": "application/merge-patch+json"}
    label = {"metadata": {"labels": {"a": "b"}}}
    assert await account.status("PATCH", f"{configs}/a", label, **patch) == 200
    none = {"metadata": {"ownerReferences": None}}
    status, body = await account.ask("PATCH", f"{configs}/a", none, **patch)
    assert (status, "a resource you can't delete" in body["message"]) == (403, True)
    await account.granted(rule(["configmaps"], ["delete"]), name="deleter")
    assert await account.status("PATCH", f"{configs}/a", none, **patch) == 200


@pytest.mark.parametrize(
    ("plural", "obj"),
    [
        ("roles", {"rules": [{"verbs": ["get"]}]}),
        ("roles", {"rules": [rule(["pods"], [])]}),
        ("roles", {"rules": [{"nonResourceURLs": ["/x"], "verbs": ["get"]}]}),
        ("rolebindings", {"roleRef": {"kind": "Deployment", "name": "x"}}),
        ("rolebindings", {"roleRef": {"kind": "Role"}}),
        (
            "rolebindings",
            {"roleRef": {"kind": "Role", "name": "x"}, "subjects": [{"kind": "Pod", "name": "x"}]},
        ),
    ],
)
async def test_roles_and_bindings_that_say_nothing_are_refused(client, plural, obj):
    status, body = await client.post(f"{SPACE}/{plural}", {"metadata": {"name": "x"}, **obj})
    assert (status, body["reason"]) == (422, "Invalid")


async def test_where_a_binding_points_never_changes(client, account):
    await account.granted(rule(["pods"], ["get"]))
    to = {"roleRef": {"apiGroup": GROUP, "kind": "Role", "name": "other"}}
    status, body = await client.patch(f"{SPACE}/rolebindings/granted", to)
    assert (status, "cannot change roleRef" in body["message"]) == (422, True)


async def test_a_watch_of_ones_own_goes_on(client, account):
    await account.granted(rule(["widgets"], ["list", "watch", "create"], "lab.test"))
    async with client.watching(f"{WIDGETS}?watch=true", **account.headers) as watch:
        assert await account.status("POST", WIDGETS, widget("w")) == 201
        assert (await watch.until(1))[0]["object"]["metadata"]["name"] == "w"


async def test_metrics_of_another_server_are_asked_of_rbac_first(client, account):
    """conformance/wire/adapter-authentication.json, `aggregated, service account without rights`."""
    spec = {
        "group": "external.metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 1,
    }
    client.api.create(
        "apiregistration.k8s.io", "apiservices", "",
        {"metadata": {"name": "v1beta1.external.metrics.k8s.io"},
         "spec": {**spec, "service": {"namespace": "default", "name": "adapter"}}},
    )  # fmt: skip
    path = "/apis/external.metrics.k8s.io/v1beta1/namespaces/wire/s0-redis-wire"
    status, body = await account.ask("GET", path)
    assert status == 403
    assert body["message"] == (
        's0-redis-wire.external.metrics.k8s.io is forbidden: User "system:serviceaccount:default:weak" cannot list '
        'resource "s0-redis-wire" in API group "external.metrics.k8s.io" in the namespace "wire"'
    )
    await until(lambda: _is(client, path, 503))


async def _is(client, path, status):
    return (await client.get(path))[0] == status


def test_a_request_is_read_as_kubernetes_reads_it():
    assert asked("GET", "/api/v1/namespaces/a", {}) == Attributes(
        verb="get", resource="namespaces", namespace="a", name="a"
    )
    assert asked("PUT", "/api/v1/namespaces/a/finalize", {}).full_resource == "namespaces/finalize"
    assert asked("GET", "/apis/apps/v1", {}) == Attributes(verb="get", path="/apis/apps/v1")
    assert asked("GET", "//api/v1//pods/", {}) == Attributes(verb="list", resource="pods")
    many = {"fieldSelector": "spec.nodeName=n,metadata.name==a"}
    assert asked("GET", "/api/v1/pods", many).name == "a"
    assert asked("GET", "/api/v1/pods", {"fieldSelector": "metadata.name!=a"}).name == ""


def test_paths_end_in_a_star_or_are_meant_as_they_stand():
    rules = {"nonResourceURLs": ["/apis/*", "/healthz"], "verbs": ["get"]}
    for path, allowed in (("/apis/x/y", True), ("/apis", False), ("/healthz", True), ("/healthz/x", False)):
        assert allows(rules, Attributes(verb="get", path=path)) is allowed
    assert not allows(rules, Attributes(verb="post", path="/healthz"))
    assert not allows(rule(["*"], ["*"], "*"), Attributes(verb="get", path="/healthz"))
