"""What a trigger's authenticationRef comes to: the table of sources, their precedence, each failure, each attack."""

import base64

import pytest

from scaler.control.authentications import CLUSTER, NAMESPACED, Authentication
from scaler.control.environment import choose, containers_of
from scaler.control.files import FileRefused
from scaler.control.parameters import Place
from scaler.control.references import Ref
from scaler.control.resolution import resolve
from scaler.control.triggers import build
from scaler.control.unresolved import Failure, SecretForbidden
from scaler.core import manifest
from scaler.core.authentication import parse_spec
from scaler.kube.errors import Forbidden, NotFound, Unreachable
from scalers.registry import Registry
from scalers.sdk import InvalidMetadata, Unavailable

SPEC_CONTAINERS = [
    {"name": "app", "env": [{"name": "USER", "value": "from-env"}]},
    {"name": "side", "env": [{"name": "USER", "value": "from-side"}]},
]


def encoded(**entries):
    return {name: base64.b64encode(value.encode()).decode() for name, value in entries.items()}


class World:
    """A cluster: what is asked of it is kept in `asked`."""

    def __init__(self):
        self.objects = {
            ("Secret", "shop", "creds"): encoded(user="from-secret", password="hunter2"),
            ("Secret", "tidegate", "creds"): encoded(user="from-cluster-secret"),
            ("Secret", "bank", "vault"): encoded(password="stolen"),
            ("ConfigMap", "shop", "settings"): {"user": "from-config"},
            ("ConfigMap", "tidegate", "settings"): {"user": "from-cluster-config"},
            ("ServiceAccount", "shop", "runner"): {"eks.amazonaws.com/role-arn": "arn:runner"},
            ("ServiceAccount", "shop", "plain"): {},
        }
        self.files = {"team.json": {"user": "from-file"}}
        self.refuse = None
        self.asked = []
        self.authentications = {}

    async def content(self, kind, namespace, name):
        self.asked.append((kind, namespace, name))
        if self.refuse is not None:
            raise self.refuse
        return self.objects.get((kind, namespace, name))

    async def token(self, namespace, name):
        self.asked.append(("Token", namespace, name))
        if self.refuse is not None:
            raise self.refuse
        if ("ServiceAccount", namespace, name) not in self.objects and namespace != "tidegate":
            raise NotFound("create serviceaccounts/token", 404)
        return f"token-of-{namespace}-{name}"

    async def file(self, path):
        if path not in self.files:
            raise FileRefused("cannot be read: No such file or directory")
        return self.files[path]

    def find(self, ref, _namespace):
        return self.authentications.get(ref) or Failure(f"{ref} does not exist", "create it")

    async def resolved(self, spec, *, cluster=False, account="", containers=SPEC_CONTAINERS, metadata=None):
        """What a trigger of namespace shop gets from an authentication called `auth`."""
        parsed, problems = parse_spec(spec)
        assert problems == []
        ref = Ref(CLUSTER, "", "auth") if cluster else Ref(NAMESPACED, "shop", "auth")
        self.authentications[ref] = Authentication(ref, {}, 1, parsed, (), None)
        named = {"name": "auth"} | ({"kind": CLUSTER} if cluster else {})
        trigger = scaled_object({"authenticationRef": named, "metadata": metadata or {}}).spec.triggers[0]
        return await resolve(trigger, self.place(account, containers), self, self.find, "tidegate")

    @staticmethod
    def place(account="", containers=SPEC_CONTAINERS):
        found = containers_of({"spec": {"template": {"spec": {"containers": containers}}}})
        return Place(
            namespace="shop",
            home="shop",
            containers=found,
            container=choose(found, ""),
            service_account=account,
        )


def scaled_object(*triggers):
    obj = {
        "metadata": {"name": "worker", "namespace": "shop", "uid": "u", "resourceVersion": "1"},
        "spec": {
            "scaleTargetRef": {"name": "web"},
            "triggers": [{"type": "redis", "metadata": {}, **trigger} for trigger in triggers],
        },
    }
    parsed = manifest.parse(obj)
    assert parsed.problems == ()
    return parsed.scaled_object


@pytest.fixture
def world():
    return World()


def secret(parameter="user", name="creds", key="user"):
    return {"secretTargetRef": [{"parameter": parameter, "name": name, "key": key}]}


def config(parameter="user", name="settings", key="user"):
    return {"configMapTargetRef": [{"parameter": parameter, "name": name, "key": key}]}


def env(parameter="user", name="USER", **more):
    return {"env": [{"parameter": parameter, "name": name, **more}]}


def token(parameter="user", account="runner"):
    return {"boundServiceAccountToken": [{"parameter": parameter, "serviceAccountName": account}]}


