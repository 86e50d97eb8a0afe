"""Credentials that are missing, wrong or not to be used: each said by name, mended without a restart, never shown."""

import json

import pytest
import structlog
from authenticated import (
    CLUSTER,
    CTA,
    FAILED,
    NAMESPACES,
    READY,
    SECRETS,
    TA,
    authenticated,
    authentication,
    changed,
    cluster_authentication,
    login,
    obj,
    refs,
    secret,
    user,
    users,
    using,
)
from controlled import HPAS, SCALED_OBJECTS

from scaler.control.authentications import ALLOWED
from scaler.kube.client import Kube
from scaler.kube.errors import Forbidden

pytestmark = pytest.mark.server

TRIGGER_ERRORS = {("False", "TriggerError"), ("Unknown", "PartialTriggerError")}


async def refused(run, words, name="worker"):
    """Wait until the object is refused for this, as KEDA tells of it."""
    await run.until(lambda: run.ready(name) == FAILED and words in run.message(name=name))
    await run.until(lambda: "KEDAScalerFailed" in run.events(name))
    assert run.hpa(f"keda-hpa-{name}") is None
    assert run.replicas() == 0


async def test_what_is_missing_is_named_and_heard_of_when_it_comes(redis):
    async with authenticated(redis) as run:
        run.deployment()
        run.scaled_object("worker", using(run))
        await refused(
            run, "spec.triggers[0].authenticationRef: TriggerAuthentication default/auth does not exist"
        )
        assert run.status()["authenticationsTypes"] == "auth"
        authentication(run, secretTargetRef=refs())
        await refused(run, "spec.secretTargetRef[0]: Secret default/creds does not exist")
        secret(run, "creds", username="one")
        await refused(run, "spec.secretTargetRef[1]: Secret default/creds has no key password")
        changed(run, "creds", password="pw-one")
        await run.until(lambda: run.ready() == READY and users(redis) == {"one": 1})


async def test_what_is_taken_away_is_told_and_nothing_is_scaled_down(redis):
    async with authenticated(redis) as run:
        run.deployment()
        secret(run, "creds", **login("one"))
        authentication(run, secretTargetRef=refs())
        run.scaled_object("worker", using(run), cooldownPeriod=1)
        await run.until(lambda: run.ready() == READY)
        run.push(30)
        await run.until(lambda: run.replicas() >= 1)
        for name, of in (("creds", SECRETS), ("auth", TA)):
            run.delete(name, of)
            await run.until(lambda name=name: run.ready() == FAILED and name in run.message())
            assert users(redis) == {}
        before = run.replicas()
        await run.schedule(60)
        assert run.replicas() >= before
        assert run.hpa() is not None
        secret(run, "creds", **login("two"))
        authentication(run, secretTargetRef=refs())
        await run.until(lambda: run.ready() == READY and users(redis) == {"two": 1})


async def test_a_broken_authentication_is_one_trigger_s_own_fault(redis):
    async with authenticated(redis) as run:
        run.deployment()
        run.scaled_object("worker", using(run, "nobody", queue="a"), run.redis_trigger("jobs"))
        await run.until(lambda: run.condition("Ready") in TRIGGER_ERRORS)
        names = [metric["external"]["metric"]["name"] for metric in run.hpa()["spec"]["metrics"]]
        assert names == ["s0-redis-a", "s1-redis-jobs"]
        run.push(3)
        await run.until(lambda: run.replicas() == 1)
        assert "TriggerAuthentication default/nobody" in run.message()


async def test_a_wrong_password_is_mended_by_the_secret(redis):
    async with authenticated(redis) as run:
        run.deployment()
        secret(run, "creds", username="one", password="wrong")
        authentication(run, secretTargetRef=refs())
        run.scaled_object("worker", using(run))
        await refused(run, "refused the username or the password")
        changed(run, "creds", password="pw-one")
        await run.until(lambda: run.ready() == READY and users(redis) == {"one": 1})


