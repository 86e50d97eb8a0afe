"""Worlds for `decide`: what hypothesis draws, on purpose near the border and in every mood.

A world is plain data, so that the same one can be put before `decide` and before each of its mutants. Random
worlds alone would hardly ever reach Deactivated: moods are drawn first, counts lie around rest and floor, and
moments around the end of the cooldown.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
CREATED = NOW - timedelta(days=1)
TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class World:
    """Arguments of `decide`: `policy` and each of `outcomes` are keyword arguments of Policy and Outcome."""

    policy: dict[str, Any]
    outcomes: tuple[dict[str, Any], ...]
    replicas: int
    created: datetime = CREATED
    last_active: datetime | None = None
    now: datetime = NOW

    def but(self, **changes):
        return replace(self, **changes)

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
    def unknown(self):
        """Somebody does not know: a healthy cpu trigger is nobody."""
        return not self.outcomes or any(
            o.get("active") is None and not (o.get("metric_type") == "Resource" and not o.get("reason"))
            for o in self.outcomes
        )

    @property
    def work(self):
        if any(o.get("active") is True for o in self.outcomes):
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


def cpu(index=0, **more):
    return outcome(index, active=None, metric_type="Resource", **more)


@st.composite
def policies(draw):
    minimum = draw(st.sampled_from([0, 0, 1, 2, 3, 5]))
    idle = draw(st.one_of(st.none(), st.integers(0, minimum - 1))) if minimum else None
    return {
        "minimum": minimum,
        "maximum": max(minimum, draw(st.integers(1, 12))),
        "idle": idle,
        "cooldown": draw(st.sampled_from([0, 1, 30.5, 300])),
        "initial_cooldown": draw(st.sampled_from([0, 7, 600])),
    }


def external(index):
    """A trigger with a number, active or not."""
    return st.builds(
        outcome,
        st.just(index),
        active=st.booleans(),
        value=st.sampled_from([0.0, 4.0, 5.0, 5.5, 49.0, 1e12, -3.0]),
        metric_type=st.sampled_from(["AverageValue", "AverageValue", "Value"]),
    )


@st.composite
def outcomes(draw):
    """In a mood: quiet, busy, failing, anything, only cpu and memory, nothing read yet."""
    mood = draw(
        st.sampled_from(["quiet", "quiet", "quiet", "busy", "busy", "failing", "any", "any", "cpu", "none"])
    )
    count = 0 if mood == "none" else draw(st.integers(1, 3))
    made = []
    for index in range(count):
        kinds = {
            "quiet": [outcome(index)] * 3 + [cpu(index)],
            "busy": [outcome(index), outcome(index, active=True), failed(index), cpu(index)],
            "failing": [outcome(index), failed(index), cpu(index, reason="NoData")],
            "cpu": [cpu(index)] * 3 + [cpu(index, reason="NoData")],
        }.get(mood)
        choice = st.sampled_from(kinds) if kinds else st.one_of(external(index), st.just(failed(index)))
        made.append(draw(choice))
    if mood == "busy":
        made[0] = outcome(0, active=True)
    if mood == "quiet":
        made[0] = outcome(0)
    return tuple(draw(st.permutations(made)))


@st.composite
def worlds(draw):
    world = World(draw(policies()), draw(outcomes()), 0)
    near = {0, 1, world.rest - 1, world.rest, world.rest + 1, world.floor - 1, world.floor, world.floor + 1}
    near |= {world.policy["maximum"], world.policy["maximum"] + 1}
    counts = st.one_of(st.sampled_from(sorted(n for n in near if n >= 0)), st.integers(0, 15))
    world = world.but(replicas=draw(counts))
    # Where now is, seen from the end of the cooldown.
    offset = draw(st.sampled_from([-3600, -1, 0, 1, 3600]))
    tick = draw(st.sampled_from([-TICK, 0 * TICK, TICK]))
    start = NOW - timedelta(seconds=offset) - tick
    if draw(st.booleans()):
        return world.but(last_active=start - timedelta(seconds=world.policy["cooldown"]))
    return world.but(created=start - timedelta(seconds=world.policy["initial_cooldown"]))


@dataclass(frozen=True)
class Jump:
    """A first write. `up` is scaleUp as (select, window, ((kind, value, period), ...)), or None."""

    minimum: int
    maximum: int
    up: tuple[str, float, tuple[tuple[str, int, float], ...]] | None
    outcomes: tuple[dict[str, Any], ...] = field(default=())


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
