"""Recorded behaviour of KEDA: what formulas come to, and at which stage they are refused.

Compared: `value` and `milli`, or the error's `stage`: `validate` is what the object's checks refuse, `run`
fails on the values of the moment.
"""

from scaler.core import formula


def outcome(given):
    """What ours makes of a record's input, in the record's form."""
    try:
        target = formula.parse_target(given["target"])
        compiled = formula.compile(given["formula"], given["triggers"])
    except ValueError:
        return {"error": "validate"}
    try:
        value = compiled.evaluate(given["triggers"])
    except formula.FormulaError:
        return {"error": "run"}
    if value is None:
        # Nil stands for what the fallback asks for (facts 3.6).
        value = given["fallback"]["replicas"] * target
    milli = formula.milli(value)
    return {"milli": milli, "value": milli / 1000}


def test_formulas(case):
    recorded = case.output
    if "error" in recorded:
        assert outcome(case.input) == {"error": recorded["error"]["stage"]}
    else:
        assert outcome(case.input) == {"milli": recorded["milli"], "value": recorded["value"]}
