"""Worked examples of what annotations say, and of the Policy that an object's fields and annotations make.

An example is (what it shows, the function's name, its arguments, what it answers); pauses and on-error are told as
tuples, problems by their paths.
"""

from dataclasses import astuple

KEDA, OWN = "autoscaling.keda.sh/", "tidegate.dev/"
NOTHING, HOLD = (False, None, False, False), ("hold", None)


def keda(**named):
    return {KEDA + name.replace("_", "-"): value for name, value in named.items()}


def own(**named):
    return {OWN + name.replace("_", "-"): value for name, value in named.items()}


def paused_replicas(value):
    return keda(paused_replicas=value)


PAUSES = [
    ("nothing is paused", {}, NOTHING),
    ("paused", keda(paused="true"), (True, None, False, False)),
    ("paused: 1", keda(paused="1"), (True, None, False, False)),
    ("not paused", keda(paused="false"), NOTHING),
    ("not paused: F", keda(paused="F"), NOTHING),
    ("what is no boolean pauses", keda(paused="later"), (True, None, False, False)),
    ("empty pauses", keda(paused=""), (True, None, False, False)),
    ("FaLSe is no boolean", keda(paused="FaLSe"), (True, None, False, False)),
    ("at a count", paused_replicas("4"), (True, 4, False, False)),
    ("at 0", paused_replicas("0"), (True, 0, False, False)),
    ("at +4", paused_replicas("+4"), (True, 4, False, False)),
    ("at the most", paused_replicas("2147483647"), (True, 2147483647, False, False)),
    ("at too many: where it is", paused_replicas("2147483648"), (True, None, False, False)),
    ("at -1: where it is", paused_replicas("-1"), (True, None, False, False)),
    ("at 1.5: where it is", paused_replicas("1.5"), (True, None, False, False)),
    ("at nothing: where it is", paused_replicas(""), (True, None, False, False)),
    ("in other digits: where it is", paused_replicas("٤"), (True, None, False, False)),
    ("endless: where it is", paused_replicas("9" * 5000), (True, None, False, False)),
    (
        "a count pauses whatever paused says",
        keda(paused="false", paused_replicas="4"),
        (True, 4, False, False),
    ),
    ("scale-in", keda(paused_scale_in="true"), (False, None, True, False)),
    ("scale-out", keda(paused_scale_out="true"), (False, None, False, True)),
    ("neither", keda(paused_scale_in="false", paused_scale_out="0"), NOTHING),
    ("both", keda(paused_scale_in="true", paused_scale_out="yes"), (False, None, True, True)),
]

ON_ERRORS = [
    (None, HOLD),
    ("hold", HOLD),
    ("hold=10m", ("hold", 600.0)),
    ("hold=1m30s", ("hold", 90.0)),
    ("hold=0s", ("hold", 0.0)),
    ("ignore", ("ignore", None)),
    ("last-known=2h", ("last-known", 7200.0)),
    # What means nothing never scales anything: it counts as absent.
    ("hold=", HOLD),
    ("hold=10", HOLD),
    ("hold=-5m", HOLD),
    ("hold=soon", HOLD),
    ("ignore=10m", HOLD),
    ("ignore=", HOLD),
    ("last-known", HOLD),
    ("last-known=", HOLD),
    ("last-known=10", HOLD),
    ("Ignore", HOLD),
    ("", HOLD),
]
WRONG = {word for word, _ in ON_ERRORS[7:]}

