"""A KEDA for tests to observe: it makes HPAs, polls at its own times and moves targets between zero and the floor.

async with ScriptedKeda(run, interval=10) as keda:
    keda.wrong["worker"] = {"never-up"}           # from its next tick on
    keda.status("worker", hpaName="…")

It does what KEDA's executor does (facts 3.4) for objects with one redis trigger, straight in the embedded API server. Words in
`wrong`: never-up, never-down (it does not move), up, down (it moves against its own rules, once), max (its HPA's maximum),
no-hpa, numbers (the HPA is told ten times what is there).
"""

import asyncio
import contextlib
from datetime import UTC, datetime

from controlled import HPAS, SCALED_OBJECTS

from scaler.core import hpa, manifest
from scaler.local.api import ApiError
from scalers.sdk import MetricSpec

_LENGTHS = "local r={} for i,k in ipairs(KEYS) do r[i]=redis.call('LLEN',k) end return r"


class ScriptedKeda:
    def __init__(self, run, *, interval):
        self.run, self.interval = run, interval
        self.wrong = {}
        self.moves = []
        self._last_active = {}
        self._task = None

    async def __aenter__(self):
        self._task = asyncio.create_task(self._loop())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _loop(self):
        while True:
            self.tick()
            await self.run.embedded.clock.sleep(self.interval)

    def tick(self):
        found = self.run.api.list(*SCALED_OBJECTS, "default")
        lists = [so["spec"]["triggers"][0]["metadata"]["listName"] for so in found]
        lengths = self.run.redis.cli("EVAL", _LENGTHS, len(lists), *lists) if lists else []
        for so, length in zip(found, map(int, lengths), strict=True):
            with contextlib.suppress(ApiError):  # Deleted just now.
                self._tick(so, length)

    def _tick(self, so, length):
        name, spec = so["metadata"]["name"], so["spec"]
        wrong = self.wrong.setdefault(name, set())
        target = spec["scaleTargetRef"]["name"]
        before = after = self.run.replicas(target)
        now = self.run.embedded.clock.now()
        minimum, cooldown = spec.get("minReplicaCount", 0), spec.get("cooldownPeriod", 300)
        if length:
            self._last_active[name] = now
            if before == 0 and "never-up" not in wrong:
                after = max(minimum, 1)
        elif before > 0 and minimum == 0 and "never-down" not in wrong:
            last = self._last_active.get(name, datetime.min.replace(tzinfo=UTC))
            if (now - last).total_seconds() > cooldown:
                after = 0
        if "up" in wrong:
            wrong.discard("up")
            after = 1
        if "down" in wrong:
            wrong.discard("down")
            after = 0
        if after != before:
            self.moves.append((name, before, after))
            self.run.scale(after, target)
        self._hpa(so, wrong, length, after)
        self._status(so, length)

    def _hpa(self, so, wrong, length, replicas):
        key = so["spec"]["triggers"][0]["metadata"]["listName"]
        metrics = [hpa.TriggerMetrics(0, (MetricSpec(name=f"redis-{key}", target=5),))]
        wanted = hpa.desired(manifest.parse(so).scaled_object, metrics, "2.17.0")
        name = wanted["metadata"]["name"]
        if "no-hpa" in wrong:
            if self.run.hpa(name):
                self.run.delete(name, HPAS)
            return
        if "max" in wrong:
            wanted["spec"]["maxReplicas"] = 7
        if self.run.hpa(name) is None:
            self.run.api.create(*HPAS, "default", wanted)
        elif self.run.hpa(name)["spec"]["maxReplicas"] != wanted["spec"]["maxReplicas"]:
            self.run.patch(name, HPAS, spec={"maxReplicas": wanted["spec"]["maxReplicas"]})
        metric = wanted["spec"]["metrics"][0]["external"]["metric"]
        told = length * (10 if "numbers" in wrong else 1)
        current = {"averageValue": f"{told * 1000 // max(replicas, 1)}m"}
        reason = "ValidMetricFound" if replicas else "ScalingDisabled"
        status = {
            "currentReplicas": replicas,
            "desiredReplicas": replicas,
            "conditions": [
                {"type": "ScalingActive", "status": "True" if replicas else "False", "reason": reason}
            ],
            "currentMetrics": [{"type": "External", "external": {"metric": metric, "current": current}}],
        }
        self.run.api.merge_patch(*HPAS, "default", name, {"status": status}, subresource="status")

    def _status(self, so, length):
        name = so["metadata"]["name"]
        conditions = [
            {"type": "Ready", "status": "True", "reason": "ScaledObjectReady", "message": "by KEDA"},
            {
                "type": "Active",
                "status": "True" if length else "False",
                "reason": "ScalerActive",
                "message": "by KEDA",
            },
            {"type": "Fallback", "status": "False", "reason": "NoFallbackFound", "message": "by KEDA"},
            {"type": "Paused", "status": "False"},
        ]
        status = {"conditions": conditions, "hpaName": f"keda-hpa-{name}"}
        if name in self._last_active:
            status["lastActiveTime"] = f"{self._last_active[name]:%Y-%m-%dT%H:%M:%SZ}"
        self.run.api.merge_patch(*SCALED_OBJECTS, "default", name, {"status": status}, subresource="status")
