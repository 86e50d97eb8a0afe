"""The chart installed into an embedded cluster by a real Helm engine, and the shipped command with the rights it gives."""

import base64
import json
import re
from contextlib import contextmanager

import chart
import pytest
import yaml
from command_line import Kubectl, left, running, tidegate, until, up
from helm_python import Config, HelmReleaseError

pytestmark = pytest.mark.slow

API = "v1beta1.external.metrics.k8s.io"
SPACES = "".join(
    f"---\n{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}\n"
    for name in (chart.NAMESPACE, "shop", "billing")
)
OBJECTS = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web, namespace: shop}
spec:
  scaleTargetRef: {name: web}
  triggers:
  - type: cron
    metadata: {timezone: UTC, start: "0 0 1 1 *", end: "59 23 31 12 *", desiredReplicas: "3"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: none}]}
"""


@contextmanager
def cluster(home):
    """An empty cluster with our namespaces, and a Helm that remembers its releases itself."""
    with up("--cluster-only", "--pods", "ready", "--hpa-sync", "1s", home=home) as (command, kubectl):
        kubectl.apply(SPACES)
        with Config(
            kubeconfig_path=kubectl.kubeconfig, namespace=chart.NAMESPACE, storage_driver="memory"
        ) as helm:
            yield kubectl, helm
        assert command.stop() == 0
    assert not left(home)


def as_account(kubectl, home, name="tidegate"):
    """kubectl, and a kubeconfig, with a token of our ServiceAccount."""
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600},
    }
    path = f"/api/v1/namespaces/{chart.NAMESPACE}/serviceaccounts/{name}/token"
    answer = json.loads(kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(request)))
    config = yaml.safe_load(kubectl.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    file = home / f"{name}.kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return Kubectl(file, home)


def command_line(kubectl, home, name="tidegate"):
    """The words of the rendered container, with the certificates where a test can have them, and free ports."""
    spec = kubectl.get("deployment", name, "-n", chart.NAMESPACE)["spec"]["template"]["spec"]
    (sources,) = [v["projected"]["sources"] for v in spec["volumes"] if v["name"] == "certificates"]
    for source in (source["secret"] for source in sources):
        data = kubectl.get("secret", source["name"], "-n", chart.NAMESPACE)["data"]
        for item in source["items"]:
            file = home / name / item["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(base64.b64decode(data[item["key"]]))
    words = [re.sub(r"^(--\w+-port)=\d+$", r"\1=0", word) for word in spec["containers"][0]["args"]]
    return [word.replace("=/certs", f"={home / name}") for word in words]


@contextmanager
def part(kubectl, home, name):
    """A rendered container's process with its ServiceAccount's token, as a pod would have it."""
    account = as_account(kubectl, home, name)
    words = command_line(kubectl, home, name)
    with running(
        *words, "--kubeconfig", account.kubeconfig, home=home, name=name, POD_IP="127.0.0.1"
    ) as command:
        command.until(lambda: command.events("running"), "it runs")
        yield command
        assert command.stop() == 0


def lead_to(kubectl, port):
    """Let the Service lead to a process on this machine: the embedded cluster has no pods' network."""
    outside = {"spec": {"type": "ExternalName", "externalName": "127.0.0.1"}}
    kubectl("patch", "service", "tidegate-metrics", "-n", chart.NAMESPACE, "-p", json.dumps(outside))
    kubectl("patch", "apiservice", API, "-p", json.dumps({"spec": {"service": {"port": port}}}))


def scaled(kubectl):
    """Three replicas, by the HPA's own reading of our metric."""
    deployment, hpas = (
        kubectl.get("deployment", "web", "-n", "shop"),
        kubectl.get("hpa", "-n", "shop")["items"],
    )
    conditions = {c["type"]: c["status"] for hpa in hpas for c in hpa.get("status", {}).get("conditions", ())}
    return deployment["spec"]["replicas"] == 3 and conditions.get("ScalingActive") == "True"


@pytest.mark.parametrize(
    "values", [{}, {"watchNamespace": "shop"}], ids=["the whole cluster", "one namespace"]
)
def test_the_shipped_command_scales_with_no_more_than_these_rights(tmp_path, values):
    with cluster(tmp_path) as (kubectl, helm):
        helm.install(chart.CHART, "tidegate", values)
        account = as_account(kubectl, tmp_path)
        assert "orbidden" in account("get", "secrets", "-n", "shop", code=1)
        assert "orbidden" in account("get", "pods", "-n", "shop", code=1)
        adapters = as_account(kubectl, tmp_path, "tidegate-adapter")
        assert "orbidden" in adapters("get", "so", "-n", "shop", code=1)
        with (
            part(kubectl, tmp_path, "tidegate") as controller,
            part(kubectl, tmp_path, "tidegate-adapter") as adapter,
        ):
            for command in (controller, adapter):
                command.until(lambda command=command: command.events("ready"), "it is ready")
            lead_to(kubectl, int(adapter.events("running")[0]["metrics_api"].rpartition(":")[2]))
            kubectl.apply(OBJECTS)
            until(lambda: scaled(kubectl), "three replicas by the HPA")
            ready = kubectl.get("so", "web", "-n", "shop")["status"]["conditions"][0]
            assert (ready["type"], ready["status"]) == ("Ready", "True")
            kubectl("delete", "so", "web", "-n", "shop")
            until(lambda: not kubectl.get("hpa", "-n", "shop")["items"], "the HPA is gone")
            assert "orbidden" not in adapter.err
            # Without watchNamespace nothing is asked that is refused.
            refused = [line for line in controller.err.splitlines() if "orbidden" in line]
            assert bool(refused) == bool(values), refused


