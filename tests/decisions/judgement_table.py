"""Worked examples of `judge`: what stands in for a trigger without a number, at the edges of every rule.

An example is (what it shows, policy, outcomes, replicas, ready, expected); expected says for each judged outcome its
(value, active, by).
"""

from worlds import NOW, cpu, failed, failing, outcome, policy

# Outcomes: at 5 per replica unless said otherwise.
GOOD, IDLE, DOWN = outcome(value=12.0, active=True), outcome(), failing(0)
READ_12, READ_0, UNKNOWN = (12.0, True, "read"), (0.0, False, "read"), (None, None, "read")
IGNORED = (None, False, "ignored")


def fallback(replicas=4, behavior="static", threshold=3):
    return {"fallback": {"threshold": threshold, "replicas": replicas, "behavior": behavior}}


def on_error(kind, seconds=None):
    return {"on_error": {"kind": kind, "seconds": seconds}}


def fallen(replicas, active=True):
    return 5.0 * replicas, active, "fallback"


def last_known(value=7.0, active=True):
    return value, active, "last-known"


PLAIN = [
    ("all known: as read", fallback(), [GOOD, IDLE], 2, 2, [READ_12, READ_0]),
    ("no rule: unknown", {}, [DOWN], 2, 2, [UNKNOWN]),
    ("cpu is never judged", {**fallback(), **on_error("ignore")}, [GOOD, cpu(1)], 2, 2, [READ_12, UNKNOWN]),
    (
        "a broken cpu trigger is not judged either",
        {**fallback(threshold=0), **on_error("ignore")},
        [GOOD, cpu(1, reason="NoData", failures=9, since=NOW)],
        2,
        2,
        [READ_12, UNKNOWN],
    ),
    (
        "nothing stands in before the first read",
        {**fallback(threshold=0), **on_error("ignore")},
        [GOOD, failed(1)],
        2,
        2,
        [READ_12, UNKNOWN],
    ),
    # Fallback: when.
    ("as many failures as allowed", fallback(), [failing(failures=3)], 2, 2, [UNKNOWN]),
    ("one more", fallback(), [failing(failures=4)], 2, 2, [fallen(4)]),
    ("threshold 0: the first failure", fallback(threshold=0), [failing(failures=1)], 2, 2, [fallen(4)]),
    (
        "failures of the past do not count",
        fallback(),
        [outcome(value=12.0, active=True, failures=9)],
        2,
        2,
        [READ_12],
    ),
    (
        "what is known is not judged, whatever failed before",
        {**fallback(), **on_error("ignore")},
        [outcome(value=12.0, active=True, failures=9, since=NOW), failing(1)],
        2,
        2,
        [READ_12, fallen(4)],
    ),
    ("each trigger on its own", fallback(), [GOOD, failing(1)], 2, 2, [READ_12, fallen(4)]),
    (
        "never read, but tried often enough",
        fallback(),
        [failing(last=None, was_active=None)],
        2,
        2,
        [fallen(4)],
    ),
    # Fallback: the five behaviours, of which the fifth needs a formula.
    ("static, whatever is there", fallback(4, "static"), [DOWN], 9, 9, [fallen(4)]),
    ("currentReplicas", fallback(4, "currentReplicas"), [DOWN], 9, 9, [fallen(9)]),
    ("currentReplicas at 0: none", fallback(4, "currentReplicas"), [DOWN], 0, 0, [fallen(0, active=False)]),
    ("currentReplicasIfHigher, higher", fallback(4, "currentReplicasIfHigher"), [DOWN], 9, 9, [fallen(9)]),
    ("currentReplicasIfHigher, lower", fallback(4, "currentReplicasIfHigher"), [DOWN], 2, 2, [fallen(4)]),
    ("currentReplicasIfLower, higher", fallback(4, "currentReplicasIfLower"), [DOWN], 9, 9, [fallen(4)]),
    ("currentReplicasIfLower, lower", fallback(4, "currentReplicasIfLower"), [DOWN], 2, 2, [fallen(2)]),
    (
        "currentReplicasIfLower at 0: none",
        fallback(4, "currentReplicasIfLower"),
        [DOWN],
        0,
        0,
        [fallen(0, active=False)],
    ),
    ("0 replicas are the user's wish", fallback(0), [DOWN], 3, 3, [fallen(0, active=False)]),
    ("0, if that is higher", fallback(0, "currentReplicasIfHigher"), [DOWN], 3, 3, [fallen(3)]),
    (
        "by formula, and there is none: neither a number nor a verdict",
        fallback(4, "scalingModifiers"),
        [DOWN],
        3,
        3,
        [(None, None, "fallback")],
    ),
    ("from 0", fallback(4), [DOWN], 0, 0, [fallen(4)]),
    # Fallback: Value, which the HPA multiplies by its ready pods.
    ("Value: per ready pod", fallback(6), [failing(metric_type="Value")], 5, 3, [fallen(2)]),
    (
        "Value: per pod, if ready ones are not known",
        fallback(6),
        [failing(metric_type="Value")],
        2,
        None,
        [fallen(3)],
    ),
    ("Value: no pod is ready", fallback(6), [failing(metric_type="Value")], 5, 0, [UNKNOWN]),
    ("Value: at 0", fallback(6), [failing(metric_type="Value")], 0, None, [UNKNOWN]),
    (
        "Value: none are none, ready or not",
        fallback(0),
        [failing(metric_type="Value")],
        5,
        0,
        [fallen(0, active=False)],
    ),
    (
        "Value: cut off, for 1.667 times 3 pods would be 6",
        fallback(5),
        [failing(metric_type="Value", target=1000)],
        5,
        3,
        [(1.666, True, "fallback")],
    ),
    ("a target of 0.5", fallback(4), [failing(target=500)], 2, 2, [(2.0, True, "fallback")]),
    # on-error: hold.
    ("hold=1m, before", on_error("hold", 60), [GOOD, failing(1, ago=59)], 2, 2, [READ_12, UNKNOWN]),
    ("hold=1m, its last moment", on_error("hold", 60), [GOOD, failing(1, ago=60)], 2, 2, [READ_12, UNKNOWN]),
    ("hold=1m, over", on_error("hold", 60), [GOOD, failing(1, ago=60.000001)], 2, 2, [READ_12, IGNORED]),
    ("hold=0s", on_error("hold", 0), [GOOD, failing(1, ago=1)], 2, 2, [READ_12, IGNORED]),
    ("hold, over, and nobody else", on_error("hold", 60), [failing(ago=61)], 2, 2, [UNKNOWN]),
    (
        "one held, one over: the first holds all",
        on_error("hold", 60),
        [failing(0, ago=61), failing(1, ago=59)],
        2,
        2,
        [UNKNOWN, UNKNOWN],
    ),
    # on-error: ignore.
    ("ignore", on_error("ignore"), [IDLE, failing(1, ago=0)], 2, 2, [READ_0, IGNORED]),
    ("ignore, and nobody else", on_error("ignore"), [failing(0), failing(1)], 2, 2, [UNKNOWN, UNKNOWN]),
    ("ignore, and only cpu else", on_error("ignore"), [failing(0), cpu(1)], 2, 2, [UNKNOWN, UNKNOWN]),
    (
        "ignore, and else one that was not tried yet",
        on_error("ignore"),
        [failing(0), failed(1)],
        2,
        2,
        [UNKNOWN, UNKNOWN],
    ),
    (
        "ignore, beside a pushed verdict",
        on_error("ignore"),
        [failing(0), {**outcome(1, active=True), "value": None}],
        2,
        2,
        [IGNORED, (None, True, "read")],
    ),
    (
        "ignore, but its value is gone for good",
        on_error("ignore"),
        [GOOD, failing(1, last=None)],
        2,
        2,
        [READ_12, IGNORED],
    ),
    # on-error: last-known.
    ("last-known=1m: as if read", on_error("last-known", 60), [failing(ago=59)], 2, 2, [last_known()]),
    ("last-known=1m, its last moment", on_error("last-known", 60), [failing(ago=60)], 2, 2, [last_known()]),
    (
        "last-known=1m, over: held",
        on_error("last-known", 60),
        [GOOD, failing(1, ago=60.000001)],
        2,
        2,
        [READ_12, UNKNOWN],
    ),
    (
        "the last value may say that there is work, never that there is none",
        on_error("last-known", 60),
        [GOOD, failing(1, ago=1, last=0.0, was_active=False)],
        2,
        2,
        [READ_12, last_known(0.0, None)],
    ),
    (
        "last-known, and there was none",
        on_error("last-known", 60),
        [failing(ago=1, last=None, was_active=None)],
        2,
        2,
        [UNKNOWN],
    ),
    # Both: the fallback is asked first.
    (
        "fallback before ignore",
        {**fallback(), **on_error("ignore")},
        [GOOD, failing(1)],
        2,
        2,
        [READ_12, fallen(4)],
    ),
    (
        "ignore before the fallback's time",
        {**fallback(), **on_error("ignore")},
        [GOOD, failing(1, failures=3)],
        2,
        2,
        [READ_12, IGNORED],
    ),
    (
        "a fallback is somebody to decide",
        {**fallback(), **on_error("ignore")},
        [failing(0, failures=3), failing(1, failures=4)],
        2,
        2,
        [IGNORED, fallen(4)],
    ),
    (
        "last-known before the fallback's time, and then the fallback",
        {**fallback(), **on_error("last-known", 600)},
        [failing(0, failures=3), failing(1, failures=4)],
        2,
        2,
        [last_known(), fallen(4)],
    ),
    (
        "no ready pods, no fallback: then on-error has no say either",
        {**fallback(), **on_error("ignore")},
        [GOOD, failing(1, metric_type="Value")],
        2,
        0,
        [READ_12, UNKNOWN],
    ),
]


