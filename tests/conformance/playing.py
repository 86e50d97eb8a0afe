"""Plays a record of a ScaledObject on an embedded cluster with Tidegate in it and a sped-up clock, and compares.

A state is compared once it is reached, and again some seconds of schedule time later: it must be where things stay, not where
they pass.
"""

from functools import partial

from comparison import (
    compared_events,
    differences,
    observed,
    observed_events,
    recorded,
    recorded_refusal,
    refusal,
)
from controlled import controlled
from scenario import NAMESPACE, Scenario, Sources

from scaler.local.api import ApiError

__all__ = ["found_different"]

FAST, SLOW = 16, 2
"""Time factors: of the first try, and of the one that decides about a case that may differ in time only."""
REACHED, LATER = 40.0, 6.0
"""Seconds of schedule time in which a state must be reached, and after which it must be the state still, or again: where
HPA and idle count pull in different directions, replicas go to and fro for ever."""
GLANCE = 0.25


async def found_different(case, redis):
    """All that differs from a record, as path → [recorded, observed]; {} when nothing does. `redis`: a server to empty."""
    return await played(case, redis, FAST) and await played(case, redis, SLOW)


async def played(case, redis, factor):
    """Play a record: all that differs from it, {} when nothing does."""
    async with Sources(redis) as sources, controlled(redis, factor=factor, hpa_sync=2.0) as run:
        await sources.open(case.input)
        given, expected = sources.located(case.input), sources.located(case.output)
        scenario = Scenario(run.api, sources, given["manifest"])
        scenario.begin(given.get("existing", ()), given.get("lists", {}))
        for other in (obj for obj in given.get("existing", ()) if obj["kind"] == "ScaledObject"):
            await run.until(partial(judged, run, other["metadata"]["name"]))
        try:
            stored = scenario.create()
        except ApiError as error:
            return refused(expected, error)
        if not expected["accepted"]:
            return {"accepted": [False, True]}
        spec = expected.get("stored_spec", given["manifest"]["spec"])
        found = differences({"stored_spec": spec}, {"stored_spec": stored["spec"]})
        found |= await settled(run, scenario, expected["settled"], "settled")
        patches = zip(given.get("patches", ()), expected.get("after_patches", ()), strict=True)
        for number, (patch, then) in enumerate(patches):
            found |= await patched(run, scenario, patch, then, f"after_patches[{number}]")
        return found | await told(run, expected)


def judged(run, name):
    """Has a reconcile of the object come to an end?"""
    ready = run.condition("Ready", name, NAMESPACE)
    return ready is not None and ready[0] != "Unknown"


def refused(expected, error):
    if expected["accepted"]:
        return {"accepted": [True, refusal(error)]}
    return differences(recorded_refusal(expected), refusal(error))


async def patched(run, scenario, patch, then, path):
    try:
        scenario.patch(patch)
    except ApiError as error:
        if "code" not in then:
            return {path: ["accepted", refusal(error)]}
        return {f"{path}.{k}": v for k, v in differences(recorded_refusal(then), refusal(error)).items()}
    if "code" in then:
        return {path: [recorded_refusal(then), "accepted"]}
    return await settled(run, scenario, then, path)


async def settled(run, scenario, state, path):
    """Wait for a recorded state, and see that it stays: what differs."""
    want = recorded(state)

    def different():
        return differences(want, observed(run.api, NAMESPACE, scenario.name, want["replicas"]))

    found = await reached(run, different, REACHED)
    if not found:
        await run.schedule(LATER)
        found = await reached(run, different, LATER)
    return {f"{path}.{name}": difference for name, difference in found.items()}


async def told(run, expected):
    """Wait for the recorded Events; what is missing or too many. A promise may leave some open (`may_be_absent`)."""
    want, open_ = (
        compared_events((event["on"], event["reason"]) for event in expected.get(key, ()))
        for key in ("events", "may_be_absent")
    )

    def different():
        have = observed_events(run.api, NAMESPACE)
        missing, more = sorted(want - have - open_), sorted(have - want - open_)
        return {"events": {"missing": missing, "unexpected": more}} if missing or more else {}

    return await reached(run, different, LATER)


async def reached(run, different, within):
    """Look until nothing differs any more; what still does at the end."""
    give_up = run.embedded.clock.monotonic() + within
    while (found := different()) and run.embedded.clock.monotonic() < give_up:
        await run.schedule(GLANCE)
    return found
