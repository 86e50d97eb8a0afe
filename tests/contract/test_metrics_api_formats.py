"""The number in an answer: JSON, YAML, XML and Prometheus' text, from servers that mean well and others."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalers.metrics_api import formats, yaml_tree
from scalers.sdk import InvalidMetadata, NoData, ScalerError

JSON = (
    b'{"n": 5, "f": 2.5, "q": "1500m", "ki": "2Ki", "t": true, "no": false, "nul": null, "o": {}, "l": [1, "x"],'
    b' "s": "many", "nan": "NaN", "big": 1e300, "long": 123456789012345678901234567890}'
)
YAML = b"""\
n: 5
f: 2.5
q: 1500m
quoted: "7"
single: '2Ki'
t: true
quoted_t: "true"
nul:
tilde: ~
word: many
nan: .nan
under: 1_000
hex: 0x1F
octal: 0o17
old: 017
nine: 089
exp: 1e3
negative: -3
list: [1, {size: 4}, [9]]
map: {a: {b: 6}}
anchor: &a {x: 8, y: 1}
alias: *a
merged: {<<: *a, y: 2}
merges: {<<: [{x: 10}, {x: 11, z: 12}]}
doubled: 1
doubled: 2
dotted.key: 3
? [1, 2]
: 4
"""
XML = b"""<?xml version="1.0"?>
<queues xmlns="urn:x" xmlns:y="urn:y" total="9">
  <queue name="a" size="3"><size> 5 </size></queue>
  <queue name="b"><size>1500m</size><y:depth>6</y:depth></queue>
  <queues><inner>8</inner></queues>
  <word>many</word><empty/>
