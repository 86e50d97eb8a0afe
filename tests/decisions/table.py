"""Worked examples of decisions, at least one for every row of the table in scaler/core/decision.py."""

from datetime import datetime, timedelta

from worlds import CREATED, NOW, TICK, World, cpu, failed, outcome

IDLE = {"minimum": 5, "idle": 2, "maximum": 9}
BUSY, QUIET = (outcome(active=True),), (outcome(),)
S = timedelta(seconds=1)
LONG_AGO = NOW - 301 * S


def case(name, world, reason, replicas=None, *, active=False, last=None, until=None):
    return name, world, (reason, replicas, active, last, until)


def up(name, world, replicas):
    return case(name, world, "Activated", replicas, active=True, last=NOW)


def in_charge(name, world):
    return case(name, world, "HPAInCharge", active=True, last=NOW)


def unknown(name, world):
    return case(name, world, "TriggersFailed", active=None, last=world.last_active)


def down(name, world, replicas):
    return case(name, world, "Deactivated", replicas, last=world.last_active)


def cooling(name, world, until):
    return case(name, world, "CoolingDown", last=world.last_active, until=until)


def rest(name, world):
    return case(name, world, "AtRest", last=world.last_active)


def paused(name, world, replicas=None):
    return case(name, world, "Paused", replicas, active=None, last=world.last_active)


def waits(name, world, reason):
    return case(name, world, reason, active=True, last=NOW)


def stays(name, world, reason):
    return case(name, world, reason, last=world.last_active)


