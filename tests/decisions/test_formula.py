"""Formulas: worked examples, hostile input, and laws on random text, arithmetic, patterns and numbers as text."""

import math
import pickle
import re

import formula_table
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaler.core import formula
from scaler.core.expr.errors import MAX_DEPTH, MAX_ELEMENTS, MAX_LENGTH, MAX_NODES, MAX_STEPS, Budget
from scaler.core.expr.regexp import compiled as pattern
from scaler.core.expr.strings import text as written
from scaler.core.expr.strings import to_float

VALUES = formula_table.VALUES
DEEP = MAX_DEPTH * 4
BIG = settings(max_examples=400, deadline=None)


def refusal(text, names=("a", "b")):
    with pytest.raises(formula.FormulaError) as caught:
        formula.compile(text, names)
    return caught.value


@pytest.mark.parametrize(("text", "expected"), formula_table.EXAMPLES)
def test_comes_to(text, expected):
    found = formula.compile(text, VALUES).evaluate(VALUES)
    assert found == expected
    assert isinstance(found, float)


@pytest.mark.parametrize(("text", "values", "expected"), formula_table.AT_RUN)
def test_sees_a_trigger_whose_fallback_is_engaged_as_nil(text, values, expected):
    assert formula.compile(text, VALUES).evaluate({**VALUES, **values}) == expected


@pytest.mark.parametrize(("text", "values", "words"), formula_table.FAILS_AT_RUN)
def test_fails_on_the_values_of_the_moment(text, values, words):
    compiled = formula.compile(text, VALUES)
    with pytest.raises(formula.FormulaError, match=re.escape(words)):
        compiled.evaluate(values)


@pytest.mark.parametrize(("text", "words"), formula_table.REFUSED)
def test_is_refused_with_its_place_and_the_mend(text, words):
    assert words in str(refusal(text, VALUES))


def test_an_error_says_where_what_and_how_to_mend_it():
    error = refusal("a +\n zed")
    assert (error.line, error.column) == (2, 2)
    assert error.problem == "unknown name zed"
    assert error.mend == "the named triggers are: a, b"
    assert str(error) == "line 2, column 2: unknown name zed; the named triggers are: a, b"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own
    assert isinstance(error, ValueError)


def test_without_named_triggers_an_unknown_name_says_so():
    assert "give the triggers names" in refusal("a", ()).mend
    assert formula.compile("7.5", ()).evaluate({}) == 7.5


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a + 1", {"a"}),
        ("b > 0 ? a / b : 0", {"a", "b"}),
        ("1", set()),
        ('$env["my-queue"] + $env.a', {"my-queue", "a"}),
        ("len($env)", set(VALUES)),
        ('get($env, "a") ?? 1', set(VALUES)),
        ("map([1], # + a) | sum()", {"a"}),
        ('let x = b; x + len("a")', {"b"}),
        ("$env?.zed ?? 1", set()),
    ],
)
def test_knows_the_triggers_it_uses(text, names):
    assert formula.compile(text, VALUES).names == names


def test_is_a_value():
    one, same, other = (formula.compile(text, VALUES) for text in ("a ?? b", "a ?? b", "a"))
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    with pytest.raises(AttributeError):
        one.text = "b"
    copied = pickle.loads(pickle.dumps(one))  # noqa: S301 - our own
    assert copied == one
    assert copied.evaluate({"a": None, "b": None}) is None


def test_a_trigger_hides_the_function_of_its_name():
    assert formula.compile("max + 1", {"max"}).evaluate({"max": 2.0}) == 3
    assert formula.compile("::max(max, 5)", {"max"}).evaluate({"max": 2.0}) == 5
    assert "which cannot be called" in str(refusal("max(1, 2)", {"max"}))
    # KEDA puts every formula in float( ), so nothing works beside a trigger of that name.
    assert "which cannot be called" in str(refusal("float + 1", {"float"}))


def test_thousandths_are_cut():
    assert [formula.milli(each) for each in (2 / 3, -6 / 7, 0.0004, 1.0)] == [666, -857, 0, 1000]


