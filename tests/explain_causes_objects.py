"""Causes that lie with the object, its target, or another object."""

from controlled import DEPLOYMENTS, HPAS, controlled
from explain_causes import cause
from explain_causes_triggers import simple

from scaler.kube.errors import Forbidden
from scaler.settings import ControllerSettings

KEDA = "autoscaling.keda.sh/"


def annotated(**words):
    return {"annotations": {KEDA + name.replace("_", "-"): word for name, word in words.items()}}


@cause("the cooldown runs")
async def cooldown(redis):
    async with simple(redis) as run:
        run.push()
        run.scaled_object(cooldownPeriod=3600)
        await run.until(lambda: run.replicas() == 1)
        run.clear()
        yield run


@cause("the initial cooldown runs")
async def initial_cooldown(redis):
    async with simple(redis, replicas=2) as run:
        run.scaled_object(initialCooldownPeriod=3600)
        yield run


@cause("at minReplicaCount")
async def at_minimum(redis):
    async with simple(redis) as run:
        run.scaled_object(minReplicaCount=2)
        yield run


@cause("at idleReplicaCount")
async def idle(redis):
    async with simple(redis) as run:
        run.scaled_object(minReplicaCount=3, idleReplicaCount=0)
        yield run


@cause("paused")
async def paused(redis):
    async with simple(redis, replicas=3) as run:
        run.push(9)
        run.scaled_object(meta=annotated(paused="true"))
        yield run


@cause("paused at a count")
async def paused_at(redis):
    async with simple(redis) as run:
        run.scaled_object(meta=annotated(paused_replicas="4"))
        await run.until(lambda: run.replicas() == 4)
        yield run


@cause("scale-out is paused, at zero")
async def paused_out(redis):
    async with simple(redis) as run:
        run.push(9)
        run.scaled_object(meta=annotated(paused_scale_out="true"))
        yield run


@cause("scale-in is paused, before zero")
async def paused_in(redis):
    async with simple(redis, replicas=2) as run:
        run.scaled_object(meta=annotated(paused_scale_in="true"), cooldownPeriod=0)
        yield run


@cause("activation is forced")
async def forced(redis):
    async with simple(redis) as run:
        run.scaled_object(meta=annotated(force_activation="true"))
        await run.until(lambda: run.replicas() == 1)
        yield run


@cause("the target is missing")
async def no_target(redis):
    async with controlled(redis) as run:
        run.scaled_object()
        yield run


@cause("the target is deleted")
async def target_deleted(redis):
    async with simple(redis) as run:
        run.scaled_object()
        await run.settled()
        run.delete("web", DEPLOYMENTS)
        yield run


@cause("the target cannot be scaled")
async def no_scale(redis):
    async with simple(redis) as run:
        account = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {}}
        run.api.create("", "configmaps", "default", account)
        run.scaled_object(to={"apiVersion": "v1", "kind": "ConfigMap", "name": "web"})
        yield run


@cause("a kind that nobody serves")
async def unknown_kind(redis):
    async with simple(redis) as run:
        run.scaled_object(to={"apiVersion": "example.com/v1", "kind": "Robot", "name": "web"})
        yield run


@cause("two objects want one HPA")
async def one_hpa(redis):
    async with simple(redis) as run:
        name = {"horizontalPodAutoscalerConfig": {"name": "shared"}}
        run.scaled_object("first", advanced=name)
        await run.settled("first")
        run.deployment("other")
        run.scaled_object("worker", to="other", advanced=name)
        yield run


@cause("counts that contradict each other")
async def bounds(redis):
    async with simple(redis) as run:
        run.scaled_object(minReplicaCount=3, idleReplicaCount=5)
        yield run


@cause("the scale write is forbidden")
async def no_right(redis):
    async with simple(redis) as run:
        run.scaled_object()
        await run.settled()
        targets = run.controller._targets._kube

        async def refused(_resource, name, namespace, _replicas, **_):
            what = f"patch deployments.apps/scale {namespace}/{name}"
            raise Forbidden(what, 403, message='deployments.apps "web" is forbidden: User "ann" cannot patch')

        targets.patch_scale = refused
        run.push()
        yield run


@cause("somebody else scaled it")
async def scaled_by_hand(redis):
    async with simple(redis) as run:
        run.scaled_object(cooldownPeriod=0)
        await run.settled()
        run.scale(3)
        await run.until(lambda: run.replicas() == 0)
        yield run


@cause("it is only observed")
async def observed(redis):
    async with simple(redis) as run:
        run.push()
        run.scaled_object(meta={"annotations": {"tidegate.dev/mode": "observe"}})
        yield run