EXAMPLES = [
    # Work below the floor.
    up("from 0, no minimum: to 1", World({}, BUSY, 0), 1),
    up("from 0, minimum 3: to 3", World({"minimum": 3}, BUSY, 0), 3),
    up("from 0, with an idle count: to the minimum", World(IDLE, BUSY, 0), 5),
    up("from idle to the minimum", World(IDLE, BUSY, 2), 5),
    up("from between idle and the minimum", World(IDLE, BUSY, 4), 5),
    up("one trigger with work is enough", World({}, (outcome(0), outcome(1, active=True)), 0), 1),
    up("work counts although a sibling failed", World({}, (failed(0), outcome(1, active=True)), 0), 1),
    up("cpu alone is always active", World({}, (cpu(0), cpu(1)), 0), 1),
    up(
        "a backlog asks for no more than the floor unless opted in",
        World({}, (outcome(active=True, value=999.0),), 0),
        1,
    ),
    # Work at or above the floor.
    in_charge("at 1, no minimum", World({}, BUSY, 1)),
    in_charge("at the minimum, with an idle count", World(IDLE, BUSY, 5)),
    in_charge("above the maximum: the HPA brings it down", World({"maximum": 4}, BUSY, 6)),
    in_charge("below the minimum without an idle count: the HPA raises it", World({"minimum": 3}, BUSY, 2)),
    in_charge("cpu alone, running", World({}, (cpu(),), 3)),
    in_charge("work beside a failure restarts the cooldown", World({}, (outcome(active=True), failed(1)), 3)),
    # No trigger says work, one has no number.
    unknown("a failed read", World({}, (failed(),), 3, last_active=LONG_AGO)),
    unknown(
        "a failed read beside a quiet trigger", World({}, (outcome(), failed(1)), 3, last_active=LONG_AGO)
    ),
    unknown("a failed read at 0", World({}, (failed(),), 0)),
    unknown("a failed read below the minimum", World({"minimum": 3}, (failed(),), 1)),
    unknown("a broken cpu trigger", World({}, (outcome(), cpu(1, reason="NoData")), 3, last_active=LONG_AGO)),
    unknown("cpu alone, broken", World({}, (cpu(reason="NoData"),), 0)),
    unknown("nothing has been read yet", World({}, (), 3, last_active=LONG_AGO)),
    # No work, below rest.
    case("below the minimum", World({"minimum": 3}, QUIET, 1), "RaisedToMinimum", 3),
    case(
        "from 0 to the minimum",
        World({"minimum": 3}, QUIET, 0, last_active=NOW),
        "RaisedToMinimum",
        3,
        last=NOW,
    ),
    case("below the idle count", World(IDLE, QUIET, 1), "RaisedToMinimum", 2),
    # No work, at rest; and above rest where the steps are the HPA's.
    rest("at 0", World({}, QUIET, 0, last_active=LONG_AGO)),
    rest("at the minimum", World({"minimum": 3}, QUIET, 3, last_active=LONG_AGO)),
    rest("at the idle count", World(IDLE, QUIET, 2, last_active=LONG_AGO)),
    rest("above a minimum, long quiet: the HPA's", World({"minimum": 3}, QUIET, 8, last_active=LONG_AGO)),
    # No work, cooldown running.
    cooling("since the last work", World({}, QUIET, 3, last_active=NOW - 10 * S), NOW + 290 * S),
    cooling("its last moment belongs to it", World({}, QUIET, 3, last_active=NOW - 300 * S), NOW),
    cooling("also towards an idle count", World(IDLE, QUIET, 8, last_active=NOW - 299 * S), NOW + S),
    cooling(
        "the initial one, since creation",
        World({"initial_cooldown": 60}, QUIET, 3, created=NOW - 59 * S),
        NOW + S,
    ),
    cooling(
        "after any work the initial one is over, however long",
        World({"initial_cooldown": 10**6, "cooldown": 60}, QUIET, 3, last_active=NOW),
        NOW + 60 * S,
    ),
    cooling(
        "a moment of last work in the year 9999 does not crash",
        World({}, QUIET, 1, last_active=datetime.max.replace(tzinfo=NOW.tzinfo)),
        datetime.max.replace(tzinfo=NOW.tzinfo),
    ),
    # No work, cooldown over.
    down("to 0", World({}, QUIET, 3, last_active=NOW - 300 * S - TICK), 0),
    down("from 1 to 0", World({}, QUIET, 1, last_active=LONG_AGO), 0),
    down("to the idle count, from above the minimum", World(IDLE, QUIET, 8, last_active=LONG_AGO), 2),
    down("to the idle count, from between", World(IDLE, QUIET, 3, last_active=LONG_AGO), 2),
    down("to an idle count of 0", World({"minimum": 5, "idle": 0}, QUIET, 5, last_active=LONG_AGO), 0),
    down("never active, no initial cooldown: at once", World({}, QUIET, 3, created=NOW - TICK), 0),
    down(
        "never active, the initial cooldown over",
        World({"initial_cooldown": 60}, QUIET, 3, created=CREATED),
        0,
    ),
    down("cooldown 0", World({"cooldown": 0}, QUIET, 3, last_active=NOW - TICK), 0),
    down(
        "cpu beside a quiet trigger holds nothing up",
        World({}, (outcome(), cpu(1)), 3, last_active=LONG_AGO),
        0,
    ),
    down("negative is quiet", World({}, (outcome(value=-4.0),), 3, last_active=LONG_AGO), 0),
    # Paused.
    paused("where it is", World({}, QUIET, 3, last_active=LONG_AGO, pause={"full": True})),
    paused("work or not", World({}, BUSY, 0, pause={"full": True})),
    paused("at a count of the user's", World({}, BUSY, 3, pause={"full": True, "replicas": 7}), 7),
    paused("at 0", World({"minimum": 3}, BUSY, 3, pause={"full": True, "replicas": 0}), 0),
    paused("above the maximum", World({"maximum": 4}, BUSY, 3, pause={"full": True, "replicas": 9}), 9),
    paused("forced or not", World({"forced": True}, QUIET, 0, pause={"full": True})),
    # Force-activation.
    up("forced: from 0", World({"forced": True}, QUIET, 0), 1),
    up("forced, and nothing could be read", World({"forced": True}, (failed(),), 0), 1),
    up("forced, and nothing was read", World({"forced": True, "minimum": 2}, (), 0), 2),
    in_charge("forced, long quiet", World({"forced": True}, QUIET, 3, last_active=LONG_AGO)),
    # Work below the floor that has to wait.
    waits("scale-out paused at 0", World({}, BUSY, 0, pause={"scale_out": True}), "ScaleOutPaused"),
    waits("scale-out paused at idle", World(IDLE, BUSY, 2, pause={"scale_out": True}), "ScaleOutPaused"),
    in_charge("scale-out paused, running", World({}, BUSY, 1, pause={"scale_out": True})),
    waits("no budget for new pods", World({}, BUSY, 0, restraint={"awaits_budget": True}), "AwaitsBudget"),
    waits(
        "paused by the user, and no budget",
        World({}, BUSY, 0, pause={"scale_out": True}, restraint={"awaits_budget": True}),
        "ScaleOutPaused",
    ),
    in_charge("a budget is for the way up from rest", World({}, BUSY, 1, restraint={"awaits_budget": True})),
    up("scale-in paused is no obstacle up", World({}, BUSY, 0, pause={"scale_in": True}), 1),
    # No work, cooldown over, and something keeps it up.
    stays("scale-in paused", World({}, QUIET, 3, pause={"scale_in": True}), "ScaleInPaused"),
    stays("scale-in paused above idle", World(IDLE, QUIET, 8, pause={"scale_in": True}), "ScaleInPaused"),
    down("scale-out paused is no obstacle down", World({}, QUIET, 3, pause={"scale_out": True}), 0),
    stays("after-scale-in: the HPA first", World({"after_scale_in": True}, QUIET, 2), "ScalingIn"),
    down("after-scale-in, at the floor", World({"after_scale_in": True}, QUIET, 1), 0),
    stays(
        "after-scale-in, above an idle count", World({**IDLE, "after_scale_in": True}, QUIET, 6), "ScalingIn"
    ),
    down("after-scale-in, at the minimum", World({**IDLE, "after_scale_in": True}, QUIET, 5), 2),
    stays("braked", World({}, QUIET, 3, restraint={"not_before": NOW + TICK}), "Braked"),
    down("its turn has come", World({}, QUIET, 3, restraint={"not_before": NOW}), 0),
    down("braked, and no turn given yet", World({}, QUIET, 3, restraint={"braked": True}), 0),
    cooling(
        "the cooldown comes before all of them",
        World(
            {"after_scale_in": True},
            QUIET,
            3,
            last_active=NOW,
            pause={"scale_in": True},
            restraint={"not_before": NOW + 999 * S, "braked": True},
        ),
        NOW + 300 * S,
    ),
    stays(
        "the user's pause before the HPA's steps",
        World({"after_scale_in": True}, QUIET, 3, pause={"scale_in": True}),
        "ScaleInPaused",
    ),
    stays(
        "the HPA's steps before the brake",
        World({"after_scale_in": True}, QUIET, 3, restraint={"not_before": NOW + S}),
        "ScalingIn",
    ),
]


