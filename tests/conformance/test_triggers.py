"""Recorded behaviour of KEDA: which triggers are accepted, how they are understood, and their metrics in the HPA."""

from datetime import UTC, datetime

import pytest

from scaler.core import hpa, manifest
from scalers._lib import quantity
from scalers._lib.metadata import declared_connection, declared_keys
from scalers._lib.metric_type import external_metric_type
from scalers.registry import Registry
from scalers.sdk import Inputs, InvalidMetadata, ScalerError, Seconds, parse

REGISTRY = Registry()


class Host:
    """A Host whose clock stands still."""

    wake_ups = True
    allow_loopback = True

    def now(self):
        return datetime(2026, 6, 10, 9, tzinfo=UTC)

    async def sleep_until(self, moment):
        raise AssertionError(f"a read waits for nothing, not for {moment}")


def build(given):
    """(stage at which the trigger is refused or None, its scaler, its metadata)."""
    try:
        scaler = REGISTRY.get(given["type"])
    except InvalidMetadata:
        return "type", None, None
    try:
        if scaler.reads:
            external_metric_type(given["metricType"])
    except ValueError:
        return "metricType", scaler, None
    about = {
        "namespace": given.get("namespace", "shop"),
        "name": "any",
        "podIdentity": given.get("podIdentity", ""),
        "metricType": given["metricType"],
    }
    inputs = Inputs(
        metadata=given["metadata"],
        env=given["resolvedEnv"],
        auth=given["authParams"],
        object=about,
        formula=given.get("asMetricSource", False),
    )
    parsed = parse(scaler.metadata, inputs)
    return ("parse" if parsed.problems else None), scaler, parsed.value


def metrics(scaler, metadata, given):
    """The trigger's metrics as they stand in the HPA, in the records' form."""
    so = manifest.parse(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "any", "namespace": given.get("namespace", "shop")},
            "spec": {
                "scaleTargetRef": {"name": "any"},
                "triggers": [{"type": given["type"], "metadata": {}}],
            },
        }
    ).scaled_object
    prefix = f"s{given['triggerIndex']}-"
    mine = hpa.TriggerMetrics(given["triggerIndex"], tuple(scaler.specs(metadata)), given["metricType"])
    for metric in hpa.desired(so, [mine], "VERSION")["spec"]["metrics"]:
        if metric["type"] != "External":
            yield {"type": metric["type"], **metric[metric["type"][0].lower() + metric["type"][1:]]}
            continue
        external = metric["external"]
        name = external["metric"]["name"]
        assert name.startswith(prefix)
        yield {
            "type": metric["type"],
            "prefix": prefix,
            "name": name.removeprefix(prefix),
            "target": external["target"],
        }


def as_stored(metric):
    """A recorded metric's target as the API server spells it: KEDA sends 2.500, which is stored as 2500m."""
    target = {
        name: quantity.canonical(value) if name.lower().endswith("value") else value
        for name, value in metric["target"].items()
    }
    return {**metric, "target": target}


def understood(metadata):
    """What the keys became, under every name that a user may have written; durations in ms."""
    found = {}
    for owner in (metadata, metadata.connection):
        for attribute, key in declared_keys(type(owner)):
            value = getattr(owner, attribute)
            if key.type is Seconds and value is not None:
                value = round(value * 1000)
            found.update(dict.fromkeys(key.names, value))
    assert declared_connection(type(metadata)) is type(metadata.connection)
    return found


async def test_triggers(case):
    given, recorded = case.input, case.output
    stage, scaler, metadata = build(given)
    assert stage == recorded.get("stage")
    if not recorded["accept"]:
        return
    first, *more = metrics(scaler, metadata, given)
    assert first == as_stored(recorded["metric"])
    assert more == [as_stored(metric) for metric in recorded.get("more_metrics") or []]
    mine = understood(metadata)
    for name, value in recorded.get("effective", {}).items():
        if name not in given["metadata"] or not isinstance(value, str | bool | int | float):
            continue
        if isinstance(value, bool | str):
            assert mine[name] == value
        else:
            assert float(mine[name]) == float(value)
    if "read_error_gist" in recorded:
        async with metadata.connection.open(Host()) as client:
            with pytest.raises(ScalerError):
                await scaler.measure(client, metadata)