@pytest.mark.parametrize(
    ("text", "target"),
    [("2", 2.0), ("2.5", 2.5), ("1e2", 100.0), ("1_000", 1000.0), ("+.5", 0.5), ("0x1p3", 8.0)],
)
def test_targets(text, target):
    assert formula.parse_target(text) == target
    assert math.isnan(formula.parse_target("NaN"))
    assert formula.parse_target("inf") == math.inf


@pytest.mark.parametrize(
    "text", ["", "x", "0", "-1", "-0", "500m", "0x10", "1e400", " 1", "1__0", "_1", "1e", "-inf"]
)
def test_bad_targets(text):
    with pytest.raises(ValueError, match=re.escape(repr(text))):
        formula.parse_target(text)


HOSTILE = [
    ("a" * (MAX_LENGTH + 1), "characters, more than"),
    ("+".join(["a"] * 20_000), "characters, more than"),
    ("+".join(["a"] * 4_000), "more than 5,000 parts"),
    ("(" * 4_000 + "a" + ")" * 4_000, "lie inside one another"),
    ("[" * 5_000, "lie inside one another"),
    ("-" * 9_000 + "a", "lie inside one another"),
    ("2**" * 3_000 + "2", "lie inside one another"),
    ("a?" * 3_000, "lie inside one another"),
    ("a?:" * 3_000 + "a", "lie inside one another"),
    ("let x=1;" * 1_000 + "x", "lie inside one another"),
    ("max(" * DEEP + "a" + ")" * DEEP, "lie inside one another"),
    ("map([1]," * DEEP + "#" + ")" * DEEP, "lie inside one another"),
    ("a" + "[0]" * 1_000, "lie inside one another"),
    ("a" + "?.x" * 1_000, "lie inside one another"),
    ("a" + "|max()" * 1_000, "lie inside one another"),
    ("(" * 60 + "true" + "?:b)" * 60, "bool is no number"),
    ("(" * 60 + "1<2" + "<3)" * 60, "'<' between bool and int"),
    ("[" + "[]," * 3_300 + "]", "the result is no number"),
    ("a?.b" * 2_000, "parts"),
    ("{" + "a:[]," * 1_200 + "}", "the result is no number"),
    ("`" * 4_001, "a text is not closed"),
    ("/*" * 4_000, "a comment is not closed"),
    ("'" + "\\\\" * 4_000, "a text is not closed"),
    ("len(1..1000000000)", "too much memory"),
    ("len(1..int(9.2e18))", "too much memory"),
    ("len(repeat('x', 1000000000))", "too much memory"),
    ("len(repeat('', 1000000000))", "too much memory"),
    ("len(replace(repeat('a', 1000), 'a', repeat('b', 10000)))", "too much memory"),
    ("len(join(map(1..1000, 'x'), repeat('x', 100000)))", "too much memory"),
    ("len(concat(1..600000, 1..600000))", "too much memory"),
    ("reduce(1..60, #acc + #acc, 'x')", "too much memory"),
    ("len(reduce(1..60, concat(#acc, #acc), [1]))", "too much memory"),
    ("len(string(reduce(1..40, [#acc, #acc], 1)))", "too much"),
    ("len(flatten(reduce(1..40, [#acc, #acc], 1)))", "steps"),
    ("max(reduce(1..40, [#acc, #acc], 1))", "steps"),
    ("reduce(1..40, [#acc, #acc], 1) == reduce(1..40, [#acc, #acc], 1) ? 1 : 0", "steps"),
    ("len(flatten(reduce(1..3000, [#acc], 1)))", "too deep"),
    ("len(string(reduce(1..3000, [#acc], 1)))", "too deep"),
    ("max(reduce(1..3000, [#acc], 1))", "too deep"),
    ("reduce(1..3000, [#acc], 1) == reduce(1..3000, [#acc], 1) ? 1 : 0", "too deep"),
    ("sum(map(1..1000, sum(map(1..1000, #))))", "steps"),
    ("sum(1..999999)", "steps"),
    ("len(uniq(1..999999))", "steps"),
    ("len(sort(reverse(1..400000)))", "steps"),
    ("1000000 in 1..999999 ? 1 : 0", "steps"),
    ("'" + "a" * 4_000 + "' matches '(a?){900}(a{900}){2}' ? 1 : 0", "states"),
    ("'" + "a" * 4_000 + "' matches '(a?){200}b' ? 1 : 0", "steps"),
    ("'a' matches '" + "(" * 3_000 + "' ? 1 : 0", "too many groups"),
    ("fromJSON('" + "[" * 4_000 + "')", "give it valid JSON"),
]


