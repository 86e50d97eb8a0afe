"""Merge, JSON and strategic merge patches, and server-side apply, as functions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.local.apply import apply, track_update
from scaler.local.errors import ApiError
from scaler.local.fields import paths_of, to_tree
from scaler.local.patch import json_patch, merge
from scaler.local.shapes import BuiltinShape, shape_of
from scaler.local.store import clone
from scaler.local.strategic import strategic

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
KEYS = st.sampled_from("abc")
JSON = st.recursive(
    SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=3)
)
OBJECTS = st.dictionaries(KEYS, JSON, max_size=3)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c"], ["c"]),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396(target, patch, result):
    assert merge(target, patch) == result


@given(OBJECTS, OBJECTS)
def test_merging_never_alters_its_arguments_and_settles(target, patch):
    before = clone(target), clone(patch)
    once = merge(target, patch)
    assert (target, patch) == before
    assert merge(once, patch) == once


@pytest.mark.parametrize(
    ("document", "steps", "result"),
    [
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1]}),
        ({"a": [1, 2]}, [{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/b"}], {"b": 1}),
        ({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": 1, "b": 1}),
        ({"a/b": 1, "c~d": 2}, [{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/c~0d"}], {}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
        ({"a": [1]}, [{"op": "test", "path": "/a", "value": [1]}], {"a": [1]}),
        ({"a": 1}, [], {"a": 1}),
    ],
)
def test_json_patch(document, steps, result):
    before = clone(document)
    assert json_patch(document, steps) == result
    assert document == before


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ([{"op": "test", "path": "/a", "value": 2}], 422),
        ([{"op": "remove", "path": "/b"}], 422),
        ([{"op": "replace", "path": "/b", "value": 1}], 422),
        ([{"op": "add", "path": "/b/c", "value": 1}], 422),
        ([{"op": "remove", "path": "/l/7"}], 422),
        ([{"op": "remove", "path": "/l/x"}], 422),
        ([{"op": "add", "path": "/a"}], 400),
        ([{"op": "shuffle", "path": "/a"}], 400),
        ([{"op": "add", "path": "a", "value": 1}], 400),
        ({"op": "add"}, 400),
        (["add"], 400),
    ],
)
def test_json_patches_that_fail(steps, code):
    with pytest.raises(ApiError) as caught:
        json_patch({"a": 1, "l": [1]}, steps)
    assert caught.value.code == code


def pod(*containers, **spec):
    return {"spec": {"containers": list(containers), **spec}}


A, B = {"name": "a", "image": "1"}, {"name": "b", "image": "2"}


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        (pod({"name": "a", "image": "9"}), pod({"name": "a", "image": "9"}, B)),
        (pod({"name": "c"}), pod(A, B, {"name": "c"})),
        (pod({"name": "a", "$patch": "delete"}), pod(B)),
        (pod({"name": "c"}, {"$patch": "replace"}), pod({"name": "c"})),
        ({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}, pod(B, A)),
        ({"spec": {"$retainKeys": ["x"], "x": 1}}, {"spec": {"x": 1}}),
        ({"spec": {"$patch": "replace", "x": 1}}, {"spec": {"x": 1}}),
        ({"spec": {"$patch": "delete"}}, {"spec": {}}),
        ({"spec": None}, {}),
        ({"spec": {"args": ["x"]}}, pod(A, B, args=["x"])),
    ],
)
def test_strategic_merge(patch, result):
    before = pod(A, B)
    assert strategic(before, patch, BuiltinShape()) == result
    assert before == pod(A, B)


def test_strategic_merge_of_sets_and_environment():
    live = {"metadata": {"finalizers": ["a", "b"]}, **pod({**A, "env": [{"name": "X", "value": "1"}]})}
    patch = {
        "metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]},
        **pod({"name": "a", "env": [{"name": "Y", "value": "2"}]}),
    }
    result = strategic(live, patch, BuiltinShape())
    assert sorted(result["metadata"]["finalizers"]) == ["b", "c"]
    assert [each["name"] for each in result["spec"]["containers"][0]["env"]] == ["X", "Y"]


def test_a_strategic_merge_without_the_key_is_refused():
    with pytest.raises(ApiError, match="merge key: name"):
        strategic(pod(A), pod({"image": "9"}), BuiltinShape())
    with pytest.raises(ApiError, match="merge, replace or delete"):
        strategic(pod(A), {"spec": {"$patch": "mangle"}}, BuiltinShape())


SCHEMA = {
    "properties": {
        "spec": {
            "properties": {
                "ports": {
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"properties": {"port": {}}},
                },
                "tags": {"x-kubernetes-list-type": "set"},
                "whole": {"x-kubernetes-map-type": "atomic"},
            }
        }
    }
}
SHAPE = shape_of(SCHEMA)


def thing(**spec):
    return {"apiVersion": "v1", "kind": "T", "metadata": {"name": "t"}, "spec": spec}


def applied(live, manager, *, force=False, **spec):
    return apply(live, thing(**spec), manager, "2026-01-01T00:00:00Z", shape=SHAPE, force=force)


def test_what_an_applier_owns():
    obj = applied(None, "one", a=1, ports=[{"name": "x", "port": 1}], tags=["t"], whole={"k": 1}, empty={})
    (entry,) = obj["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("one", "Apply")
    assert entry["fieldsV1"]["f:spec"] == {
        "f:a": {},
        "f:empty": {},
        "f:ports": {'k:{"name":"x"}': {".": {}, "f:name": {}, "f:port": {}}},
        "f:tags": {'v:"t"': {}},
        "f:whole": {},
    }


def test_what_is_no_longer_applied_goes():
    live = applied(None, "one", a=1, b=2, ports=[{"name": "x", "port": 1}, {"name": "y"}], tags=["t", "u"])
    live = applied(live, "one", a=1, ports=[{"name": "y"}], tags=["u"])
    assert live["spec"] == {"a": 1, "ports": [{"name": "y"}], "tags": ["u"]}


def test_an_element_others_own_a_part_of_keeps_its_key():
    live = applied(None, "one", ports=[{"name": "x", "port": 1}])
    live = applied(live, "two", ports=[{"name": "x", "note": "n"}])
    live = applied(live, "one", a=1)
    assert live["spec"] == {"a": 1, "ports": [{"name": "x", "note": "n"}]}
    assert applied(live, "two", b=1)["spec"] == {"a": 1, "b": 1}


def test_what_another_still_applies_stays():
    live = applied(None, "one", a=1, tags=["t"])
    live = applied(live, "two", a=1, b=2, tags=["t"])
    live = applied(live, "one", c=3)
    assert live["spec"] == {"a": 1, "b": 2, "c": 3, "tags": ["t"]}


def test_a_conflict_names_every_field_and_force_takes_them():
    live = applied(None, "one", a=1, b=1, ports=[{"name": "x", "port": 1}])
    with pytest.raises(ApiError) as caught:
        applied(live, "two", a=2, ports=[{"name": "x", "port": 2}])
    assert caught.value.code == 409
    assert {cause["field"] for cause in caught.value.details["causes"]} == {
        ".spec.a",
        '.spec.ports[name="x"].port',
    }
    assert caught.value.message.startswith('Apply failed with 2 conflicts: conflicts with "one":\n- ')
    forced = applied(live, "two", force=True, a=2)
    assert forced["spec"] == {"a": 2, "b": 1, "ports": [{"name": "x", "port": 1}]}
    forced = applied(forced, "one", b=1)
    assert forced["spec"]["a"] == 2, "its former owner has lost it"


def test_an_object_from_before_belongs_to_before_first_apply():
    live = thing(a=1, b=2) | {"status": {"x": 1}}
    with pytest.raises(ApiError, match=r'conflict with "before-first-apply" using v1: \.spec\.a'):
        applied(live, "one", a=2)
    live = applied(live, "one", a=1)
    assert [entry["manager"] for entry in live["metadata"]["managedFields"]] == ["before-first-apply", "one"]


def test_an_update_takes_what_it_changes():
    live = applied(None, "one", a=1, b=1)
    new = clone(live)
    new["spec"] = {"a": 5, "c": 1}
    track_update(new, live, "two", "", "2026-01-02T00:00:00Z")
    owned = {entry["manager"]: entry["fieldsV1"] for entry in new["metadata"]["managedFields"]}
    assert owned == {"two": {"f:spec": {"f:a": {}, "f:c": {}}}}
    with pytest.raises(ApiError, match=r'conflict with "two" using v1: \.spec\.a'):
        applied(new, "one", a=1)


@given(st.dictionaries(KEYS, JSON, min_size=1, max_size=3))
def test_applying_twice_is_applying_once(spec):
    once = applied(None, "one", **spec)
    twice = applied(once, "one", **spec)
    assert twice["spec"] == once["spec"]
    assert twice["metadata"] == once["metadata"]
    assert to_tree(paths_of(thing(**spec), SHAPE)) == once["metadata"]["managedFields"][0]["fieldsV1"]
