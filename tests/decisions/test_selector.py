"""Selectors, and the samples they find in Prometheus' text format."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalers._lib.exposition import Absent, find
from scalers._lib.selector import parse

PAGE = """\
# HELP up Is it up? up{job="comment"} 9
# TYPE up gauge
up{job="a",instance="x:1"} 1
up{job="b",instance="y\\"q",note="a\\\\b\\nc"} 2 1700000000000
up_total 5
  indented{a="b",} 6\r
http_requests{code="200",path="/a,b}"} 3e2
http_requests{code="503"} 4 # {trace="x"} 1 2
nan NaN
infinite +Inf
tiny 1e-3
histogram_bucket{le="+Inf"} 8
broken{a="b" 1
worded{a="b"} one
last 7"""


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        ("up", 1),
        (' up { job = "b" } ', 2),
        ("up{job='b'}", 2),
        ("up{job=`b`}", 2),
        ('up{job="b",}', 2),
        ('up{job!="a"}', 2),
        ('up{job=~"a|c"}', 1),
        ('up{job!~"a|c"}', 2),
        ('up{instance=~"x.*"}', 1),
        ('up{instance=~"x"}', Absent),
        ('up{instance=~"^x.+$"}', 1),
        ('up{instance=~"(?:x|y):."}', 1),
        (r'up{instance=~"y\".*"}', 2),
        (r'up{note="a\\b\nc"}', 2),
        ('up{absent=""}', 1),
        ('up{absent!=""}', Absent),
        ('up{absent=~".+"}', Absent),
        ('up{absent!~".+"}', 1),
        ('{__name__="up",job="b"}', 2),
        ("up_total", 5),
        ("indented", 6),
        ('http_requests{code=~"5.."}', 4),
        ('http_requests{path="/a,b}"}', 300),
        ("tiny", 0.001),
        ('histogram_bucket{le="+Inf"}', 8),
        ("last", 7),
        ("las", Absent),
        ("comment", Absent),
    ],
)
def test_find(selector, value):
    if value is Absent:
        with pytest.raises(Absent):
            find(PAGE, parse(selector))
    else:
        assert find(PAGE, parse(selector)) == value


def test_numbers_that_are_none():
    assert math.isnan(find(PAGE, parse("nan")))
    assert find(PAGE, parse("infinite")) == math.inf


@pytest.mark.parametrize("name", ["broken", "worded"])
def test_malformed_lines_are_not_guessed_at(name):
    with pytest.raises(ValueError, match=f"the line '{name}") as caught:
        find(PAGE, parse(name))
    assert not isinstance(caught.value, Absent)


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("", "names no metric"),
        ('{job="a"}', "names no metric"),
        ("up{job}", "expected label"),
        ('up{job=="a"}', "expected label"),
        ('up{job="a"', "is no selector"),
        ("sum(up)", "is no selector"),
        ("up[5m]", "is no selector"),
        ('up{a="b" c="d"}', "expected a comma"),
        ('up{a=~"[ab]"}', "not supported"),
        ('up{a=~"a+"}', "not supported"),
        (r'up{a=~"\\d"}', "not supported"),
        ('up{a=~"(a"}', "unclosed"),
        ('up{a=~"a)"}', "unopened"),
        ('up{a=~"(a)*"}', "after a group"),
        ('up{a=~"a^b"}', "in the middle"),
        ('up{a=~"' + "(a|b)" * 9 + '"}', "more than 256 alternatives"),
        ('up{a=~"' + "(" * 30 + ")" * 30 + '"}', "groups in groups"),
    ],
)
def test_what_is_no_selector_here(selector, words):
    with pytest.raises(ValueError, match=words):
        parse(selector)


LABELS = st.dictionaries(
    st.from_regex(r"[a-z_]{1,5}", fullmatch=True).filter(lambda name: name != "__name__"),
    st.text(max_size=10),
    max_size=4,
)


@given(LABELS, st.integers(-1000, 1000))
def test_what_is_written_is_found(labels, number):
    def written(value):
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    clean = {name: value.replace("\r", "") for name, value in labels.items()}
    inner = ",".join(f'{name}="{written(value)}"' for name, value in clean.items())
    assert find(f"x{{{inner}}} {number}\n", parse(f"x{{{inner}}}")) == number


@given(st.text(alphabet='up{}="ab,~!|.*() \\\n', max_size=30))
def test_no_text_breaks_it(text):
    try:
        selector = parse(text)
    except ValueError:
        return
    try:
        find(PAGE + text, selector)
    except ValueError:
        return