@pytest.mark.parametrize(("text", "words"), HOSTILE, ids=[text[:40] for text, _ in HOSTILE])
def test_hostile_input_is_refused(text, words):
    assert words in str(refusal(text))


def test_the_bounds_are_where_they_are_said_to_be():
    assert formula.compile("(" * 60 + "a" + ")" * 60, ["a"]).evaluate({"a": 1.0}) == 1
    assert formula.compile("a" + " + a" * 2_000, ["a"]).evaluate({"a": 1.0}) == 2_001
    assert formula.compile("a".ljust(MAX_LENGTH), ["a"]).evaluate({"a": 1.0}) == 1
    assert formula.compile(f"len(1..{MAX_ELEMENTS - 1})", []).evaluate({}) == MAX_ELEMENTS - 1
    assert f"more than {MAX_NODES:,} parts" in str(refusal("0" + "<0" * 2_500))


def test_a_budget_is_spent_to_the_last():
    budget = Budget()
    budget.step(MAX_STEPS)
    budget.grow(MAX_ELEMENTS - 1)
    with pytest.raises(Exception, match="steps"):
        budget.step()
    with pytest.raises(Exception, match="memory"):
        budget.grow(1)


def test_no_pattern_is_slow():
    assert not pattern("(a+)+$").found_in("a" * 300 + "!", Budget())
    assert not pattern("(a|aa)*b").found_in("a" * 300, Budget())


ALPHABET = (
    "a b c # . ?. ?? ? : ; , ( ) [ ] { } + - * / % ** ^ ! not in and or || && == != < > <= >= .. | = :: ##"
    " let if else nil true false 0 1 2.5 1e9 0x1F 'x' \"1\" `r` $env x #acc #index max( filter( map( sum( len("
    " reduce( sort( string( float( int( first( get( contains matches startsWith // /* */ \n \\ é \ud800"
)
WORDS = st.sampled_from(ALPHABET.split(" "))


@BIG
@given(st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=40))
def test_any_text_is_a_formula_or_a_formula_error(text):
    try:
        compiled = formula.compile(text, ("a", "b"))
        found = compiled.evaluate({"a": 3.0, "b": None})
    except formula.FormulaError as error:
        refused = error
    else:
        refused = None
        assert found is None or math.isfinite(found)
    if refused is not None and refused.line:
        lines = text.split("\n")
        assert refused.line <= len(lines)
        assert 1 <= refused.column <= len(lines[refused.line - 1]) + 1


def divided(left, right):
    """Go's division of floats."""
    if right:
        return left / right
    return (
        math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)
    )


def combined(pairs):
    """Expressions as (text, value), with parentheses around every part."""
    return st.one_of(
        pairs.map(lambda one: (f"-({one[0]})", -one[1])),
        pairs.map(lambda one: (f"({one[0]})", one[1])),
        st.tuples(pairs, pairs).map(lambda two: (f"({two[0][0]}) + ({two[1][0]})", two[0][1] + two[1][1])),
        st.tuples(pairs, pairs).map(lambda two: (f"({two[0][0]}) - ({two[1][0]})", two[0][1] - two[1][1])),
        st.tuples(pairs, pairs).map(lambda two: (f"({two[0][0]}) * ({two[1][0]})", two[0][1] * two[1][1])),
        st.tuples(pairs, pairs).map(
            lambda two: (f"({two[0][0]}) / ({two[1][0]})", divided(two[0][1], two[1][1]))
        ),
    )


