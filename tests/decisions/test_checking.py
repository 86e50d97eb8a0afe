"""`tidegate validate` and `render` as functions: documents in, findings and HPAs out, every rule asked at once."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.core import authentication
from scaler.core.checking import check_documents, render_documents
from scalers._lib.metadata import AUTH, ENV
from scalers._lib.problem import Problem
from scalers.sdk import MetricSpec


@dataclass(frozen=True)
class Findings:
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    specs: tuple[MetricSpec, ...] = ()


class Lists:
    """A trigger type that wants a listName, from the environment too; remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.namespaces = []

    def __call__(self, trigger_type, metadata, unknown, *, metric_type, namespace):
        self.asked.append((trigger_type, dict(metadata), unknown, metric_type))
        self.namespaces.append(namespace)
        if trigger_type != "redis":
            return Findings(
                (Problem("type", f"no scaler found for type: {trigger_type}", "did you mean redis?"),)
            )
        if "listNameFromEnv" in metadata and ENV in unknown:
            return Findings()
        if not metadata.get("listName"):
            return Findings((Problem("metadata.listName", "is required", "give listName in metadata"),))
        warnings = tuple(
            Problem(f"metadata.{k}", "is ignored") for k in metadata if k not in {"listName", "listLength"}
        )
        spec = MetricSpec(f"redis-{metadata['listName']}", int(metadata.get("listLength", 5)))
        return Findings((), warnings, (spec,))


def so(*triggers, annotations=None, **spec):
    found = triggers or ({"listName": "jobs"},)
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "worker", "annotations": annotations or {}},
        "spec": {
            "scaleTargetRef": {"name": "web"},
            "triggers": [t if "metadata" in t else {"type": "redis", "metadata": t} for t in found],
            **spec,
        },
    }


def authentication_of(kind="TriggerAuthentication", **spec):
    return {"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": "creds"}, "spec": spec}


def check(*documents):
    return check_documents([("all.yaml", document) for document in documents], Lists())


def paths(findings):
    return [finding.path for finding in findings]


def test_a_good_object():
    report = check(so())
    assert (report.ok, report.checked, report.problems, report.warnings) == (True, 1, (), ())
    assert report.written() == {"ok": True, "problems": [], "warnings": []}


def test_the_forms_of_a_finding():
    report = check(so({}))
    (finding,) = report.problems
    assert str(finding) == (
        "all.yaml: ScaledObject/worker: spec.triggers[0].metadata.listName: is required; give listName in metadata"
    )
    assert report.written()["problems"] == [
        {
            "file": "all.yaml",
            "kind": "ScaledObject",
            "name": "worker",
            "path": "spec.triggers[0].metadata.listName",
            "problem": "is required",
            "mend": "give listName in metadata",
        }
    ]
    assert report.written()["ok"] is False


def test_all_rules_are_asked_at_once():
    report = check(
        so(
            {"listName": "a", "hue": "1"},
            {"type": "rediss", "metadata": {}},
            {"listName": "b", "listLength": "0"},
            idleReplicaCount=0,
            advanced={"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": {"selectPolicy": "Most"}}}},
            fallback={"failureThreshold": 1, "replicas": 1},
            colour="blue",
        )
    )
    assert paths(report.problems) == [
        "spec.idleReplicaCount",
        "spec.triggers[1].type",
        "spec.triggers[2]",
        "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.selectPolicy",
    ]
    assert paths(report.warnings) == ["spec.colour", "spec.triggers[0].metadata.hue"]
    assert "must be positive" in report.problems[2].problem


def test_warnings_do_not_count():
    report = check(so({"listName": "a", "hue": "1"}))
    assert report.ok
    assert paths(report.warnings) == ["spec.triggers[0].metadata.hue"]


def test_what_is_asked_of_a_scaler():
    lists = Lists()
    reference = {
        "type": "redis",
        "metadata": {"listName": "b"},
        "authenticationRef": {"name": "c"},
        "metricType": "Value",
    }
    check_documents([("-", so({"listName": "a"}, reference))], lists)
    assert lists.asked == [
        ("redis", {"listName": "a"}, frozenset({ENV}), ""),
        ("redis", {"listName": "b"}, frozenset({ENV, AUTH}), "Value"),
    ]


