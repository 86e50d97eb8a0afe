"""Rotation through the whole controller on a real redis-server: a changed credential simply takes effect.

No read fails, nothing is written for it, and there is one client for each distinct credential, however many objects use it.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest
import structlog
from authenticated import (
    CLUSTER,
    CONFIG_MAPS,
    CTA,
    READY,
    TA,
    authenticated,
    authentication,
    changed,
    clients,
    cluster_authentication,
    config_map,
    entries,
    login,
    refs,
    secret,
    service_account,
    user,
    users,
    using,
)
from controlled import DEPLOYMENTS, SCALED_OBJECTS

pytestmark = pytest.mark.server


@asynccontextmanager
async def undisturbed(run):
    """What happens within fails no read, writes nothing, and the object is ready all the time."""
    await run.polls(2)  # The answers to what was written before are counted by then.
    seen = run.api.subscribe(*SCALED_OBJECTS)
    seen.pending()
    writes = len(run.writes())
    try:
        yield
        await run.polls(2)
    finally:
        states = [obj["status"]["conditions"] for _, obj in seen.pending()]
        seen.close()
    assert [
        c for conditions in states for c in conditions if c["type"] == "Ready" and c["status"] != "True"
    ] == []
    assert run.writes()[writes:] == []
    assert "KEDAScalerFailed" not in run.events()


def by_secret(run):
    secret(run, "creds", **login("one"))
    authentication(run, secretTargetRef=refs())
    return using(run), lambda: changed(run, "creds", **login("two"))


def by_config_map(run):
    config_map(run, "creds", **login("one"))
    authentication(run, configMapTargetRef=refs())
    return using(run), lambda: changed(run, "creds", CONFIG_MAPS, **login("two"))


def by_another_reference(run):
    secret(run, "creds", **login("one"))
    secret(run, "others", **login("two"))
    authentication(run, secretTargetRef=refs())
    return using(run), lambda: run.patch("auth", TA, spec={"secretTargetRef": refs("others")})


def by_cluster_secret(run):
    secret(run, "creds", "tidegate", **login("one"))
    secret(run, "creds", "default", **login("nobody"))
    cluster_authentication(run, secretTargetRef=refs())
    return using(run, kind=CLUSTER), lambda: changed(run, "creds", namespace="tidegate", **login("two"))


def by_cluster_authentication(run):
    secret(run, "creds", "tidegate", **login("one"))
    secret(run, "others", "tidegate", **login("two"))
    cluster_authentication(run, secretTargetRef=refs())
    return using(run, kind=CLUSTER), lambda: run.patch(
        "auth", CTA, "", spec={"secretTargetRef": refs("others")}
    )


def by_environment(run):
    secret(run, "creds", **login("one"))
    env = [entries("creds", "username"), entries("creds", "password")]
    run.patch(
        "web",
        DEPLOYMENTS,
        spec={"template": {"spec": {"containers": [{"name": "app", "image": "b", "env": env}]}}},
    )
    trigger = run.redis_trigger(usernameFromEnv="USERNAME", passwordFromEnv="PASSWORD")
    return trigger, lambda: changed(run, "creds", **login("two"))


def by_all_of_a_config_map(run):
    config_map(run, "creds", **login("one"))
    whole = [{"prefix": "REDIS_", "configMapRef": {"name": "creds"}}]
    container = {"name": "app", "image": "b", "envFrom": whole}
    run.patch("web", DEPLOYMENTS, spec={"template": {"spec": {"containers": [container]}}})
    authentication(run, env=[{"parameter": key, "name": f"REDIS_{key}"} for key in ("username", "password")])
    return using(run), lambda: changed(run, "creds", CONFIG_MAPS, **login("two"))


def by_the_deployment(run):
    authentication(run, env=[{"parameter": key, "name": key.upper()} for key in ("username", "password")])

    def pods(name):
        env = [{"name": key.upper(), "value": value} for key, value in login(name).items()]
        run.patch(
            "web",
            DEPLOYMENTS,
            spec={"template": {"spec": {"containers": [{"name": "app", "image": "b", "env": env}]}}},
        )

    pods("one")
    return using(run), lambda: pods("two")


WAYS = (by_secret, by_config_map, by_another_reference, by_cluster_secret, by_cluster_authentication, by_environment,
        by_all_of_a_config_map, by_the_deployment)  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
async def test_a_change_takes_effect_without_a_failed_read(redis, way):
    async with authenticated(redis) as run:
        run.deployment()
        trigger, rotate = way(run)
        run.scaled_object("worker", trigger)
        await run.until(lambda: run.ready() == READY and users(redis) == {"one": 1})
        run.push(3)
        await run.until(lambda: run.replicas() == 1 and run.active() == ("True", "ScalerActive"))
        async with undisturbed(run):
            rotate()
            await run.until(lambda: users(redis) == {"two": 1})
        assert len(run.embedded.sources()) == 1


async def test_a_file_that_changes(redis, tmp_path):
    file = tmp_path / "team.json"
    file.write_text('{"username": "one", "password": "pw-one"}')
    async with authenticated(redis, filepath_auth_root=str(tmp_path)) as run:
        run.deployment()
        cluster_authentication(run, filePath="team.json")
        run.scaled_object("worker", using(run, kind=CLUSTER))
        await run.until(lambda: run.ready() == READY and users(redis) == {"one": 1})
        async with undisturbed(run):
            file.write_text('{"username": "two", "password": "pw-two"}')
            await run.until(lambda: users(redis) == {"two": 1})


async def test_a_token_that_is_renewed(redis):
    """The server takes the tokens as passwords; a token's ten minutes pass in a few seconds."""
    redis.cli("CONFIG", "SET", "requirepass", "pw-other")
    redis._password = "pw-other"
    async with authenticated(redis, factor=100, bound_token_seconds=600.0) as run:
        run.deployment()
        service_account(run, "runner")
        authentication(
            run, boundServiceAccountToken=[{"parameter": "password", "serviceAccountName": "runner"}]
        )
        kube, granted = run.controller._credentials._tokens._kube, []
        create = kube.create

        async def taken_by_the_server(resource, body, *, subresource=""):
            answer = await create(resource, body, subresource=subresource)
            if subresource == "token":
                granted.append(answer["status"]["token"])
                redis.cli("ACL", "SETUSER", "default", f">{granted[-1]}")
            return answer

        kube.create = taken_by_the_server
        run.scaled_object("worker", using(run))
        await run.until(lambda: run.ready() == READY)
        (first,) = clients(redis, "id")
        await run.until(lambda: len(granted) == 2)
        async with undisturbed(run):
            await run.until(lambda: len(clients(redis, "id")) == 1 and clients(redis, "id") != [first])


