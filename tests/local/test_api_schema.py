"""Definitions at work: defaults, pruning, faults, the rule language, printer columns; and the selectors."""

import pytest
from served import SPEC, definition, widget

from scaler.clock import SystemClock
from scaler.local import schema
from scaler.local.api import Api
from scaler.local.cel import EvaluationError, compile_rule
from scaler.local.columns import age, human_duration
from scaler.local.errors import ApiError
from scaler.local.jsonpath import compile_path, find
from scaler.local.selectors import matches

CRDS = ("apiextensions.k8s.io", "customresourcedefinitions", "")
KEDA_RULE = (
    "!has(self.minReplicaCount) || "
    "self.minReplicaCount <= (has(self.maxReplicaCount) ? self.maxReplicaCount : 100)"
)


@pytest.fixture
def api():
    api = Api(SystemClock())
    api.create("", "namespaces", "", {"metadata": {"name": "default"}})
    return api


def faults(value, **below):
    obj, root = {"spec": value}, {"type": "object", "properties": {"spec": below}}
    return [(cause.field, cause.reason, cause.message) for cause in schema.validate(obj, None, root)]


@pytest.mark.parametrize(
    ("value", "below", "words"),
    [
        ("x", {"type": "integer"}, 'Invalid value: "string": spec in body must be of type integer: "string"'),
        (None, {"type": "string"}, 'Invalid value: "null": spec in body must be of type string: "null"'),
        (
            True,
            {"type": "integer"},
            'Invalid value: "boolean": spec in body must be of type integer: "boolean"',
        ),
        (1.5, {"type": "integer"}, 'Invalid value: "number": spec in body must be of type integer: "number"'),
        (
            0,
            {"type": "integer", "minimum": 1},
            "Invalid value: 0: spec in body should be greater than or equal to 1",
        ),
        (
            9,
            {"type": "integer", "maximum": 8},
            "Invalid value: 9: spec in body should be less than or equal to 8",
        ),
        (
            8,
            {"type": "integer", "maximum": 8, "exclusiveMaximum": True},
            "Invalid value: 8: spec in body should be less than 8",
        ),
        (5, {"type": "integer", "multipleOf": 2}, "Invalid value: 5: spec in body should be a multiple of 2"),
        (
            2**40,
            {"type": "integer", "format": "int32"},
            "Invalid value: 1099511627776: spec in body must be of type int32: 1099511627776",
        ),
        (
            "",
            {"type": "string", "minLength": 1},
            'Invalid value: "": spec in body should be at least 1 chars long',
        ),
        ("abc", {"type": "string", "maxLength": 2}, "Too long: may not be more than 2 bytes"),
        ("a", {"type": "string", "pattern": "^b$"}, "Invalid value: \"a\": spec in body should match '^b$'"),
        ("a", {"type": "string", "enum": ["b", "c"]}, 'Unsupported value: "a": supported values: "b", "c"'),
        (
            "a",
            {"type": "string", "format": "date-time"},
            'Invalid value: "a": spec in body must be of type date-time: "a"',
        ),
        ([1, 2], {"type": "array", "maxItems": 1}, "Too many: 2: must have at most 1 items"),
        ([], {"type": "array", "minItems": 1}, "Invalid value: 0: spec in body should have at least 1 items"),
        (
            [1.5],
            {"x-kubernetes-int-or-string": True},
            'Invalid value: "array": spec in body must be of type integer,string: "array"',
        ),
    ],
)
def test_faults_in_the_words_of_a_kube_apiserver(value, below, words):
    assert [message for _, _, message in faults(value, **below)] == [words]


@pytest.mark.parametrize(
    ("value", "below"),
    [
        (3.0, {"type": "integer"}),
        (3, {"type": "number"}),
        (None, {"type": "string", "nullable": True}),
        ("25%", {"x-kubernetes-int-or-string": True}),
        (7, {"x-kubernetes-int-or-string": True}),
        ("2026-01-01T00:00:00Z", {"type": "string", "format": "date-time"}),
        ({"a": 1}, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        (1, {"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": 2}]}),
    ],
)
def test_good_values(value, below):
    assert faults(value, **below) == []


def test_faults_of_lists_maps_and_combinations():
    required = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    assert faults([{}], type="array", items=required) == [
        ("spec[0].a", "FieldValueRequired", "Required value")
    ]
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]}
    found = faults([{"a": "1"}, {"a": "1"}], type="array", items=required, **keyed)
    assert found == [("spec[1]", "FieldValueDuplicate", 'Duplicate value: {"a":"1"}')]
    (only,) = faults(3, type="integer", oneOf=[{"minimum": 1}, {"minimum": 2}])
    assert only[2].endswith("must validate one and only one schema (oneOf)")
    (only,) = faults(3, type="integer", **{"not": {"minimum": 1}})
    assert only[2].endswith("must not validate the schema (not)")


