"""Worlds for `decide`: drawn on purpose near the border and in every mood.

A world is plain data, so that the same one can be put before `decide` and before each of its mutants. Random
worlds alone would hardly ever reach Deactivated: moods are drawn first, counts lie around rest and floor, and
moments around the end of the cooldown.
"""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from scaler.core import manifest

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
CREATED = NOW - timedelta(days=1)
TICK = timedelta(microseconds=1)


def policy(core, *, pause=None, fallback=None, on_error=None, modifiers=None, **plain):
    """A Policy from plain values: what is nested is given as keyword arguments, too."""
    return core.Policy(
        **plain,
        pause=core.Pause(**pause or {}),
        fallback=core.Fallback(**fallback) if fallback is not None else None,
        on_error=core.OnError(**on_error or {}),
        modifiers=core.Modifiers(**modifiers) if modifiers is not None else None,
    )


@dataclass(frozen=True)
class World:
    """Arguments of `decide`: `policy`, `pause`, `restraint` and each of `outcomes` are keyword arguments of theirs."""

    policy: dict[str, Any]
    outcomes: tuple[dict[str, Any], ...]
    replicas: int
    created: datetime = CREATED
    last_active: datetime | None = None
    now: datetime = NOW
    pause: dict[str, Any] = field(default_factory=dict)
    restraint: dict[str, Any] = field(default_factory=dict)

    def but(self, **changes):
        return replace(self, **changes)

    def decide(self, module):
        """What `module`, the real one or a mutant, decides about it."""
        return module.decide(
            policy(module, pause=self.pause, **self.policy),
            [module.Outcome(**given) for given in self.outcomes],
            self.replicas,
            module.Times(self.created, self.last_active),
            self.now,
            restraint=module.Restraint(**self.restraint),
        )

    # The words of the table, in the tests' own arithmetic.

    @property
    def minimum(self):
        return self.policy.get("minimum", 0)

    @property
    def idle(self):
        return self.policy.get("idle")

    @property
    def floor(self):
        return max(self.minimum, 1)

    @property
    def rest(self):
        return self.minimum if self.idle is None else self.idle

    @property
    def paused(self):
        return self.pause.get("full", False)

    @property
    def forced(self):
        return self.policy.get("forced", False)

    @property
    def must_jump(self):
        """Is it below where work must find it?"""
        return self.replicas == 0 or (self.idle is not None and self.replicas < self.minimum)

    @property
    def may_fall(self):
        """The steps below are ours only where rest is zero or an idle count."""
        return self.idle is not None or self.minimum == 0

    @property
    def may_not_rise(self):
        """The reason for which a jump is not made, if there is one."""
        if self.pause.get("scale_out"):
            return "ScaleOutPaused"
        return "AwaitsBudget" if self.restraint.get("awaits_budget") else None

    @property
    def must_stay(self):
        """The reason for which it stays up after its cooldown, if there is one."""
        if self.pause.get("scale_in"):
            return "ScaleInPaused"
        if self.policy.get("after_scale_in") and self.replicas > self.floor:
            return "ScalingIn"
        not_before = self.restraint.get("not_before")
        return "Braked" if not_before is not None and self.now < not_before else None

    @property
    def unknown(self):
        """Somebody does not know: a healthy cpu trigger is nobody."""
        if self.paused:
            return True
        return not self.outcomes or any(
            o.get("active") is None and not (o.get("metric_type") == "Resource" and not o.get("reason"))
            for o in self.outcomes
        )

    @property
    def work(self):
        if self.paused:
            return False
        if self.forced or any(o.get("active") is True for o in self.outcomes):
            return True
        healthy_resources = [
            o.get("metric_type") == "Resource" and not o.get("reason") for o in self.outcomes
        ]
        return bool(healthy_resources) and all(healthy_resources)

    @property
    def quiet(self):
        """Everybody knows, and nobody has work."""
        return not self.work and not self.unknown

    @property
    def cooldown_end(self):
        if self.last_active is None:
            return self.created + timedelta(seconds=self.policy.get("initial_cooldown", 0))
        return self.last_active + timedelta(seconds=self.policy.get("cooldown", 300))


def outcome(index=0, *, active=False, value=None, **more):
    if value is None and active is not None:
        value = 7.0 if active else 0.0
    return {
        "index": index,
        "metric": f"s{index}-jobs",
        "target": 5000,
        "active": active,
        "value": value,
        **more,
    }