OAUTH2 = {
    "oauth2": {
        "type": "clientCredentials",
        "clientId": "me",
        "tokenUrl": "https://id.test/token",
        "clientSecret": {"valueFrom": {"secretKeyRef": {"name": "creds", "key": "password"}}},
        "scopes": ["read", "write"],
        "tokenUrlParams": {"b": "2 3", "a": "1&2"},
    }
}
OAUTH2_PARAMETERS = {
    "oauthTokenURI": "https://id.test/token",
    "clientID": "me",
    "clientSecret": "hunter2",
    "scopes": "read,write",
    "endpointParams": "a=1%262&b=2+3",
}
FILE = {"filePath": "team.json"}

SOURCES = {
    "env": (env(), False, {"user": "from-env"}),
    "env of another container": (env(containerName="side"), False, {"user": "from-side"}),
    "config": (config(), False, {"user": "from-config"}),
    "secret": (secret(), False, {"user": "from-secret"}),
    "token": (token(), False, {"user": "token-of-shop-runner"}),
    "oauth2": (OAUTH2, False, OAUTH2_PARAMETERS),
    "none at all": ({}, False, {}),
    "of the cluster: env is the object's": (env(), True, {"user": "from-env"}),
    "of the cluster: config": (config(), True, {"user": "from-cluster-config"}),
    "of the cluster: secret": (secret(), True, {"user": "from-cluster-secret"}),
    "of the cluster: token": (token(), True, {"user": "token-of-tidegate-runner"}),
    "of the cluster: file": (FILE, True, {"user": "from-file"}),
    # Later sources overwrite earlier ones, whatever the order in the manifest (facts 6.1).
    "config over env": (config() | env(), False, {"user": "from-config"}),
    "secret over config": (secret() | config() | env(), False, {"user": "from-secret"}),
    "token over secret": (token() | secret(), False, {"user": "token-of-shop-runner"}),
    "oauth2 over secret": (OAUTH2 | secret("clientID"), False, OAUTH2_PARAMETERS),
    "each its own parameter": (secret("password", key="password") | config(), False,
                               {"user": "from-config", "password": "hunter2"}),
    "the later of two entries": ({"secretTargetRef": [
        *secret()["secretTargetRef"], *secret(key="password")["secretTargetRef"]]}, False, {"user": "hunter2"}),
    "a file over all": (FILE | secret() | config() | env() | token() | OAUTH2, True, {"user": "from-file"}),
    "a file beside an identity": (FILE | {"podIdentity": {"provider": "aws", "roleArn": "arn:it"}}, True,
                                  {"user": "from-file", "awsRoleArn": "arn:it"}),
    "a failure that a later source mends": (secret() | env(name="GHOST"), False, {"user": "from-secret"}),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "cluster", "auth"), SOURCES.values(), ids=SOURCES)
async def test_the_table_of_sources(world, spec, cluster, auth):
    found = await world.resolved(spec, cluster=cluster)
    assert found.failures == ()
    assert dict(found.auth) == auth


IDENTITIES = {
    "none": ({"provider": "none"}, "runner", "", {}),
    "aws": ({"provider": "aws"}, "runner", "aws", {}),
    "aws role": ({"provider": "aws", "roleArn": "arn:it", "externalID": "x"}, "", "aws",
                 {"awsRoleArn": "arn:it", "awsExternalID": "x"}),
    "aws workload": ({"provider": "aws", "identityOwner": "workload"}, "runner", "aws", {"awsRoleArn": "arn:runner"}),
    "aws keda": ({"provider": "aws", "identityOwner": "keda"}, "runner", "aws", {}),
    "aws-eks": ({"provider": "aws-eks"}, "runner", "aws-eks", {"awsRoleArn": "arn:runner"}),
    "aws-eks without a role": ({"provider": "aws-eks"}, "plain", "aws-eks", {}),
    "aws-eks without an account": ({"provider": "aws-eks"}, "", "aws-eks", {}),
}  # fmt: skip


@pytest.mark.parametrize(("identity", "account", "provider", "auth"), IDENTITIES.values(), ids=IDENTITIES)
async def test_identities(world, identity, account, provider, auth):
    found = await world.resolved({"podIdentity": identity}, account=account)
    assert (found.failures, found.pod_identity, dict(found.auth)) == ((), provider, auth)


async def test_the_workload_s_identity_is_asked_of_the_default_account(world):
    found = await world.resolved({"podIdentity": {"provider": "aws", "identityOwner": "workload"}})
    assert world.asked == [("ServiceAccount", "shop", "default")]
    assert (
        "ServiceAccount shop/default has no annotation eks.amazonaws.com/role-arn"
        in found.problems[0].problem
    )


