"""The generated CRDs: KEDA's wire, a structural schema, and the recorded answers of an API server that had KEDA's."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from scaler.core.authentication import TriggerAuthenticationSpec
from scaler.core.crds import crds
from scaler.core.model import ScaledObjectSpec
from scaler.local import schema as structural_schema

RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "conformance/data/scaledobjects.jsonl").read_text().splitlines()
]
CRDS = {crd["spec"]["names"]["kind"]: crd for crd in crds()}
ALLOWED = {
    "type",
    "description",
    "properties",
    "additionalProperties",
    "items",
    "required",
    "enum",
    "default",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "minItems",
    "pattern",
    "anyOf",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
}


def root(kind):
    return CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def spec(kind):
    return root(kind)["properties"]["spec"]


def nodes(schema, path=""):
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}.*")


@pytest.mark.parametrize(
    ("kind", "plural", "short", "scope"),
    [
        ("ScaledObject", "scaledobjects", ["so"], "Namespaced"),
        ("TriggerAuthentication", "triggerauthentications", ["ta", "triggerauth"], "Namespaced"),
        (
            "ClusterTriggerAuthentication",
            "clustertriggerauthentications",
            ["cta", "clustertriggerauth"],
            "Cluster",
        ),
    ],
)
def test_names(kind, plural, short, scope):
    crd = CRDS[kind]
    assert crd["metadata"]["name"] == f"{plural}.keda.sh"
    assert crd["spec"]["group"] == "keda.sh"
    assert crd["spec"]["scope"] == scope
    assert crd["spec"]["names"] == {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": short,
    }
    (version,) = crd["spec"]["versions"]
    assert (version["name"], version["served"], version["storage"]) == ("v1alpha1", True, True)
    assert version["subresources"] == {"status": {}}
    assert root(kind)["required"] == ["spec"]


def test_columns():
    def columns(kind):
        found = CRDS[kind]["spec"]["versions"][0]["additionalPrinterColumns"]
        return [(c["name"], c["jsonPath"], c["type"], c.get("priority", 0)) for c in found]

    condition = '.status.conditions[?(@.type=="{}")].status'
    assert columns("ScaledObject") == [
        ("ScaleTargetKind", ".status.scaleTargetKind", "string", 0),
        ("ScaleTargetName", ".spec.scaleTargetRef.name", "string", 0),
        ("Min", ".spec.minReplicaCount", "integer", 0),
        ("Max", ".spec.maxReplicaCount", "integer", 0),
        ("Ready", condition.format("Ready"), "string", 0),
        ("Active", condition.format("Active"), "string", 0),
        ("Fallback", condition.format("Fallback"), "string", 0),
        ("Paused", condition.format("Paused"), "string", 0),
        ("Triggers", ".status.triggersTypes", "string", 0),
        ("Authentications", ".status.authenticationsTypes", "string", 0),
        ("Age", ".metadata.creationTimestamp", "date", 0),
    ]
    own = columns("TriggerAuthentication")
    assert own == [
        ("PodIdentity", ".spec.podIdentity.provider", "string", 0),
        ("Secret", ".spec.secretTargetRef[*].name", "string", 0),
        ("Env", ".spec.env[*].name", "string", 0),
        ("VaultAddress", ".spec.hashiCorpVault.address", "string", 0),
        ("ScaledObjects", ".status.scaledobjects", "string", 1),
        ("ScaledJobs", ".status.scaledjobs", "string", 1),
    ]
    cluster = columns("ClusterTriggerAuthentication")
    assert cluster == [*own[:3], ("FilePath", ".spec.filePath", "string", 0), *own[3:]]


@pytest.mark.parametrize("kind", CRDS)
def test_the_schema_is_structural(kind):
    for path, node in nodes(root(kind)):
        assert set(node) <= ALLOWED, path
        if node.get("x-kubernetes-int-or-string"):
            assert "type" not in node, path
            assert node["anyOf"] == [{"type": "integer"}, {"type": "string"}], path
            continue
        assert "anyOf" not in node, path
        assert node["type"] in {"object", "array", "string", "integer", "boolean"}, path
        assert ("items" in node) == (node["type"] == "array"), path
        assert not ("properties" in node and "additionalProperties" in node), path
        assert set(node.get("required", ())) <= set(node.get("properties", ())), path
        if "default" in node:
            assert node["default"] in node["enum"], path


@pytest.mark.parametrize("kind", CRDS)
def test_no_field_is_ever_pruned_and_each_is_explained(kind):
    for part in ("spec", "status"):
        for path, node in nodes(root(kind)["properties"][part], part):
            if "properties" in node:
                assert node["x-kubernetes-preserve-unknown-fields"] is True, path
            if not path.endswith((".*", "[]")):
                assert len(node["description"]) > 5, path
                assert "\n" not in node["description"], path


@pytest.mark.parametrize("kind", CRDS)
def test_small_and_plain(kind):
    text = yaml.safe_dump(CRDS[kind], sort_keys=False)
    assert len(text) < 200_000
    assert "&id" not in text
    assert yaml.safe_load(text) == CRDS[kind]
    assert CRDS[kind] == json.loads(json.dumps(CRDS[kind]))


def test_only_the_two_defaults_of_the_wire():
    found = {path: node["default"] for kind in CRDS for path, node in nodes(root(kind)) if "default" in node}
    assert found == {".spec.fallback.behavior": "static", ".spec.oauth2.type": "clientCredentials"}


def test_constraints_of_a_scaled_object():
    found = dict(nodes(spec("ScaledObject")))
    limits = {
        path: (node.get("minimum"), node.get("maximum"))
        for path, node in found.items()
        if node.get("type") == "integer" and ".behavior." not in path
    }
    assert limits == {
        ".pollingInterval": (1, None),
        ".initialCooldownPeriod": (0, None),
        ".cooldownPeriod": (0, None),
        ".idleReplicaCount": (0, None),
        ".minReplicaCount": (0, None),
        ".maxReplicaCount": (1, None),
        ".fallback.failureThreshold": (0, None),
        ".fallback.replicas": (0, None),
    }
    window = found[".advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.stabilizationWindowSeconds"]
    assert (window["minimum"], window["maximum"]) == (0, 3600)
    assert all(node["format"] == "int32" for node in found.values() if node.get("type") == "integer")
    assert found[".triggers"]["minItems"] == 1
    assert found[".triggers[].type"]["minLength"] == 1
    assert found[".scaleTargetRef.name"]["minLength"] == 1
    assert found[".triggers[].metadata.*"] == {"type": "string"}
    assert found[".triggers[]"]["required"] == ["type", "metadata"]
    (rule,) = found[""]["x-kubernetes-validations"]
    assert rule["message"] == "minReplicaCount must be less than or equal to maxReplicaCount"


def test_the_schema_names_every_field_of_the_models():
    for kind, model in (
        ("ScaledObject", ScaledObjectSpec),
        ("TriggerAuthentication", TriggerAuthenticationSpec),
    ):
        assert list(spec(kind)["properties"]) == [info.alias for info in model.model_fields.values()]


def test_each_call_gives_its_own():
    first = crds()
    first[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clear()
    assert crds()[0] == CRDS["ScaledObject"]


@pytest.mark.parametrize("record", RECORDED, ids=lambda record: record["id"])
def test_an_api_server_answers_as_it_did_with_kedas_crd(record):
    obj = deepcopy(record["input"]["manifest"])
    output = record["output"]
    removed = structural_schema.prune(obj, root("ScaledObject"), root=True)
    assert removed == []
    structural_schema.default(obj, root("ScaledObject"))
    causes = structural_schema.validate(obj, None, root("ScaledObject"))
    assert {(c.field, c.reason) for c in causes if c.field != "<nil>"} == {
        (c["field"], c["reason"]) for c in output.get("causes", ()) if c["field"] != "<nil>"
    }
    # KEDA's CRD prunes what it does not know; ours keeps it.
    kept = {name: value for name, value in obj["spec"].items() if name in spec("ScaledObject")["properties"]}
    if "stored_spec" in output:
        assert kept == output["stored_spec"]