def test_beside_keda_it_decides_and_asks_for_nothing_it_may_not(tmp_path):
    with cluster(tmp_path) as (kubectl, helm):
        helm.install(chart.CHART, "tidegate", {"mode": "observe"})
        assert "NotFound" in kubectl("get", "apiservice", API, code=1)
        with part(kubectl, tmp_path, "tidegate") as command:
            command.until(lambda: command.events("ready"), "the watches are synced")
            kubectl.apply(OBJECTS)
            port = command.events("running")[0]["metrics"].rpartition(":")[2]
            explain = ("explain", "shop/web", "--server", f"http://127.0.0.1:{port}", "-o", "json")
            until(lambda: "Activated" in tidegate(*explain, home=tmp_path).stdout, "a decision")
            assert kubectl.get("deployment", "web", "-n", "shop")["spec"]["replicas"] == 0
            assert not kubectl.get("hpa", "-n", "shop")["items"]
            assert "orbidden" not in command.err


def test_an_upgrade_keeps_the_certificate_and_uninstalling_keeps_the_crds(tmp_path):
    with cluster(tmp_path) as (kubectl, helm):
        kubectl.apply(tidegate("crds", home=tmp_path).stdout)
        kubectl("annotate", "crd", "scaledobjects.keda.sh", "example.com/made-by=keda")
        before = kubectl.get("crd", "scaledobjects.keda.sh")["metadata"]
        helm.install(chart.CHART, "tidegate", {})
        secret = kubectl.get("secret", "tidegate-certs", "-n", chart.NAMESPACE)["data"]
        helm.upgrade(chart.CHART, "tidegate", {"secretNamespaces": ["shop"]})
        assert kubectl.get("secret", "tidegate-certs", "-n", chart.NAMESPACE)["data"] == secret
        assert kubectl.get("apiservice", API)["spec"]["caBundle"] == secret["ca.crt"]
        account = as_account(kubectl, tmp_path)
        account("get", "secrets", "-n", "shop")
        assert "orbidden" in account("get", "secrets", "-n", "billing", code=1)
        kubectl.apply(OBJECTS)
        helm.uninstall("tidegate")
        after = kubectl.get("crd", "scaledobjects.keda.sh")["metadata"]
        assert after["annotations"]["example.com/made-by"] == "keda"
        assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])
        assert kubectl.get("so", "-n", "shop")["items"]
        for kind in (
            "apiservice",
            "deployment",
            "clusterrole",
            "clusterrolebinding",
            "rolebinding",
            "secret",
        ):
            left_over = kubectl("get", kind, "-A", "-l", "app.kubernetes.io/part-of=tidegate", "-o", "name")
            assert not left_over, left_over


def test_helm_does_not_take_over_what_somebody_else_serves(tmp_path):
    with cluster(tmp_path) as (kubectl, helm):
        spec = {"group": "external.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100}
        spec |= {
            "versionPriority": 100,
            "service": {"name": "keda-operator-metrics-apiserver", "namespace": "keda"},
        }
        foreign = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": API}}
        kubectl.apply(json.dumps(foreign | {"spec": spec}))
        with pytest.raises(HelmReleaseError, match="cannot be imported into the current release"):
            helm.install(chart.CHART, "tidegate", {})
        assert kubectl.get("apiservice", API)["spec"]["service"]["namespace"] == "keda"
        assert not kubectl.get("deployment", "-n", chart.NAMESPACE)["items"]


@pytest.mark.parametrize("case", [case for case in chart.CASES if case != "monitoring"])
def test_a_cluster_takes_every_combination_strictly(tmp_path, case, kubectl_of_an_empty_cluster):
    documents = yaml.safe_dump_all(chart.render(chart.CASES[case]))
    kubectl_of_an_empty_cluster("apply", "--validate=strict", "-f", "-", stdin=documents)


@pytest.fixture(scope="module")
def kubectl_of_an_empty_cluster(tmp_path_factory):
    home = tmp_path_factory.mktemp("cluster")
    with cluster(home) as (kubectl, _):
        yield kubectl