async def test_an_authentication_serves_its_own_namespace_only(redis):
    """A namesake in another namespace, and a Secret named by a path, lead nowhere."""
    async with authenticated(redis) as run:
        run.deployment()
        run.api.create(*NAMESPACES, "", obj("Namespace", "bank", ""))
        secret(run, "vault", "bank", **login("one"))
        authentication(run, "auth", "bank", secretTargetRef=refs("vault"))
        run.scaled_object("worker", using(run))
        await refused(run, "TriggerAuthentication default/auth does not exist")
        authentication(run, secretTargetRef=refs("bank/vault"))
        await refused(run, "'bank/vault' is no name of a Secret")
        run.patch("auth", TA, spec={"secretTargetRef": refs("../../bank/secrets/vault")})
        await refused(run, "'../../bank/secrets/vault' is no name of a Secret")
        run.patch("auth", TA, spec={"secretTargetRef": refs("vault")})
        await refused(run, "Secret default/vault does not exist")
        assert users(redis) == {}


async def test_a_cluster_authentication_may_say_whom_it_serves(redis):
    async with authenticated(redis) as run:
        run.deployment()
        secret(run, "creds", "tidegate", **login("one"))
        cluster_authentication(run, annotations={ALLOWED: "bank, shop"}, secretTargetRef=refs())
        run.scaled_object("worker", using(run, kind=CLUSTER))
        await refused(run, "ClusterTriggerAuthentication auth may not be used in namespace default")
        run.patch("auth", CTA, "", metadata={"annotations": {ALLOWED: "bank,default"}})
        await run.until(lambda: run.ready() == READY and users(redis) == {"one": 1})
        run.patch("auth", CTA, "", metadata={"annotations": {ALLOWED: ""}})
        await run.until(lambda: run.ready() == FAILED and users(redis) == {})
        run.patch("auth", CTA, "", metadata={"annotations": {ALLOWED: None}})
        await run.until(lambda: run.ready() == READY and users(redis) == {"one": 1})


async def test_the_namespace_of_cluster_authentications_can_be_set(redis):
    async with authenticated(redis, cluster_namespace="ops") as run:
        run.deployment()
        run.api.create(*NAMESPACES, "", obj("Namespace", "ops", ""))
        secret(run, "creds", "ops", **login("two"))
        secret(run, "creds", "tidegate", **login("one"))
        cluster_authentication(run, secretTargetRef=refs())
        run.scaled_object("worker", using(run, kind=CLUSTER))
        await run.until(lambda: run.ready() == READY and users(redis) == {"two": 1})


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../outside.json", "must be a path below the directory"),
        ("/etc/passwd", "must be a path below the directory"),
        ("link.json", "leads out of the directory"),
    ],
)
async def test_a_file_outside_the_directory_is_not_read(redis, tmp_path, path, words):
    (tmp_path / "outside.json").write_text('{"username": "one", "password": "pw-one"}')
    root = tmp_path / "auth"
    root.mkdir()
    (root / "link.json").symlink_to(tmp_path / "outside.json")
    async with authenticated(redis, filepath_auth_root=str(root)) as run:
        run.deployment()
        cluster_authentication(run, filePath=path)
        run.scaled_object("worker", using(run, kind=CLUSTER))
        await refused(run, words)
        assert users(redis) == {}


async def test_files_are_refused_without_a_directory_and_for_one_namespace(redis):
    async with authenticated(redis) as run:
        run.deployment()
        cluster_authentication(run, filePath="team.json")
        authentication(run, filePath="team.json")
        run.scaled_object("worker", using(run, kind=CLUSTER))
        await refused(run, "start Tidegate with --filepath-auth-root")
        run.patch(spec={"triggers": [using(run)]})
        await refused(run, "spec.filePath is only for a ClusterTriggerAuthentication")


class Rights:
    """What of Secrets the Role allows: `verbs` that are refused."""

    def __init__(self, monkeypatch, *verbs):
        self.verbs = set(verbs)
        for name, verb in (("get", "get"), ("list_page", "list")):
            self._guard(monkeypatch, name, verb)

    def _guard(self, monkeypatch, method, verb):
        plain = getattr(Kube, method)

        async def guarded(kube, resource, *words, **more):
            if verb in self.verbs and resource.kind == "Secret":
                raise Forbidden(f"{verb} {resource}", 403, message="no")
            return await plain(kube, resource, *words, **more)

        monkeypatch.setattr(Kube, method, guarded)


