"""Causes that lie with the HPA: its limits, its windows, and what keeps it from its numbers."""

import contextlib

from explain_causes import cause
from explain_causes_objects import annotated
from explain_causes_triggers import simple


@contextlib.asynccontextmanager
async def working(redis, jobs, *, behavior=None, replicas=0, meta=None, **spec):
    """An object with so many jobs, five a replica, in the HPA's charge."""
    async with simple(redis, replicas=replicas, pods="ready") as run:
        run.push(jobs)
        advanced = {"horizontalPodAutoscalerConfig": {"behavior": behavior}} if behavior is not None else {}
        run.scaled_object(meta=meta, advanced=advanced, **spec)
        yield run


@cause("maxReplicaCount is reached")
async def maximum(redis):
    async with working(redis, 50, maxReplicaCount=4) as run:
        yield run


@cause("as many as are needed")
async def satisfied(redis):
    async with working(redis, 20) as run:
        await run.until(lambda: run.replicas() == 4)
        yield run


@cause("the stabilization window, downwards")
async def window_down(redis):
    async with working(redis, 20, minReplicaCount=1) as run:
        await run.until(lambda: run.replicas() == 4)
        run.clear()
        run.push(6)
        yield run


@cause("the stabilization window, upwards")
async def window_up(redis):
    rules = {"scaleUp": {"stabilizationWindowSeconds": 3600}}
    async with working(redis, 5, behavior=rules, minReplicaCount=1) as run:
        await run.settled()
        await run.schedule(5)
        run.push(30)
        yield run


@cause("a policy of scaling up")
async def policy_up(redis):
    rules = {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1800}]}}
    async with working(redis, 50, behavior=rules) as run:
        await run.until(lambda: run.replicas() == 2)
        yield run


@cause("a policy of scaling down")
async def policy_down(redis):
    policies = [{"type": "Pods", "value": 1, "periodSeconds": 1800}]
    rules = {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": policies}}
    async with working(redis, 2, behavior=rules, replicas=4) as run:
        await run.until(lambda: run.replicas() == 3)
        yield run


@cause("scaling down is disabled")
async def down_disabled(redis):
    rules = {"scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Disabled"}}
    async with working(redis, 2, behavior=rules, replicas=4) as run:
        yield run


@cause("scaling up is disabled")
async def up_disabled(redis):
    async with working(redis, 50, behavior={"scaleUp": {"selectPolicy": "Disabled"}}) as run:
        yield run


@cause("scale-in is paused, above the floor")
async def in_paused(redis):
    rules = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    async with working(redis, 2, behavior=rules, replicas=4, meta=annotated(paused_scale_in="true")) as run:
        yield run


@cause("scale-out is paused, above zero")
async def out_paused(redis):
    async with working(redis, 50, replicas=1, meta=annotated(paused_scale_out="true")) as run:
        yield run


@cause("the HPA cannot reach Tidegate's metrics")
async def unreachable(redis):
    async with working(redis, 20) as run:
        await run.settled()
        place = {"name": "tidegate-metrics", "namespace": "tidegate", "port": 1}
        run.patch(
            "v1beta1.external.metrics.k8s.io",
            ("apiregistration.k8s.io", "apiservices"),
            "",
            spec={"service": place},
        )
        yield run