def named(index, name, **more):
    return outcome(index, trigger=name, **more)


def lost(index, name, **more):
    return failing(index, trigger=name, **more)


def by_formula(formula, *names, target=2000, activation=0.0, metric_type="AverageValue", **more):
    modifiers = {
        "formula": formula,
        "target": target,
        "activation": activation,
        "metric_type": metric_type,
        "names": names,
    }
    return {"modifiers": modifiers, **more}


A7, B0 = named(0, "a", active=True), named(1, "b")
PUSHED = {**named(1, "b", active=True), "value": None}
QUIETLY_PUSHED = {**named(1, "b"), "value": None}
NIL = fallback(4, "scalingModifiers")

# Expected of the composite outcome alone: (value, active, by, reason).
COMPOSITE = [
    ("a sum", by_formula("a + b", "a", "b"), [A7, B0], 2, 2, (7.0, True, "formula", "")),
    ("its own activation", by_formula("a", "a", activation=7.0), [A7], 2, 2, (7.0, False, "formula", "")),
    ("above it", by_formula("a", "a", activation=6.9), [A7], 2, 2, (7.0, True, "formula", "")),
    (
        "the triggers' activity is not asked",
        by_formula("a - 7", "a"),
        [A7],
        2,
        2,
        (0.0, False, "formula", ""),
    ),
    ("less than nothing", by_formula("a - 9", "a"), [A7], 2, 2, (-2.0, False, "formula", "")),
    ("cpu has no part", by_formula("a", "a"), [A7, cpu(1)], 2, 2, (7.0, True, "formula", "")),
    (
        "a trigger fails",
        by_formula("a + b", "a", "b"),
        [A7, lost(1, "b")],
        2,
        2,
        (None, None, "formula", "Unavailable"),
    ),
    (
        "one fails that the formula does not use",
        by_formula("a", "a", "b"),
        [A7, lost(1, "b")],
        2,
        2,
        (7.0, True, "formula", ""),
    ),
    (
        "one was not read yet",
        by_formula("a", "a"),
        [failed(0, trigger="a")],
        2,
        2,
        (None, None, "formula", "Unavailable"),
    ),
    (
        "on-error ignores nobody in a formula",
        by_formula("a + b", "a", "b", **on_error("ignore")),
        [A7, lost(1, "b")],
        2,
        2,
        (None, None, "formula", "Unavailable"),
    ),
    (
        "nor after hold=1m",
        by_formula("a + b", "a", "b", **on_error("hold", 60)),
        [A7, lost(1, "b", ago=61)],
        2,
        2,
        (None, None, "formula", "Unavailable"),
    ),
    # A source's own verdict.
    (
        "a push needs no number",
        by_formula("a + b", "a", "b"),
        [B0, PUSHED],
        2,
        2,
        (None, True, "formula", ""),
    ),
    (
        "a push beside a number below activation",
        by_formula("a", "a"),
        [named(0, "a"), PUSHED],
        2,
        2,
        (0.0, True, "formula", ""),
    ),
    ("a quiet push says nothing", by_formula("b", "b"), [QUIETLY_PUSHED], 2, 2, (None, None, "formula", "")),
    # The fallback in the formula's place.
    (
        "a fallback's count, of the composite target",
        by_formula("a + b", "a", "b", **fallback(4)),
        [A7, lost(1, "b")],
        2,
        2,
        (8.0, True, "fallback", ""),
    ),
    (
        "it asks for none",
        by_formula("a + b", "a", "b", **fallback(0)),
        [A7, lost(1, "b")],
        2,
        2,
        (0.0, False, "fallback", ""),
    ),
    (
        "it does not care for the activation",
        by_formula("a", "a", activation=99.0, **fallback(4)),
        [lost(0, "a")],
        2,
        2,
        (8.0, True, "fallback", ""),
    ),
    (
        "too early for it",
        by_formula("a + b", "a", "b", **fallback(4)),
        [A7, lost(1, "b", failures=3)],
        2,
        2,
        (None, None, "formula", "Unavailable"),
    ),
    (
        "a composite Value: per ready pod",
        by_formula("a", "a", metric_type="Value", **fallback(6)),
        [lost(0, "a")],
        5,
        3,
        (4.0, True, "fallback", ""),
    ),
    (
        "a composite Value, and no pod is ready",
        by_formula("a", "a", metric_type="Value", **fallback(6)),
        [lost(0, "a")],
        5,
        0,
        (None, None, "formula", "Unavailable"),
    ),
    (
        "a Value trigger in a composite average",
        by_formula("a", "a", **fallback(6)),
        [lost(0, "a", metric_type="Value")],
        5,
        0,
        (12.0, True, "fallback", ""),
    ),
    (
        "a push is work beside a fallback that asks for none",
        by_formula("a + b", "a", "b", **fallback(0)),
        [lost(0, "a"), PUSHED],
        2,
        2,
        (0.0, True, "fallback", ""),
    ),
    # The fallback in the formula.
    (
        "nil stands for what failed",
        by_formula("a ?? 5", "a", **NIL),
        [lost(0, "a")],
        2,
        2,
        (5.0, True, "formula", ""),
    ),
    (
        "and what it counts as is the user's wish",
        by_formula("a ?? 0", "a", **NIL),
        [lost(0, "a")],
        2,
        2,
        (0.0, False, "formula", ""),
    ),
    (
        "only where the fallback says so",
        by_formula("a ?? 5", "a", **fallback(4)),
        [lost(0, "a")],
        2,
        2,
        (8.0, True, "fallback", ""),
    ),
    (
        "not without a fallback",
        by_formula("a ?? 5", "a"),
        [lost(0, "a")],
        2,
        2,
        (None, None, "formula", "Unavailable"),
    ),
    (
        "not before its time",
        by_formula("a ?? 5", "a", **NIL),
        [lost(0, "a", failures=3)],
        2,
        2,
        (None, None, "formula", "Unavailable"),
    ),
    (
        "one nil, one not read yet",
        by_formula("(a ?? 5) + b", "a", "b", **NIL),
        [lost(0, "a"), failed(1, trigger="b")],
        2,
        2,
        (None, None, "formula", "Unavailable"),
    ),
    (
        "no number follows: the fallback's count",
        by_formula("a ?? b", "a", "b", **NIL),
        [lost(0, "a"), lost(1, "b")],
        2,
        2,
        (8.0, True, "fallback", ""),
    ),
    (
        "the fallback's count as a Value: per ready pod",
        by_formula("a ?? b", "a", "b", metric_type="Value", **fallback(6, "scalingModifiers")),
        [lost(0, "a"), lost(1, "b")],
        5,
        3,
        (4.0, True, "fallback", ""),
    ),
    (
        "the fallback's count as a Value: for the first pod that is ready",
        by_formula("a ?? b", "a", "b", metric_type="Value", **fallback(6, "scalingModifiers")),
        [lost(0, "a"), lost(1, "b")],
        0,
        0,
        (12.0, True, "fallback", ""),
    ),
    (
        "it is work, whatever the activation",
        by_formula("a ?? b", "a", "b", activation=99.0, **NIL),
        [lost(0, "a"), lost(1, "b")],
        2,
        2,
        (8.0, True, "fallback", ""),
    ),
    (
        "unless it asks for none",
        by_formula("a ?? b", "a", "b", **fallback(0, "scalingModifiers")),
        [lost(0, "a"), lost(1, "b")],
        2,
        2,
        (0.0, False, "fallback", ""),
    ),
    (
        "nil of good triggers, above activation",
        by_formula("a > 99 ? a : (nil ?? nil)", "a", activation=7.9, **fallback(4)),
        [A7],
        2,
        2,
        (8.0, True, "fallback", ""),
    ),
    (
        "nil of good triggers, below activation",
        by_formula("a > 99 ? a : (nil ?? nil)", "a", activation=8.0, **fallback(4)),
        [A7],
        2,
        2,
        (8.0, False, "fallback", ""),
    ),
    (
        "nil, and no fallback",
        by_formula("a > 99 ? a : (nil ?? nil)", "a"),
        [A7],
        2,
        2,
        (None, None, "formula", "FormulaFailed"),
    ),
    # Last-known values.
    (
        "computed from the last value",
        by_formula("a + b", "a", "b", **on_error("last-known", 60)),
        [A7, lost(1, "b", ago=1, last=3.0)],
        2,
        2,
        (10.0, True, "last-known", "Unavailable"),
    ),
    (
        "which never says that there is no work",
        by_formula("a - a + b", "a", "b", **on_error("last-known", 60)),
        [A7, lost(1, "b", ago=1, last=0.0)],
        2,
        2,
        (0.0, None, "last-known", "Unavailable"),
    ),
    (
        "in a part that the formula does not use",
        by_formula("a - 7", "a", "b", **on_error("last-known", 60)),
        [A7, lost(1, "b", ago=1)],
        2,
        2,
        (0.0, False, "formula", ""),
    ),
    # Formulas that cannot work.
    ("none at all, with work", by_formula("", "a"), [A7, B0], 2, 2, (None, True, "formula", "FormulaFailed")),
    ("none at all, without", by_formula("", "b"), [B0], 2, 2, (None, False, "formula", "FormulaFailed")),
    (
        "none at all, and one fails",
        by_formula("", "b"),
        [B0, lost(1, "a")],
        2,
        2,
        (None, None, "formula", "FormulaFailed"),
    ),
    (
        "none at all, and on-error ignores nobody",
        by_formula("", "b", **on_error("ignore")),
        [B0, lost(1, "a")],
        2,
        2,
        (None, None, "formula", "FormulaFailed"),
    ),
    ("an unknown name", by_formula("x", "a"), [A7], 2, 2, (None, None, "formula", "FormulaFailed")),
    ("no number", by_formula("a / 0", "a"), [A7], 2, 2, (None, None, "formula", "FormulaFailed")),
]


def judged(core, about, outcomes, replicas, ready):
    given = [core.Outcome(**each) for each in outcomes]
    return given, core.judge(policy(core, **about), given, replicas, ready, NOW)


def check(core, about, outcomes, replicas, ready, expected):
    given, found = judged(core, about, outcomes, replicas, ready)
    assert [(each.value, each.active, each.by) for each in found] == expected
    assert [(each.index, each.metric, each.reason) for each in found] == [
        (each.index, each.metric, each.reason) for each in given
    ]
    assert core.counted(found) == tuple(found)


def check_composite(core, about, outcomes, replicas, ready, expected):
    given, found = judged(core, about, outcomes, replicas, ready)
    *_, composite = found
    assert (composite.value, composite.active, composite.by, composite.reason) == expected
    assert (composite.metric, composite.target) == ("composite-metric", about["modifiers"]["target"])
    assert composite.metric_type == about["modifiers"]["metric_type"]
    assert len(found) == len(given) + 1
    resources = [each for each in found[:-1] if each.metric_type == "Resource"]
    assert core.counted(found) == (*resources, composite)
    if composite.reason:
        assert composite.message