def check(module, world, expected):
    """Raises AssertionError when `module.decide` answers otherwise."""
    decision = world.decide(module)
    seen = (
        decision.reason,
        decision.replicas,
        decision.active,
        decision.last_active,
        decision.cooldown_until,
    )
    assert seen == expected
    working = [each["metric"] for each in world.outcomes if each["active"]]
    assert list(decision.triggers) == ([] if world.paused else working)
    assert decision.forced == (world.forced and not world.paused)
    assert decision.message


# Trails: the steps as (rule, before, after, note).

BIG = (outcome(value=5e3, active=True),)
BRAKED_TOO = {"braked": True, "not_before": NOW + 60 * S}
STEPS = [
    ("paused", World({}, BUSY, 3, pause={"full": True}), [("pause", 3, 3, "paused by annotation")]),
    (
        "paused elsewhere",
        World({}, BUSY, 3, pause={"full": True, "replicas": 0}),
        [("pause", 3, 0, "paused by annotation")],
    ),
    (
        "the maximum, and only then the first write",
        World({"maximum": 20}, BIG, 0),
        [
            ("triggers", 0, 1000, "s0-jobs asks for 1000"),
            ("max", 1000, 20, "maxReplicaCount 20"),
            ("activation", 20, 1, "the first write is the floor"),
        ],
    ),
    (
        "the floor",
        World({"minimum": 4}, BUSY, 0),
        [
            ("triggers", 0, 2, "s0-jobs asks for 2"),
            ("min", 2, 4, "minReplicaCount, at least 1: 4"),
            ("activation", 4, 4, "the first write is the floor"),
        ],
    ),
    (
        "a backlog of exactly the maximum meets no limit",
        World({"maximum": 1000}, BIG, 1),
        [
            ("triggers", 1, 1000, "s0-jobs asks for 1000"),
            ("hpa", 1000, 1, "from the floor upwards the HPA decides, by its rates and windows"),
        ],
    ),
    (
        "a backlog of exactly the floor meets no limit",
        World({"minimum": 2}, BUSY, 5),
        [
            ("triggers", 5, 2, "s0-jobs asks for 2"),
            ("hpa", 2, 5, "from the floor upwards the HPA decides, by its rates and windows"),
        ],
    ),
    (
        "the highest of several, one of them a ratio",
        World(
            {},
            (outcome(value=21.0, active=True), outcome(1, value=15.0, active=True, metric_type="Value")),
            4,
        ),
        [
            ("triggers", 4, 12, "s1-jobs asks for 12"),
            ("hpa", 12, 4, "from the floor upwards the HPA decides, by its rates and windows"),
        ],
    ),
    (
        "a ratio at 0 counts as at 1",
        World({}, (outcome(value=15.0, active=True, metric_type="Value"),), 0),
        [
            ("triggers", 0, 3, "s0-jobs asks for 3"),
            ("activation", 3, 1, "the first write is the floor"),
        ],
    ),
    (
        "what asks for no count: cpu, no target, no end, less than nothing",
        World(
            {},
            (
                cpu(0, value=1e6),
                outcome(1, value=9.0, active=True, target=0),
                outcome(2, value=float("inf"), active=True),
                outcome(3, value=-9.0),
                failed(4),
            ),
            2,
        ),
        [
            ("triggers", 2, 0, "s3-jobs asks for 0"),
            ("min", 0, 1, "minReplicaCount, at least 1: 1"),
            ("hpa", 1, 2, "from the floor upwards the HPA decides, by its rates and windows"),
        ],
    ),
    (
        "cpu alone: no count",
        World({"minimum": 2}, (cpu(),), 0),
        [
            ("triggers", 0, 2, "there is work, and no count"),
            ("activation", 2, 2, "the first write is the floor"),
        ],
    ),
    (
        "scale-out paused",
        World({}, BUSY, 0, pause={"scale_out": True}),
        [
            ("triggers", 0, 2, "s0-jobs asks for 2"),
            ("activation", 2, 1, "the first write is the floor"),
            ("pause", 1, 0, "scale-out is paused by annotation"),
        ],
    ),
    (
        "no budget",
        World({}, BUSY, 0, restraint={"awaits_budget": True}),
        [
            ("triggers", 0, 2, "s0-jobs asks for 2"),
            ("activation", 2, 1, "the first write is the floor"),
            ("brake", 1, 0, "the budget of new pods per minute is used up"),
        ],
    ),
    (
        "desired, and the last activation failed",
        World({"activation": "desired"}, BUSY, 0, restraint={"to_floor": True}),
        [
            ("triggers", 0, 2, "s0-jobs asks for 2"),
            (
                "activation",
                2,
                1,
                "the last activation's pods never became ready: the first write is the floor",
            ),
        ],
    ),
    (
        "desired",
        World({"activation": "desired"}, BUSY, 0),
        [
            ("triggers", 0, 2, "s0-jobs asks for 2"),
            ("activation", 2, 2, "the first write is what the backlog needs"),
        ],
    ),
    (
        "not known",
        World({}, (outcome(), failed(1), cpu(2, reason="NoData")), 3),
        [
            (
                "policy",
                3,
                3,
                "nothing is changed: s1-jobs: Unavailable connection refused; s2-jobs: NoData",
            )
        ],
    ),
    ("nothing read", World({}, (), 3), [("policy", 3, 3, "nothing is changed: no trigger has been read")]),
    (
        "raised",
        World({"minimum": 3}, QUIET, 1),
        [("triggers", 1, 0, "no trigger is active"), ("min", 0, 3, "the count at rest")],
    ),
    (
        "at rest",
        World({}, QUIET, 0),
        [("triggers", 0, 0, "no trigger is active"), ("min", 0, 0, "the count at rest")],
    ),
    (
        "the way down to a minimum is the HPA's",
        World({"minimum": 3}, QUIET, 8),
        [
            ("triggers", 8, 0, "no trigger is active"),
            ("min", 0, 3, "the count at rest"),
            ("hpa", 3, 8, "from the floor upwards the HPA decides, by its rates and windows"),
        ],
    ),
    (
        "cooling down",
        World({}, QUIET, 3, last_active=NOW),
        [
            ("triggers", 3, 0, "no trigger is active"),
            ("min", 0, 0, "the count at rest"),
            ("cooldown", 0, 3, "until 2026-01-05T12:05:00Z"),
        ],
    ),
    (
        "cooling down, and then the brake",
        World({}, QUIET, 3, last_active=NOW, restraint=BRAKED_TOO),
        [
            ("triggers", 3, 0, "no trigger is active"),
            ("min", 0, 0, "the count at rest"),
            ("cooldown", 0, 3, "until 2026-01-05T12:05:00Z"),
            ("brake", 3, 3, "mass-event brake, when the cooldown is over"),
        ],
    ),
    (
        "scale-in paused",
        World(IDLE, QUIET, 3, pause={"scale_in": True}, restraint=BRAKED_TOO),
        [
            ("triggers", 3, 0, "no trigger is active"),
            ("min", 0, 2, "the count at rest"),
            ("pause", 2, 3, "scale-in is paused by annotation"),
        ],
    ),
    (
        "after-scale-in",
        World({"after_scale_in": True}, QUIET, 3, restraint=BRAKED_TOO),
        [
            ("triggers", 3, 0, "no trigger is active"),
            ("min", 0, 0, "the count at rest"),
            ("policy", 0, 3, "after-scale-in: the HPA scales in to 1 first"),
        ],
    ),
    (
        "braked",
        World({}, QUIET, 3, restraint=BRAKED_TOO),
        [
            ("triggers", 3, 0, "no trigger is active"),
            ("min", 0, 0, "the count at rest"),
            ("brake", 0, 3, "mass-event brake, until 2026-01-05T12:01:00Z"),
        ],
    ),
    (
        "down",
        World(IDLE, QUIET, 3),
        [("triggers", 3, 0, "no trigger is active"), ("min", 0, 2, "the count at rest")],
    ),
]