def failed(index=0, **more):
    return outcome(index, active=None, reason="Unavailable", message="connection refused", **more)


def failing(index=0, *, failures=4, ago=60.0, last=7.0, was_active=True, **more):
    """Read once, and not any more for `ago` seconds; `failures` polls failed since."""
    since = NOW - timedelta(seconds=ago)
    return failed(index, failures=failures, since=since, last=last, was_active=was_active, **more)


def scaled_object(spec=None, annotations=None, status=None):
    """A ScaledObject of one redis trigger, or as `spec` says."""
    found = manifest.parse(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {
                "name": "worker",
                "namespace": "shop",
                "uid": "u-1",
                "creationTimestamp": CREATED.isoformat(),
                "annotations": annotations or {},
            },
            "spec": {
                "scaleTargetRef": {"name": "worker"},
                "triggers": [{"type": "redis", "metadata": {"listName": "jobs"}}],
                **(spec or {}),
            },
            "status": status or {},
        }
    )
    assert found.scaled_object is not None, [str(problem) for problem in found.problems]
    return found.scaled_object


def cpu(index=0, **more):
    return outcome(index, active=None, metric_type="Resource", **more)


# Worlds are made of picks from lists, so that hypothesis can pick (and shrink), and so can a seeded generator, which
# spreads them evenly.


def a_policy(pick):
    """An object's bounds and cooldowns."""
    minimum = pick([0, 0, 1, 2, 3, 5])
    idle = pick([None, *range(minimum)]) if minimum else None
    return {
        "minimum": minimum,
        "maximum": max(minimum, pick([1, 2, 4, 8, 12])),
        "idle": idle,
        "cooldown": pick([0, 1, 30.5, 300]),
        "initial_cooldown": pick([0, 7, 600]),
    }


VALUES = [0.0, 4.0, 5.0, 5.5, 49.0, 1e12, 1.7e308, -30.0]
WORKING = [
    (7.0, "AverageValue"),
    (7.0, "AverageValue"),
    (0.0, "AverageValue"),
    (-30.0, "AverageValue"),
    (1.7e308, "AverageValue"),
    (7.0, "Value"),
    (7.0, "Value"),
]
MOODS = ["quiet", "quiet", "quiet", "busy", "busy", "busy", "failing", "any", "any", "cpu", "none"]


def some_outcomes(pick):
    """In a mood: quiet, busy, failing, anything, only cpu and memory, nothing read yet."""
    mood = pick(MOODS)
    made = [an_outcome(pick, mood, index) for index in range(0 if mood == "none" else pick([1, 2, 3]))]
    if mood == "busy":
        # A source may say that there is work and count none of it.
        value, kind = pick(WORKING)
        made[0] = outcome(0, active=True, value=value, metric_type=kind)
    if mood == "quiet":
        made[0] = outcome(0)
    return tuple(pick([made, made[::-1], made[1:] + made[:1]]))


def an_outcome(pick, mood, index):
    if mood == "any":
        if pick([False, True]):
            return failed(index)
        kind = pick(["AverageValue", "AverageValue", "Value"])
        return outcome(index, active=pick([False, True]), value=pick(VALUES), metric_type=kind)
    return pick(
        {
            "quiet": [outcome(index)] * 3 + [cpu(index)],
            "busy": [outcome(index), outcome(index, active=True), failed(index), cpu(index, value=1e6)],
            "failing": [outcome(index), failed(index), cpu(index, reason="NoData")],
            "cpu": [cpu(index)] * 3 + [cpu(index, reason="NoData")],
        }[mood]
    )


def a_world(pick):
    world = World(a_policy(pick), some_outcomes(pick), 0)
    near = {0, 1, world.rest - 1, world.rest, world.rest + 1, world.floor - 1, world.floor, world.floor + 1}
    near |= {world.policy["maximum"], world.policy["maximum"] + 1, 15}
    world = world.but(replicas=pick(sorted(n for n in near if n >= 0)))
    # Where now is, seen from the end of the cooldown.
    offset = pick([-3600, -1, 0, 1, 3600])
    if world.quiet and world.may_fall and pick([False, True]):
        world, offset = world.but(replicas=world.rest + pick([1, 2, 5, 9])), pick([1, 60])
    start = NOW - timedelta(seconds=offset) - pick([-TICK, 0 * TICK, TICK])
    if pick([False, True]):
        world = world.but(last_active=start - timedelta(seconds=world.policy["cooldown"]))
    else:
        world = world.but(created=start - timedelta(seconds=world.policy["initial_cooldown"]))
    return held_back(pick, world)


