"""`tidegate up` as it is shipped: when it is ready, what it holds, and that it leaves nothing behind."""

import json
import os
import shutil
import signal
import socket
import stat

import pytest
import yaml
from command_line import left, running, tidegate, until, up

pytestmark = pytest.mark.slow

SLEEPER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - name: main
        image: none
        command: [sh, -c]
        args: ["SCRIPT"]
"""
STUBBORN = "trap '' TERM; echo here; while true; do sleep 1000; done"


def sleeper(name, script="echo here; exec sleep 1000"):
    return SLEEPER.replace("NAME", name).replace("SCRIPT", script)


def ready(kubectl, name):
    return kubectl.get("deployment", name)["status"].get("readyReplicas", 0)


def test_ready_with_everything_and_gone_with_everything(tmp_path):
    with up("--log-level", "debug", home=tmp_path) as (command, kubectl):
        url = command.out.removeprefix("ready ").strip()
        assert command.out == f"ready {url}\n"
        assert url.startswith("https://127.0.0.1:")

        # The kubeconfig is private, complete, and was written in one step.
        config = yaml.safe_load(kubectl.kubeconfig.read_text())
        assert stat.S_IMODE(kubectl.kubeconfig.stat().st_mode) == 0o600
        assert config["clusters"][0]["cluster"]["server"] == url
        assert config["clusters"][0]["cluster"]["certificate-authority-data"]
        token = config["users"][0]["user"]["token"]
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".kubeconfig")]

        # CRDs, controller and adapter are there from the first moment on.
        kinds = kubectl("api-resources", "--api-group", "keda.sh", "-o", "name").split()
        assert kinds == [
            "clustertriggerauthentications.keda.sh",
            "scaledobjects.keda.sh",
            "triggerauthentications.keda.sh",
        ]
        served = json.loads(kubectl("get", "--raw", "/apis/external.metrics.k8s.io/v1beta1"))
        assert served["kind"] == "APIResourceList"

        # Pods are processes, with logs; also those that do not listen to SIGTERM end with the cluster.
        kubectl.apply(sleeper("polite"))
        kubectl.apply(sleeper("stubborn", STUBBORN))
        kubectl("wait", "deployment", "polite", "stubborn", "--for=condition=Available", "--timeout=30s")
        assert kubectl("logs", "deployment/polite", "--tail", 1) == "here\n"
        assert sum("sleep" in words for words in left(tmp_path).values()) >= 4

        assert command.stop(signal.SIGTERM) == 0
        assert command.out == f"ready {url}\n"
        assert token not in command.err
        assert "PRIVATE KEY" not in command.err
    assert not left(tmp_path)


def test_the_cluster_only(tmp_path):
    with up("--cluster-only", home=tmp_path) as (command, kubectl):
        assert kubectl.get("customresourcedefinitions")["items"] == []
        assert kubectl.get("services", "--all-namespaces")["items"] == []
        assert not kubectl("api-resources", "--api-group", "external.metrics.k8s.io", "-o", "name")
        assert "NotFound" in kubectl("get", "--raw", "/apis/external.metrics.k8s.io/v1beta1", code=1)
        kubectl.apply(sleeper("web"))  # Its own controllers run all the same.
        until(lambda: ready(kubectl, "web") == 2)
        assert command.stop(signal.SIGINT) == 0
    assert not left(tmp_path)


@pytest.mark.parametrize("pods", ["ready", "none"])
def test_pods_that_are_no_processes(tmp_path, pods):
    with up("--cluster-only", "--pods", pods, home=tmp_path) as (command, kubectl):
        kubectl.apply(sleeper("web"))
        wanted = "Running" if pods == "ready" else "Pending"
        until(lambda: [p["status"].get("phase") for p in kubectl.get("pods")["items"]] == [wanted, wanted])
        assert ready(kubectl, "web") == (2 if pods == "ready" else 0)
        assert not any("sleep" in words for words in left(tmp_path).values())
        assert command.stop() == 0


def test_the_hpa_looks_as_often_as_told(tmp_path):
    hpa = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 3
  maxReplicas: 5
  metrics:
  - type: External
    external: {metric: {name: m}, target: {type: Value, value: "1"}}
"""
    with up("--cluster-only", "--pods", "ready", "--hpa-sync", "500ms", home=tmp_path) as (command, kubectl):
        kubectl.apply(sleeper("web"))
        kubectl.apply(hpa)
        until(lambda: kubectl.get("deployment", "web")["spec"]["replicas"] == 3, within=10)
        assert command.stop() == 0


