"""GJSON paths: the examples of its documentation, and what real manifests write."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalers._lib.gjson import MISSING, compile_path
from scalers._lib.glob import wildcard

PEOPLE = {
    "name": {"first": "Tom", "last": "Anderson"},
    "age": 37,
    "children": ["Sara", "Alex", "Jack"],
    "fav.movie": "Deer Hunter",
    "friends": [
        {"first": "Dale", "last": "Murphy", "age": 44, "nets": ["ig", "fb", "tw"]},
        {"first": "Roger", "last": "Craig", "age": 68, "nets": ["fb", "tw"]},
        {"first": "Jane", "last": "Murphy", "age": 47, "nets": ["ig", "tw"]},
    ],
}
DALE, ROGER, JANE = PEOPLE["friends"]
TRUTHS = {
    "vals": [{"a": n, "b": b} for n, b in enumerate((True, False, "0", 0, "1", 1, "true", None, 0.5), 1)]
}
TRUTHS["vals"].append({"a": 10})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("name.last", "Anderson"),
        ("age", 37),
        ("children", PEOPLE["children"]),
        ("children.0", "Sara"),
        ("children.3", MISSING),
        ("children.first", MISSING),
        ("children.-1", MISSING),
        ("friends.1.first", "Roger"),
        ("child*.2", "Jack"),
        ("c?ildren.0", "Sara"),
        (r"fav\.movie", "Deer Hunter"),
        ("fav.movie", MISSING),
        ("children.#", 3),
        ("name.#", MISSING),
        ("friends.#.age", [44, 68, 47]),
        ("friends.#.absent", []),
        ('friends.#(last=="Murphy").first', "Dale"),
        ('friends.#(last=="Murphy")#.first', ["Dale", "Jane"]),
        ('friends.#(last=="Nobody").first', MISSING),
        ('friends.#(last=="Nobody")#', []),
        ("friends.#(age>45)#.last", ["Craig", "Murphy"]),
        ("friends.#(age>=44)#|#", 3),
        ("friends.#(age<45).first", "Dale"),
        ("friends.#(age!=44).first", "Roger"),
        ("friends.#(age<=44)#|#", 1),
        ('friends.#(first%"D*").last', "Murphy"),
        ('friends.#(first!%"D*").last', "Craig"),
        ('children.#(!%"*a*")', "Alex"),
        ('children.#(%"*a*")#', ["Sara", "Jack"]),
        ('friends.#(nets.#(=="fb"))#.first', ["Dale", "Roger"]),
        ('friends.#[last="Craig"].age', 68),
        ("friends.0.first", "Dale"),
        ("friends|0.first", "Dale"),
        ("friends.0|first", "Dale"),
        ("friends|0|first", "Dale"),
        ("friends|#", 3),
        ('friends.#(last="Murphy")#', [DALE, JANE]),
        ('friends.#(last="Murphy")#|first', MISSING),
        ('friends.#(last="Murphy")#.0', []),
        ('friends.#(last="Murphy")#|0', DALE),
        ('friends.#(last="Murphy")#.#', []),
        ('friends.#(last="Murphy")#|#', 2),
        ("friends.#.nets.#", [3, 2, 2]),
        ("children.@reverse.0", "Jack"),
        ("friends.@reverse.0.first", "Jane"),
        ("@this.age", 37),
        ("name.@keys.1", "last"),
        ("name.@values.1", "Anderson"),
        ("name.@reverse.*", "Anderson"),
        ("friends.#.nets|@flatten|#", 7),
        ("children.@flatten.#", 3),
        ("children.@keys.#", 3),
        ("age.@values.0", 37),
        ("absent.@this", MISSING),
        ("@type", MISSING),
        ("name.first.last", MISSING),
        ("", MISSING),
        ("name..last", MISSING),
        ("friends.#(first)#|#", 3),
        ("friends.#(absent)#|#", 0),
        ("friends.99999999999999999999", MISSING),
    ],
)
def test_paths(path, found):
    assert compile_path(path).get(PEOPLE) == found


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ("b==~true", [1, 5, 6, 7, 9]),
        ("b==~false", [2, 3, 4, 8, 10]),
        ("b==~null", [8, 10]),
        ("b==~*", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("b==~what", []),
        ("b==true", [1, 7]),
        ("b!=true", [2, 3, 4, 5, 6, 9]),
        ("b>false", [1, 7]),
        ("b==null", []),
        ("b==1", [5, 6]),
        ("b==x", []),
    ],
)
def test_queries_over_all_kinds_of_values(query, chosen):
    assert compile_path(f"vals.#({query})#.a").get(TRUTHS) == chosen


def test_names_that_look_like_syntax():
    odd = {"a.b": {"#": 1, "*": 2, "@type": 3, "c|d": 4}, "b[0]": 5, "@keys": 6, "x{y}": 7}
    paths = {
        r"a\.b.#": 1,
        r"a\.b.\*": 2,
        "a\\.b.@type": 3,
        r"a\.b.c\|d": 4,
        "b[0]": 5,
        r"\@keys": 6,
        "x{y}": 7,
    }
    assert {path: compile_path(path).get(odd) for path in paths} == paths


def test_a_string_that_holds_json():
    packed = {"body": '{"size": 7}', "broken": "{", "number": 5}
    assert compile_path("body.@fromstr.size").get(packed) == 7
    assert compile_path("broken.@fromstr").get(packed) is MISSING
    assert compile_path("number.@fromstr").get(packed) is MISSING


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("{a,b}", "multipaths"),
        ("x.[a,b].0", "multipaths"),
        ("!5", "literals"),
        ("..#", "JSON lines"),
        ("a.@join", "@join"),
        ('a.@pretty:{"sortKeys":true}', "@pretty with an argument"),
        ("a.#(b", "not closed"),
        ('a.#(b=="x)', "not closed"),
        ("a.#()", "says nothing"),
        ("a.#(b==)", "nothing after =="),
        (r'a.#(b=="\q")', "not quoted properly"),
        ("a.#(b)x", "after a query"),
        ("a" * 3000, "too long"),
        ("#(" * 30 + "a" + ")" * 30, "too deep"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(path, words):
    with pytest.raises(ValueError, match=words):
        compile_path(path)


@given(st.text(alphabet='ab.#()[]|\\*?@!{}"=<>%~0 ', max_size=40))
def test_no_path_breaks_it(path):
    try:
        compiled = compile_path(path)
    except ValueError:
        return
    compiled.get(PEOPLE)
    compiled.get([[1, {"a": "b"}], "a", None])


@given(st.text(alphabet="ab*?\\", max_size=8), st.text(alphabet="ab*", max_size=8))
def test_wildcards_are_those_of_a_slow_and_simple_matcher(pattern, text):
    def match(p, t):
        if not p:
            return not t
        if p[0] == "*":
            return match(p[1:], t) or (bool(t) and match(p, t[1:]))
        plain = p[1:2] or "\\" if p[0] == "\\" else p[0]
        rest = p[2:] if p[0] == "\\" else p[1:]
        return bool(t) and (t[0] == plain or p[0] == "?") and match(rest, t[1:])

    assert bool(wildcard(pattern).match(text)) is match(pattern, text)


def test_no_wildcard_takes_for_ever():
    started = time.process_time()
    assert not wildcard("*a" * 100 + "b").match("a" * 100_000)
    assert not wildcard("*" + "?a" * 100 + "*b").match("a" * 100_000)
    assert time.process_time() - started < 5
