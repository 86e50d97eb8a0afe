"""Recorded behaviour of the HPA controller (kube-controller-manager 1.36.2) and of HPAs in an API server.

Each case is run as it was recorded: sync after sync, the scale target following what is written, until the
status says whether scaling is active.
"""

from scaler.core import desired, hpa

SYNC = 2.0
PERMITTED_LATE = {"FailedGetExternalMetric", "FailedComputeMetricsReplicas"}


def manifest(given):
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": given.get("minReplicas"),
        "maxReplicas": given.get("maxReplicas"),
        "metrics": [metric(index, asked) for index, asked in enumerate(given["metrics"])],
        "behavior": given.get("behavior"),
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {name: value for name, value in spec.items() if value is not None},
    }


def metric(index, asked):
    key = asked["type"][0].lower() + asked["type"][1:]
    target = {"type": asked["type"], key: asked["target"]}
    return {"type": "External", "external": {"metric": {"name": f"m{index}"}, "target": target}}


def answer(asked):
    if asked.get("missing"):
        return desired.Answer(error="404: no such metric")
    if "error_code" in asked:
        return desired.Answer(error=f"{asked['error_code']}: the metrics API failed")
    return desired.Answer(values=tuple(asked["values"]))


def syncs(spec, given):
    """Every sync's result and the replicas after it, until ScalingActive is known."""
    replicas, ready = given["currentReplicas"], given["readyPods"]
    answers = [answer(asked) for asked in given["metrics"]]
    state, now = desired.State(), 1000.0
    for _ in range(5):
        scale = desired.Scale(replicas=replicas, observed=replicas, ready=min(ready, replicas))
        result = desired.evaluate(spec, scale=scale, answers=answers, state=state, now=now)
        replicas = replicas if result.write is None else result.write
        yield result, replicas
        if any(condition.type == "ScalingActive" for condition in result.conditions):
            return
        state, now = result.state, now + SYNC
    raise AssertionError("no sync said whether scaling is active")


def test_hpa(case):
    problems = hpa.validate(hpa.defaulted(manifest(case.input)))
    if "rejected" in case.output:
        assert_rejected(problems, case.output["rejected"])
        return
    assert problems == []
    spec = hpa.defaulted(manifest(case.input))["spec"]
    assert stored_behavior(spec) == case.output.get("behavior_defaulted")

    results = list(syncs(spec, case.input))
    last, replicas = results[-1]
    counts = [result.desired for result, _ in results if result.desired is not None]
    conditions = {c.type: [c.status, c.reason] for result, _ in results for c in result.conditions}
    assert (counts[-1] if counts else 0) == case.output["desiredReplicas"]
    assert conditions == case.output["conditions"]
    assert [shown(current) for current in last.current_metrics if current["type"]] == case.output[
        "currentMetrics"
    ]
    assert replicas == case.output["spec_replicas_after"]
    assert_events({event.reason for result, _ in results for event in result.events}, case.output["events"])


def assert_rejected(problems, rejected):
    assert problems, "an API server refuses this HPA, we accept it"
    causes = rejected.get("causes") if isinstance(rejected, dict) else None
    if causes:
        expected = {(cause["field"], cause["reason"]) for cause in causes}
        assert {(field, reason) for field, reason, _ in problems} == expected


def stored_behavior(spec):
    """The recorded behavior has the window that the controller fills in while it works."""
    behavior = spec.get("behavior")
    if behavior is None:
        return None
    down = {"stabilizationWindowSeconds": int(desired.rates.DOWN.window), **behavior["scaleDown"]}
    return {**behavior, "scaleDown": down}


def shown(current):
    return {"name": current["external"]["metric"]["name"], **current["external"]["current"]}


def assert_events(seen, recorded):
    """Events are posted beside the status: warnings may have come after the recorder had looked."""
    expected = {event["reason"] for event in recorded}
    assert expected <= seen
    assert seen - expected <= (set() if expected & PERMITTED_LATE else PERMITTED_LATE)
