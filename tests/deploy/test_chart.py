"""The chart as a real Helm engine renders it, for every combination of values that is documented."""

import base64
import importlib.util
import re
from pathlib import Path

import chart
import pytest
import typer
import yaml
from cryptography import x509
from helm_python import Chart, HelmRenderError, HelmValuesError, lint
from kubernetes import client

from metrics_adapter.certificates import brought
from scaler import cli
from scaler.commands.keda_flags import ignored
from scaler.core.crds import crds

BUILT_IN = {
    "APIService": client.V1APIService,
    "ClusterRole": client.V1ClusterRole,
    "ClusterRoleBinding": client.V1ClusterRoleBinding,
    "ConfigMap": client.V1ConfigMap,
    "Deployment": client.V1Deployment,
    "NetworkPolicy": client.V1NetworkPolicy,
    "PodDisruptionBudget": client.V1PodDisruptionBudget,
    "Role": client.V1Role,
    "RoleBinding": client.V1RoleBinding,
    "Secret": client.V1Secret,
    "Service": client.V1Service,
    "ServiceAccount": client.V1ServiceAccount,
}
"""Kubernetes' own schemas, as its client has them; an unknown field is an error there."""

DEFAULT = {
    "APIService": 1, "ClusterRole": 2, "ClusterRoleBinding": 3, "Deployment": 1, "NetworkPolicy": 1,
    "PodDisruptionBudget": 1, "Role": 1, "RoleBinding": 2, "Secret": 1, "Service": 1, "ServiceAccount": 1,
}  # fmt: skip
DIFFERENT = {
    "two namespaces": {"ClusterRole": 0, "ClusterRoleBinding": 1, "Role": 2, "RoleBinding": 3},
    "two namespaces, cluster authentications": {
        "ClusterRole": 1, "ClusterRoleBinding": 2, "Role": 4, "RoleBinding": 5,
    },
    "beside KEDA": {"APIService": 0},
    "namespaces that opt in": {"Role": 3, "RoleBinding": 4},
    "in place of KEDA, one namespace": {"ClusterRole": 0, "ClusterRoleBinding": 1, "Role": 2, "RoleBinding": 3},
    "monitoring": {"Service": 2, "ServiceMonitor": 1, "PrometheusRule": 1},
    "a certificate of one's own": {"Secret": 0},
    "cert-manager": {"Secret": 0},
    "an account and rights of one's own": {
        "ClusterRole": 0, "ClusterRoleBinding": 0, "Role": 0, "RoleBinding": 0, "ServiceAccount": 0,
    },
    "roles for people": {"ClusterRole": 4},
    "labels, environment and volumes": {"ConfigMap": 1},
    "nothing but the process": {"APIService": 0, "NetworkPolicy": 0, "PodDisruptionBudget": 0},
    "values written for KEDA": {"Service": 2},
}  # fmt: skip

cases = pytest.mark.parametrize("case", chart.CASES)


@pytest.fixture(scope="module")
def rendered():
    """Case → its objects."""
    return {name: chart.render(values) for name, values in chart.CASES.items()}


def rules(objects, *kinds):
    """Every rule of the roles of these kinds."""
    return [rule for obj in objects if obj["kind"] in kinds for rule in obj["rules"]]


@cases
def test_it_lints(case):
    report = lint(chart.CHART, chart.CASES[case] or None, strict=True, namespace=chart.NAMESPACE)
    assert report["errors"] == []
    assert [m["error"] for m in report["messages"] if m["severity"] > 1] == []


@cases
def test_every_object_is_valid_and_counted(case, rendered):
    for obj in rendered[case]:
        assert not any("_" in key for key in (*obj, *obj["metadata"]))
        if obj["apiVersion"].startswith("monitoring.coreos.com/"):
            continue
        model = BUILT_IN[obj["kind"]]
        model.model_validate(obj)
    assert chart.counts(rendered[case]) == {k: n for k, n in (DEFAULT | DIFFERENT.get(case, {})).items() if n}


