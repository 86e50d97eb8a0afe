"""From results to decisions, with scripted surroundings: what is decided when, and what is not."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from fake_clock import FakeClock

from metrics_adapter.store import Store
from scaler.control.evaluator import Evaluator, Hooks
from scaler.control.executor import Executor
from scaler.control.feed import Feed
from scaler.control.journal import Journal
from scaler.control.managed import Managed
from scaler.control.resolution import Resolved
from scaler.control.results import Result, TriggerKey
from scaler.control.targets import Target, TargetError, TargetKey
from scaler.control.triggers import build
from scaler.core import manifest
from scaler.core.decision import Reason
from scaler.kube.errors import Conflict, Forbidden, NotFound, Unreachable
from scaler.kube.resources import DEPLOYMENTS
from scalers.registry import Registry
from scalers.sdk import Reading, Unavailable

KEY = TargetKey(DEPLOYMENTS, "default", "web")


class FakeTargets:
    """One target. `refuse` is raised by the next requests; `hold` makes a scale write wait."""

    def __init__(self, replicas):
        self.target = Target("default", "web", "t", "1", replicas, None, ())
        self.real = replicas or 0
        self.refuse, self.asked, self.hold = [], [], None

    def get(self, key):
        assert key == KEY
        return self.target

    def _answer(self, replicas):
        version = str(int(self.target.resource_version) + 1)
        self.target = replace(self.target, replicas=replicas, resource_version=version)
        self.real = replicas
        return self.target

    async def read(self, _key):
        self.asked.append("read")
        if self.refuse and (error := self.refuse.pop(0)) is not None:
            raise error
        return self._answer(self.real)

    async def scale(self, _key, replicas, version):
        self.asked.append(replicas)
        if self.hold is not None:
            await self.hold.wait()
        if self.refuse and (error := self.refuse.pop(0)) is not None:
            raise error
        assert version == self.target.resource_version
        return self._answer(replicas)


class FakeSources:
    def __init__(self):
        self.settled, self.below, self.asked = {}, {}, []

    def below_floor(self, uid, below):
        self.below[uid] = below

    async def settle(self, key, first):
        self.asked.append((key.index, first))
        await asyncio.sleep(0)
        return self.settled[key.index]


class FakeEvents:
    def __init__(self):
        self.said = []

    def record(self, _regarding, reason, note, **_):
        self.said.append((reason, note))


class Scene:
    """One ScaledObject in charge of a target, with two redis triggers."""

    def __init__(self, replicas=0, *, annotations=None, status=None, triggers=2, **spec):
        self.clock, self.targets, self.sources, self.events = (
            FakeClock(),
            FakeTargets(replicas),
            FakeSources(),
            FakeEvents(),
        )
        self.told, self.is_blind, self.touch = [], False, True
        metadata = {
            "name": "worker",
            "namespace": "default",
            "uid": "u",
            "resourceVersion": "1",
            "annotations": annotations or {},
            "creationTimestamp": (self.clock.now() - timedelta(days=1)).isoformat(),
        }
        listed = [
            {"type": "redis", "metadata": {"address": "a:1", "listName": f"l{i}"}} for i in range(triggers)
        ]
        body = {"scaleTargetRef": {"name": "web"}, "triggers": listed, **spec}
        so = manifest.parse({"metadata": metadata, "spec": body, "status": status or {}}).scaled_object
        self.managed = managed = Managed.of(so)
        managed.activation = (annotations or {}).get("tidegate.dev/activation", "floor")
        managed.target, managed.in_charge = KEY, True
        now = self.clock.now()
        managed.readings.take(build(so, [Resolved()] * len(so.spec.triggers), Registry()), now)
        self.journal = Journal(self.clock)
        feed = Feed(Store())
        feed.declare(managed, managed.judged(None, now), replicas, self.clock.monotonic(), now)
        self.executor = Executor(
            self.targets,
            feed,
            self.events,
            self.clock,
            attempts=3,
            journal=self.journal,
            on_done=lambda m: self.evaluator.written(m),  # noqa: PLW0108 - it is made below.
        )
        self.evaluator = Evaluator(
            self.clock,
            objects={"u": managed},
            sources=self.sources,
            targets=self.targets,
            feed=feed,
            executor=self.executor,
            hooks=Hooks(
                blind=lambda: self.is_blind,
                in_touch=lambda: self.touch,
                hoped_for=lambda _: self.told.append("hoped for"),
                read=lambda *_: None,
                restrain=lambda *_: False,
                decided=self._decided,
                held=lambda *_: self.told.append("held"),
                failed=lambda _, built, _error: self.told.append(f"failed {built.index}"),
                replicas_unknown=lambda _, error: self.told.append(f"unknown {error}"),
            ),
        )

    def _decided(self, managed, _given, decision):
        self.told.append(decision.reason)
        managed.active = decision.active if decision.active is not None else managed.active
        managed.last_active = decision.last_active

    def outcome(self, value):
        ways = {"error": value} if isinstance(value, Exception) else {"readings": (Reading(value),)}
        return Result(at=self.clock.monotonic(), moment=self.clock.now(), cause="poll", **ways)

    async def read(self, index, value):
        self.evaluator.result(TriggerKey("u", index), self.outcome(value))
        await self.clock.settle()

    async def close(self):
        await self.evaluator.close()
        await self.executor.close()


@pytest.fixture
async def scene():
    made = []

    def make(*args, **options):
        made.append(Scene(*args, **options))
        return made[-1]

    yield make
    for each in made:
        await each.close()


DOWN = Unavailable("down")
DESIRED = {"tidegate.dev/activation": "desired"}


async def test_work_need_not_wait_for_its_siblings(scene):
    it = scene()
    await it.read(1, 3.0)
    assert it.targets.asked == [1]
    assert it.told == [Reason.ACTIVATED]


async def test_rest_waits_for_all(scene):
    it = scene(replicas=1)
    await it.read(0, 0.0)
    assert it.told == []
    await it.read(1, 0.0)
    assert it.told == [Reason.DEACTIVATED]
    assert it.targets.asked == [0]


async def test_a_trigger_that_failed_lets_nobody_down(scene):
    it = scene(replicas=1)
    await it.read(0, 0.0)
    await it.read(1, DOWN)
    await it.read(1, DOWN)
    assert it.told == ["failed 1", Reason.TRIGGERS_FAILED, Reason.TRIGGERS_FAILED]
    assert it.targets.asked == []


async def test_a_failure_is_told_once_until_it_is_over(scene):
    it = scene(triggers=1)
    for value in (DOWN, DOWN, 0.0, DOWN):
        await it.read(0, value)
    assert [word for word in it.told if word == "failed 0"] == ["failed 0", "failed 0"]


async def test_active_in_the_status_and_no_work_now_counts_from_now(scene):
    conditions = [{"type": kind, "status": "True"} for kind in ("Ready", "Active", "Fallback", "Paused")]
    status = {"lastActiveTime": "2020-01-01T00:00:00Z", "conditions": conditions}
    it = scene(replicas=2, status=status, triggers=1, cooldownPeriod=60)
    await it.read(0, DOWN)
    await it.clock.advance(30)
    await it.read(0, 0.0)
    assert it.told[-1] is Reason.COOLING_DOWN
    await it.clock.advance(59)
    await it.read(0, 0.0)
    assert it.told[-1] is Reason.COOLING_DOWN
    await it.clock.advance(2)
    await it.read(0, 0.0)
    assert it.told[-1] is Reason.DEACTIVATED


async def test_not_active_in_the_status_goes_on_with_its_cooldown(scene):
    ended = FakeClock().now() - timedelta(seconds=50)
    conditions = [{"type": kind, "status": "False"} for kind in ("Ready", "Active", "Fallback", "Paused")]
    it = scene(
        replicas=2,
        status={"lastActiveTime": ended.isoformat(), "conditions": conditions},
        triggers=1,
        cooldownPeriod=60,
    )
    await it.read(0, 0.0)
    assert it.told == [Reason.COOLING_DOWN]
    await it.clock.advance(11)
    await it.read(0, 0.0)
    assert it.told[-1] is Reason.DEACTIVATED


async def test_what_comes_during_a_write_is_decided_after_it(scene):
    it = scene(replicas=1, triggers=1)
    it.targets.hold = asyncio.Event()
    await it.read(0, 0.0)
    await it.read(0, 5.0)
    assert it.targets.asked == [0]
    it.targets.hold.set()
    await it.clock.settle()
    assert it.targets.asked == [0, 1]
    assert it.told == [Reason.DEACTIVATED, Reason.ACTIVATED]


async def test_a_conflict_is_decided_anew_on_the_fresh_target(scene):
    it = scene(triggers=1)
    it.targets.refuse = [Conflict("patch", 409)]
    await it.read(0, 5.0)
    assert it.targets.asked == [1, "read", 1]
    assert [reason for reason, _ in it.events.said] == ["KEDAScaleTargetActivated"]


async def test_a_write_that_a_conflict_made_needless_is_dropped(scene):
    it = scene(triggers=1)
    it.targets.refuse, it.targets.real = [Conflict("patch", 409)], 4
    await it.read(0, 5.0)
    assert it.targets.asked == [1, "read"]
    assert it.events.said == []
    assert it.told[-1] is Reason.HPA_IN_CHARGE


async def test_what_a_conflict_made_another_change_is_asked_about_anew(scene):
    it = scene(triggers=1, idleReplicaCount=1, minReplicaCount=3)
    asked = []
    restrain = lambda _managed, decision, replicas: bool(asked.append((decision.reason, replicas)))  # noqa: E731
    it.evaluator._hooks = replace(it.evaluator._hooks, restrain=restrain)
    it.targets.refuse, it.targets.real = [Conflict("patch", 409)], 5
    await it.read(0, 0.0)
    assert asked == [(Reason.RAISED_TO_MINIMUM, 0), (Reason.DEACTIVATED, 5)]
    assert it.targets.asked == [1, "read", 1]
    assert it.told == [Reason.RAISED_TO_MINIMUM, Reason.DEACTIVATED]


async def test_endless_conflicts_are_told_and_end(scene):
    it = scene(triggers=1)
    it.targets.refuse = [Conflict("patch", 409), None, Conflict("patch", 409), None, Conflict("patch", 409)]
    await it.read(0, 5.0)
    assert it.targets.asked == [1, "read", 1, "read", 1]
    assert [reason for reason, _ in it.events.said] == ["KEDAScaleTargetActivationFailed"]
    await it.clock.advance(0.5)
    assert it.targets.real == 1
    assert it.managed.failures == 0


async def test_a_failed_write_backs_off_and_nothing_else_is_needed(scene):
    it = scene(triggers=1)
    it.targets.refuse = [Unreachable("away")] * 4
    await it.read(0, 5.0)
    moments = []
    for _ in range(40):
        before = len(it.targets.asked)
        await it.clock.advance(0.5)
        if len(it.targets.asked) > before:
            moments.append(it.clock.elapsed)
    assert moments == [0.5, 1.5, 3.5, 7.5]
    assert it.targets.real == 1
    assert it.clock.sleepers == 0


async def test_what_comes_while_a_write_fails_is_not_lost(scene):
    it = scene(replicas=1, triggers=1)
    it.targets.hold, it.targets.refuse = asyncio.Event(), [Unreachable("away")]
    await it.read(0, 0.0)
    it.targets.target = replace(it.targets.target, replicas=0)
    await it.read(0, 5.0)
    it.targets.hold.set()
    await it.clock.settle()
    assert it.targets.asked == [0]
    await it.clock.advance(0.5)
    assert it.targets.asked == [0, 1]


@pytest.mark.parametrize(
    "error", [Forbidden("patch", 403), TargetError("gone", event="gone"), NotFound("patch", 404)]
)
async def test_a_failed_write_is_told_and_the_next_read_decides_again(scene, error):
    it = scene(replicas=1, triggers=1)
    it.targets.refuse = [error]
    await it.read(0, 0.0)
    assert [reason for reason, _ in it.events.said] == ["KEDAScaleTargetDeactivationFailed"]
    await it.read(0, 0.0)
    assert it.targets.real == 0


async def test_out_of_sight_nothing_is_decided(scene):
    it = scene(triggers=1)
    it.is_blind = True
    await it.read(0, 5.0)
    assert it.told == []
    it.is_blind = False
    await it.read(0, 5.0)
    assert it.told == [Reason.ACTIVATED]


async def test_out_of_touch_nothing_is_taken_away(scene):
    it = scene(replicas=2, triggers=1)
    it.touch = False
    await it.read(0, 0.0)
    assert it.targets.asked == []
    it.touch = True
    await it.read(0, 0.0)
    assert it.targets.asked == [0]


async def test_out_of_touch_work_is_woken_all_the_same(scene):
    it = scene(triggers=1)
    it.touch = False
    await it.read(0, 1.0)
    assert it.targets.asked == [1]


async def test_not_in_charge_only_an_awaited_result_is_told(scene):
    it = scene()
    it.managed.in_charge = False
    await it.read(0, 5.0)
    assert it.told == []
    it.managed.waiting = True
    it.managed.results.clear()
    await it.read(0, DOWN)
    assert it.told == []  # The other may be good.
    await it.read(1, 5.0)
    assert it.told == ["hoped for"]
    assert it.targets.asked == []


async def test_replicas_are_read_where_the_watch_does_not_show_them(scene):
    it = scene(replicas=None, triggers=1)
    it.targets.real = 2
    await it.read(0, 0.0)
    assert it.targets.asked == ["read", 0]
    assert it.told == [Reason.DEACTIVATED]
    assert it.sources.below == {"u": True}


async def test_replicas_that_cannot_be_read_are_told(scene):
    it = scene(replicas=None, triggers=1)
    it.targets.refuse = [Forbidden("get widgets/scale", 403, message="no")]
    await it.read(0, 5.0)
    assert it.told == ["unknown get widgets/scale: no (403)"]
    await it.read(0, 5.0)
    assert it.told[1:] == [Reason.ACTIVATED]


async def test_desired_settles_before_it_writes(scene):
    it = scene(annotations=DESIRED)
    it.sources.settled = {0: it.outcome(50.0)}
    await it.read(0, 1.0)
    assert it.sources.asked == [(0, 1.0)]
    assert it.targets.asked == [10]
    assert not it.managed.settling


async def test_a_read_that_fails_while_settling_does_not_undo_the_work(scene):
    it = scene(annotations=DESIRED, triggers=1)
    it.sources.settled = {0: it.outcome(DOWN)}
    await it.read(0, 7.0)
    assert it.targets.asked == [2]


async def test_work_that_settles_to_nothing_is_not_activated(scene):
    it = scene(annotations=DESIRED, triggers=1)
    it.sources.settled = {0: it.outcome(0.0)}
    await it.read(0, 7.0)
    assert it.targets.asked == []
    assert it.told == [Reason.AT_REST]


async def test_triggers_built_anew_while_settling_get_no_old_readings(scene):
    it = scene(annotations=DESIRED, triggers=1)
    it.sources.settled = {0: it.outcome(50.0)}
    it.evaluator.result(TriggerKey("u", 0), it.outcome(1.0))
    other = replace(it.managed.triggers[0], metadata=None)
    it.managed.readings.take((other,), it.clock.now())
    await it.clock.settle()
    assert it.managed.results == {}
    assert it.targets.asked == []


async def test_deleted_while_settling_nothing_is_written(scene):
    it = scene(annotations=DESIRED, triggers=1)
    it.sources.settled = {0: it.outcome(50.0)}
    it.evaluator.result(TriggerKey("u", 0), it.outcome(1.0))
    it.managed.in_charge = False
    await it.clock.settle()
    assert it.targets.asked == []


async def test_wake_ups_act_below_the_floor_only(scene):
    it = scene(replicas=2, minReplicaCount=3, triggers=1)
    it.evaluator.watch_floor(it.managed)
    assert it.sources.below == {"u": True}
    it.targets.target = replace(it.targets.target, replicas=3)
    it.evaluator.watch_floor(it.managed)
    assert it.sources.below == {"u": False}
    it.targets.target = replace(it.targets.target, replicas=0)
    it.managed.in_charge = False
    it.evaluator.watch_floor(it.managed)
    assert it.sources.below == {"u": False}


async def test_a_pushed_verdict_keeps_the_number(scene):
    it = scene(triggers=1)
    await it.read(0, 0.0)
    pushed = replace(it.outcome(0.0), readings=(), pushed=True, verdict=True, cause="wake-up")
    it.evaluator.result(TriggerKey("u", 0), pushed)
    await it.clock.settle()
    assert it.targets.asked == [1]
    assert [o.value for o in it.managed.readings.outcomes()] == [0.0]


async def test_an_unread_sibling_is_no_fault(scene):
    it = scene()
    await it.read(1, 3.0)
    assert [o.reason for o in it.managed.readings.outcomes()] == ["NotReadYet", ""]


def test_results_stay_with_the_triggers_that_ask_the_same():
    it = Scene()
    it.managed.readings.results = {0: it.outcome(1.0), 1: it.outcome(2.0)}
    so = it.managed.so
    same, _ = so.spec.triggers
    changed = same.model_copy(update={"metadata": {"address": "b:1", "listName": "l1"}})
    spec = so.spec.model_copy(update={"triggers": (same, changed)})
    built = build(replace(so, spec=spec), [Resolved()] * len(so.spec.triggers), Registry())
    it.managed.readings.take(built, it.clock.now())
    assert list(it.managed.results) == [0]
    it.managed.readings.take((), it.clock.now())
    assert it.managed.results == {}
