"""Decisions to be recorded and replayed, each of which hangs on something that a record could lose."""

import json
from datetime import timedelta

from judgement_table import by_formula, fallback, lost, named, on_error
from worlds import CREATED, NOW, failing, outcome, policy


def given(about, outcomes, replicas=3, *, ready=None, restraint=None, last_active=None):
    """A maker of `Given`, for the real core or a mutant."""

    def make(core):
        return core.Given(
            policy=policy(core, **about),
            outcomes=tuple(core.Outcome(**each) for each in outcomes),
            replicas=replicas,
            times=core.Times(CREATED, last_active),
            now=NOW,
            ready=ready,
            restraint=core.Restraint(**restraint or {}),
        )

    return make


LATER = NOW + timedelta(seconds=60, microseconds=1)
RECORDED = [
    ("at rest", given({}, [outcome()], 0)),
    ("cooling down", given({"cooldown": 30.5}, [outcome()], last_active=NOW)),
    ("braked", given({}, [outcome()], restraint={"not_before": LATER, "braked": True})),
    ("no budget", given({}, [outcome(active=True)], 0, restraint={"awaits_budget": True})),
    (
        "back to the floor",
        given({"activation": "desired"}, [outcome(active=True)], 0, restraint={"to_floor": True}),
    ),
    ("paused", given({"pause": {"full": True, "replicas": 9}}, [])),
    ("scale-in paused", given({"pause": {"scale_in": True}}, [outcome()])),
    ("forced", given({"forced": True}, [outcome()], 0)),
    ("after-scale-in", given({"after_scale_in": True}, [outcome()])),
    ("fallback", given(fallback(4), [failing()], 0)),
    ("fallback of a Value, by ready pods", given(fallback(6), [failing(metric_type="Value")], 5, ready=3)),
    ("fallback of a Value, none ready", given(fallback(6), [failing(metric_type="Value")], 5, ready=0)),
    ("ignored", given(on_error("ignore"), [outcome(), failing(1)])),
    ("last known", given(on_error("last-known", 60), [outcome(), failing(1, ago=1, last=0.5)])),
    ("held no longer", given(on_error("hold", 59.9), [outcome(), failing(1)])),
    (
        "a formula",
        given(
            by_formula("a * 0.1 + (b ?? 3)", "a", "b", **fallback(4, "scalingModifiers")),
            [named(0, "a", active=True), lost(1, "b")],
        ),
    ),
]


def check_record(core, make):
    """Through JSON it decides the same; and what is lost from it would be decided otherwise."""
    made = make(core)
    decided = made.decide()
    direct = core.decide(
        made.policy,
        made.outcomes,
        made.replicas,
        made.times,
        made.now,
        ready=made.ready,
        restraint=made.restraint,
    )
    assert decided == direct
    line = json.loads(json.dumps(core.to_record(made, decided)))
    assert core.given(line) == made
    assert core.recorded(line) == decided
    assert core.replay(line) == decided