LEAVES = st.sampled_from([("a", 6.5), ("b", -4.0), ("c", 0.0)]) | st.floats(0, 1e6).map(
    lambda x: (repr(x), x)
)


@BIG
@given(st.recursive(LEAVES, combined, max_leaves=12))
def test_arithmetic_agrees_with_floats(pair):
    text, expected = pair
    compiled = formula.compile(text, ("a", "b", "c"))
    try:
        found = compiled.evaluate({"a": 6.5, "b": -4.0, "c": 0.0})
    except formula.FormulaError:
        assert not abs(expected) * 1000 < 2**63
    else:
        assert found == expected


@BIG
@given(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(-(2**63) + 1, 2**63 - 1), st.sampled_from("+-*"))
def test_ints_wrap_around(left, right, sign):
    exact = {"+": left + right, "-": left - right, "*": left * right}[sign]
    wrapped = (exact + 2**63) % 2**64 - 2**63
    same = f"string({left} {sign} ({right})) == '{wrapped}' ? 1 : 0"
    assert formula.compile(same, ()).evaluate({}) == 1


@BIG
@given(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(-1000, 1000).filter(bool))
def test_the_rest_of_a_division_has_the_sign_of_the_first(left, right):
    text = f"string({left} % ({right})) == '{int(math.copysign(1, left)) * (abs(left) % abs(right))}' ? 1 : 0"
    assert formula.compile(text, ()).evaluate({}) == 1


@BIG
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_as_text_reads_back(value):
    text = written(value, Budget())
    assert to_float(text) == value
    exponent = "e" in text
    assert exponent == (value != 0 and not 1e-4 <= abs(value) < 1e21)
    assert "_" not in text


PIECES = st.sampled_from(
    ["a", "b", "ab", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", "(a|bc)", "(?:b|)", "^", "$", r"\."]
)
REPEATS = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,2}", "{1,}", "*?", "+?"])


@BIG
@given(st.lists(st.tuples(PIECES, REPEATS), max_size=5), st.text("abc1.", max_size=8))
def test_patterns_agree_with_re(pieces, text):
    joined = "".join(piece + (repeat if piece not in "^$" else "") for piece, repeat in pieces)
    # In Go $ is the very end, which re writes \Z.
    expected = re.search(joined.replace("$", r"\Z"), text) is not None
    assert pattern(joined).found_in(text, Budget()) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a)", "without its ("),
        ("(a", "not closed"),
        ("*a", "nothing for * to repeat"),
        ("a**", "one repetition after another"),
        ("a{2,1}", "a repetition that is no range"),
        ("a{9999}", "a repetition that is no range"),
        ("[a", "unfinished"),
        ("[b-a]", "a range of characters that is none"),
        ("a\\", "unfinished"),
        (r"\pL", r"\p in a pattern is part of expr, but not supported"),
        ("(?P<x>a)", "a group with (? in a pattern is part of expr"),
        ("[[:alpha:]]", "[: :] in a pattern is part of expr"),
        (r"a\Z", "which Go has not"),
    ],
)
def test_patterns_that_are_refused(text, words):
    with pytest.raises(Exception, match=re.escape(words)):
        pattern(text)


@pytest.mark.parametrize(
    ("text", "inside", "found"),
    [
        ("(?i)straSSE[x-z]", "STRASSEY", True),
        (r"\Aa\z", "a", True),
        (r"\Aa\z", "ba", False),
        (r"^\t[\]\-a]+$", "\t]-a", True),
        (r"\D\S\W", "a1-", True),
        (r"\D\S\W", "1 a", False),
        ("a{,2}", "a{,2}", True),
        ("x{", "x{", True),
        ("", "", True),
        (".", "\n", False),
        ("[^a]", "\n", True),
    ],
)
def test_patterns(text, inside, found):
    assert pattern(text).found_in(inside, Budget()) == found