async def test_without_the_right_to_list_secrets_are_read_by_name(redis, monkeypatch):
    Rights(monkeypatch, "list")
    async with authenticated(redis) as run:
        run.deployment()
        secret(run, "creds", **login("one"))
        authentication(run, secretTargetRef=refs())
        run.scaled_object("worker", using(run))
        await run.until(lambda: run.ready() == READY and users(redis) == {"one": 1})
        changed(run, "creds", **login("two"))
        await run.until(lambda: users(redis) == {"two": 1})
        assert run.ready() == READY


async def test_a_missing_right_is_named_and_heard_of_when_it_is_given(redis, monkeypatch):
    rights = Rights(monkeypatch, "list", "get")
    async with authenticated(redis) as run:
        run.deployment()
        secret(run, "creds", **login("one"))
        authentication(run, secretTargetRef=refs())
        run.scaled_object("worker", using(run))
        await refused(run, "the right to get secrets (name creds) in namespace default is missing")
        (built,) = run.controller._roster.get(("default", "worker")).triggers
        assert built.error.reason == "SecretForbidden"
        rights.verbs.clear()
        await run.until(lambda: run.ready() == READY)


async def test_authentications_are_told_of_by_keda_s_events(redis):
    async with authenticated(redis) as run:
        authentication(run, secretTargetRef=refs())
        cluster_authentication(run, "wide", secretTargetRef=refs())
        await run.until(lambda: run.events("auth") == ["TriggerAuthenticationAdded"])
        await run.until(lambda: run.events("wide") == ["ClusterTriggerAuthenticationAdded"])
        run.patch("auth", TA, spec={"secretTargetRef": refs("others")})
        await run.until(lambda: "ClusterTriggerAuthenticationUpdated" in run.events("auth"))
        run.delete("wide", CTA, "")
        await run.until(lambda: "ClusterTriggerAuthenticationDeleted" in run.events("wide"))
        await run.restart()
        run.deployment()
        run.scaled_object("worker", using(run))
        await run.until(lambda: run.ready() == FAILED)
        assert run.events("auth").count("TriggerAuthenticationAdded") == 1


async def test_secrets_are_shown_nowhere(redis):
    """Good, wrong and misplaced ones; in logs, Events, conditions, HPAs and reprs."""
    good, wrong, number, hidden, tls, login, literal, later = hushed = [f"hush-{each}-" for each in range(8)]
    with structlog.testing.capture_logs() as logs:
        async with authenticated(redis) as run:
            user(redis, "one", good)
            run.deployment(env=[{"name": "PASSWORD", "value": literal}])
            secret(run, "good", username="one", password=good)
            secret(run, "wrong", username="one", password=wrong)
            # Entries in the place of others: a number, a choice, an address that holds a login.
            secret(run, "odd", databaseIndex=number, password=hidden, tls=tls, address=f"redis://:{login}@:x")
            for name in ("good", "wrong"):
                authentication(run, name, secretTargetRef=refs(name))
                run.scaled_object(name, using(run, name))
            keys = ("databaseIndex", "password", "address", "tls")
            authentication(
                run, "odd", secretTargetRef=[{"parameter": k, "name": "odd", "key": k} for k in keys]
            )
            run.scaled_object("odd", using(run, "odd", address=None))
            run.scaled_object("env", run.redis_trigger(username="one", passwordFromEnv="PASSWORD"))
            await run.until(lambda: run.ready("good") == READY)
            for name in ("wrong", "odd", "env"):
                await run.until(lambda name=name: run.ready(name) == FAILED)
            assert "spec.triggers[0].authenticationRef (tls): the value must be one of" in run.message(
                name="odd"
            )
            changed(run, "good", password=later)
            await run.until(lambda: run.ready("good") != READY)
            run.patch("odd", ("", "secrets"), stringData={"tls": "disable"})
            await run.until(lambda: run.ready("odd") == FAILED and "tls" not in run.message(name="odd"))
            managed = run.controller._roster.by_uid.values()
            shown = [
                json.dumps(run.api.list("", "events")),
                json.dumps(run.api.list(*SCALED_OBJECTS)),
                json.dumps(run.api.list(*HPAS)),
                *(repr((each, each.triggers, each.results)) for each in managed),
                repr(run.embedded.sources()),
                repr([vars(each) for each in run.controller._credentials._contents._collections.values()]),
            ]
    shown.append(repr(logs))
    assert "KEDAScalerFailed" in shown[0]
    assert [(word, text) for text in shown for word in hushed if word in text] == []