def test_an_unknown_field_would_be_noticed(rendered):
    (deployment,) = chart.of_kind(rendered["defaults"], "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    wrong = {**deployment, "spec": {**deployment["spec"], "template": {"spec": {**pod, "contaners": []}}}}
    with pytest.raises(ValueError, match="contaners"):
        client.V1Deployment.model_validate(wrong)


@cases
def test_no_two_objects_have_one_name(case, rendered):
    names = [
        (obj["apiVersion"], obj["kind"], obj["metadata"].get("namespace"), obj["metadata"]["name"])
        for obj in rendered[case]
    ]
    assert len(names) == len(set(names))


@cases
def test_the_command_line_is_one_that_run_takes(case, rendered):
    command, *words = chart.args(rendered[case])
    assert command == "run"
    run = typer.main.get_command(cli.app).commands["run"]
    context = run.make_context("run", list(words))
    assert set(ignored(context.args)) <= {"--zap-log-level", "--kube-api-qps", "--leader-elect"}
    assert context.params["secure_port"] == 6443
    assert context.params["cluster_namespace"] == chart.NAMESPACE
    wanted = chart.CASES[case].get("watchNamespace", "").replace(" ", "")
    assert ",".join(context.params["namespace"] or []) == wanted


# Rights.


@cases
def test_no_right_is_to_everything(case, rendered):
    for rule in rules(rendered[case], "Role", "ClusterRole"):
        assert "*" not in "".join(rule["apiGroups"] + rule["resources"] + rule["verbs"])
        assert set(rule) == {"apiGroups", "resources", "verbs"}


@cases
def test_secrets_and_pods_are_read_where_a_namespace_opts_in(case, rendered):
    wide = rules(rendered[case], "ClusterRole")
    held = {resource for rule in wide if rule["apiGroups"] == [""] for resource in rule["resources"]}
    people = {"secrets", "configmaps", "serviceaccounts", "pods"}
    assert held & people == (people if case == "in place of KEDA" else set())
    roles = [obj for obj in chart.of_kind(rendered[case], "Role") if "secrets" in str(obj["rules"])]
    values = chart.CASES[case]
    cluster = not values.get("watchNamespace") or values.get("clusterTriggerAuthentications")
    allowed = set(values.get("secretNamespaces", ())) | ({chart.NAMESPACE} if cluster else set())
    if case == "in place of KEDA, one namespace":
        allowed = {"shop"}
    found = {role["metadata"]["namespace"] for role in roles}
    assert found == (allowed if values.get("rbac", {}).get("create", True) else set())


def test_who_observes_may_write_nothing(rendered):
    verbs = {verb for rule in rules(rendered["beside KEDA"], "Role", "ClusterRole") for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch"}
    assert "--mode=observe" in chart.args(rendered["beside KEDA"])
    assert "tidegate compare" in chart.texts(chart.CASES["beside KEDA"])[chart.NOTES]


def test_tokens_are_asked_for_only_where_said(rendered):
    for case, objects in rendered.items():
        asked = "serviceaccounts/token" in str(rules(objects, "Role", "ClusterRole"))
        assert asked == (case == "namespaces that opt in"), case


def test_targets_are_the_listed_ones(rendered):
    found = rules(rendered["own and other targets"], "ClusterRole")
    scale = {
        (group, name)
        for rule in found
        for group in rule["apiGroups"]
        for name in rule["resources"]
        if name.endswith("/scale")
    }
    expected = {
        ("apps", "deployments/scale"),
        ("argoproj.io", "rollouts/scale"),
        ("", "replicationcontrollers/scale"),
    }
    assert scale == expected
    assert all(
        rule["verbs"] == ["get", "patch"] for rule in found if any("/scale" in r for r in rule["resources"])
    )


@cases
def test_every_binding_has_its_role_and_our_account(case, rendered):
    objects = rendered[case]
    (deployment,) = chart.of_kind(objects, "Deployment")
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    made = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects}
    for binding in chart.of_kind(objects, "RoleBinding") + chart.of_kind(objects, "ClusterRoleBinding"):
        role, where = binding["roleRef"], binding["metadata"].get("namespace")
        if where == "kube-system":
            assert role["name"] == "extension-apiserver-authentication-reader"
        elif role["name"] == "system:auth-delegator":
            assert (binding["kind"], role["kind"]) == ("ClusterRoleBinding", "ClusterRole")
        else:
            assert (role["kind"], where, role["name"]) in made
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account, "namespace": chart.NAMESPACE}
        ]


# The pod.


