"""What the end-to-end tests of authentication share: a redis-server with named users, and objects that give their passwords.

async with authenticated(redis) as run:
    secret(run, "creds", user="one", password="pw-one")
    authentication(run, "auth", secretTargetRef=refs("creds"))
    run.scaled_object("worker", using(run, "auth"))
    await run.until(lambda: users(redis) == {"one": 1})
"""

from collections import Counter
from contextlib import asynccontextmanager

from controlled import controlled, redis_trigger

from scaler.settings import ControllerSettings

SECRETS, CONFIG_MAPS, ACCOUNTS, NAMESPACES = (
    ("", "secrets"), ("", "configmaps"), ("", "serviceaccounts"), ("", "namespaces"),
)  # fmt: skip
TA, CTA = ("keda.sh", "triggerauthentications"), ("keda.sh", "clustertriggerauthentications")
CLUSTER = "ClusterTriggerAuthentication"
READY, FAILED = ("True", "ScaledObjectReady"), ("False", "ScaledObjectCheckFailed")

__all__ = [
    "ACCOUNTS", "CLUSTER", "CONFIG_MAPS", "CTA", "FAILED", "READY", "SECRETS", "TA", "authenticated", "authentication",
    "changed", "clients", "cluster_authentication", "config_map", "entries", "login", "namespace", "obj", "refs", "secret",
    "service_account", "user", "users", "using",
]  # fmt: skip


def obj(kind, name, namespace="default", version="v1", **fields):
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **where}, **fields}


def namespace(run, name):
    run.api.create(*NAMESPACES, "", obj("Namespace", name, ""))


def secret(run, name, namespace="default", **texts):
    return run.api.create(*SECRETS, namespace, obj("Secret", name, namespace, stringData=texts))


def config_map(run, name, namespace="default", **texts):
    return run.api.create(*CONFIG_MAPS, namespace, obj("ConfigMap", name, namespace, data=texts))


def service_account(run, name, namespace="default"):
    return run.api.create(*ACCOUNTS, namespace, obj("ServiceAccount", name, namespace))


def changed(run, name, of=SECRETS, namespace="default", **texts):
    """Other entries in a Secret or ConfigMap."""
    run.patch(name, of, namespace, **{"stringData" if of == SECRETS else "data": texts})


def authentication(run, name="auth", namespace="default", **spec):
    body = obj("TriggerAuthentication", name, namespace, "keda.sh/v1alpha1", spec=spec)
    return run.api.create(*TA, namespace, body)


def cluster_authentication(run, name="auth", annotations=None, **spec):
    body = obj(CLUSTER, name, "", "keda.sh/v1alpha1", spec=spec)
    body["metadata"]["annotations"] = annotations or {}
    return run.api.create(*CTA, "", body)


def refs(name="creds"):
    """The references to a login in a Secret or ConfigMap."""
    return [{"parameter": key, "name": name, "key": key} for key in ("username", "password")]


def login(name):
    """The login of a user, as entries of a Secret."""
    return {"username": name, "password": f"pw-{name}"}


def entries(name, key):
    """References from a container's env to one key of a Secret."""
    return {"name": key.upper(), "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


def using(run, name="auth", kind=None, queue="jobs", **metadata):
    """A redis trigger with an authenticationRef."""
    named = {"name": name} | ({"kind": kind} if kind else {})
    return {**redis_trigger(run.redis, queue, **metadata), "authenticationRef": named}


def user(redis, name, password=None):
    """Let a user in; whoever is connected as this user stays so."""
    redis.cli("ACL", "SETUSER", name, "reset", "on", f">{password or f'pw-{name}'}", "~*", "&*", "+@all")


def clients(redis, key):
    """One field of each of Tidegate's connections, such as its `user` or its `id`."""
    rows = redis.cli("CLIENT", "LIST").decode().splitlines()
    fields = [dict(part.partition("=")[::2] for part in row.split()) for row in rows]
    return [row[key] for row in fields if row.get("name", "").startswith("tidegate")]


def users(redis):
    """As whom Tidegate is connected, and how often."""
    return dict(Counter(clients(redis, "user")))


@asynccontextmanager
async def authenticated(redis, *, factor=20, **settings):
    """Tidegate at work beside a server that knows the users `one` and `two`. The namespace `tidegate` is there."""
    for name in ("one", "two"):
        user(redis, name)
    async with controlled(redis, factor=factor, settings=ControllerSettings(**settings)) as run:
        yield run
