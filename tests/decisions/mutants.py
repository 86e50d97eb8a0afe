"""Hand-made mutants: one wrong rule each, as a substitution in the source. Every one of them must die.

`DECISION` are mutants of scaler/core/decision.py, `FIRST_WRITE` of `first_write` in scaler/core/desired.py. A
mutant is (what is wrong, the text to replace, the text instead); the text must occur exactly once. Add one
whenever a bug or a review shows a rule that the tests would not have missed.
"""

import sys
import types
from contextlib import contextmanager
from pathlib import Path

from scaler.core import decision, desired

DECISION = [
    (
        "acts on work only when all triggers have it",
        "if working or (",
        "if len(working) == len(outcomes) or (",
    ),
    ("cpu alone is never active", "if working or (resources_only and not unknown):", "if working:"),
    ("any cpu trigger makes the object active", "bool(outcomes) and all(", "bool(outcomes) and any("),
    ("a broken cpu trigger is healthy", "or bool(self.reason))", "or False)"),
    ("a healthy cpu trigger is unknown", "(self.metric_type != RESOURCE or bool(self.reason))", "True"),
    ("not knowing is zero", "if unknown or not outcomes:", "if not outcomes:"),
    ("unknown only when all are", "if unknown or not outcomes:", "if len(unknown) == len(outcomes):"),
    ("nothing read is no work", "if unknown or not outcomes:", "if unknown:"),
    (
        "a failure hides the work of a sibling",
        "if working or (resources_only",
        "if (working and not unknown) or (resources_only",
    ),
    (
        "what failed is called inactive",
        "active=None)\n    return _without_work",
        "active=False)\n    return _without_work",
    ),
    (
        "activates at 1 again and again",
        "if replicas == 0 or (policy.idle",
        "if replicas <= 1 or (policy.idle",
    ),
    (
        "never leaves idle",
        "if replicas == 0 or (policy.idle is not None and replicas < policy.minimum):",
        "if replicas == 0:",
    ),
    (
        "takes the HPA's raise to the minimum",
        "policy.idle is not None and replicas < policy.minimum",
        "replicas < policy.minimum",
    ),
    ("activates at the minimum too", "and replicas < policy.minimum):", "and replicas <= policy.minimum):"),
    (
        "activates to 1 whatever the minimum",
        "to, reason = policy.floor, Reason.ACTIVATED",
        "to, reason = 1, Reason.ACTIVATED",
    ),
    (
        "activates to the maximum",
        "to, reason = policy.floor, Reason.ACTIVATED",
        "to, reason = policy.maximum, Reason.ACTIVATED",
    ),
    ("activates to the minimum, also to 0", "return self.minimum or 1", "return self.minimum"),
    (
        "takes the first jump uninvited",
        'if policy.activation == "desired":',
        'if policy.activation != "desired":',
    ),
    ("ignores the invitation to jump", 'if policy.activation == "desired":', "if False:"),
    ("work does not restart the cooldown", "last_active=now,", "last_active=None,"),
    (
        "names every trigger as the one with work",
        "for outcome in outcomes if outcome.active)",
        "for outcome in outcomes)",
    ),
    (
        "rest ignores the idle count",
        "return self.minimum if self.idle is None else self.idle",
        "return self.minimum",
    ),
    (
        "an idle count of 0 is none",
        "return self.minimum if self.idle is None else self.idle",
        "return self.idle or self.minimum",
    ),
    ("never raises to the minimum", "if replicas < rest:", "if replicas < 0:"),
    ("raises to 1 only", "to=rest)\n    if replicas == rest", "to=1)\n    if replicas == rest"),
    (
        "scales in above a minimum",
        "if replicas == rest or (policy.minimum > 0 and policy.idle is None):",
        "if replicas == rest:",
    ),
    ("never goes back to idle", "(policy.minimum > 0 and policy.idle is None)", "policy.minimum > 0"),
    ("no cooldown at all", "if now <= until:", "if False:"),
    ("never lets the cooldown end", "if now <= until:", "if True:"),
    ("goes down at the last moment of the cooldown", "if now <= until:", "if now < until:"),
    ("does not say until when", "waiting, until=until)", "waiting)"),
    ("goes to 0 past the idle count", '{replicas} to {rest}", to=rest)', '{replicas} to {rest}", to=0)'),
    ("goes down one by one", '{replicas} to {rest}", to=rest)', '{replicas} to {rest}", to=replicas - 1)'),
    (
        "the initial cooldown counts for ever",
        "_later(times.last_active, policy.cooldown)",
        "_later(times.last_active, policy.initial_cooldown)",
    ),
    (
        "the cooldown counts from creation",
        "_later(times.last_active, policy.cooldown)",
        "_later(times.created, policy.cooldown)",
    ),
    (
        "never active: the whole cooldown is added",
        "_later(times.created, policy.initial_cooldown)",
        "_later(times.created, policy.initial_cooldown + policy.cooldown)",
    ),
    ("forgets the last work while quiet", "last_active=times.last_active,", "last_active=None,"),
]