def held_back(pick, world):
    """Pauses, force-activation, after-scale-in and restraints, often where they matter."""
    rising = world.work and world.must_jump
    falling = (
        world.quiet and world.replicas > world.rest and world.may_fall and world.now > world.cooldown_end
    )
    rare, often = [False] * 9 + [True], [False, True]
    full = pick([False] * 14 + [True])
    waits = pick(["out", "budget", "budget", "both", "free", "free"] if rising else ["free"])
    held = pick(["brake", "brake", "after", "after", "in", "any", "free"] if falling else ["free"])
    pause = {
        "full": full,
        "scale_out": waits in {"out", "both"} or (not rising and pick(rare)),
        "scale_in": held == "in" or (pick(often) if held == "any" else not falling and pick(rare)),
    }
    if full:
        pause["replicas"] = pick([None, 0, world.replicas, 4, 20])
    if held == "after":
        world = world.but(replicas=world.floor + pick([0, 0, 1, 5]))
    policy = {
        **world.policy,
        "forced": pick([False] * 19 + [True]),
        "after_scale_in": held == "after" or pick(often if held == "any" else rare),
    }
    turn = NOW + pick([0 * TICK, TICK, timedelta(seconds=60)])
    restraint = {
        "braked": pick(often),
        "not_before": turn if held in {"brake", "any"} or pick(rare) else None,
        "awaits_budget": waits in {"budget", "both"} or (not rising and pick(rare)),
        "to_floor": pick(rare),
    }
    return world.but(policy=policy, pause=pause, restraint=restraint)


def strategy(make):
    """What `make` picks, picked by hypothesis."""

    @st.composite
    def drawn(draw):
        return make(lambda choices: draw(st.sampled_from(choices)))

    return drawn()


def spread(make, count):
    """`count` of what `make` picks, evenly spread, the same every time."""
    generator = random.Random(4)  # noqa: S311 - nothing here is secret
    return [make(generator.choice) for _ in range(count)]


def worlds():
    return strategy(a_world)


def policies():
    return strategy(a_policy)


def outcomes():
    return strategy(some_outcomes)


@dataclass(frozen=True)
class Jump:
    """A first write. `up` is scaleUp as (select, window, ((kind, value, period), ...)), or None."""

    minimum: int
    maximum: int
    up: tuple[str, float, tuple[tuple[str, int, float], ...]] | None
    outcomes: tuple[dict[str, Any], ...] = field(default=())
    restraint: dict[str, Any] = field(default_factory=dict)


@st.composite
def jumps(draw):
    minimum = draw(st.sampled_from([0, 0, 1, 2, 5]))
    rate = st.tuples(
        st.sampled_from(["Pods", "Percent"]), st.sampled_from([1, 4, 50, 100, 900]), st.just(15.0)
    )
    up = st.tuples(
        st.sampled_from(["Max", "Max", "Min", "Disabled"]),
        st.sampled_from([0.0, 0.0, 0.0, 60.0]),
        st.lists(rate, min_size=1, max_size=2).map(tuple),
    )
    backlog = st.builds(
        outcome,
        st.integers(0, 3),
        active=st.sampled_from([True, False]),
        value=st.one_of(st.sampled_from([0.0, 5.0, 5.001, 25.0, 26.0, 1e15, -9.0]), st.floats(-20, 400)),
        metric_type=st.sampled_from(["AverageValue", "AverageValue", "AverageValue", "Value"]),
        target=st.sampled_from([5000, 1000, 2500, 333]),
    )
    others = st.sampled_from([failed(4), cpu(5), cpu(6, value=1e6)])
    return Jump(
        minimum=minimum,
        maximum=max(minimum, draw(st.sampled_from([1, 3, 8, 100, 2**31 - 1]))),
        up=draw(st.one_of(st.none(), up)),
        outcomes=tuple(draw(st.lists(st.one_of(backlog, backlog, others), max_size=4))),
    )
