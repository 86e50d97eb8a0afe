"""docs/scaledobject.md leaves nothing out: each field, word from a list, annotation and part of the status has its example.

What the examples say is executed by tests/e2e/test_scaledobject_page.py.
"""

import re

import pytest
import scaledobject_page as page
from scaledobject_stories import ACTS, CHECKS

from scaler.core import admission_ownership, annotations, hpa

SECTIONS = page.sections()
EXAMPLES = [example for section in SECTIONS for example in section.examples]
LABEL = hpa.OWNER_LABEL
OWN = [name for key, name in vars(annotations).items() if key.isupper() and not key.startswith("_")]
NAMES = [*OWN, hpa.EXCLUDED_LABELS, admission_ownership._TRANSFER]


def owner(path):
    """The section whose heading names the field, or the nearest one that it is inside of."""
    found = [
        (len(name), section)
        for section in SECTIONS
        for name in section.names
        if path == name or path.startswith((f"{name}.", f"{name}[]"))
    ]
    assert found, f"docs/scaledobject.md has no section for {path}"
    return max(found, key=lambda one: one[0])[1]


@pytest.mark.parametrize(("path", "words"), page.leaves("spec").items(), ids=str)
def test_every_field_of_spec_is_set_in_an_example_of_its_section_to_every_word_it_may_be(path, words):
    given = [value for example in owner(path).examples for value in page.written(example).get(path, ())]
    assert given, f"no example sets {path}"
    assert set(words) <= set(map(str, given)), f"{path}: not every word of {words} has an example"


@pytest.mark.parametrize("name", NAMES)
def test_every_annotation_is_set_in_an_example_of_its_section(name):
    assert any(name in page.written(example) for example in owner(name).examples)


def test_the_annotations_are_those_that_the_code_knows():
    assert len(OWN) == len(set(OWN)) > 10
    assert set(annotations._ON_OBJECTS) <= set(OWN)


@pytest.mark.parametrize(("name", "words"), annotations._WORDS.items(), ids=str)
def test_every_word_of_an_annotation_stands_in_its_section(name, words):
    text = owner(name).text
    assert [word for word in words if f"`{word}`" not in text] == []
    given = [value for example in owner(name).examples for value in page.written(example).get(name, ())]
    # The first is the default; `off` is what YAML takes for false.
    assert {"off" if word is False else word for word in given} & set(words[1:])


@pytest.mark.parametrize("path", page.leaves("status"))
def test_every_part_of_the_status_is_looked_at_in_an_example_of_its_section(path):
    said = "\n".join(example.said for example in owner(f"status.{path}").examples)
    kind, _, part = path.partition("[].")
    if kind == "conditions":
        looked = r'says "' if part == "message" else r"^(Ready|Active) (True|False) \w+"
    else:
        place = re.escape(path).replace(re.escape(".*"), r"\[[^]]+\]")
        looked = rf"^status {place} "
    assert re.search(looked, said, re.MULTILINE), f"no example looks at status.{path}"


def test_the_label_has_its_example():
    assert LABEL in owner(LABEL).examples[0].text


def test_every_section_has_an_example_and_names_what_there_is():
    known = {*page.leaves("spec"), *(f"status.{path}" for path in page.leaves("status")), *NAMES, LABEL}
    for section in SECTIONS:
        assert section.examples, f"{section.names} has no example"
        for name in section.names:
            inside = [one for one in known if one == name or one.startswith((f"{name}.", f"{name}[]"))]
            assert inside, f"{name} is no field"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_example_says_something_that_is_then_so(example):
    assert example.lines
    assert example.lines[-1].check, "what is done last has no consequence"


@pytest.mark.parametrize(("patterns", "check"), [(ACTS, False), (CHECKS, True)], ids=["acts", "checks"])
def test_every_kind_of_line_is_used(patterns, check):
    lines = [
        re.sub(r"^for \d+s ", "", line.text)
        for example in EXAMPLES
        for line in example.lines
        if line.check is check
    ]
    unused = [pattern for pattern in patterns if not any(re.fullmatch(pattern, line) for line in lines)]
    assert unused == []
    assert [line for line in lines if not any(re.fullmatch(pattern, line) for pattern in patterns)] == []