def test_defaults_go_deep_and_give_way_to_values():
    below = {"type": "object", "default": {}, "properties": {"b": {"default": 1}, "c": {"default": None}}}
    root = {"properties": {"a": below, "l": {"items": {"properties": {"d": {"default": 2}}}}}}
    obj = {"l": [{}, {"d": 9}]}
    schema.default(obj, root)
    assert obj == {"a": {"b": 1, "c": None}, "l": [{"d": 2}, {"d": 9}]}
    obj = {"a": {"b": None}}
    schema.default(obj, root)
    assert obj["a"]["b"] == 1, "a null that is not allowed gives way"


def test_pruning_says_what_it_removed():
    root = {
        "properties": {
            "spec": {
                "properties": {
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "list": {"items": {"properties": {"a": {}}}},
                    "map": {"additionalProperties": {"properties": {"a": {}}}},
                }
            }
        }
    }
    obj = {
        "kind": "T",
        "metadata": {"x": 1},
        "spec": {"free": {"y": 1}, "list": [{"a": 1, "b": 2}], "map": {"k": {"c": 3}}, "z": 1},
    }
    removed = schema.prune(obj, root, root=True)
    assert removed == ["spec.list[0].b", "spec.map.k.c", "spec.z"]
    assert obj == {
        "kind": "T",
        "metadata": {"x": 1},
        "spec": {"free": {"y": 1}, "list": [{"a": 1}], "map": {"k": {}}},
    }


@pytest.mark.parametrize(
    ("spec", "good"),
    [
        ({}, True),
        ({"minReplicaCount": 5}, True),
        ({"minReplicaCount": 101}, False),
        ({"minReplicaCount": 9, "maxReplicaCount": 3}, False),
        ({"minReplicaCount": 3, "maxReplicaCount": 3}, True),
    ],
)
def test_the_rule_of_keda(spec, good):
    assert compile_rule(KEDA_RULE)(spec) is good


@pytest.mark.parametrize(
    ("rule", "value", "result"),
    [
        ("self > 1 && self < 10", 5, True),
        ("self == 'a' || self == \"b\"", "b", True),
        ("self in ['a', 'b']", "c", False),
        ("size(self.list) <= 2", {"list": [1, 2, 3]}, False),
        ("-self + 2 * 3 == 1", 5, True),
        ("self.a + 'x' == 'yx'", {"a": "y"}, True),
        ("!(self.a) ? false : true", {"a": True}, True),
        ("1.5 < self", 2, True),
        ("self == true", 1, False),
    ],
)
def test_the_rule_language(rule, value, result):
    assert compile_rule(rule)(value) is result


@pytest.mark.parametrize(
    "rule",
    [
        "self.all(x, x > 1)",
        "oldSelf == self",
        "self[0] == 1",
        "self.a.matches('x')",
        "",
        "self ==",
        "a",
        "self @ 1",
    ],
)
def test_rules_that_are_not_understood_are_refused(rule):
    with pytest.raises(ValueError, match=r"\w"):
        compile_rule(rule)


@pytest.mark.parametrize(
    ("rule", "value"), [("self.a == 1", {}), ("self < 'a'", 1), ("self && true", 1), ("size(self) == 1", 1)]
)
def test_a_rule_that_meets_the_wrong_value(rule, value):
    with pytest.raises(EvaluationError):
        compile_rule(rule)(value)


def with_rule(rule, **more):
    crd = definition()
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = {
        **spec,
        "x-kubernetes-validations": [{"rule": rule, "message": "too many replicas", **more}],
    }
    return crd


def test_a_broken_rule_is_the_specs_fault(api):
    api.create(*CRDS, with_rule("self.replicas < 5"))
    api.create("lab.test", "widgets", "default", widget("a", replicas=4))
    with pytest.raises(ApiError) as caught:
        api.create("lab.test", "widgets", "default", widget("b", replicas=5))
    assert caught.value.details["causes"] == [
        {"reason": "FieldValueInvalid", "message": "Invalid value: too many replicas", "field": "spec"}
    ]
    with pytest.raises(ApiError) as caught:
        api.create("lab.test", "widgets", "default", widget("b", replicas="x"))
    assert [cause["field"] for cause in caught.value.details["causes"]] == ["spec.replicas", "<nil>"]


@pytest.mark.parametrize(
    ("rule", "more"), [("self.all(x, true)", {}), ("true", {"messageExpression": "'x'"})]
)
def test_a_definition_with_a_rule_we_cannot_run_is_refused(api, rule, more):
    with pytest.raises(ApiError, match="embedded API server") as caught:
        api.create(*CRDS, with_rule(rule, **more))
    assert caught.value.code == 422
    assert "x-kubernetes-validations[0]" in caught.value.details["causes"][0]["field"]


