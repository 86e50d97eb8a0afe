"""YAML as Kubernetes' own tools read it; and texts that are made to break the reader."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scaler.yaml_text import YamlError, documents, dump


def read(text):
    """The one document of a text."""
    (document,) = documents(text)
    return document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("2026-01-05", "2026-01-05"),
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00Z"),
        ("1e3", 1000.0),
        ("1.e3", 1000.0),
        (".5", 0.5),
        ("-7", -7),
        ("+7", 7),
        ("007", 7),
        ("014", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("-0x1F", -31),
        ("0b11", 3),
        ("1_000", 1000),
        ("08", 8.0),
        ("0x", "0x"),
        ("1s", "1s"),
        ("1.2.3", "1.2.3"),
        ("y", True),
        ("Off", False),
        ("YES", True),
        ("yEs", "yEs"),
        ("nothing", "nothing"),
        ("~", None),
        ("", None),
        ("null", None),
        ("=", "="),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("!!int '1'", 1),
        ("!!bool on", True),
        ("[1, a]", [1, "a"]),
    ],
)
def test_scalars(text, value):
    found = read(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


def test_keys_become_text():
    assert read("1: a\ntrue: b\n1.5: c\n2026-01-05: d\n") == {
        "1": "a",
        "true": "b",
        "1.5": "c",
        "2026-01-05": "d",
    }


def test_anchors_and_merges():
    text = "a: &a {x: 1, y y: 2}\nb: *a\nc: {<<: *a, x: 3}\n"
    found = read(text)
    assert found["b"] == {"x": 1, "y y": 2}
    assert found["c"] == {"x": 3, "y y": 2}


def test_several_documents_and_those_before_a_fault():
    assert list(documents("a: 1\n---\n---\nb: 2\n")) == [{"a": 1}, None, {"b": 2}]
    assert list(documents("")) == []
    found = documents("a: 1\n---\nb: [\n")
    assert next(found) == {"a": 1}
    with pytest.raises(YamlError) as caught:
        next(found)
    assert caught.value.place == "line 4, column 1"


BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        ("[" * 100_000, "more than 100 levels of nesting", "line 1, column 101"),
        ("[" * 100_000 + "]" * 100_000, "more than 100 levels of nesting", "line 1, column 101"),
        ("{a: " * 200, "more than 100 levels of nesting", "line 1, column 401"),
        ("- " * 5_000 + "x", "more than 100 levels of nesting", "line 1, column 201"),
        ("&a [*a]", "an alias inside of what it stands for", ""),
        ("a: &a {b: {c: *a}}", "an alias inside of what it stands for", ""),
        (BOMB, "aliases that stand for more than 1000000 values", ""),
        ("a: !!python/object:os.system x", "could not determine a constructor", "line 1, column 4"),
        ("a: !!timestamp x", "could not determine a constructor", "line 1, column 4"),
        ("a: !!binary ==", "could not determine a constructor", "line 1, column 4"),
        ("a: !!set {b}", "could not determine a constructor", "line 1, column 4"),
        ("a: !mine x", "could not determine a constructor", "line 1, column 4"),
        ("a: !!int x", "invalid literal", ""),
        ("a: !!float x", "could not convert", ""),
        ("a: !!bool maybe", "'maybe' as a boolean", ""),
        (f"a: {'9' * 5000}", "a number of more than 100 digits", ""),
        ("a: 1e400", "a number that is too large", ""),
        ("? [a]\n: b", "found a key that is a list or a mapping", "line 1, column 3"),
        ("~: b", "a key that is nothing (null)", "line 1, column 1"),
        ("a: *nobody", "found undefined alias", "line 1, column 4"),
        ("a: b: c", "mapping values are not allowed", "line 1, column 5"),
        ("\x00", "control characters are not allowed", ""),
        (b"a: \xff", "invalid", ""),
        ("<<: 5", "expected a mapping", "line 1, column 5"),
    ],
)
def test_texts_that_are_refused(text, problem, place):
    with pytest.raises(YamlError) as caught:
        list(documents(text))
    assert problem in str(caught.value)
    assert caught.value.place == place
    assert len(str(caught.value)) < 200


words = st.one_of(
    st.text(),
    st.sampled_from(
        ["y", "N", "on", "1e3", "0o14", "08", "1_0", "12:30", "null", "~", "<<", "=", ".inf", "2026-01-05"]
    ),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(words, values, max_size=4), max_size=3))
@example([{"y": "n", "1": ["1e3", True, None]}])
def test_what_is_written_is_read_again(objects):
    assert list(documents(dump(objects))) == objects


pieces = st.sampled_from([
    *("a", ": ", "\n", "- ", "  ", "[", "]", "{", "}", ",", "&x ", "*x", "<<: ", "!!int ", "!", "'", '"', "|"),
    *(">", "---\n", "? ", "#", "%", "\t", "1e9", "\x00", "\u2028", "~"),
])  # fmt: skip


@settings(max_examples=400)
@given(st.lists(pieces, max_size=40).map("".join) | st.text() | st.binary())
def test_no_text_does_more_than_be_refused(text):
    try:
        found = list(documents(text))
    except YamlError:
        pass
    else:
        assert list(documents(dump(found))) == found
