"""Hand-made mutants of the formula language: one wrong rule each. Every one must die of the worked examples.

A mutant is (module, what is wrong, the text to replace, the text instead); the text must occur exactly once.
"""

import importlib
import sys
import types
from contextlib import contextmanager
from pathlib import Path

import scaler.core

DOOR, HOUSE = "scaler.core.formula", "scaler.core.expr"

MUTANTS = [
    ("parser", "a power leans to the left", "binds if sign in _RIGHT else binds + 1", "binds + 1"),
    ("parser", "everything else leans to the right", "binds if sign in _RIGHT else binds + 1", "binds"),
    ("parser", "a sum binds like a product", '(30, ("+", "-"))', '(60, ("+", "-"))'),
    ("parser", "a range binds tighter than a sum", '(25, ("..",))', '(40, ("..",))'),
    ("parser", "and binds like or", '(15, ("and", "&&"))', '(10, ("and", "&&"))'),
    ("parser", "?? mixes with anything", 'if before == "??" and sign != "??":', "if False:"),
    ("parser", "not in is in", 'left = Unary(self.count(token.at), "not", left)', "pass"),
    ("parser", "a comparison has two sides", 'while self.at("operator", *_COMPARISONS):', "while False:"),
    ("parser", "a second expression is lost", "items[0] if len(items) == 1 else", "items[0] if True else"),
    ("terms", "a sign binds tighter than a power", '"-": 90', '"-": 110'),
    ("terms", "not binds tighter than a comparison", '"not": 50, "!": 50', '"not": 15, "!": 15'),
    (
        "terms",
        "a trigger does not hide a function",
        "hidden = hidden and name.value in self._names",
        "hidden = False",
    ),
    (
        "terms",
        "something may follow nil",
        "return Literal(self.count(token.at), _CONSTANTS[token.value])",
        "return self._postfix(Literal(self.count(token.at), _CONSTANTS[token.value]))",
    ),
    (
        "terms",
        "a chain ends at its first member",
        "if chained or optional else made",
        "if optional else made",
    ),
    ("terms", "# may stand anywhere", "if self._predicates and self.at(", "if self.at("),
    ("lexer", "comments hold no line breaks", "re.DOTALL)\n_RAW", "0)\n_RAW"),
    ("lexer", "a range is two numbers", 'and not source.startswith("..", end)', "and True"),
    ("lexer", "two backticks end a text", '.replace("``", "`")', ""),
    ("lexer", "a letter may follow a number", "if end < len(source) and _in_name(source[end]):", "if False:"),
    ("lexer", "octal escapes are hexadecimal", "8 if each is digits[-1] else 16", "16"),
    (
        "cursor",
        "a leading zero means octal",
        "base = _BASES.get(text[:2].lower(), 10)",
        "base = _BASES.get(text[:2].lower(), 8 if text[:1] == '0' and text.isdigit() and len(text) > 1 else 10)",
    ),
    ("cursor", "ints have 63 bits", "(1 << 63) - 1", "(1 << 62) - 1"),
    (
        "cursor",
        "the place of a word is not told",
        'raise Refusal(f"{token} where {wanted} belongs", token.at)',
        'raise Refusal(f"{token} where {wanted} belongs", 0)',
    ),
    ("types", "nil is assignable to numbers", 'return to.kind in {"any", "array", "map"}', "return True"),
    ("types", "a number is comparable with a text", "left.unknown\n", "True\n"),
    ("types", "ints and floats are not comparable", "or (left.number and right.number)", ""),
    (
        "types",
        "one known side is enough",
        "return any(_is(left, (kind,)) and _is(right, (kind,)) for kind in kinds)",
        "return any(_is(left, (kind,)) or _is(right, (kind,)) for kind in kinds)",
    ),
    ("operations", "% takes floats", '"%": (("int",), INT)', '"%": (("number",), INT)'),
    (
        "operations",
        "ranges of floats",
        '"..": (("int",), array_of(INT))',
        '"..": (("number",), array_of(INT))',
    ),
    (
        "operations",
        "a text may be in a text",
        'or (left.unknown and right.kind == "string")',
        'or right.kind == "string"',
    ),
    (
        "operations",
        "anything may be in an array",
        'right.kind == "array" and not comparable(left, right.held)',
        "False",
    ),
    (
        "checker",
        "a variable may hide a trigger",
        "taken = node.name in self._variables or node.name in self._names",
        "taken = node.name in self._variables",
    ),
    (
        "checker",
        "a variable outlives its let",
        "        del self._variables[node.name]\n        return found\n\n    def _array",
        "        return found\n\n    def _array",
    ),
    ("checker", "any condition will do", "if test != BOOL and not test.unknown:", "if False:"),
    ("checker", "predicates need not answer", "found != BOOL and not found.unknown:", "False:"),
    ("checker", "#index is everywhere", 'if node.name in {"map", "reduce"}:', "if True:"),
    ("checker", "$env has every name", "UNKNOWN if missing else", "UNKNOWN if True else"),
    ("checker", "a choice has the type of its first side", "if not assignable(yes, no):", "if False:"),
    (
        "signatures",
        "len of a number",
        '"len": _one("array map string", INT)',
        '"len": _one("array map string float", INT)',
    ),
    (
        "signatures",
        "bits of a float",
        '"bitand": _overloaded(INT, (INT, INT))',
        '"bitand": _overloaded(INT, (ANY, ANY))',
    ),
    ("signatures", "aggregates of texts", "if not each.number and each != DURATION:", "if False:"),
    ("values", "ints do not wrap", "return (value - _SMALLEST) % (1 << _BITS) + _SMALLEST", "return value"),
    (
        "values",
        "an int divided by an int is an int",
        "    if below:\n        return above / below",
        "    if below:\n        return float(above // below)",
    ),
    (
        "values",
        "infinity has no sign",
        "return math.copysign(math.inf, above) * math.copysign(1.0, below)",
        "return math.inf",
    ),
    ("values", "0 / 0 is infinite", "if above == 0 or math.isnan(above):", "if math.isnan(above):"),
    ("values", "the rest is never negative", "return -rest if left < 0 else rest", "return rest"),
    (
        "values",
        "a root of a negative number is infinite",
        "if base == 0 else math.nan",
        "if True else math.nan",
    ),
    (
        "values",
        "0 to a negative power is 0",
        "(math.copysign(math.inf, base) if odd else math.inf) if base == 0",
        "0.0 if base == 0",
    ),
    (
        "values",
        "ints are rounded",
        "return int(value) if fits else _SMALLEST",
        "return round(value) if fits else _SMALLEST",
    ),
    (
        "values",
        "NaN equals itself",
        'return compared("<=", left, right) and compared(">=", left, right)',
        'return not (compared("<", left, right) or compared(">", left, right))',
    ),
    (
        "values",
        "nil is 0",
        "raise _wrong(sign, left, right)\n\n    return calculate",
        "return floats(float(left or 0), float(right or 0))\n\n    return calculate",
    ),
    (
        "values",
        "arrays are equal if their ends are",
        "return len(left) == len(right) and all(",
        "return all(",
    ),
    ("numbers", "rounds half to even", "abs(whole) + (abs(value - whole) >= 0.5)", "abs(round(value))"),
    (
        "numbers",
        "rounds by adding a half",
        "return math.copysign(abs(whole) + (abs(value - whole) >= 0.5), value)",
        "return math.copysign(math.floor(abs(value) + 0.5), value)",
    ),
    (
        "numbers",
        "max is min",
        '"max": _extreme("max", less)',
        '"max": _extreme("max", lambda best, each: less(each, best))',
    ),
    (
        "numbers",
        "the mean of nothing is NaN",
        "return total / len(numbers) if numbers else 0.0",
        "return total / len(numbers) if numbers else math.nan",
    ),
    (
        "numbers",
        "the median is the upper one",
        "return (numbers[middle - 1] + numbers[middle]) / 2 if numbers else 0.0",
        "return numbers[middle] if numbers else 0.0",
    ),
    (
        "numbers",
        "max ignores nil",
        '            raise Refusal(f"{name} cannot take {kind(each)}", mend="give it numbers only")',
        "            pass",
    ),
    ("numbers", "bits do not end at 64", "return min(to_int(count), 64)", "return to_int(count) % 64"),
    ("strings", "texts of digits only are floats", "if _HEX.match(given):", "if False:"),
    (
        "strings",
        "exponents begin at 16 digits",
        "if not -4 <= shift - 1 < 21:",
        "if not -4 <= shift - 1 < 16:",
    ),
    (
        "strings",
        "ints with underscores are ints",
        r'_INTEGER = re.compile(r"[+-]?\d+\Z", re.ASCII)',
        r'_INTEGER = re.compile(r"[+-]?[\d_]+\Z", re.ASCII)',
    ),
    ("strings", "nil is written as null", '"<nil>"', '"null"'),
    (
        "functions",
        "positions count characters",
        "find(_text(given).encode(), _text(part).encode())",
        "find(_text(given).encode('latin-1'), _text(part).encode())",
    ),
    (
        "functions",
        "what is not there is an error",
        "return given[index] if 0 <= index < len(given) else None",
        "return given[index]",
    ),
    ("functions", "descending is ascending", 'reverse=order == "desc"', "reverse=False"),
    ("predicates", "one is any", "sum(1 for _ in run.fitting()) == 1", "sum(1 for _ in run.fitting()) >= 1"),
    ("predicates", "none is not all", '"none": lambda run: not any(', '"none": lambda run: not all('),
    (
        "predicates",
        "the last is the first",
        '"findLast": _first(backwards=True',
        '"findLast": _first(backwards=False',
    ),
    ("predicates", "reduce counts the first twice", "if item.index or first:", "if True:"),
    (
        "predicates",
        "reduce starts at 0",
        "total = first[0] if first else run.collection[0]",
        "total = first[0] if first else 0",
    ),
    (
        "evaluator",
        "both sides of or count",
        'if _boolean(left, f"the left side of {node.sign}") == decided:',
        "if False:",
    ),
    ("evaluator", "?? takes the right side of 0", "if left is None else left", "if not left else left"),
    ("evaluator", "a chain never ends", "if owner is None and node.optional:", "if False:"),
    (
        "evaluator",
        "no negative places",
        "if not -len(owner) <= index < len(owner):",
        "if not 0 <= index < len(owner):",
    ),
    ("evaluator", "of two equal keys the last counts", "found.setdefault(key, value)", "found[key] = value"),
    (
        "evaluator",
        "slices go beyond the end",
        "return min(max(bound + length * (bound < 0), 0), length)",
        "return bound + length",
    ),
    (
        "evaluator",
        "a range ends before its end",
        "return range(first, first + size)",
        "return range(first, max(first + size - 1, first))",
    ),
    (
        "evaluator",
        "a comparison compares with the first",
        "            left = right\n        return True",
        "        return True",
    ),
    ("duration", "minutes are cut", "found = whole + rest / unit", "found = float(whole)"),
    ("duration", "signs of durations are lost", "Duration(-total if negative else total)", "Duration(total)"),
    ("pattern", "a point takes a line break too", 'other != "\\n"', "True"),
    ("pattern", "case always counts", "self._fold = True", "pass"),
    (
        "regexp",
        "a pattern is found at the beginning only",
        "present | {self.start}",
        "present if at else {self.start}",
    ),
    ("regexp", "^ is anywhere", '"^": first', '"^": True'),
    ("regexp", "$ is anywhere", '"$": last', '"$": True'),
    ("", "nil is always a number", "if found is None and formula.cast == _CAST_UNLESS_NIL:", "if False:"),
    (
        "",
        "a formula without ?? may be nil",
        '_CAST_UNLESS_NIL if "??" in formula else _CAST',
        "_CAST_UNLESS_NIL",
    ),
    ("", "nothing is tried", "        _tried(made, names)\n", ""),
    ("", "tried with every trigger at 1", "_DRY = -1.0", "_DRY = 1.0"),
    ("", "infinity is a metric", "if found is not None and not abs(found) * 1000 < _LARGEST:", "if False:"),
    ("", "NaN is a metric", "not abs(found) * 1000 < _LARGEST", "abs(found) * 1000 >= _LARGEST"),
    (
        "",
        "a boolean is a number",
        "if isinstance(found, bool) or not isinstance(found, int | float):",
        "if not isinstance(found, int | float):",
    ),
    (
        "",
        "places count from the cast",
        "at = min(max((refusal.at or 0) - len(cast[0]), 0), len(formula))",
        "at = min(max((refusal.at or 0), 0), len(formula))",
    ),
    ("", "lines are not counted", 'line = formula.count("\\n", 0, at) + 1', "line = 1"),
]


