"""Who may read a metric, with an API server's own tokens, certificates and Roles: nothing here is scripted."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest
from structlog.testing import capture_logs
from wire import world

from metrics_adapter.reviews import Reviews, Unanswered
from metrics_adapter.trust import Published
from scaler.kube.access import Access
from scaler.kube.client import Kube
from scaler.local.tokens import issue
from scaler.pki import client_context, make_ca
from scaler.pki import issue as certificate

METRIC = "/apis/external.metrics.k8s.io/v1beta1/namespaces/{}/s0-redis-wire?labelSelector=scaledobject.keda.sh%2Fname%3Dlive"
HERE = METRIC.format("wire")
DISCOVERY = "/apis/external.metrics.k8s.io/v1beta1"
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
async def there():
    async with world() as found:
        found.holds({"what": "", "request": None}, {})
        yield found


def grant(there, kind, name, *resources, verbs=("list",), namespace="wire"):
    """A Role on metrics in a namespace, bound to a user, a group, or the ServiceAccount `weak`."""
    api, role = there.cluster.api, f"metrics-{len(there.cluster.api.list(RBAC, 'roles', namespace))}"
    rules = [{"apiGroups": ["external.metrics.k8s.io"], "resources": list(resources), "verbs": list(verbs)}]
    api.create(RBAC, "roles", namespace, {"metadata": {"name": role}, "rules": rules})
    subject = {"kind": kind, "name": name} | (
        {"namespace": "wire"} if kind == "ServiceAccount" else {"apiGroup": RBAC}
    )
    reference = {"apiGroup": RBAC, "kind": "Role", "name": role}
    api.create(
        RBAC,
        "rolebindings",
        namespace,
        {"metadata": {"name": role}, "roleRef": reference, "subjects": [subject]},
    )


def token(there, *, age=timedelta(0), **spec):
    account = there.cluster.api.get("", "serviceaccounts", "wire", "weak")
    now = there.cluster.api.clock.now()
    return issue(account, {"spec": spec}, now - age)["status"]["token"]


async def ask(there, path=HERE, *, held="", pair=None):
    connector = aiohttp.TCPConnector(ssl=client_context(there.ca, pair))
    headers = {"Authorization": f"Bearer {held}"} if held else {}
    async with aiohttp.ClientSession(connector=connector) as session:
        url = f"https://127.0.0.1:{there.adapter.port}{path}"
        async with session.get(url, headers=headers) as response:
            return response.status, await response.json()


async def test_a_role_on_one_metric_lets_read_that_one(there):
    grant(there, "ServiceAccount", "weak", "s0-redis-wire")
    held = token(there)
    status, body = await ask(there, held=held)
    assert (status, body["items"][0]["value"]) == (200, "7")
    assert (await ask(there, HERE.replace("s0-", "s1-"), held=held))[0] == 403
    assert (await ask(there, METRIC.format("default"), held=held))[0] == 403
    assert (await ask(there, DISCOVERY, held=held))[0] == 200
    assert (await ask(there, "/metrics", held=held))[0] == 403


async def test_a_role_on_all_metrics_of_a_namespace_is_one_on_that_namespace(there):
    grant(there, "ServiceAccount", "weak", "*")
    held = token(there)
    assert (await ask(there, held=held))[0] == 200
    assert (await ask(there, METRIC.format("default"), held=held))[0] == 403


@pytest.mark.parametrize(
    "held",
    [
        lambda there: token(there, audiences=["vault"]),
        lambda there: token(there, age=timedelta(hours=2)),
        lambda there: token(there)[:-2],
        lambda there: token(there) + "x",
        lambda _: "x",
    ],
    ids=["of another audience", "expired", "cut short", "longer", "none"],
)
async def test_tokens_that_are_none(there, held):
    grant(there, "ServiceAccount", "weak", "*")
    status, body = await ask(there, held=held(there))
    assert (status, body["message"]) == (401, "Unauthorized")


async def test_the_token_of_an_account_that_was_deleted(there):
    grant(there, "ServiceAccount", "weak", "*")
    held = token(there)
    there.cluster.api.delete("", "serviceaccounts", "wire", "weak")
    assert (await ask(there, held=held))[0] == 401


async def test_a_certificate_of_the_clusters_ca_is_its_user_and_its_groups(there):
    grant(there, "User", "jane", "s0-redis-wire")
    grant(there, "Group", "on-call", "*")
    ca = there.cluster._ca
    jane, joe, eve = (
        certificate(ca, name, organizations=groups, client=True)
        for name, groups in (("jane", []), ("joe", ["on-call"]), ("eve", ["off-duty"]))
    )
    assert (await ask(there, pair=jane))[0] == 200
    assert (await ask(there, pair=joe))[0] == 200
    status, body = await ask(there, pair=eve)
    assert (status, 'User "eve" cannot list' in body["message"]) == (403, True)
    admin = certificate(ca, "root", organizations=["system:masters"], client=True)
    assert (await ask(there, "/metrics/nothing", pair=admin))[0] == 404


async def test_while_the_api_server_is_gone_nobody_new_gets_in(there):
    grant(there, "ServiceAccount", "weak", "*")
    known, new = token(there), token(there)
    assert (await ask(there, held=known))[0] == 200
    await there.cluster.close_listener()
    assert (await ask(there, held=known))[0] == 200, "an answer holds for some seconds"
    status, body = await ask(there, held=new)
    assert (status, body["reason"]) == (503, "ServiceUnavailable")
    assert "127.0.0.1" not in body["message"]
    await there.cluster.open_listener()
    async with asyncio.timeout(20):
        while (await ask(there, held=new))[0] != 200:  # noqa: ASYNC110 - the connection comes back.
            await asyncio.sleep(0.05)


async def test_an_adapter_without_its_rights_starts_and_names_them(there):
    """It runs as the ServiceAccount `weak`, which may nothing yet; once it may, it goes on by itself."""
    cluster, clock = there.cluster, there.clock
    access = Access(cluster.url, tls=client_context(cluster.ca), token=token(there))
    with capture_logs() as logs:
        async with Kube(access, clock) as kube:
            published, reviews = Published(kube, clock), Reviews(clock, kube)
            await published.start()
            assert published.trust is None
            with pytest.raises(Unanswered, match="ClusterRole system:auth-delegator"):
                await reviews.identify("x")
            bind(there, "RoleBinding", "extension-apiserver-authentication-reader", "kube-system")
            bind(there, "ClusterRoleBinding", "system:auth-delegator")
            async with asyncio.timeout(20):
                while published.trust is None:  # noqa: ASYNC110 - it is read again.
                    await asyncio.sleep(0.02)
            assert await reviews.identify("x") is None
            assert (await reviews.identify(cluster.token)).name == "kubernetes-admin"
            await reviews.close()
            await published.close()
    (told,) = (line for line in logs if line["event"] == "trust_unknown")
    assert "bind the Role extension-apiserver-authentication-reader in kube-system" in told["problem"]


def bind(there, kind, role, namespace=""):
    plural = f"{kind.lower()}s"
    reference = {"apiGroup": RBAC, "kind": kind.removesuffix("Binding"), "name": role}
    subject = {"kind": "ServiceAccount", "name": "weak", "namespace": "wire"}
    made = {"metadata": {"name": f"weak-{role}"}, "roleRef": reference, "subjects": [subject]}
    there.cluster.api.create(RBAC, plural, namespace, made)


async def test_the_published_ca_is_followed_by_the_listener(there):
    """A front proxy of a new CA is believed as soon as the cluster says so, and the old one no longer."""
    renewed_ca = make_ca("front-proxy-renewed")
    renewed = certificate(renewed_ca, "front-proxy-client", client=True)
    key = "", "configmaps", "kube-system", "extension-apiserver-authentication"
    headers = {"X-Remote-User": "root", "X-Remote-Group": "system:masters"}

    async def status(pair):
        connector = aiohttp.TCPConnector(ssl=client_context(there.ca, pair))
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"https://127.0.0.1:{there.adapter.port}{HERE}"
            try:
                async with session.get(url, headers=headers) as response:
                    return response.status
            except aiohttp.ClientError:
                return None

    old = there.cluster.aggregator._front_proxy
    assert await status(old) == 200
    assert await status(renewed) is None
    there.cluster.api.merge_patch(
        *key, {"data": {"requestheader-client-ca-file": renewed_ca.certificate.decode()}}
    )
    async with asyncio.timeout(20):
        while await status(renewed) != 200:  # noqa: ASYNC110 - it is followed.
            await asyncio.sleep(0.02)
    assert await status(old) is None