ANSWERS = [
    *((f"pause: {name}", "pause", (given,), expected) for name, given, expected in PAUSES),
    *(
        (f"on-error: {word}", "on_error", ({} if word is None else own(on_error=word),), expected)
        for word, expected in ON_ERRORS
    ),
    ("forced", "forced", (keda(force_activation="true"),), True),
    ("forced: no", "forced", (keda(force_activation="false"),), False),
    ("forced: not said", "forced", ({},), False),
    (
        "activation: the object's word first",
        "activation",
        (own(activation="desired"), own(activation="floor"), "floor"),
        "desired",
    ),
    ("activation: then the namespace's", "activation", ({}, own(activation="desired"), "floor"), "desired"),
    ("activation: then the process's", "activation", ({}, {}, "desired"), "desired"),
    (
        "activation: a wrong word is none",
        "activation",
        (own(activation="fast"), own(activation="desired"), "floor"),
        "desired",
    ),
    ("observe", "observed", (own(mode="observe"), {}, "act"), True),
    ("observe: the namespace", "observed", ({}, own(mode="observe"), "act"), True),
    ("observe: the process", "observed", ({}, {}, "observe"), True),
    ("observe: an object cannot say act", "observed", (own(mode="act"), {}, "observe"), True),
    ("observe: nor against its namespace", "observed", (own(mode="act"), own(mode="observe"), "act"), True),
    ("observe: nobody", "observed", (own(mode="act"), own(mode="act"), "act"), False),
    ("brake off", "brake_off", (own(brake="off"), {}), True),
    ("brake off: the namespace", "brake_off", ({}, own(brake="off")), True),
    ("brake off: the object's word first", "brake_off", (own(brake="on"), own(brake="off")), False),
    ("brake off: a wrong word is none", "brake_off", (own(brake="no"), own(brake="off")), True),
    ("brake on", "brake_off", ({}, {}), False),
    ("after-scale-in", "after_scale_in", (own(scale_to_zero="after-scale-in"),), True),
    ("jump", "after_scale_in", (own(scale_to_zero="jump"),), False),
    ("jump by default", "after_scale_in", ({},), False),
    ("respect", "respects_external_scale", (own(external_scale="respect"),), True),
    ("as KEDA", "respects_external_scale", (own(external_scale="keda"),), False),
    ("as KEDA by default", "respects_external_scale", ({},), False),
    # Problems, by their paths.
    (
        "all words are good",
        "problems",
        (
            own(
                activation="floor",
                brake="on",
                external_scale="keda",
                mode="act",
                on_error="hold=5m",
                processing_seconds="90",
                scale_to_zero="jump",
            ),
        ),
        [],
    ),
    (
        "so are the others",
        "problems",
        (
            own(
                activation="desired",
                brake="off",
                external_scale="respect",
                mode="observe",
                scale_to_zero="after-scale-in",
            ),
        ),
        [],
    ),
    *((f"wrong on-error: {word}", "problems", (own(on_error=word),), ["on-error"]) for word in sorted(WRONG)),
    *(
        (f"a wrong word: {name}", "problems", (own(**{name: "rocket"}),), [name.replace("_", "-")])
        for name in ("activation", "brake", "external_scale", "mode", "scale_to_zero", "processing_seconds")
    ),
    ("no number of seconds", "problems", (own(processing_seconds="٤"),), ["processing-seconds"]),
    ("not one of ours", "problems", (own(brakes="off"),), ["brakes"]),
    ("not one of ours, and a number", "problems", (own(brakes="5"),), ["brakes"]),
    ("KEDA's are not ours to judge", "problems", (keda(paused_replicas="x", paused="x"),), []),
    ("other people's neither", "problems", ({"example.com/mode": "x"},), []),
    (
        "a namespace's words",
        "namespace_problems",
        (own(activation="x", brake="x", mode="x", on_error="x", other="x"),),
        ["activation", "brake", "mode"],
    ),
    (
        "a namespace's good words",
        "namespace_problems",
        (own(activation="floor", brake="off", mode="observe"),),
        [],
    ),
    ("paused-replicas: none", "paused_replicas_problem", ({},), None),
    ("paused-replicas: a count", "paused_replicas_problem", (paused_replicas("4"),), None),
    ("paused-replicas: no count", "paused_replicas_problem", (paused_replicas("x"),), "paused-replicas"),
    ("paused-replicas: empty", "paused_replicas_problem", (paused_replicas(""),), "paused-replicas"),
]


def check(core, function, arguments, expected):
    answer = getattr(core.annotations, function)(*arguments)
    if function in {"pause", "on_error"}:
        answer = astuple(answer)
    elif function.endswith("problems"):
        answer = list(map(_told, answer))
    elif function == "paused_replicas_problem":
        answer = None if answer is None else _told(answer).removeprefix(KEDA)
    assert answer == expected


def _told(problem):
    """The annotation's name; a problem says what is wrong and the mend."""
    assert problem.problem
    assert problem.mend
    return problem.path.removeprefix("metadata.annotations.").removeprefix(OWN)


# Policies: the object's fields and annotations, and what the Policy says that is not its default.


def modifiers(**fields):
    return {"advanced": {"scalingModifiers": fields}}