FIRST_WRITE = [
    (
        "rounds down",
        "needed = max(needed, replicas_for(usage, outcome.target))",
        "needed = max(needed, usage // outcome.target)",
    ),
    (
        "one more than needed",
        "replicas_for(usage, outcome.target))",
        "replicas_for(usage, outcome.target) + 1)",
    ),
    (
        "adds the triggers up",
        "needed = max(needed, replicas_for",
        "needed = max(needed, needed + replicas_for",
    ),
    (
        "the last trigger wins",
        "needed = max(needed, replicas_for(usage, outcome.target))",
        "needed = replicas_for(usage, outcome.target)",
    ),
    (
        "takes the target for whole units",
        "replicas_for(usage, outcome.target)",
        "replicas_for(usage, outcome.target * 1000)",
    ),
    ("counts Value metrics", 'outcome.metric_type == "AverageValue"', 'outcome.metric_type != "Resource"'),
    ("counts cpu and memory", 'outcome.metric_type == "AverageValue"', 'outcome.metric_type != "Value"'),
    (
        "counts only triggers with work",
        "and outcome.target > 0:",
        "and outcome.target > 0 and outcome.active:",
    ),
    ("counts targets that no HPA takes", "outcome.target > 0", "outcome.target != 0"),
    ("ignores the maximum", "min(needed, allowed, policy.maximum)", "min(needed, allowed)"),
    ("ignores the rates", "min(needed, allowed, policy.maximum)", "min(needed, policy.maximum)"),
    (
        "starts from 0 instead of the floor",
        "needed = policy.floor",
        "needed = 0",
    ),
    (
        "always asks for all that is allowed",
        "min(needed, allowed, policy.maximum)",
        "min(allowed, policy.maximum)",
    ),
    ("ignores a window upwards", "held = policy.scale_up.window > 0", "held = False"),
    ("a window holds even when it is 0", "held = policy.scale_up.window > 0", "held = True"),
    (
        "evaluates the rates from 1",
        "rates.most(policy.scale_up, policy.floor, (), 0.0)",
        "rates.most(policy.scale_up, 1, (), 0.0)",
    ),
    (
        "evaluates the rates from the maximum",
        "rates.most(policy.scale_up, policy.floor, (), 0.0)",
        "rates.most(policy.scale_up, policy.maximum, (), 0.0)",
    ),
]


@contextmanager
def mutant(of, old, new):
    """The decision module with one substitution, in it or in `desired` under it."""
    source = Path(of.__file__).read_text(encoding="utf-8")
    if source.count(old) != 1:
        raise LookupError(f"{of.__name__} holds {old!r} {source.count(old)} times: mend this mutant")
    changed = _module(of, source.replace(old, new))
    made = [changed]
    if of is desired:
        over = _module(decision, Path(decision.__file__).read_text(encoding="utf-8"))
        over.desired = changed
        made.append(over)
    try:
        yield made[-1]
    finally:
        for module in made:
            del sys.modules[module.__name__]


def _module(original, source):
    """Run a source under a name of its own; dataclasses look their module up by it."""
    module = types.ModuleType(f"{original.__name__}_mutant")
    sys.modules[module.__name__] = module
    exec(compile(source, original.__file__, "exec"), module.__dict__)  # noqa: S102 - our own source, changed by us
    return module
