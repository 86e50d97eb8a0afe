"""The chart as a real Helm engine renders it, for every combination of values that is documented."""

import base64
import importlib.util
import re
import subprocess
from pathlib import Path

import chart
import pytest
import typer
import yaml
from cryptography import x509
from helm_python import Chart, HelmRenderError, HelmValuesError, lint
from kubernetes import client

from metrics_adapter.certificates import brought
from metrics_adapter.feed.credentials import Folder
from scaler import cli
from scaler.commands.keda_flags import ignored
from scaler.commands.setting import overrides
from scaler.core.crds import crds
from scaler.core.manifest import parse
from scaler.core.rbac import Need, Reference, Settings, rights
from scalers.testing import server_program

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
    "APIService": 1, "ClusterRole": 2, "ClusterRoleBinding": 3, "Deployment": 2, "NetworkPolicy": 2,
    "PodDisruptionBudget": 2, "Role": 3, "RoleBinding": 4, "Secret": 2, "Service": 1, "ServiceAccount": 2,
}  # fmt: skip
DIFFERENT = {
    "two namespaces": {"ClusterRole": 0, "ClusterRoleBinding": 1, "Role": 4, "RoleBinding": 5},
    "two namespaces, cluster authentications": {
        "ClusterRole": 1, "ClusterRoleBinding": 2, "Role": 6, "RoleBinding": 7,
    },
    "beside KEDA": {
        "APIService": 0, "ClusterRoleBinding": 2, "Deployment": 1, "NetworkPolicy": 1, "PodDisruptionBudget": 1,
        "Role": 1, "RoleBinding": 1, "Secret": 1, "Service": 0, "ServiceAccount": 1,
    },
    "namespaces that opt in": {"Role": 5, "RoleBinding": 6},
    "in place of KEDA, one namespace": {"ClusterRole": 0, "ClusterRoleBinding": 1, "Role": 4, "RoleBinding": 5},
    "monitoring": {"Service": 2, "ServiceMonitor": 2, "PrometheusRule": 1},
    "a certificate of one's own": {"Secret": 0},
    "cert-manager": {"Secret": 1},
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
    deployment = chart.deployments(rendered["defaults"])["controller"]
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
def test_the_command_lines_are_such_as_run_takes(case, rendered):
    run = typer.main.get_command(cli.app).commands["run"]
    namespace, values = chart.NAMESPACE, chart.CASES[case]
    found = chart.deployments(rendered[case])
    assert set(found) == ({"controller"} if case == "beside KEDA" else {"controller", "adapter"})
    for role, deployment in found.items():
        command, *words = chart.args(deployment)
        assert command == "run"
        context = run.make_context("run", list(words))
        assert set(ignored(context.args)) <= {"--zap-log-level", "--kube-api-qps", "--leader-elect", "--v"}
        given = context.params
        lease = f"{namespace}/{values.get('operator', {}).get('leaderElectionID', 'tidegate')}"
        assert (given["role"], given["lease"]) == (role, lease)
        assert str(given["feed_cert_dir"]) == "/certs/feed"
        if role == "controller":
            assert given["cluster_namespace"] == namespace
            wanted = values.get("watchNamespace", "").replace(" ", "")
            assert ",".join(given["namespace"] or []) == wanted
            assert (given["feed_port"], given["mode"]) == (9666, values.get("mode", "act"))
            assert overrides(given["settings"] or []) == values.get("settings", {})
        else:
            assert (given["secure_port"], str(given["tls_cert_file"])) == (6443, "/certs/tls.crt")


def test_how_many_there_are(rendered):
    found = {
        case: [d["spec"]["replicas"] for d in chart.deployments(rendered[case]).values()]
        for case in ("defaults", "beside KEDA", "placed", "nothing but the process")
    }
    assert found == {
        "defaults": [2, 2], "beside KEDA": [1], "placed": [3, 2], "nothing but the process": [0, 1],
    }  # fmt: skip


# Rights.


@cases
def test_no_right_is_to_everything(case, rendered):
    for rule in rules(rendered[case], "Role", "ClusterRole"):
        assert "*" not in "".join(rule["apiGroups"] + rule["resources"] + rule["verbs"])
        named = rule.get("resourceNames", [])
        assert set(rule) <= {"apiGroups", "resources", "verbs", "resourceNames"}
        assert "*" not in named


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
    assert "--mode=observe" in chart.args(chart.deployments(rendered["beside KEDA"])["controller"])
    assert "tidegate compare" in chart.texts(chart.CASES["beside KEDA"])[chart.NOTES]


def test_the_controllers_rights_are_those_that_are_used():
    """What `tidegate rbac` prints for an object that uses all of them; a chart cannot know names."""
    document = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "worker", "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"name": "web"},
            "triggers": [{"type": "kubernetes-workload", "metadata": {}}],
        },
    }
    kinds = ("Secret", "ConfigMap", "ServiceAccount", "Token")
    references = frozenset(
        {
            *(Reference(kind, "shop", "x") for kind in kinds),
            Reference("ClusterTriggerAuthentication", "", "x"),
        }
    )
    need = Need(so=parse(document).scaled_object, target=("apps", "deployments"), references=references)
    used = {(right.group, right.resource, right.verb) for right in rights([need], Settings())}
    values = {
        "scaleTargets": ["apps/deployments"],
        "secretNamespaces": ["shop"],
        "boundServiceAccountTokens": True,
    }
    objects = [
        obj
        for obj in chart.render(values)
        if obj["metadata"]["labels"].get("app.kubernetes.io/component") == "controller"
    ]
    given = {
        (group, resource, verb)
        for rule in rules(objects, "Role", "ClusterRole")
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    seen = {
        ("", name, verb)
        for name in ("secrets", "configmaps", "serviceaccounts")
        for verb in ("list", "watch")
    }
    lease = {("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")}
    # By list and watch a rotated Secret acts at once.
    assert given == used | seen | lease


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
def test_every_binding_has_its_role_and_one_of_our_accounts(case, rendered):
    objects = rendered[case]
    accounts = {
        role: found["spec"]["template"]["spec"]["serviceAccountName"]
        for role, found in chart.deployments(objects).items()
    }
    made = {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects}
    of_kubernetes = set()
    for binding in chart.of_kind(objects, "RoleBinding") + chart.of_kind(objects, "ClusterRoleBinding"):
        role, where = binding["roleRef"], binding["metadata"].get("namespace")
        part = binding["metadata"]["labels"]["app.kubernetes.io/component"]
        if (role["kind"], where, role["name"]) not in made:
            of_kubernetes.add((part, where, role["name"]))
        subject = {"kind": "ServiceAccount", "name": accounts[part], "namespace": chart.NAMESPACE}
        assert binding["subjects"] == [subject]
    assert of_kubernetes in (
        set(),
        {
            ("adapter", "kube-system", "extension-apiserver-authentication-reader"),
            ("adapter", None, "system:auth-delegator"),
        },
    )
    assert bool(of_kubernetes) == (case not in {"beside KEDA", "an account and rights of one's own"})


def test_the_lease_is_the_one_that_is_held(rendered):
    for case in ("defaults", "placed"):
        objects = rendered[case]
        (held,) = [
            w for w in chart.args(chart.deployments(objects)["controller"]) if w.startswith("--lease=")
        ]
        leases = [rule for rule in rules(objects, "Role") if rule["resources"] == ["leases"]]
        named = [rule for rule in leases if "create" not in rule["verbs"]]
        assert len(named) == 2
        assert all([f"--lease={chart.NAMESPACE}/{rule['resourceNames'][0]}"] == [held] for rule in named)


# The pod.


@cases
def test_the_pods_are_restricted(case, rendered):
    for role, deployment in chart.deployments(rendered[case]).items():
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        # `tidegate explain` finds the journal by these.
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert (labels["app.kubernetes.io/name"], labels["app.kubernetes.io/component"]) == ("tidegate", role)
        ports = {port["name"] for port in container["ports"]}
        assert ports == ({"feed", "metrics"} if role == "controller" else {"https", "metrics"})


def test_where_and_what_the_pods_are(rendered):
    def pods(case):
        return [d["spec"]["template"]["spec"] for d in chart.deployments(rendered[case]).values()]

    for pod in pods("placed"):
        assert pod["priorityClassName"] == "system-cluster-critical"
        assert pod["affinity"] == {"nodeAffinity": {}}
    assert all("podAntiAffinity" in pod["affinity"] for pod in pods("defaults"))
    images = {pod["containers"][0]["image"] for pod in pods("an image of one's own")}
    assert images == {"registry.example/team/tidegate@sha256:" + "0" * 64}
    accounts = {
        a["metadata"]["name"]: a for a in chart.of_kind(rendered["an identity of AWS"], "ServiceAccount")
    }
    annotations = accounts["tidegate"]["metadata"]["annotations"]
    assert annotations["eks.amazonaws.com/role-arn"] == "arn:aws:iam::1:role/t"
    assert "annotations" not in accounts["tidegate-adapter"]["metadata"]


def test_names_in_place_of_keda(rendered):
    names = {(o["kind"], o["metadata"]["name"]) for o in rendered["in place of KEDA"]}
    assert {
        ("Deployment", "keda-operator"),
        ("Deployment", "keda-operator-metrics-apiserver"),
        ("Service", "keda-operator-metrics-apiserver"),
        ("ServiceAccount", "keda-operator"),
        ("ClusterRole", "keda-operator"),
    } <= names
    found = chart.deployments(rendered["in place of KEDA"])
    apps = {role: d["spec"]["template"]["metadata"]["labels"]["app"] for role, d in found.items()}
    assert apps == {"controller": "keda-operator", "adapter": "keda-operator-metrics-apiserver"}


# External metrics.


@pytest.mark.parametrize("case", ["defaults", "in place of KEDA"])
def test_the_made_certificates_are_those_that_are_wanted(case, rendered, tmp_path):
    objects = rendered[case]
    (service,) = chart.of_kind(objects, "APIService")
    secrets = {}
    for secret in chart.of_kind(objects, "Secret"):
        name = secret["metadata"]["name"]
        secrets[name] = {key: base64.b64decode(value) for key, value in secret["data"].items()}
        (tmp_path / name).mkdir()
        for key, data in secrets[name].items():
            (tmp_path / name / key).write_bytes(data)
        ca = x509.load_pem_x509_certificate(secrets[name]["ca.crt"])
        x509.load_pem_x509_certificate(secrets[name]["tls.crt"]).verify_directly_issued_by(ca)
    serving = next(name for name in secrets if not name.endswith("-feed"))
    assert base64.b64decode(service["spec"]["caBundle"]) == secrets[serving]["ca.crt"]
    name = f"{service['spec']['service']['name']}.{chart.NAMESPACE}.svc"
    brought(tmp_path / serving / "tls.crt", tmp_path / serving / "tls.key", name)
    feed = next(name for name in secrets if name.endswith("-feed"))
    assert Folder(tmp_path / feed).read().ca == secrets[feed]["ca.crt"]


@cases
def test_what_is_mounted_is_made_or_brought(case, rendered):
    made = {secret["metadata"]["name"] for secret in chart.of_kind(rendered[case], "Secret")}
    for role, deployment in chart.deployments(rendered[case]).items():
        volumes = deployment["spec"]["template"]["spec"]["volumes"]
        (mounted,) = [
            volume["projected"]["sources"] for volume in volumes if volume["name"] == "certificates"
        ]
        names = {source["secret"]["name"] for source in mounted}
        assert names <= made | {"mine", "mine-too"}
        assert len(names) == (1 if role == "controller" else 2)


@cases
def test_the_services_lead_to_the_pods(case, rendered):
    objects = rendered[case]
    found = chart.deployments(objects)
    services = {s["metadata"]["name"]: s for s in chart.of_kind(objects, "Service")}
    for service in services.values():
        (pod,) = [
            deployment["spec"]["template"]
            for deployment in found.values()
            if service["spec"]["selector"].items()
            <= deployment["spec"]["template"]["metadata"]["labels"].items()
        ]
        ports = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for api in chart.of_kind(objects, "APIService"):
        place = api["spec"]["service"]
        assert place["port"] in {port["port"] for port in services[place["name"]]["spec"]["ports"]}
        assert "insecureSkipTLSVerify" not in api["spec"]


@cases
def test_selectors_and_policies_tell_the_two_apart(case, rendered):
    objects = rendered[case]
    for role, deployment in chart.deployments(objects).items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
        for other, another in chart.deployments(objects).items():
            selector = another["spec"]["selector"]["matchLabels"]
            assert (selector.items() <= labels.items()) == (other == role)
        ports = {
            port["containerPort"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
        }
        for policy in chart.of_kind(objects, "NetworkPolicy"):
            if policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items():
                let = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
                assert let == (ports - {9666} if case == "beside KEDA" else ports)
                for rule in policy["spec"]["ingress"]:
                    assert ("from" in rule) == ({port["port"] for port in rule["ports"]} == {9666})


def test_alerts_are_about_metrics_that_exist(rendered):
    (rule,) = chart.of_kind(rendered["monitoring"], "PrometheusRule")
    alerts = rule["spec"]["groups"][0]["rules"]
    assert alerts[-1]["alert"] == "Mine"
    assert len(alerts) > 5
    page = (chart.ROOT / "docs" / "settings.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `(tidegate_\w+)`", page, re.MULTILINE))
    used = {name for alert in alerts for name in re.findall(r"tidegate_\w+", alert["expr"])}
    assert {name.removesuffix("_count") for name in used} <= listed


@pytest.mark.server
def test_prometheus_reads_the_alerts(rendered, tmp_path):
    program = server_program("promtool")
    (rule,) = chart.of_kind(rendered["monitoring"], "PrometheusRule")
    assert set(rule["spec"]) == {"groups"}
    file = tmp_path / "alerts.yaml"
    file.write_text(yaml.safe_dump(rule["spec"]))
    done = subprocess.run(
        [program, "check", "rules", file], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for alert in rule["spec"]["groups"][0]["rules"][:-1]:
        assert set(alert) == {"alert", "expr", "for", "labels", "annotations"}
        assert set(alert["annotations"]) == {"summary", "description"}
        assert alert["labels"]["severity"] in {"critical", "warning"}


def test_monitors_look_at_the_metrics_port_of_each_part(rendered):
    objects = rendered["monitoring"]
    services = chart.of_kind(objects, "Service")
    for monitor in chart.of_kind(objects, "ServiceMonitor"):
        spec = monitor["spec"]
        assert set(spec) == {"namespaceSelector", "selector", "endpoints"}
        assert spec["namespaceSelector"] == {"matchNames": [chart.NAMESPACE]}
        (endpoint,) = spec["endpoints"]
        assert set(endpoint) <= {"port", "path", "interval", "scrapeTimeout"}
        wanted = spec["selector"]["matchLabels"].items()
        (service,) = [found for found in services if wanted <= found["metadata"]["labels"].items()]
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


# Values.


def test_what_is_generated_is_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(chart.ROOT / "deploy")
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
        "metricsServer.useHostNetwork",
        "operator.livenessProbe",
        "permissions",
        "webhooks",
    }
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
