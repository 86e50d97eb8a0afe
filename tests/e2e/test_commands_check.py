"""`tidegate check` as shipped: it connects as the controller would, reads once, and repeats no secret."""

import json

import pytest
import yaml
from command_line import tidegate, until, up
from controlled import target
from redis_server import RedisServer

PASSWORD = "correct-horse"
MANIFEST = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: worker}}
spec:
  scaleTargetRef: {{name: web}}
  maxReplicaCount: 7
  triggers:
    - type: redis
      metadata: {{addressFromEnv: REDIS, listName: jobs, listLength: "5"}}
      authenticationRef: {{name: redis}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 0
  template:
    spec:
      containers:
        - name: app
          env: [{{name: REDIS, value: "{address}"}}]
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {{name: redis}}
spec:
  secretTargetRef: [{{parameter: password, name: login, key: password}}]
"""
pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def redis():
    with RedisServer("--requirepass", PASSWORD, password=PASSWORD) as server:
        server.cli("RPUSH", "jobs", *map(str, range(12)))
        yield server


@pytest.fixture
def manifest(tmp_path, redis):
    path = tmp_path / "worker.yaml"
    path.write_text(MANIFEST.format(address=redis.address))
    return path


def test_value_target_activity_and_what_would_follow(manifest, tmp_path):
    done = tidegate(
        "check", "-f", manifest, "--secret", f"login.password={PASSWORD}", "-o", "json", home=tmp_path
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"] is True
    (checked,) = answer["objects"]
    assert checked["triggers"] == [
        {
            "index": 0,
            "type": "redis",
            "metric": "s0-redis-jobs",
            "metricType": "AverageValue",
            "value": 12.0,
            "target": 5.0,
            "active": True,
            "error": None,
        }
    ]
    assert checked["replicas"] == {"now": 0, "next": 1, "reason": "Activated", "hpa": 3}
    text = tidegate("check", "-f", manifest, "--secret", f"login.password={PASSWORD}", home=tmp_path)
    assert "redis s0-redis-jobs: 12, target 5 (AverageValue), active" in text.stdout
    assert "the HPA would go to 3" in text.stdout


@pytest.mark.parametrize(
    ("secret", "reason", "words"),
    [
        ("login.password=wrong-battery", "Unauthorized", "refused the username or the password"),
        ("login.other=wrong-battery", "InvalidMetadata", "password"),
        ("another.password=wrong-battery", "InvalidMetadata", "Secret default/login does not exist"),
    ],
)
def test_what_is_wrong_is_named_and_no_secret_repeated(manifest, tmp_path, secret, reason, words):
    done = tidegate("check", "-f", manifest, "--secret", secret, "-o", "json", home=tmp_path)
    assert done.returncode == 1
    (trigger,) = json.loads(done.stdout)["objects"][0]["triggers"]
    assert trigger["value"] is None
    assert trigger["error"]["reason"] == reason
    assert words in trigger["error"]["message"]
    assert "wrong-battery" not in done.stdout + done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_a_secret_in_the_files_will_do(manifest, tmp_path):
    with manifest.open("a") as file:
        file.write(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: "
            + PASSWORD
            + "}\n"
        )
    done = tidegate("check", "-f", manifest, home=tmp_path)
    assert done.returncode == 0, done.stdout
    assert PASSWORD not in done.stdout + done.stderr


def test_problems_of_the_manifest_come_with_their_path(tmp_path):
    text = MANIFEST.format(address="x:1").replace("maxReplicaCount: 7", "maxReplicaCount: 0")
    done = tidegate("check", "-f", "-", stdin=text.encode(), home=tmp_path)
    assert done.returncode == 1
    assert "spec.maxReplicaCount" in done.stdout


def test_a_container_that_is_not_there_is_named(tmp_path):
    text = MANIFEST.format(address="x:1").replace(
        "scaleTargetRef: {name: web}", "scaleTargetRef: {name: web, envSourceContainerName: ghost}"
    )
    done = tidegate("check", "-f", "-", stdin=text.encode(), home=tmp_path)
    assert done.returncode == 1
    assert "spec.scaleTargetRef.envSourceContainerName" in done.stdout
    assert "ghost" in done.stdout


@pytest.mark.parametrize("secret", ["login", "login.password", "=x", "login=hunter2"])
def test_a_malformed_secret_is_usage_and_is_not_repeated(manifest, tmp_path, secret):
    done = tidegate("check", "-f", manifest, "--secret", secret, home=tmp_path)
    assert done.returncode == 2
    assert "NAME.KEY=VALUE" in done.stderr
    assert "hunter2" not in done.stderr


def test_no_scaled_object_is_usage(tmp_path):
    done = tidegate("check", "-f", "-", stdin=b"apiVersion: v1\nkind: ConfigMap\n", home=tmp_path)
    assert done.returncode == 2


PODS = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: worker}
spec:
  scaleTargetRef: {name: web}
  triggers:
    - type: kubernetes-workload
      metadata: {podSelector: app=clients, value: "2"}
    - type: cpu
      metricType: Utilization
      metadata: {value: "60"}
"""


def test_pods_are_counted_in_a_cluster_only_and_cpu_is_the_hpas(tmp_path):
    path = tmp_path / "worker.yaml"
    path.write_text(PODS)
    done = tidegate("check", "-f", path, home=tmp_path)
    assert "Unavailable: there is no cluster here whose pods could be counted" in done.stdout
    assert "cpu cpu: read by the HPA itself" in done.stdout
    with up("--cluster-only", "--pods", "none", home=tmp_path) as (_, kubectl):
        kubectl.apply(yaml.safe_dump(target("clients", 3)))
        kubectl.apply(yaml.safe_dump(target("web")))
        until(lambda: len(kubectl.get("pods")["items"]) == 3)
        done = tidegate("check", "-f", path, "--kubeconfig", kubectl.kubeconfig, home=tmp_path)
    assert "kubernetes-workload s0-workload-default: 3, target 2 (AverageValue), active" in done.stdout


ODD = """
apiVersion: v1
kind: List
items:
  - apiVersion: keda.sh/v1alpha1
    kind: ScaledObject
    metadata: {name: worker}
    spec:
      scaleTargetRef: {name: web}
      triggers:
        - type: cron
          metadata: {timezone: UTC, start: 59 23 31 12 *, end: 0 0 1 1 *, desiredReplicas: "1234567"}
        - type: cron
          metadata: {timezone: UTC, start: 0 0 1 1 *, end: 59 23 31 12 *, desiredReplicas: "1234567"}
---
kind: Secret
metadata: {name: login}
stringData: {password: 24681357}
---
kind: ConfigMap
metadata: {name: settings}
data: [24681357]
---
kind: Deployment
metadata: [web]
---
- 24681357
---
broken: [
"""


def test_documents_that_make_no_sense_are_named_and_the_others_checked(tmp_path):
    path = tmp_path / "odd.yaml"
    path.write_text(ODD)
    done = tidegate("check", "-f", path, home=tmp_path)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "24681357" not in done.stdout
    assert ": 1234567, target 1 (AverageValue), active" in done.stdout
    for words in (
        "Secret/login\n  stringData.password: is a number, not text",
        "ConfigMap/settings\n  data: is a list, not a mapping",
        "odd.yaml\n  is a list, not a Kubernetes object",
        "is no YAML that can be read",
    ):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("[]", "spec of the target is a list, not a mapping"),
        ("{replicas: many}", "spec.replicas of the target is text, not a whole number"),
        (
            "{template: {spec: {containers: [app]}}}",
            "spec.template.spec.containers of the target has text where a mapping",
        ),
        (
            "{template: {spec: {containers: [{env: [A]}]}}}",
            "spec.template.spec.containers of the target has text where a mapping",
        ),
    ],
)
def test_a_target_that_makes_no_sense(manifest, tmp_path, spec, words):
    first, _, last = manifest.read_text().split("---")
    web = f"\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {spec}\n"
    manifest.write_text(f"{first}---{web}---{last}")
    done = tidegate("check", "-f", manifest, home=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"spec.scaleTargetRef: {words}" in done.stdout