@cause("to zero only after the HPA has scaled in")
async def after_scale_in(redis):
    async with simple(redis, replicas=4) as run:
        rules = {"scaleDown": {"selectPolicy": "Disabled"}}
        run.scaled_object(
            meta={"annotations": {"tidegate.dev/scale-to-zero": "after-scale-in"}},
            cooldownPeriod=0,
            advanced={"horizontalPodAutoscalerConfig": {"behavior": rules}},
        )
        yield run


@cause("the API server does not answer")
async def api_server_away(redis):
    async with simple(redis) as run:
        run.push()
        run.scaled_object(cooldownPeriod=0)
        await run.until(lambda: run.replicas() == 1)
        await run.cluster.close_listener()
        run.clear()
        yield run
        await run.cluster.open_listener()


def fallback(replicas=4, threshold=2, **more):
    return {"fallback": {"failureThreshold": threshold, "replicas": replicas, **more}}


@cause("fallback")
async def fallback_static(redis):
    async with simple(redis) as run:
        run.scaled_object(**fallback())
        await run.settled()
        redis.stop()
        yield run


@cause("fallback to the current count")
async def fallback_current(redis):
    async with simple(redis, replicas=3) as run:
        run.push(9)
        run.scaled_object(**fallback(behavior="currentReplicas"))
        await run.settled()
        redis.stop()
        yield run


@cause("fallback to the higher count")
async def fallback_higher(redis):
    async with simple(redis, replicas=6) as run:
        run.push(40)
        run.scaled_object(**fallback(behavior="currentReplicasIfHigher"))
        await run.settled()
        redis.stop()
        yield run


@cause("fallback to the lower count")
async def fallback_lower(redis):
    async with simple(redis, replicas=6) as run:
        run.push(40)
        run.scaled_object(**fallback(behavior="currentReplicasIfLower"))
        await run.settled()
        redis.stop()
        yield run


def on_error(word):
    return {"annotations": {"tidegate.dev/on-error": word}}


@cause("a failing trigger is ignored")
async def ignored(redis):
    async with simple(redis) as run:
        trigger = run.redis_trigger()
        cron = {"timezone": "UTC", "start": "0 0 1 1 *", "end": "1 0 1 1 *", "desiredReplicas": "2"}
        run.scaled_object("worker", trigger, {"type": "cron", "metadata": cron}, meta=on_error("ignore"))
        await run.settled()
        redis.stop()
        yield run


@cause("the last value counts while a trigger fails")
async def last_known(redis):
    async with simple(redis) as run:
        run.push(3)
        run.scaled_object(meta=on_error("last-known=1h"), cooldownPeriod=0)
        await run.until(lambda: run.replicas() == 1)
        redis.stop()
        yield run


def formula(text, target="5"):
    return {"advanced": {"scalingModifiers": {"formula": text, "target": target}}}


@cause("a formula that fails")
async def formula_fails(redis):
    async with simple(redis) as run:
        run.push(3)
        run.scaled_object(
            "worker", {**run.redis_trigger(), "name": "jobs"}, **formula("int(jobs) % int(jobs - 3)")
        )
        yield run


@cause("a formula that cannot be")
async def formula_wrong(redis):
    async with simple(redis) as run:
        run.scaled_object("worker", {**run.redis_trigger(), "name": "jobs"}, **formula("jobs + nothing"))
        yield run


@cause("many fell to zero at once")
async def braked(redis):
    settings = ControllerSettings(brake_least=5)
    async with simple(redis, settings=settings) as run:
        names = [f"w{number}" for number in range(19)] + ["worker"]
        for name in names:
            run.push(1, name)
            run.deployment(f"t-{name}")
            # Whoever asks first is let through: the one that is asked about comes last.
            cooldown = 30 if name == "worker" else 0
            run.scaled_object(name, run.redis_trigger(name), to=f"t-{name}", cooldownPeriod=cooldown)
        await run.until(lambda: all(run.replicas(f"t-{name}") == 1 for name in names))
        redis.cli("FLUSHALL")
        yield run


@cause("many woke up at once")
async def awaits_budget(redis):
    async with simple(redis, settings=ControllerSettings(wake_budget=1)) as run:
        run.push(1)
        for number in range(3):
            run.deployment(f"t{number}")
            run.scaled_object(f"w{number}", to=f"t{number}")
        await run.until(lambda: any(run.replicas(f"t{number}") for number in range(3)))
        run.scaled_object()
        yield run


@cause("HPA edited by hand")
async def hpa_edited(redis):
    async with simple(redis) as run:
        run.scaled_object()
        await run.settled()
        run.patch("keda-hpa-worker", HPAS, spec={"maxReplicas": 7})
        yield run


@cause("HPA deleted by hand")
async def hpa_deleted(redis):
    async with simple(redis) as run:
        run.scaled_object()
        await run.settled()
        run.delete("keda-hpa-worker", HPAS)
        yield run