@contextmanager
def mutant(of, old, new):
    """`scaler.core.formula` over a copy of all its modules, one of them with one substitution."""
    name = f"{HOUSE}.{of}" if of else DOOR
    path = Path(scaler.core.__file__).parent / f"{name.removeprefix('scaler.core.').replace('.', '/')}.py"
    source = path.read_text(encoding="utf-8")
    if source.count(old) != 1:
        raise LookupError(f"{name} holds {old!r} {source.count(old)} times: mend this mutant")
    kept = {each: module for each, module in sys.modules.items() if each.startswith((DOOR, HOUSE))}
    _forget()
    try:
        importlib.import_module(HOUSE)
        module = types.ModuleType(name)
        _known(name, module)
        exec(compile(source.replace(old, new), str(path), "exec"), module.__dict__)  # noqa: S102 - our own source, changed by us
        yield importlib.import_module(DOOR)
    finally:
        _forget()
        for each, module in sorted(kept.items()):
            _known(each, module)


def _known(name, module):
    """Importable by its name, and from its package."""
    sys.modules[name] = module
    package, _, last = name.rpartition(".")
    setattr(sys.modules[package], last, module)


def _forget():
    """As if no module of the formula language had been imported."""
    for each in sorted((each for each in sys.modules if each.startswith((DOOR, HOUSE))), reverse=True):
        del sys.modules[each]
        package, _, last = each.rpartition(".")
        if hasattr(sys.modules.get(package), last):
            delattr(sys.modules[package], last)