</queues>"""


def number(form, content, location):
    return formats.number(form, content if isinstance(content, bytes) else content.encode(), location)


@pytest.mark.parametrize(
    ("form", "content", "location", "value"),
    [
        ("json", JSON, "n", 5),
        ("json", JSON, "f", 2.5),
        ("json", JSON, "q", 1.5),
        ("json", JSON, "ki", 2048),
        ("json", JSON, "l.0", 1),
        ("json", JSON, "l.#", 2),
        ("json", JSON, "big", 1e300),
        ("json", JSON, "long", 123456789012345678901234567890.0),
        ("json", b"7", "@this", 7),
        ("json", b'[{"name":"x","count":3}]', '#(name=="x").count', 3),
        ("yaml", YAML, "n", 5),
        ("yaml", YAML, "f", 2.5),
        ("yaml", YAML, "q", 1.5),
        ("yaml", YAML, "quoted", 7),
        ("yaml", YAML, "single", 2048),
        ("yaml", YAML, "under", 1000),
        ("yaml", YAML, "hex", 31),
        ("yaml", YAML, "octal", 15),
        ("yaml", YAML, "old", 15),
        ("yaml", YAML, "exp", 1000),
        ("yaml", YAML, "negative", -3),
        ("yaml", YAML, "list.0", 1),
        ("yaml", YAML, "list.1.size", 4),
        ("yaml", YAML, "list.2.0", 9),
        ("yaml", YAML, "map.a.b", 6),
        ("yaml", YAML, "alias.x", 8),
        ("yaml", YAML, "merged.x", 8),
        ("yaml", YAML, "merged.y", 2),
        ("yaml", YAML, "merges.x", 10),
        ("yaml", YAML, "merges.z", 12),
        ("yaml", YAML, "doubled", 2),
        ("yaml", b"- 4\n- 5\n", "1", 5),
        ("yaml", b"a: 1\n---\na: 2\n", "a", 1),
        ("yaml", b'{"json": {"too": [7]}}', "json.too.0", 7),
        ("xml", XML, "queue.size", 5),
        ("xml", XML, "queues.queue.size", 5),
        ("xml", XML, "queue.1.size", 1.5),
        ("xml", XML, "queue.1.depth", 6),
        ("xml", XML, "queue.@size", 3),
        ("xml", XML, "@total", 9),
        ("xml", XML, "queues.@total", 9),
        ("xml", XML, "queues.inner", 8),
        ("xml", XML, "queues.queues.inner", 8),
        ("xml", b"<size>7</size>", "size", 7),
        ("xml", "<größe>7</größe>", "größe", 7),
        ("prometheus", b'# TYPE a gauge\r\na 1\r\na{b="c"} 2', 'a{b="c"}', 2),
        ("prometheus", b"a 1", "a", 1),
    ],
)  # fmt: skip
def test_numbers(form, content, location, value):
    assert number(form, content, location) == value


@pytest.mark.parametrize(
    ("form", "content", "location", "words"),
    [
        ("json", JSON, "absent", "got Null"),
        ("json", JSON, "nul", "got Null"),
        ("json", JSON, "t", "got True"),
        ("json", JSON, "no", "got False"),
        ("json", JSON, "o", "got JSON"),
        ("json", JSON, "l", "got JSON"),
        ("json", JSON, "s", "not parseable as a Quantity"),
        ("json", JSON, "nan", "not parseable as a Quantity"),
        ("json", b'{"n": NaN}', "n", "no JSON"),
        ("json", b'{"n": ' + b"9" * 400 + b"}", "n", "number without end|no JSON"),
        ("json", b"<html>", "n", "no JSON"),
        ("json", b"", "n", "no JSON"),
        ("json", b"[" * 100_000, "n", "no JSON"),
        ("json", b'{"n": "\xff"}', "n", "no JSON|no text"),
        ("yaml", YAML, "absent", "key 'absent' not found in path 'absent'"),
        ("yaml", YAML, "map.absent", "key 'absent' not found"),
        ("yaml", YAML, "n.more", "key 'more' not found"),
        ("yaml", YAML, "list.9", "key '9' not found"),
        ("yaml", YAML, "list.size", "key 'size' not found"),
        ("yaml", YAML, "map.a", "does not lead to a value"),
        ("yaml", YAML, "list", "does not lead to a value"),
        ("yaml", YAML, "dotted.key", "key 'dotted' not found"),
        ("yaml", YAML, "t", "points to a boolean"),
        ("yaml", YAML, "quoted_t", "not parseable as a Quantity"),
        ("yaml", YAML, "nul", "points to null"),
        ("yaml", YAML, "tilde", "points to null"),
        ("yaml", YAML, "nan", "no finite number"),
        ("yaml", YAML, "word", "not parseable as a Quantity"),
        ("yaml", YAML, "nine", "points to no number"),
        ("yaml", b"", "a", "key 'a' not found"),
        ("yaml", b"{a: [", "a", "no YAML that is read"),
        ("yaml", b"a: *b", "a", "an alias of nothing"),
        ("yaml", b"a: \xff", "a", "no text in UTF-8"),
        ("yaml", b"a: " + b"9" * 5000, "a", "points to no number"),
        ("xml", XML, "absent", "does not lead to a value"),
        ("xml", XML, "queue", "does not lead to a value"),
        ("xml", XML, "queue.5.size", "does not lead to a value"),
        ("xml", XML, "queue.@absent", "does not lead to a value"),
        ("xml", XML, "queue.@size.more", "does not lead to a value"),
        ("xml", XML, "empty", "does not lead to a value"),
        ("xml", XML, "word", "not parseable as a Quantity"),
        ("xml", b"<a>", "a", "no XML that is read"),
        ("xml", b"", "a", "no XML that is read"),
        ("xml", b'{"a": 1}', "a", "no XML that is read"),
        ("prometheus", b"a 1", "b", "metric 'b' not found"),
        ("prometheus", b"a 1", 'a{b="c"}', "no sample of metric 'a'"),
        ("prometheus", b"a x", "a", "has no number"),
        ("prometheus", b"a \xff", "a", "no text in UTF-8"),
    ],
)
def test_what_is_no_number(form, content, location, words):
    with pytest.raises(NoData, match=words) as caught:
        number(form, content, location)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("form", "location"), [("json", "a.@join"), ("json", "#(a"), ("prometheus", "a{b")])
def test_a_location_that_cannot_work(form, location):
    assert formats.problem(form, location)
    with pytest.raises(InvalidMetadata, match=r"metadata\.valueLocation"):
        number(form, b"", location)


class TestHostileDocuments:
    """None of them may crash the process, hold it up, or fill its memory."""

    @pytest.fixture(autouse=True)
    def _in_time(self):
        started = time.process_time()
        yield
        assert time.process_time() - started < 10

    def refused(self, form, content, location="a"):
        with pytest.raises(ScalerError) as caught:
            number(form, content, location)
        return str(caught.value)

    @pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "a:\n "])
    def test_yaml_without_bottom(self, opening):
        assert "levels deep" in self.refused("yaml", opening * 50_000) or opening == "a:\n "

    def test_yaml_that_laughs_a_billion_times(self):
        lines = ["a: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
        lines.append("size: 7")
        assert number("yaml", "\n".join(lines), "size") == 7
        self.refused("yaml", "\n".join(lines), "a29")

    def test_yaml_that_merges_a_billion_times(self):
        lines = ["m0: &m0 {x: 1}"]
        lines += [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 30)]
        self.refused("yaml", "\n".join(lines), "m29.absent")

    def test_yaml_within_itself(self):
        assert number("yaml", "a: &a {b: *a, n: 7}", "a.b.b.b.n") == 7
        self.refused("yaml", "a: &a {<<: *a}", "a.b")

    def test_yaml_does_not_make_objects(self):
        self.refused("yaml", "a: !!python/object/apply:os.system [id]")
        assert number("yaml", "a: !!python/name:os.system 7", "a") == 7

    @pytest.mark.parametrize(
        "declaration",
        [
            '<!ENTITY a "1"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">',
            '<!ENTITY a SYSTEM "file:///etc/passwd">',
            '<!ENTITY a SYSTEM "http://169.254.169.254/">',
            '<!ENTITY % a SYSTEM "http://169.254.169.254/"> %a;',
            "",
        ],
    )
    def test_xml_that_declares_entities(self, declaration):
        text = self.refused("xml", f"<!DOCTYPE r [{declaration}]><r><a>&a;</a></r>")
        assert "document type declaration" in text

    def test_xml_with_a_document_type_elsewhere(self):
        assert "document type" in self.refused(
            "xml", '<!DOCTYPE r SYSTEM "http://169.254.169.254/"><r><a>1</a></r>'
        )

    def test_xml_without_bottom(self):
        self.refused("xml", "<a>" * 300_000)
        self.refused("xml", "<a>" * 300_000 + "</a>" * 300_000)

    def test_json_without_bottom(self):
        self.refused("json", '{"a":' * 300_000)

    def test_a_text_without_end(self):
        self.refused("prometheus", 'a{b="' + "x" * 5_000_000)
        self.refused("prometheus", "a" * 5_000_000)
        self.refused("prometheus", "a{" * 2_000_000)
        self.refused("json", '{"a": "' + "9" * 3_000_000 + '"}')

    @given(st.text(alphabet="ab:-[]{}&*!? \n<'\"#|>%@,~.0", max_size=60))
    def test_any_yaml(self, text):
        try:
            yaml_tree.parse(text)
        except ValueError:
            return

    @given(st.binary(max_size=60), st.sampled_from(sorted(formats.FORMATS)), st.text(min_size=1, max_size=20))
    def test_any_bytes(self, content, form, location):
        try:
            assert isinstance(number(form, content, location), float)
        except ScalerError:
            return
