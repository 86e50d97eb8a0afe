"""Direct activation with real workers: whoever has taken a job keeps its pod, also when the queue is empty at once."""

import os
from pathlib import Path

import pytest
from controlled import DEPLOYMENTS, controlled

pytestmark = [pytest.mark.server, pytest.mark.slow]

DESIRED = {"annotations": {"tidegate.dev/activation": "desired"}}
ROUNDS, JOBS = 20, 4
WORKER = """
trap 'test -n "$job" && echo "$job" >> {folder}/killed; exit 0' TERM
while :; do
  job=$({cli} LPOP jobs)
  if [ -n "$job" ]; then sleep 1 & wait $!; echo "$job" >> {folder}/done; fi
  job=
  sleep 0.05 & wait $!
done
"""


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


async def test_no_busy_worker_is_killed_by_the_hpa_twenty_times_in_a_row(redis, tmp_path: Path):
    cli = f"redis-cli -h {redis.host} -p {redis.port}"
    script = WORKER.format(cli=cli, folder=tmp_path)
    quick = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}}}
    # Four workers take four jobs in milliseconds; the HPA's first look comes when the queue is empty.
    async with controlled(redis, factor=40, pods="process", hpa_sync=15) as run:
        run.deployment(command=["/bin/sh", "-c", script], env=[{"name": "PATH", "value": os.environ["PATH"]}])
        run.scaled_object(
            "worker",
            run.redis_trigger(listLength="1"),
            meta=DESIRED,
            pollingInterval=10,
            cooldownPeriod=60,
            advanced={"horizontalPodAutoscalerConfig": quick},
        )
        await run.settled()
        for number in range(1, ROUNDS + 1):
            await run.until(lambda: run.replicas() == 0)
            await run.until(lambda: not run.api.list("", "pods", "default"))
            run.push(JOBS)
            await run.until(lambda: run.replicas() == JOBS)
            await run.until(lambda number=number: len(lines(tmp_path / "done")) == number * JOBS)
            assert lines(tmp_path / "killed") == []
            looked = (run.hpa().get("status") or {}).get("currentMetrics")
            assert looked, "the HPA has not looked while the workers were busy"


async def test_an_activation_whose_pods_never_became_ready_starts_at_the_floor_next_time(redis):
    async with controlled(redis, pods="none", hpa_sync=6000) as run:
        run.deployment()
        run.scaled_object(meta=DESIRED, cooldownPeriod=5)
        await run.settled()
        run.push(20)
        await run.until(lambda: run.replicas() == 4)
        run.clear()
        await run.until(lambda: run.replicas() == 0)
        run.push(20)
        await run.until(lambda: run.replicas() > 0)
        assert run.replicas() == 1
        decided = run.controller.decision("default", "worker")
        assert decided.active


async def test_pods_that_become_ready_make_the_next_activation_direct_again(redis):
    async with controlled(redis, pods="ready", hpa_sync=6000) as run:
        run.deployment()
        run.scaled_object(meta=DESIRED, cooldownPeriod=5)
        await run.settled()
        for _ in range(2):
            run.push(20)
            await run.until(lambda: run.replicas() == 4)
            await run.until(lambda: ready(run) == 4)
            run.clear()
            await run.until(lambda: run.replicas() == 0)


async def test_somebody_elses_scale_from_zero_is_respected_for_a_cooldown_if_so_wished(redis):
    async with controlled(redis, hpa_sync=6000) as run:
        for name, words in (("kept", {"tidegate.dev/external-scale": "respect"}), ("keda", {})):
            run.deployment(name)
            trigger = run.redis_trigger(name)
            run.scaled_object(name, trigger, to=name, meta={"annotations": words}, cooldownPeriod=60)
            await run.settled(name)
        run.scale(2, "kept")
        run.scale(2, "keda")
        await run.until(lambda: run.replicas("keda") == 0)
        assert run.replicas("kept") == 2
        assert run.status("kept")["lastActiveTime"]
        await run.until(lambda: run.replicas("kept") == 0)


async def test_the_count_that_we_wrote_last_may_be_somebody_elses_too(redis):
    async with controlled(redis, hpa_sync=6000) as run:
        run.push()
        run.deployment()
        words = {"tidegate.dev/external-scale": "respect"}
        run.scaled_object(cooldownPeriod=60, meta={"annotations": words})
        await run.until(lambda: run.replicas() == 1)
        run.clear()
        await run.until(lambda: run.active() == ("False", "ScalerCooldown"))
        run.scale(0)
        await run.until(lambda: run.active() == ("False", "ScalerNotActive"))
        await run.schedule(70)
        run.scale(1)
        await run.until(lambda: run.active() == ("False", "ScalerCooldown"))
        assert run.replicas() == 1
        await run.until(lambda: run.replicas() == 0)


async def test_after_scale_in_waits_for_the_hpa_and_its_behavior(redis):
    slow = {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [
        {"type": "Pods", "value": 1, "periodSeconds": 20}]}}  # fmt: skip
    async with controlled(redis, pods="ready", hpa_sync=2) as run:
        run.deployment()
        run.push(15)
        run.scaled_object(
            meta={"annotations": {"tidegate.dev/scale-to-zero": "after-scale-in"}},
            cooldownPeriod=5,
            advanced={"horizontalPodAutoscalerConfig": {"behavior": slow}},
        )
        await run.until(lambda: run.replicas() == 3)
        await run.schedule(30)  # What was added within the period may be taken away again at once.
        seen = []
        run.clear()
        while not seen or seen[-1] != 0:
            await run.until(lambda: not seen or run.replicas() != seen[-1])
            seen.append(run.replicas())
        assert seen in ([3, 2, 1, 0], [2, 1, 0])  # A look may come after the first step.


async def test_after_scale_in_comes_to_zero_also_where_the_number_is_only_below_its_activation(redis):
    quick = {"scaleDown": {"stabilizationWindowSeconds": 0}}
    async with controlled(redis, pods="ready", hpa_sync=2) as run:
        run.deployment()
        run.push(25)
        run.scaled_object(
            "worker",
            run.redis_trigger(activationListLength="20"),
            meta={"annotations": {"tidegate.dev/scale-to-zero": "after-scale-in"}},
            cooldownPeriod=5,
            advanced={"horizontalPodAutoscalerConfig": {"behavior": quick}},
        )
        await run.until(lambda: run.replicas() == 5)
        redis.cli("LTRIM", "jobs", 0, 14)  # 15 are left: three replicas' worth, and none that activates.
        await run.until(lambda: run.replicas() == 0)


def ready(run):
    return (run.api.get(*DEPLOYMENTS, "default", "web").get("status") or {}).get("readyReplicas") or 0
