"""One recorded life of a ScaledObject, played on the embedded cluster with Tidegate in it, on a clock that runs faster.

    seen = await replay(case.input, factor=8.0)
    seen.replicas       # [[0.0, 0], [6.1, 1], ...] every value the store ever held
    seen.final          # conditions, hpa, scaledobject, spec.replicas at the end
    seen.reasons        # of the Events

The target's pods are marked ready, the HPA controller syncs every 2 s, as when the lives were recorded.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controlled import HPAS, SCALED_OBJECTS, controlled
from scenario import NAMESPACE, Scenario, Sources

from scaler.local.api import Api, ApiError

__all__ = ["BETWEEN", "Seen", "replay"]

Json = Any

BETWEEN = 1.0
"""How long after the making of its HPA a life's second 0 is. Polls and syncs, every 2 s, count from that, so that steps,
at even seconds, fall between them. In the records they fell before or after, by chance."""

_MADE_WITHIN = 1.5
"""How long an HPA is waited for: there may be none."""

_SOURCE = ("push", "redis-stop", "http-set", "http-fail")
"""Steps that, at second 0, were taken before the ScaledObject was created."""


@dataclass
class Seen:
    """What there was to see of a life. Times are seconds of schedule time. The first replicas are those before."""

    replicas: list[list[Json]] = field(default_factory=list)
    conditions: dict[str, list[str]] = field(default_factory=dict)
    final: dict[str, Json] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)


async def replay(given: Mapping[str, Json], factor: float) -> Seen:
    """Play a record's input."""
    async with Sources() as sources:
        await sources.open(given)
        located = sources.located(given)
        async with controlled(sources.redis, factor=factor, pods="ready", hpa_sync=2.0) as run:
            scenario = Scenario(run.api, sources, located["manifest"], located["target"]["kind"])
            if located["target"].get("replicas") is not None:
                scenario.make_target(located["target"]["replicas"])
                await run.until(lambda: _settled(run.api, scenario))
            return await _played(run, scenario, located)


async def _played(run: Any, scenario: Scenario, given: Mapping[str, Json]) -> Seen:
    seen, clock = Seen(), run.embedded.clock
    before = [step for step in given["steps"] if step["t"] <= 0 and step["do"] in _SOURCE]
    for step in before:
        scenario.do(step)
    group, plural = _target_key(run.api, scenario)
    watched = [run.api.subscribe(group, plural), run.api.subscribe(*SCALED_OBJECTS)]
    seen.replicas.append([clock.monotonic(), given["target"].get("replicas")])
    following = [
        asyncio.create_task(_follow_replicas(watched[0], scenario, seen, clock)),
        asyncio.create_task(_follow_conditions(watched[1], scenario, seen)),
    ]
    try:
        scenario.create()
        await _hpa_made(run.api, clock)
        start = clock.monotonic() + BETWEEN
        for step in given["steps"]:
            if step not in before:
                await clock.sleep_until(start + step["t"])
                await _take(scenario, step)
        await clock.sleep_until(start + given["observed_until"])
    finally:
        for subscription in watched:
            subscription.close()
        await asyncio.gather(*following)
    seen.replicas = [[round(at - start, 1), count] for at, count in seen.replicas]
    seen.final = _final(run.api, scenario, seen)
    events = run.api.list("", "events", NAMESPACE)
    seen.reasons = {event["reason"] for event in events}
    seen.told = [f"{event['reason']}: {event['message']}" for event in events]
    seen.told += [f"{kind}: {run.message(kind, scenario.name)}" for kind in seen.conditions if _exists(run)]
    return seen


async def _hpa_made(api: Api, clock: Any) -> None:
    latest = clock.monotonic() + _MADE_WITHIN
    while not api.list(*HPAS, NAMESPACE) and clock.monotonic() < latest:
        await clock.pause(0.005)


def _exists(run: Any) -> bool:
    return bool(run.api.list(*SCALED_OBJECTS, NAMESPACE))


async def _take(scenario: Scenario, step: Mapping[str, Json]) -> None:
    """A server that starts or stops takes its time, which must not be the cluster's."""
    if step["do"].startswith("redis-"):
        await asyncio.to_thread(scenario.do, step)
    else:
        scenario.do(step)


async def _follow_replicas(changes: Any, scenario: Scenario, seen: Seen, clock: Any) -> None:
    async for kind, obj in changes:
        if obj["metadata"]["name"] == scenario.target_name:
            count = None if kind == "DELETED" else obj["spec"].get("replicas", 1)
            if count != seen.replicas[-1][1]:
                seen.replicas.append([clock.monotonic(), count])


async def _follow_conditions(changes: Any, scenario: Scenario, seen: Seen) -> None:
    """The last ones count, also those of an object that is gone."""
    async for _kind, obj in changes:
        if obj["metadata"]["name"] == scenario.name:
            found = (obj.get("status") or {}).get("conditions") or ()
            seen.conditions = {c["type"]: [c["status"], c.get("reason", "")] for c in found}


def _final(api: Api, scenario: Scenario, seen: Seen) -> dict[str, Json]:
    present = any(obj["metadata"]["name"] == scenario.name for obj in api.list(*SCALED_OBJECTS, NAMESPACE))
    hpas = [
        {
            "name": hpa["metadata"]["name"],
            "min": hpa["spec"].get("minReplicas", 1),
            "max": hpa["spec"]["maxReplicas"],
        }
        for hpa in api.list(*HPAS, NAMESPACE)
    ]
    return {
        "conditions": seen.conditions,
        "hpa": hpas,
        "scaledobject": "present" if present else "absent",
        "spec.replicas": seen.replicas[-1][1],
    }


def _target_key(api: Api, scenario: Scenario) -> tuple[str, str]:
    found = api.by_kind("apps", scenario.target)
    assert found is not None, scenario.target
    return found.key


def _settled(api: Api, scenario: Scenario) -> bool:
    """Are as many pods ready as the target asks for?"""
    try:
        obj = api.get(*_target_key(api, scenario), NAMESPACE, scenario.target_name)
    except ApiError:
        return False
    return (obj.get("status") or {}).get("readyReplicas", 0) == obj["spec"]["replicas"]
