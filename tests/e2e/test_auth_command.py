"""Credentials in `tidegate run` as it is shipped: flags, KEDA's environment variable, rotation, and nothing shown."""

import json

import pytest
from command_line import running, tidegate, until, up
from redis_server import RedisServer

pytestmark = [pytest.mark.server, pytest.mark.slow]

FREE = ("--secure-port", "0", "--metrics-port", "0")
OBJECTS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 0
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: main, image: none}]}
---
apiVersion: keda.sh/v1alpha1
kind: ClusterTriggerAuthentication
metadata: {name: NAME}
spec: SPEC
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: NAME}
spec:
  pollingInterval: 1
  scaleTargetRef: {name: NAME}
  triggers:
  - type: redis
    metadata: {address: "127.0.0.1:PORT", listName: jobs}
    authenticationRef: {name: NAME, kind: ClusterTriggerAuthentication}
"""
NAMESPACE_AND_SECRET = """
apiVersion: v1
kind: Namespace
metadata: {name: ops}
---
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: ops}
stringData: {password: PASSWORD}
"""


def test_a_cluster_s_authentications_from_files_and_secrets(tmp_path):
    first, second = "correct-horse", "battery-staple"
    files = tmp_path / "auth"
    files.mkdir()
    (files / "login.json").write_text(json.dumps({"password": first}))
    with (
        RedisServer("--requirepass", first, password=first) as redis,
        up("--cluster-only", "--pods", "ready", "--hpa-sync", "1s", home=tmp_path) as (cluster, kubectl),
    ):
        kubectl.apply(tidegate("crds", home=tmp_path).stdout)
        kubectl.apply(NAMESPACE_AND_SECRET.replace("PASSWORD", first))
        ways = {
            "file": "{filePath: login.json}",
            "secret": "{secretTargetRef: [{parameter: password, name: login, key: password}]}",
        }
        for name, spec in ways.items():
            text = OBJECTS.replace("NAME", name).replace("SPEC", spec)
            kubectl.apply(text.replace("PORT", str(redis.port)))
        words = (
            "--kubeconfig",
            kubectl.kubeconfig,
            *FREE,
            "--filepath-auth-root",
            files,
            "--log-level",
            "debug",
        )
        with running(
            "run", *words, home=tmp_path, name="run", KEDA_CLUSTER_OBJECT_NAMESPACE="ops"
        ) as command:
            for name in ways:
                kubectl("wait", f"scaledobject/{name}", "--for=condition=Ready=true", "--timeout=30s")
            redis.cli("CONFIG", "SET", "requirepass", second)
            redis._password = second
            (files / "login.json").write_text(json.dumps({"password": second}))
            kubectl.apply(NAMESPACE_AND_SECRET.replace("PASSWORD", second))
            # Whoever still had the first password could not come back.
            redis.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            redis.cli("RPUSH", "jobs", "1", "2")
            for name in ways:
                until(lambda name=name: kubectl.get("deployment", name)["spec"]["replicas"] >= 1)
            shown = command.err + json.dumps(
                [kubectl.get(kind, "-A") for kind in ("events", "scaledobjects", "hpa")]
            )
            assert command.stop() == 0
        assert cluster.stop() == 0
    assert first not in shown
    assert second not in shown