def test_its_port(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        taken.listen()
        done = tidegate("up", "--port", port, "--kubeconfig-out", "config", home=tmp_path)
        assert done.returncode == 1
        place = f"127.0.0.1:{port}: Address already in use"
        assert done.stderr == (
            f"tidegate: cannot listen on {place}; stop what listens there, or choose another port\n"
        )
        assert not done.stdout
        assert not (tmp_path / "config").exists()
    with up("--cluster-only", "--port", port, home=tmp_path) as (command, _):
        assert command.out == f"ready https://127.0.0.1:{port}\n"
        assert command.stop() == 0


def test_told_to_stop_before_it_is_ready(tmp_path):
    with running("up", "--kubeconfig-out", "config", "--log-level", "info", home=tmp_path) as command:
        command.until(lambda: command.events("registered"))
        command.stop()
        assert command.process.returncode == 0
    assert not left(tmp_path)


def test_told_to_stop_twice(tmp_path):
    """Who does not want to wait: workers get no more time."""
    with up("--cluster-only", home=tmp_path) as (command, kubectl):
        kubectl.apply(sleeper("stubborn", "trap 'touch $HOME/told' TERM; while true; do sleep 1000; done"))
        until(lambda: ready(kubectl, "stubborn") == 2)
        command.process.send_signal(signal.SIGTERM)
        until((tmp_path / "told").exists, "the workers are told to end")
        assert command.stop(signal.SIGTERM) == 0
    assert not left(tmp_path)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="no setpriv to tie the workers' lives to ours")
def test_told_to_stop_three_times(tmp_path):
    """The way out that needs nothing of ours to work: it ends by the signal."""
    with up("--cluster-only", home=tmp_path) as (command, kubectl):
        kubectl.apply(sleeper("polite"))
        until(lambda: ready(kubectl, "polite") == 2)
        pid = command.process.pid
        os.kill(pid, signal.SIGSTOP)  # All three come before anything can end.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)
        assert command.process.wait(20) < 0
        until(lambda: not left(tmp_path), "the workers died with it")


def test_an_old_kubeconfig_is_replaced(tmp_path):
    old = tmp_path / "kubeconfig"
    old.write_text("old")
    old.chmod(0o644)
    with up("--cluster-only", home=tmp_path) as (command, kubectl):
        assert stat.S_IMODE(old.stat().st_mode) == 0o600
        assert kubectl("get", "namespace", "default", "-o", "name") == "namespace/default\n"
        assert command.stop() == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hpa-sync", "5"], "--hpa-sync 5: write a duration above 0 with its unit, such as 15s"),
        (["--hpa-sync", "0s"], "--hpa-sync 0s: write a duration above 0"),
        (["--hpa-sync", "-5s"], "--hpa-sync -5s: write a duration above 0"),
        (["--hpa-sync", "soon"], "--hpa-sync soon: write a duration above 0"),
        (["--port", "70000"], "--port"),
        (["--port", "-1"], "--port"),
        (["--pods", "some"], "--pods"),
        (["--log-level", "loud"], "--log-level"),
        (["--kubeconfig-out", "/nowhere/config"], "there is no folder /nowhere"),
        (["--kubeconfig-out", "/dev/null"], "--kubeconfig-out /dev/null: is there and is no file"),
        (["--kubeconfig-out", "."], "--kubeconfig-out .: is there and is no file"),
        (["extra"], "extra"),
    ],
)
def test_flags_that_cannot_be(tmp_path, words, message):
    done = tidegate("up", *words, home=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not done.stdout