async def test_an_open_connection_outlives_its_password(redis):
    """The server's password changes first, as it does when somebody else rotates it: what is connected goes on."""
    redis.cli("CONFIG", "SET", "requirepass", "pw-old")
    redis._password = "pw-old"
    async with authenticated(redis) as run:
        run.deployment()
        secret(run, "creds", password="pw-old")
        authentication(run, secretTargetRef=refs()[1:])
        run.scaled_object("worker", using(run))
        await run.until(lambda: run.ready() == READY and users(redis) == {"default": 1})
        async with undisturbed(run):
            redis.cli("CONFIG", "SET", "requirepass", "pw-new")
            redis._password = "pw-new"
            await run.polls(3)
            (before,) = run.embedded.sources()
            assert (before.errors, before.clients) == (0, 1)
            changed(run, "creds", password="pw-new")
            await run.until(lambda: run.embedded.sources()[0].reads < before.reads)
        (after,) = run.embedded.sources()
        assert (after.errors, after.clients, users(redis)) == (0, 1, {"default": 1})


async def test_a_change_of_labels_rebuilds_nothing(redis):
    async with authenticated(redis) as run:
        run.deployment()
        secret(run, "creds", **login("one"))
        authentication(run, secretTargetRef=refs())
        run.scaled_object("worker", using(run))
        await run.until(lambda: run.ready() == READY)
        (before,) = run.embedded.sources()
        run.patch("creds", ("", "secrets"), metadata={"labels": {"team": "a"}})
        changed(run, "creds", unrelated="x")
        await run.polls(3)
        (after,) = run.embedded.sources()
        assert after.clients == 1
        assert after.reads > before.reads


@pytest.mark.slow
async def test_fifty_secrets_under_five_hundred_objects(redis):
    """Each Secret serves ten objects, all on one server: fifty clients, and fifty others after all Secrets have changed."""
    for number in range(50):
        user(redis, f"old{number}")
        user(redis, f"new{number}")
    async with authenticated(redis, factor=1) as run:
        for number in range(50):
            secret(run, f"creds{number}", **login(f"old{number}"))
            authentication(run, f"auth{number}", secretTargetRef=refs(f"creds{number}"))
        for number in range(500):
            run.deployment(f"web{number}")
            trigger = using(run, f"auth{number % 50}", queue=f"jobs{number}")
            run.scaled_object(f"worker{number}", trigger, to=f"web{number}", pollingInterval=5)
        old, new = ({f"{age}{number}": 1 for number in range(50)} for age in ("old", "new"))
        names = [f"worker{number}" for number in range(500)]
        calm = READY, ("False", "ScalerNotActive")
        await run.until(lambda: all((run.ready(name), run.active(name)) == calm for name in names), within=60)
        await run.until(lambda: users(redis) == old)
        assert len(run.embedded.sources()) == 50
        await run.polls(500)  # The answers to the last writes are counted by then.
        writes, began = len(run.writes()), asyncio.get_running_loop().time()
        for number in range(50):
            changed(run, f"creds{number}", **login(f"new{number}"))
        await run.until(lambda: users(redis) == new)
        await run.until(lambda: sum(source.triggers for source in run.embedded.sources()) == 500
                        and all(source.reads >= source.queries for source in run.embedded.sources()))  # fmt: skip
        structlog.get_logger().info("rotated", seconds=asyncio.get_running_loop().time() - began)
        assert sum(source.clients for source in run.embedded.sources()) == 50
        assert sum(source.errors for source in run.embedded.sources()) == 0
        assert run.writes()[writes:] == []