async def test_without_a_pod_template_there_is_no_workload_to_ask(world):
    spec = {"podIdentity": {"provider": "aws", "identityOwner": "workload"}}
    found = await world.resolved(spec, containers=[])
    assert (found.failures, world.asked) == ((), [])


FAILURES = {
    "no secret": (secret(name="gone"), False,
                  "TriggerAuthentication shop/auth: spec.secretTargetRef[0]: Secret shop/gone does not exist"),
    "no secret of the cluster": (secret(name="gone"), True,
                                 "ClusterTriggerAuthentication auth: spec.secretTargetRef[0]: Secret tidegate/gone "),
    "no key": (secret(key="gone"), False, "Secret shop/creds has no key gone"),
    "no config": (config(name="gone"), False, "spec.configMapTargetRef[0]: ConfigMap shop/gone does not exist"),
    "no config key": (config(key="gone"), False, "ConfigMap shop/settings has no key gone"),
    "no variable": (env(name="GHOST"), False, "spec.env[0]: the scale target's container has no variable GHOST"),
    "no container": (env(containerName="ghost"), False, "the scale target has no container ghost"),
    "no account": (token(account="ghost"), False, "ServiceAccount shop/ghost does not exist"),
    "no client secret": ({"oauth2": OAUTH2["oauth2"] | {
        "clientSecret": {"valueFrom": {"secretKeyRef": {"name": "gone", "key": "k"}}}}}, False,
        "spec.oauth2.clientSecret: Secret shop/gone does not exist"),
    "no file": ({"filePath": "gone.json"}, True, "spec.filePath 'gone.json' cannot be read: No such file"),
    # What another namespace has, or another place, is not reached by any name.
    "attack: another namespace's secret": (secret(name="bank/vault", key="password"), False,
                                           "'bank/vault' is no name of a Secret"),
    "attack: a path": (secret(name="../../bank/secrets/vault", key="password"), False, "is no name of a Secret"),
    "attack: an escaped path": (secret(name="..%2f..%2fbank%2fsecrets%2fvault"), False, "is no name of a Secret"),
    "attack: two dots": (secret(name=".."), False, "'..' is no name of a Secret"),
    "attack: no name": (secret(name=""), False, "'' is no name of a Secret"),
    "attack: the list": (secret(name="?watch=true"), False, "is no name of a Secret"),
    "attack: config": (config(name="../secrets/creds"), False, "is no name of a ConfigMap"),
    "attack: account": (token(account="../../bank/serviceaccounts/boss"), False, "is no name of a ServiceAccount"),
    "attack: oauth2": ({"oauth2": OAUTH2["oauth2"] | {
        "clientSecret": {"valueFrom": {"secretKeyRef": {"name": "bank/vault", "key": "password"}}}}}, False,
        "is no name of a Secret"),
    "attack: the cluster's secret": (secret(name="creds", key="from-cluster"), False, "has no key from-cluster"),
    "attack: a file for one namespace": (FILE, False, "spec.filePath is only for a ClusterTriggerAuthentication"),
    # What is not supported is refused by name, not passed over.
    "vault": ({"hashiCorpVault": {"address": "http://v", "authentication": "token", "secrets": [
        {"parameter": "user", "path": "a", "key": "b"}]}} | secret(), False, "spec.hashiCorpVault is not supported"),
    "attack: a file as a vault's account": ({"hashiCorpVault": {
        "address": "http://v", "authentication": "kubernetes", "role": "r", "mount": "m",
        "credential": {"serviceAccount": "/etc/shadow"}, "secrets": [{"parameter": "user", "path": "a", "key": "b"}]}},
        False, "spec.hashiCorpVault is not supported"),
    "azure": ({"azureKeyVault": {"vaultUri": "u", "secrets": [{"parameter": "p", "name": "n"}]}}, False,
              "spec.azureKeyVault is not supported"),
    "gcp": ({"gcpSecretManager": {"secrets": [{"parameter": "p", "id": "n"}]}}, False,
            "spec.gcpSecretManager is not supported"),
    "aws": ({"awsSecretManager": {"secrets": [{"parameter": "p", "name": "n"}]}}, False,
            "spec.awsSecretManager is not supported"),
    "gcp identity": ({"podIdentity": {"provider": "gcp"}}, False, "spec.podIdentity.provider gcp is not supported"),
    "azure identity": ({"podIdentity": {"provider": "azure-workload"}}, False,
                       "spec.podIdentity.provider azure-workload is not supported"),
}  # fmt: skip