def check_steps(module, world, expected):
    """Raises AssertionError when the trail is another."""
    seen = [(step.name, step.before, step.after, step.note) for step in world.decide(module).trail]
    assert seen == expected


# First writes of `activation: desired`: minimum, maximum, scaleUp, outcomes, what is written.
BACKLOG = (outcome(value=23.0, active=True),)
FOUR_OR_DOUBLE = ("Max", 0.0, (("Pods", 4, 15.0), ("Percent", 100, 15.0)))

FIRST_WRITES = [
    ("23 at 5 each: 5", (0, 100, None, BACKLOG), 5),
    ("25 at 5 each: 5, not 6", (0, 100, None, (outcome(value=25.0, active=True),)), 5),
    ("25.001 at 5 each: 6", (0, 100, None, (outcome(value=25.001, active=True),)), 6),
    ("never above the maximum", (0, 3, None, BACKLOG), 3),
    ("never below the floor", (7, 100, None, BACKLOG), 7),
    ("nothing known: the floor", (0, 100, None, (outcome(active=True, metric_type="Value", value=99.0),)), 1),
    (
        "the highest of several, wherever it stands",
        (0, 100, None, (outcome(1, value=80.0, active=True), *BACKLOG)),
        16,
    ),
    ("the highest of several", (0, 100, None, (*BACKLOG, outcome(1, value=80.0, active=True))), 16),
    (
        "also of one below its activation, as the HPA would",
        (0, 100, None, (*BACKLOG, outcome(1, value=80.0))),
        16,
    ),
    ("what failed gives no count", (0, 100, None, (*BACKLOG, failed(1))), 5),
    ("cpu gives no count", (0, 100, None, (*BACKLOG, cpu(1, value=1e6))), 5),
    ("a target of 0 gives no count", (0, 100, None, (*BACKLOG, outcome(1, value=9.0, target=0))), 5),
    ("a target below 0 gives no count", (0, 100, None, (outcome(value=-50.0, target=-1000),)), 1),
    ("negative gives the floor", (0, 100, None, (outcome(value=-50.0),)), 1),
    ("a huge backlog saturates", (0, 2**31 - 1, None, (outcome(value=1e18, active=True),)), 2**31 - 1),
    ("the largest number there is", (0, 100, None, (outcome(value=1.7e308, active=True),)), 100),
    ("4 pods or 100 %: from 1 to 5", (0, 100, FOUR_OR_DOUBLE, (outcome(value=500.0, active=True),)), 5),
    ("4 pods or 100 %: from 6 to 12", (6, 100, FOUR_OR_DOUBLE, (outcome(value=500.0, active=True),)), 12),
    ("the rates allow more than is needed", (0, 100, ("Max", 0.0, (("Percent", 900, 15.0),)), BACKLOG), 5),
    ("the rates allow more than the maximum", (0, 4, ("Max", 0.0, (("Percent", 900, 15.0),)), BACKLOG), 4),
    ("the smaller of two rates", (0, 100, ("Min", 0.0, (("Pods", 9, 15.0), ("Pods", 2, 15.0))), BACKLOG), 3),
    ("half of 1 is rounded up", (0, 100, ("Max", 0.0, (("Percent", 50, 15.0),)), BACKLOG), 2),
    ("scaling up disabled", (2, 100, ("Disabled", 0.0, FOUR_OR_DOUBLE[2]), BACKLOG), 2),
    ("a window upwards", (2, 100, ("Max", 60.0, FOUR_OR_DOUBLE[2]), BACKLOG), 2),
]


def check_first_write(module, given, expected):
    """Through `decide` from 0 replicas, where it must be Activated."""
    minimum, maximum, scale_up, outcomes = given
    rules = None
    if scale_up is not None:
        select, window, rates = scale_up
        rates = tuple(module.desired.Rate(*rate) for rate in rates)
        rules = module.desired.Rules(select=select, window=window, rates=rates)
    policy = module.Policy(minimum=minimum, maximum=maximum, activation="desired", scale_up=rules)
    made = [module.Outcome(**each) for each in outcomes]
    assert module.desired.first_write(policy, made) == expected
    busy = [*made, module.Outcome(**outcome(9, active=True, metric_type="Value", value=1.0))]
    decision = module.decide(policy, busy, 0, module.Times(CREATED, None), NOW)
    assert (decision.reason, decision.replicas) == ("Activated", expected)