def test_a_metric_known_only_online_is_a_warning():
    report, hpas = render_documents([("-", so({"listNameFromEnv": "LIST"}))], Lists(), "1")
    assert report.ok
    assert paths(report.warnings) == ["spec.triggers[0]"]
    assert hpas[0]["spec"]["metrics"][0]["external"]["metric"]["name"] == "s0-invalid"


@pytest.mark.parametrize(
    ("document", "path", "problem"),
    [
        (["x"], "", "is a list, not a Kubernetes object"),
        ("x", "", "is text, not a Kubernetes object"),
        ({"metadata": {}}, "kind", "is required"),
        ({"kind": "ScaledObject", "metadata": {"name": "x"}}, "apiVersion", "is required"),
        (so() | {"apiVersion": "keda.k8s.io/v1alpha1"}, "apiVersion", "'keda.k8s.io/v1alpha1' is not served"),
        ({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob"}, "kind", "ScaledJob is not supported yet"),
        (
            {
                "apiVersion": "eventing.keda.sh/v1alpha1",
                "kind": "CloudEventSource",
                "metadata": {"name": "x"},
            },
            "kind",
            "CloudEventSource is not supported yet",
        ),
        (authentication_of() | {"spec": None}, "spec", "is required"),
        (authentication_of() | {"spec": 5}, "spec", "is a number, not a mapping"),
        (authentication_of() | {"metadata": {}}, "metadata.name", "is required"),
    ],
)
def test_odd_documents(document, path, problem):
    report = check(document)
    assert not report.ok
    assert (report.problems[0].path, report.problems[0].problem) == (path, problem)


def test_foreign_and_empty_documents_are_ignored():
    report = check(None, {"apiVersion": "apps/v1", "kind": "Deployment"}, {"apiVersion": 5, "kind": "Thing"})
    assert (report.ok, report.checked) == (True, 0)


def test_lists_are_taken_apart():
    report = check({"apiVersion": "v1", "kind": "List", "items": [so(), None, so({})]}, {"kind": "List"})
    assert report.checked == 2
    assert paths(report.problems) == ["spec.triggers[0].metadata.listName"]


def test_rendered_hpas():
    good, bad = so({"listName": "a", "listLength": "7"}), so({})
    documents = [("a", good), ("b", bad), ("c", authentication_of()), ("d", so({"listName": "b"}))]
    report, hpas = render_documents(documents, Lists(), "1.2.3")
    assert not report.ok
    metrics = [hpa["spec"]["metrics"][0]["external"] for hpa in hpas]
    assert [m["metric"]["name"] for m in metrics] == ["s0-redis-a", "s0-redis-b"]
    assert [m["target"]["averageValue"] for m in metrics] == ["7", "5"]
    assert hpas[0]["metadata"]["labels"]["app.kubernetes.io/version"] == "1.2.3"
    assert "uid" not in hpas[0]["metadata"]["ownerReferences"][0]


# What only the webhook refuses


def beside(kind, name="web", api_version="apps/v1", **spec):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def test_the_other_documents_are_the_surroundings():
    foreign = beside("HorizontalPodAutoscaler", "by-hand", "autoscaling/v2", scaleTargetRef={"name": "web"})
    report = check(so(), foreign)
    assert report.checked == 1
    (finding,) = report.problems
    assert (finding.refused_by, finding.reason, finding.path) == (
        "webhook",
        "other-hpa",
        "spec.scaleTargetRef",
    )
    assert str(finding).startswith(
        "all.yaml: ScaledObject/worker: spec.scaleTargetRef: Deployment/web is the target of"
    )
    assert str(finding).endswith(" (webhook only: other-hpa)")
    written = report.written()["problems"][0]
    assert (written["refused_by"], written["reason"]) == ("webhook", "other-hpa")
    assert check(foreign, so()).problems == report.problems
    elsewhere = foreign | {"metadata": {"name": "by-hand", "namespace": "else"}}
    assert check(so(), elsewhere).ok


def test_two_scaled_objects_in_the_files_are_each_other_s_surroundings():
    other = so() | {"metadata": {"name": "other"}}
    report = check(so(), other)
    assert [(f.name, f.reason) for f in report.problems] == [
        ("worker", "other-scaled-object"),
        ("other", "other-scaled-object"),
    ]
    assert check(so(), so()).ok  # The same object twice, as in two files of one overlay.


def test_an_object_that_no_schema_takes_is_no_surroundings():
    other = so(triggers=[{"type": "redis"}]) | {"metadata": {"name": "other"}}
    assert [f.name for f in check(so(), other).problems] == ["other"]


def test_what_a_reconcile_refuses_in_a_cluster_is_not_marked():
    report = check(so(scaleTargetRef={"name": "w", "kind": "Widget"}))
    assert [(f.path, f.refused_by) for f in report.problems] == [("spec.scaleTargetRef.kind", "")]
    report = check(so(scaleTargetRef={"name": "w", "kind": "DaemonSet"}))
    assert [(f.path, f.problem) for f in report.problems] == [
        ("spec.scaleTargetRef.kind", "DaemonSet has no scale subresource")
    ]
    assert check(so(scaleTargetRef={"name": "w", "kind": "Widget", "apiVersion": "lab.test/v1"})).ok


def test_warnings_about_the_target():
    claims = beside("StatefulSet", template={}, volumeClaimTemplates=[{"metadata": {"name": "data"}}])
    report = check(so(scaleTargetRef={"name": "web", "kind": "StatefulSet"}), claims)
    assert report.ok
    assert paths(report.warnings) == ["spec.minReplicaCount"]
    assert check(so(scaleTargetRef={"name": "web", "kind": "StatefulSet"})).warnings == ()


def test_what_only_the_webhook_refuses_is_rendered():
    other = so({"listName": "b"}) | {"metadata": {"name": "other"}}
    report, hpas = render_documents([("a", so()), ("b", other)], Lists(), "1")
    assert report.ok
    assert [hpa["metadata"]["name"] for hpa in hpas] == ["keda-hpa-worker", "keda-hpa-other"]


# Authentications

SECRET = {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
FULL = {
    "podIdentity": {"provider": "aws", "roleArn": "arn:x", "externalID": "e", "identityOwner": "keda"},
    "secretTargetRef": [{"parameter": "password", "name": "s", "key": "k"}],
    "configMapTargetRef": [{"parameter": "host", "name": "c", "key": "k"}],
    "env": [{"parameter": "p", "name": "E", "containerName": "app"}],
    "hashiCorpVault": {
        "address": "https://vault",
        "authentication": "kubernetes",
        "role": "r",
        "mount": "m",
        "credential": {"serviceAccount": "/token"},
        "secrets": [
            {"parameter": "p", "path": "a/b", "key": "k", "type": "pki", "pkiData": {"commonName": "x"}}
        ],
    },
    "azureKeyVault": {
        "vaultUri": "https://v",
        "secrets": [{"parameter": "p", "name": "n"}],
        "credentials": {"clientId": "c", "tenantId": "t", "clientSecret": SECRET},
        "cloud": {"type": "Private", "keyVaultResourceURL": "https://x"},
    },
    "gcpSecretManager": {"secrets": [{"parameter": "p", "id": "i"}], "credentials": {"clientSecret": SECRET}},
    "awsSecretManager": {
        "secrets": [{"parameter": "p", "name": "n", "secretKey": "k"}],
        "credentials": {"accessKey": SECRET, "accessSecretKey": SECRET},
        "region": "eu-west-1",
    },
    "boundServiceAccountToken": [{"parameter": "token", "serviceAccountName": "sa"}],
    "oauth2": {"clientId": "c", "tokenUrl": "https://t/token", "clientSecret": SECRET, "scopes": ["a"]},
}


@pytest.mark.parametrize("kind", ["TriggerAuthentication", "ClusterTriggerAuthentication"])
def test_every_field_of_an_authentication_is_known(kind):
    report = check(authentication_of(kind, **FULL))
    assert report.problems == ()
    stores = ("hashiCorpVault", "azureKeyVault", "gcpSecretManager", "awsSecretManager")
    assert paths(report.warnings) == [f"spec.{store}" for store in stores]  # Known, and not supported.
    report = check(authentication_of(kind, **{k: v for k, v in FULL.items() if k not in stores}))
    assert (report.problems, report.warnings) == ((), ())


def test_identities_that_are_not_there():
    for provider, found in (("none", []), ("aws", []), ("aws-eks", []), ("gcp", 1), ("azure-workload", 1)):
        report = check(authentication_of(podIdentity={"provider": provider}))
        assert paths(report.warnings) == ["spec.podIdentity.provider"] * bool(found)


def test_file_path_is_for_clusters():
    assert check(authentication_of("ClusterTriggerAuthentication", filePath="a.json")).warnings == ()
    assert paths(check(authentication_of(filePath="a.json")).warnings) == ["spec.filePath"]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"podIdentity": {"provider": "wizard"}}, "spec.podIdentity.provider"),
        ({"podIdentity": {"provider": "azure-workload", "identityId": ""}}, "spec.podIdentity.identityId"),
        (
            {"podIdentity": {"provider": "azure-workload", "identityTenantId": ""}},
            "spec.podIdentity.identityTenantId",
        ),
        (
            {"podIdentity": {"provider": "azure-workload", "identityAuthorityHost": "h"}},
            "spec.podIdentity.identityAuthorityHost",
        ),
        (
            {"podIdentity": {"provider": "aws", "roleArn": "a", "identityOwner": "workload"}},
            "spec.podIdentity.roleArn",
        ),
        ({"podIdentity": {"provider": "aws", "externalID": "e"}}, "spec.podIdentity.externalID"),
        ({"secretTargetRef": [{"parameter": "p", "name": "n"}]}, "spec.secretTargetRef[0].key"),
        ({"secretTargetRef": {}}, "spec.secretTargetRef"),
        (
            {"hashiCorpVault": {"address": "a", "authentication": "token", "secrets": []}},
            "spec.hashiCorpVault.secrets",
        ),
        ({"oauth2": {"clientId": "", "tokenUrl": "https://t"}}, "spec.oauth2.clientId"),
        ({"oauth2": {"clientId": "c", "tokenUrl": ""}}, "spec.oauth2.tokenUrl"),
        ({"oauth2": {"clientId": "c", "tokenUrl": "ftp://t"}}, "spec.oauth2.tokenUrl"),
        ({"oauth2": {"clientId": "c", "tokenUrl": "https://[t"}}, "spec.oauth2.tokenUrl"),
        ({"oauth2": {"type": "password", "clientId": "c", "tokenUrl": "https://t"}}, "spec.oauth2.type"),
    ],
)
def test_wrong_authentications(spec, path):
    report = check(authentication_of(**spec))
    assert paths(report.problems) == [path]
    assert report.problems[0].mend


def test_unknown_fields_of_an_authentication():
    report = check(authentication_of(secret="x", env=[{"parameter": "p", "name": "n", "hue": 1}]))
    assert report.ok
    assert paths(report.warnings) == ["spec.secret", "spec.env[0].hue"]


def test_an_authentication_is_typed():
    spec, problems = authentication.parse_spec(FULL)
    assert problems == []
    assert spec is not None
    assert spec.aws_secret_manager is not None
    assert spec.aws_secret_manager.secrets[0].secret_key == "k"
    assert spec.oauth2 is not None
    assert spec.oauth2.type == "clientCredentials"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
kinds = st.sampled_from(["ScaledObject", "TriggerAuthentication", "ScaledJob", "List", "Other"])


@given(
    json_values
    | st.fixed_dictionaries(
        {"kind": kinds, "apiVersion": st.just("keda.sh/v1alpha1")},
        optional={
            "metadata": json_values,
            "spec": json_values,
            "items": json_values,
        },
    )
)
def test_no_document_raises(document):
    report = check(document)
    assert report.ok == (not report.problems)