@pytest.mark.parametrize(("spec", "cluster", "words"), FAILURES.values(), ids=FAILURES)
async def test_why_a_parameter_cannot_be_had(world, spec, cluster, words):
    found = await world.resolved(spec, cluster=cluster)
    (problem,) = found.problems
    assert problem.path == "authenticationRef"
    assert words in problem.problem
    assert all(place in {"shop", "tidegate"} and "/" not in name for _, place, name in world.asked)
    (built,) = build(scaled_object({"metadata": {"address": "a:1", "listName": "l"}}), [found], Registry())
    assert isinstance(built.error, InvalidMetadata)
    assert str(built.error).startswith("spec.triggers[0].authenticationRef: ")
    assert built.names == ("s0-redis-l",)  # Its place in the HPA stays.
    assert "hunter2" not in str(found)


async def test_a_missing_right_is_named(world):
    world.refuse = Forbidden("get secrets shop/creds", 403)
    found = await world.resolved(secret())
    (built,) = build(scaled_object({"metadata": {"address": "a:1", "listName": "l"}}), [found], Registry())
    assert isinstance(built.error, SecretForbidden)
    assert built.error.reason == "SecretForbidden"
    assert "the right to get secrets (name creds) in namespace shop is missing" in str(built.error)
    world.refuse = Forbidden("create serviceaccounts/token", 403)
    (problem,) = (await world.resolved(token())).problems
    assert (
        "the right to create serviceaccounts/token (name runner) in namespace shop is missing"
        in problem.problem
    )


async def test_what_time_may_cure_is_unavailable(world):
    world.refuse = Unreachable("get secrets shop/creds: no answer")
    found = await world.resolved(secret())
    good = {"metadata": {"address": "a:1", "listName": "l"}}
    (built,) = build(scaled_object(good), [found], Registry())
    assert isinstance(built.error, Unavailable)
    (built,) = build(scaled_object({"metadata": {"address": "a:1"}}), [found], Registry())
    assert isinstance(built.error, InvalidMetadata)  # The list's name stays missing whatever comes.
    assert "listName" in str(built.error)


async def test_a_missing_key_is_not_reported_as_a_missing_parameter(world):
    found = await world.resolved(secret("address", key="gone"))
    (built,) = build(scaled_object({"metadata": {"listName": "l"}}), [found], Registry())
    assert "has no key gone" in str(built.error)
    assert "is required" not in str(built.error)


async def test_a_variable_of_the_trigger_has_its_own_path(world):
    trigger = {"metadata": {"listName": "l", "addressFromEnv": "ADDRESS"}}
    variable = {"name": "ADDRESS", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "k"}}}
    so = scaled_object(trigger)
    place = world.place(containers=[{"name": "app", "env": [variable]}])
    found = await resolve(so.spec.triggers[0], place, world, world.find, "tidegate")
    (built,) = build(so, [found], Registry())
    assert str(built.error) == (
        "spec.triggers[0].metadata.addressFromEnv: ADDRESS: Secret gone does not exist; "
        "create it, or mark the reference as optional"
    )


async def test_a_reference_to_what_is_not_there(world):
    for kind, words in (
        (NAMESPACED, "TriggerAuthentication shop/nobody"),
        (CLUSTER, "ClusterTriggerAuthentication nobody"),
    ):
        trigger = {"authenticationRef": {"name": "nobody", "kind": kind}, "metadata": {"listName": "l"}}
        so = scaled_object(trigger)
        found = await resolve(so.spec.triggers[0], world.place(), world, world.find, "tidegate")
        (built,) = build(so, [found], Registry())
        assert str(built.error) == f"spec.triggers[0].authenticationRef: {words} does not exist; create it"


async def test_the_namesake_of_another_namespace_is_not_used(world):
    spec, _ = parse_spec(secret())
    theirs = Ref(NAMESPACED, "bank", "auth")
    world.authentications[theirs] = Authentication(theirs, {}, 1, spec, (), None)
    so = scaled_object({"authenticationRef": {"name": "auth"}})
    found = await resolve(so.spec.triggers[0], world.place(), world, world.find, "tidegate")
    assert "TriggerAuthentication shop/auth does not exist" in found.problems[0].problem
    assert world.asked == []


async def test_nothing_is_read_without_need(world):
    so = scaled_object({"metadata": {"address": "a:1", "listName": "l"}})
    found = await resolve(so.spec.triggers[0], world.place(), world, world.find, "tidegate")
    assert (dict(found.env), dict(found.auth), world.asked) == ({}, {}, [])
    await world.resolved(env())
    assert world.asked == []


async def test_values_stand_in_no_repr(world):
    found = await world.resolved(secret(key="password"))
    assert found.auth == {"user": "hunter2"}
    assert "hunter2" not in repr(found)