@cases
def test_the_pod_is_restricted(case, rendered):
    (deployment,) = chart.of_kind(rendered[case], "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert deployment["spec"]["replicas"] <= 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    # `tidegate explain` finds the journal by these.
    labels, ports = deployment["spec"]["template"]["metadata"]["labels"], container["ports"]
    assert (labels["app.kubernetes.io/name"], labels["app.kubernetes.io/component"]) == (
        "tidegate",
        "controller",
    )
    assert {port["name"] for port in ports} == {"https", "metrics"}


def test_where_and_what_the_pod_is(rendered):
    placed = chart.of_kind(rendered["placed"], "Deployment")[0]["spec"]["template"]["spec"]
    assert placed["priorityClassName"] == "system-cluster-critical"
    assert placed["affinity"] == {"nodeAffinity": {}}
    apart = chart.of_kind(rendered["defaults"], "Deployment")[0]["spec"]["template"]["spec"]["affinity"]
    assert "podAntiAffinity" in apart
    own = chart.of_kind(rendered["an image of one's own"], "Deployment")[0]["spec"]["template"]["spec"]
    assert own["containers"][0]["image"] == "registry.example/team/tidegate@sha256:" + "0" * 64
    (account,) = chart.of_kind(rendered["an identity of AWS"], "ServiceAccount")
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"] == "arn:aws:iam::1:role/t"


def test_names_in_place_of_keda(rendered):
    names = {(o["kind"], o["metadata"]["name"]) for o in rendered["in place of KEDA"]}
    assert {
        ("Deployment", "keda-operator"),
        ("Service", "keda-operator-metrics-apiserver"),
        ("ServiceAccount", "keda-operator"),
        ("ClusterRole", "keda-operator"),
    } <= names
    (deployment,) = chart.of_kind(rendered["in place of KEDA"], "Deployment")
    assert deployment["spec"]["template"]["metadata"]["labels"]["app"] == "keda-operator"


# External metrics.


@pytest.mark.parametrize("case", ["defaults", "in place of KEDA"])
def test_the_made_certificate_is_the_one_the_api_server_wants(case, rendered, tmp_path):
    objects = rendered[case]
    (secret,), (service,) = chart.of_kind(objects, "Secret"), chart.of_kind(objects, "APIService")
    data = {key: base64.b64decode(value) for key, value in secret["data"].items()}
    assert set(data) == {"ca.crt", "tls.crt", "tls.key"}
    assert base64.b64decode(service["spec"]["caBundle"]) == data["ca.crt"]
    name = f"{service['spec']['service']['name']}.{chart.NAMESPACE}.svc"
    for key in ("tls.crt", "tls.key"):
        (tmp_path / key).write_bytes(data[key])
    brought(tmp_path / "tls.crt", tmp_path / "tls.key", name)
    ca = x509.load_pem_x509_certificate(data["ca.crt"])
    x509.load_pem_x509_certificate(data["tls.crt"]).verify_directly_issued_by(ca)


@cases
def test_the_services_lead_to_the_pod(case, rendered):
    objects = rendered[case]
    (deployment,) = chart.of_kind(objects, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
    services = {s["metadata"]["name"]: s for s in chart.of_kind(objects, "Service")}
    for service in services.values():
        assert service["spec"]["selector"].items() <= labels.items()
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for api in chart.of_kind(objects, "APIService"):
        place = api["spec"]["service"]
        assert place["port"] in {port["port"] for port in services[place["name"]]["spec"]["ports"]}
        assert "insecureSkipTLSVerify" not in api["spec"]


def test_alerts_are_about_metrics_that_exist(rendered):
    (rule,) = chart.of_kind(rendered["monitoring"], "PrometheusRule")
    alerts = rule["spec"]["groups"][0]["rules"]
    assert alerts[-1]["alert"] == "Mine"
    assert len(alerts) > 5
    page = (chart.ROOT / "docs" / "settings.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `(tidegate_\w+)`", page, re.MULTILINE))
    used = {name for alert in alerts for name in re.findall(r"tidegate_\w+", alert["expr"])}
    assert {name.removesuffix("_count") for name in used} <= listed


# Values.


def test_what_is_generated_is_up_to_date():
    path = Path(chart.ROOT / "deploy" / "generate.py")
    spec = importlib.util.spec_from_file_location("deploy_generate", path)
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.main(["--check"]) == 0
    known = {value.path for value in generate.values()}
    schema = yaml.safe_load((chart.CHART / "values.schema.json").read_text("utf-8"))
    for path in known:
        below = schema
        for name in path.split("."):
            below = below["properties"][name]


def test_the_crds_are_ours_and_are_kept():
    with Chart.load(chart.CHART) as loaded:
        shipped = {doc["name"]: yaml.safe_load(doc["data"]) for doc in loaded.crds}
    assert len(shipped) == len(crds())
    for ours in crds():
        found = shipped[f"crds/{ours['metadata']['name']}.yaml"]
        assert found["metadata"].pop("annotations")["helm.sh/resource-policy"] == "keep"
        assert found == ours
        client.V1CustomResourceDefinition.model_validate(found)


def test_values_of_keda_that_mean_nothing_are_listed():
    notes = chart.texts(chart.CASES["values written for KEDA"])[chart.NOTES]
    told = notes.partition("no effect:\n")[2].split()
    assert set(told) == {
        "certificates.certManager",
        "clusterName",
        "crds",
        "http",
        "image.keda",
        "metricsServer",
        "operator.livenessProbe",
        "permissions",
        "prometheus.metricServer",
        "resources.metricServer",
        "webhooks",
    }
    assert "one replica was made" in notes
    assert "no effect" not in chart.texts()[chart.NOTES]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scaleTarget": []}, "scaleTarget"),
        ({"compat": {"kedaa": True}}, "kedaa"),
        ({"secretNamespaces": ["Shop"]}, "secretNamespaces"),
        ({"scaleTargets": ["deployments"]}, "scaleTargets"),
        ({"scaleTargets": ["apps/*"]}, "scaleTargets"),
        ({"logging": {"operator": {"level": "loud"}}}, "level"),
        ({"service": {"portHttps": 70000}}, "portHttps"),
        ({"extraArgs": {"keda": "leader-elect"}}, "keda"),
    ],
)
def test_values_that_cannot_be_are_refused(values, words):
    with pytest.raises(HelmValuesError, match=words):
        chart.render(values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"podIdentity": {"aws": {"irsa": {"enabled": True}}}}, "roleArn"),
        (
            {"prometheus": {"operator": {"serviceMonitor": {"enabled": True}}}},
            "needs prometheus.operator.enabled",
        ),
    ],
)
def test_values_that_go_together_are_asked_for(values, words):
    with pytest.raises(HelmRenderError, match=words):
        chart.render(values)