NAMED = [
    {"type": "redis", "name": "a", "metadata": {"listName": "x"}},
    {"type": "redis", "metadata": {"listName": "y"}},
    {"type": "cpu", "name": "c", "metadata": {"value": "50"}},
    {"type": "memory", "name": "m", "metadata": {"value": "50"}},
    {"type": "redis", "name": "b", "metadata": {"listName": "z"}},
]
SUM = {
    "formula": "a + b",
    "target": 2500,
    "activation": 0.0,
    "metric_type": "AverageValue",
    "names": ("a", "b"),
}

POLICIES = [
    ("KEDA's defaults", {}, {}, {}),
    (
        "bounds and cooldowns",
        {
            "minReplicaCount": 3,
            "maxReplicaCount": 7,
            "idleReplicaCount": 1,
            "cooldownPeriod": 5,
            "initialCooldownPeriod": 9,
        },
        {},
        {"minimum": 3, "maximum": 7, "idle": 1, "cooldown": 5.0, "initial_cooldown": 9.0},
    ),
    (
        "zeros are said",
        {"cooldownPeriod": 0, "minReplicaCount": 1, "idleReplicaCount": 0},
        {},
        {"cooldown": 0.0, "minimum": 1, "idle": 0},
    ),
    (
        "fallback",
        {"fallback": {"failureThreshold": 2, "replicas": 6}},
        {},
        {"fallback": {"threshold": 2, "replicas": 6, "behavior": "static"}},
    ),
    (
        "fallback with a behavior",
        {"fallback": {"failureThreshold": 0, "replicas": 0, "behavior": "currentReplicasIfLower"}},
        {},
        {"fallback": {"threshold": 0, "replicas": 0, "behavior": "currentReplicasIfLower"}},
    ),
    ("a formula", {**modifiers(formula="a + b", target="2.5"), "triggers": NAMED}, {}, {"modifiers": SUM}),
    (
        "a formula with all its fields",
        {
            **modifiers(formula="a + b", target="2.5", activationTarget="1e1", metricType="Value"),
            "triggers": NAMED,
        },
        {},
        {"modifiers": {**SUM, "activation": 10.0, "metric_type": "Value"}},
    ),
    (
        "a target alone",
        {**modifiers(target="2.5"), "triggers": NAMED},
        {},
        {"modifiers": {**SUM, "formula": ""}},
    ),
    ("no target: no composite metric", {**modifiers(formula="a + b"), "triggers": NAMED}, {}, {}),
    ("a target of 0: none", {**modifiers(formula="a + b", target="0"), "triggers": NAMED}, {}, {}),
    ("a target without end: none", {**modifiers(formula="a + b", target="Inf"), "triggers": NAMED}, {}, {}),
    (
        "a target that is no number: none",
        {**modifiers(formula="a + b", target="x"), "triggers": NAMED},
        {},
        {},
    ),
    (
        "an activation that is no number: 0",
        {**modifiers(formula="a + b", target="2.5", activationTarget="x"), "triggers": NAMED},
        {},
        {"modifiers": SUM},
    ),
    (
        "paused",
        {},
        paused_replicas("4"),
        {"pause": {"full": True, "replicas": 4, "scale_in": False, "scale_out": False}},
    ),
    ("forced", {}, keda(force_activation="true"), {"forced": True}),
    ("on-error", {}, own(on_error="hold=5s"), {"on_error": {"kind": "hold", "seconds": 5.0}}),
    ("after-scale-in", {}, own(scale_to_zero="after-scale-in"), {"after_scale_in": True}),
    (
        "rates upwards",
        {
            "advanced": {
                "horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": {"selectPolicy": "Disabled"}}}
            }
        },
        {},
        {"scale_up": "Disabled"},
    ),
    (
        "rates downwards alone",
        {
            "advanced": {
                "horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}
            }
        },
        {},
        {},
    ),
]


def check_policy(core, scaled_object, expected):
    """`expected` as keyword arguments, nested ones as such; the rest must be the default."""
    found = core.policy_of(scaled_object, "desired")
    plain = dict(expected)
    select = plain.pop("scale_up", None)
    assert (found.scale_up.select if found.scale_up is not None else None) == select
    nested = {
        "pause": core.Pause,
        "fallback": core.Fallback,
        "on_error": core.OnError,
        "modifiers": core.Modifiers,
    }
    built = {name: nested[name](**value) if name in nested else value for name, value in plain.items()}
    assert found == core.Policy(**built, activation="desired", scale_up=found.scale_up)