def spoiled(change):
    crd = definition()
    change(crd)
    return crd


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda crd: crd["metadata"].update(name="x.lab.test"), "metadata.name"),
        (lambda crd: crd["spec"].update(scope="Galaxy"), "spec.scope"),
        (lambda crd: crd["spec"]["versions"][0].update(storage=False), "spec.versions"),
        (lambda crd: crd["spec"].update(conversion={"strategy": "Webhook"}), "spec.conversion.strategy"),
        (lambda crd: crd["spec"]["versions"][0].pop("schema"), "spec.versions[0].schema.openAPIV3Schema"),
        (
            lambda crd: crd["spec"]["versions"][0].update(
                additionalPrinterColumns=[{"name": "a", "type": "string", "jsonPath": ".a[?(x)]"}]
            ),
            "spec.versions[0].additionalPrinterColumns[0].jsonPath",
        ),
        (
            lambda crd: crd["spec"]["versions"][0]["subresources"]["scale"].update(specReplicasPath=".x"),
            "spec.versions[0].subresources.scale.specReplicasPath",
        ),
    ],
)
def test_definitions_that_are_refused(api, change, field):
    with pytest.raises(ApiError) as caught:
        api.create(*CRDS, spoiled(change))
    assert caught.value.code == 422
    assert field in [cause["field"] for cause in caught.value.details["causes"]]


def test_a_definition_is_established_and_can_change(api):
    crd = api.create(*CRDS, definition())
    conditions = {each["type"]: each["status"] for each in crd["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    api.create("lab.test", "widgets", "default", widget("a", new=1))
    api.merge_patch(
        *CRDS,
        "widgets.lab.test",
        {
            "spec": {
                "versions": [
                    {
                        **definition()["spec"]["versions"][0],
                        "schema": {
                            "openAPIV3Schema": {
                                "type": "object",
                                "properties": {
                                    "spec": {
                                        **SPEC,
                                        "properties": {**SPEC["properties"], "new": {"type": "integer"}},
                                    }
                                },
                            }
                        },
                    }
                ]
            }
        },
    )
    assert api.create("lab.test", "widgets", "default", widget("b", new=1))["spec"]["new"] == 1
    assert "new" not in api.get("lab.test", "widgets", "default", "a")["spec"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        ("a.b", [1]),
        ("{.a.b}", [1]),
        (".l[0].n", ["x"]),
        (".l[-1].n", ["y"]),
        (".l[*].n", ["x", "y"]),
        ('.l[?(@.n=="y")].v', [2]),
        (".l[?(@.v>1)].n", ["y"]),
        (".l[?(@.v)].n", ["y"]),
        (".a['x.y/z']", [3]),
        (r".a.x\.y/z", [3]),
        (".nothing.at.all", []),
        (".l[7]", []),
    ],
)
def test_json_paths(path, found):
    assert find(path, {"a": {"b": 1, "x.y/z": 3}, "l": [{"n": "x"}, {"n": "y", "v": 2}]}) == found


@pytest.mark.parametrize("path", [".a[", ".a[?(@.b ~ 1)]", ".a[x y]"])
def test_json_paths_that_cannot_be_read(path):
    with pytest.raises(ValueError, match="JSONPath"):
        compile_path(path)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-1, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (185, "3m5s"), (600, "10m"),
        (10799, "179m"), (3 * 3600 + 60, "3h1m"), (8 * 3600, "8h"), (47 * 3600, "47h"), (50 * 3600, "2d2h"),
        (8 * 86400, "8d"), (729 * 86400, "729d"), (740 * 86400, "2y10d"), (9 * 365 * 86400, "9y"),
    ],
)  # fmt: skip
def test_ages(seconds, text):
    assert human_duration(seconds) == text


def test_ages_of_timestamps():
    assert age("1970-01-01T00:00:10Z", 15) == "5s"
    assert age(None, 15) == "<unknown>"
    assert age("yesterday", 15) == "<invalid>"


@pytest.mark.parametrize(
    ("text", "labels", "chosen"),
    [
        ("", {}, True),
        ("a=b", {"a": "b"}, True),
        ("a==b,c", {"a": "b", "c": ""}, True),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("!a", {"a": "b"}, False),
        ("a in (x, y)", {"a": "y"}, True),
        ("a in (x,y)", {}, False),
        ("a notin (x,y)", {}, True),
        ("a=", {"a": ""}, True),
        ("a>3", {"a": "5"}, True),
        ("a<3", {"a": "x"}, False),
        ("app.kubernetes.io/name in (web)", {"app.kubernetes.io/name": "web"}, True),
        ("in in (notin)", {"in": "notin"}, True),
    ],
)
def test_label_selectors(text, labels, chosen):
    assert matches(text, labels) is chosen


@pytest.mark.parametrize("text", ["a in (b", "a in", "=b", "a,,b", "a b", "(a)", "a>x", "!"])
def test_label_selectors_that_do_not_parse(text):
    with pytest.raises(ApiError, match="unable to parse requirement") as caught:
        matches(text, {})
    assert caught.value.code == 400
