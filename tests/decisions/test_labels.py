"""Label selectors: apimachinery's grammar, its rules for keys and values, and what they match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalers._lib import labels

WEB = {"app": "web", "tier": "front", "weight": "5", "a.b/c": "", "in": "x"}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True), (" ", True), ("app", True), ("!app", False), ("! none", True), ("app=web", True),
        ("app==web", True), ("app = web , tier", True), ("app!=web", False), ("none!=x", True), ("app=", False),
        ("a.b/c=", True), ("a.b/c", True), ("a.b/c,app", True), ("app in (web)", True), ("app in(api,web)", True),
        ("app in ()", False), ("a.b/c in ()", True), ("a.b/c in (x,)", True), ("a.b/c in (,x)", True),
        ("app in (x,,y)", False), ("app notin (x)", True), ("none notin (x)", True), ("app notin (web)", False),
        ("weight>4", True), ("weight>5", False), ("weight<6,weight>4", True), ("none>1", False), ("app>1", False),
        ("weight > 04", True), ("app=in", False), ("app in (in,web)", True),
    ],
)  # fmt: skip
def test_matches(text, matches):
    assert labels.parse(text).matches(WEB) is matches


@pytest.mark.parametrize(
    "text",
    [
        ",", "app,", ",app", "app=web,", "app=web;tier=x", "app=we b", "app in (a", "app in a", "app in",
        "app in (a b)", "app in (a=b)", "app=(a)", "=web", "!", "!!app", "!app=web", "app===web", "app=!web",
        "app>", "app>x", "app>1.5", "app>-1", "app>9223372036854775808", "a b", "app notin", "-app", "app-", "app_=x",
        "a/b/c", "/a", "a/", "A.b/c", "a..b/c", "x" * 64, "a=" + "x" * 64, "a=-x", "a=x-", "a in (-x)", "a=ä", "ä",
        "a." * 126 + "ab/c", "a\u00a0=b",
    ],
)  # fmt: skip
def test_refused(text):
    with pytest.raises(ValueError, match=r"unable to parse requirement|is no label (key|value)"):
        labels.parse(text)


@given(
    st.text(alphabet="ab1 ,=!<>()in-_./", max_size=20),
    st.dictionaries(st.sampled_from("ab"), st.text("a1"), max_size=2),
)
def test_any_text_is_a_selector_or_a_sentence(text, having):
    try:
        found = labels.parse(text)
    except ValueError:
        return
    assert found.matches(having) in {True, False}
