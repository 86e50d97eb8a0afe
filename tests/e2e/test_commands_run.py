"""`tidegate run` as it is shipped, against an embedded cluster in a process of its own."""

import base64
import http.client
import json
import socket
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from command_line import left, running, tidegate, until, up
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from redis_server import RedisServer

from scaler.pki import KeyPair, issue, make_ca

pytestmark = pytest.mark.slow

NAME = "tidegate-metrics.tidegate.svc"
API = "/apis/external.metrics.k8s.io/v1beta1"
FREE = ("--secure-port", "0", "--metrics-port", "0")
SERVICE = "v1beta1.external.metrics.k8s.io"
ALWAYS = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web, namespace: NAMESPACE}
spec:
  scaleTargetRef: {name: web}
  minReplicaCount: 1
  triggers:
  - type: cron
    metadata: {timezone: UTC, start: "0 0 1 1 *", end: "59 23 31 12 *", desiredReplicas: "2"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: none}]}
"""
FOREIGN = f"""
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata:
  name: {SERVICE}
  labels: {{app.kubernetes.io/managed-by: Helm}}
spec:
  group: external.metrics.k8s.io
  version: v1beta1
  service: {{name: keda-operator-metrics-apiserver, namespace: keda, port: 443}}
  insecureSkipTLSVerify: true
  groupPriorityMinimum: 100
  versionPriority: 100
"""


@contextmanager
def cluster(home, *, crds=True):
    """A cluster without Tidegate in it, but with its CRDs."""
    with up("--cluster-only", "--pods", "ready", "--hpa-sync", "1s", home=home) as (command, kubectl):
        if crds:
            kubectl.apply(tidegate("crds", home=home).stdout)
        yield kubectl
        assert command.stop() == 0
    assert not left(home)


@contextmanager
def run(kubectl, home, *words, name="run"):
    """A running `tidegate run` on free ports, synced; it must end with 0 when it is told to stop."""
    with running("run", "--kubeconfig", kubectl.kubeconfig, *FREE, *words, home=home, name=name) as command:
        command.until(lambda: command.events("ready"), "the watches are synced")
        yield command
        assert command.stop() == 0
        assert command.events("stopping")


def ask(command, path):
    """(status, text) of the plain listener."""
    host, port = command.events("running")[0]["metrics"].rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def available(kubectl):
    """The APIService's Available condition."""
    found = kubectl.get("apiservice", SERVICE)["status"]["conditions"][0]
    return found["status"] == "True", found["message"]


def test_registered_later_and_again(tmp_path):
    with cluster(tmp_path) as kubectl:
        token = yaml.safe_load(kubectl.kubeconfig.read_text())["users"][0]["user"]["token"]
        with run(kubectl, tmp_path, "--log-level", "debug") as command:
            assert "NotFound" in kubectl("get", "apiservice", SERVICE, code=1)
            assert ask(command, "/healthz") == (200, "ok")
            assert ask(command, "/readyz") == (200, "ok")
            status, text = ask(command, "/metrics")
            assert status == 200
            assert "tidegate_api_requests_total{" in text
            assert "process_resident_memory_bytes" in text
            assert ask(command, "/other")[0] == 404
            assert token not in command.err
        with run(kubectl, tmp_path, "--register") as command:
            assert [event["change"] for event in command.events("registered")] == [
                "created Service tidegate/tidegate-metrics",
                f"created APIService {SERVICE}",
            ]
            until(lambda: available(kubectl)[0])
            port = command.events("running")[0]["metrics_api"].rsplit(":", 1)[1]
            service = kubectl.get("service", "-n", "tidegate", "tidegate-metrics")["spec"]
            assert (service["type"], service["externalName"]) == ("ExternalName", "127.0.0.1")
            assert kubectl.get("apiservice", SERVICE)["spec"]["service"]["port"] == int(port)
        with run(kubectl, tmp_path, "--register") as command:  # Another port, another CA.
            assert len(command.events("registered")) == 2
            until(lambda: available(kubectl)[0])
            assert json.loads(kubectl("get", "--raw", API))["kind"] == "APIResourceList"


def test_a_foreign_apiservice(tmp_path):
    with cluster(tmp_path) as kubectl:
        kubectl.apply(FOREIGN)
        kubectl.apply(ALWAYS.replace("NAMESPACE", "default"))
        done = tidegate("run", "--kubeconfig", kubectl.kubeconfig, *FREE, "--register", home=tmp_path)
        assert done.returncode == 1
        said = done.stderr.splitlines()[-1]
        assert said.startswith(f"tidegate: APIService {SERVICE} belongs to the Service keda/keda-operator-")
        assert said.endswith("--force")
        # Who was refused has done nothing at all.
        assert kubectl.get("services", "--all-namespaces")["items"] == []
        assert kubectl.get("hpa")["items"] == []
        with run(kubectl, tmp_path, "--register", "--force"):
            until(lambda: available(kubectl)[0])
            spec = kubectl.get("apiservice", SERVICE)["spec"]
            assert spec["service"]["name"] == "tidegate-metrics"
            assert not spec.get("insecureSkipTLSVerify")
            until(lambda: kubectl.get("hpa")["items"])


def test_advertised_under_another_name(tmp_path):
    with cluster(tmp_path) as kubectl, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        words = ("--secure-port", port, "--register", "--advertise", f"localhost:{port}")
        with run(kubectl, tmp_path, *words):
            until(lambda: available(kubectl)[0])
            spec = kubectl.get("service", "-n", "tidegate", "tidegate-metrics")["spec"]
            assert spec["externalName"] == "localhost"


@pytest.mark.parametrize("kind", ["leaf alone", "with the intermediate", "self-signed"])
def test_a_certificate_of_ones_own(tmp_path, kind):
    """The caBundle is the file itself; no root needs to be in it."""
    root = make_ca("a company's CA")
    leaf = issue(root, "metrics", hosts=[NAME])
    chain = leaf.certificate + (root.certificate if kind == "with the intermediate" else b"")
    if kind == "self-signed":
        leaf = make_self_signed()
        chain = leaf.certificate
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes(chain)
    key.write_bytes(leaf.key)
    with cluster(tmp_path) as kubectl:
        words = ("--register", "--tls-cert-file", certificate, "--tls-private-key-file", key)
        with run(kubectl, tmp_path, *words):
            until(lambda: available(kubectl)[0], f"available: {available(kubectl)}")
            bundle = kubectl.get("apiservice", SERVICE)["spec"]["caBundle"]
            assert base64.b64decode(bundle) == chain


def locked_key():
    """A key with a passphrase."""
    key = ec.generate_private_key(ec.SECP256R1())
    lock = serialization.BestAvailableEncryption(b"secret")
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def make_self_signed():
    """As `openssl req -x509 -addext subjectAltName=...` makes it."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "metrics")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return KeyPair(certificate.public_bytes(pem), private)


def test_only_some_namespaces(tmp_path):
    with cluster(tmp_path) as kubectl:
        for namespace in ("one", "two", "three"):
            kubectl.apply(f"{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}")
            kubectl.apply(ALWAYS.replace("NAMESPACE", namespace))
        with run(kubectl, tmp_path, "--namespace", "one", "--namespace", "two", "--namespace", "one"):

            def seen():
                return {hpa["metadata"]["namespace"] for hpa in kubectl.get("hpa", "-A")["items"]}

            until(lambda: seen() == {"one", "two"})
            status = kubectl.get("scaledobject", "-n", "three", "web").get("status") or {}
            assert "conditions" not in status
        with run(kubectl, tmp_path):
            until(lambda: seen() == {"one", "two", "three"})


def test_crds_that_come_later(tmp_path):
    with (
        cluster(tmp_path, crds=False) as kubectl,
        running("run", "--kubeconfig", kubectl.kubeconfig, *FREE, home=tmp_path, name="run") as command,
    ):
        command.until(lambda: command.events("running"))
        assert ask(command, "/healthz") == (200, "ok")
        assert ask(command, "/readyz") == (503, "not ready")
        kubectl.apply(tidegate("crds", home=tmp_path).stdout)
        kubectl.apply(ALWAYS.replace("NAMESPACE", "default"))
        command.until(lambda: ask(command, "/readyz") == (200, "ok"))
        command.until(lambda: kubectl.get("hpa")["items"])
        assert command.stop() == 0


LISTED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 0
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: main, image: none, env: [{name: PASSWORD, value: "SECRET"}]}]}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: NAME}
spec:
  scaleTargetRef: {name: NAME}
  triggers:
  - type: redis
    metadata: {address: "127.0.0.1:PORT", listName: jobs, passwordFromEnv: PASSWORD}
"""


@pytest.mark.server
def test_secrets_stay_out_of_everything_that_is_shown(tmp_path):
    right, wrong = "correct-horse", "battery-staple"
    with (
        RedisServer("--requirepass", right, password=right) as redis,
        cluster(tmp_path) as kubectl,
        run(kubectl, tmp_path, "--log-level", "debug") as command,
    ):
        for name, secret in (("right", right), ("wrong", wrong)):
            text = LISTED.replace("NAME", name).replace("SECRET", secret).replace("PORT", str(redis.port))
            kubectl.apply(text)
        kubectl("wait", "scaledobject/right", "--for=condition=Active=false", "--timeout=30s")
        kubectl("wait", "scaledobject/wrong", "--for=condition=Ready=false", "--timeout=30s")
        redis.cli("LPUSH", "jobs", "1")
        until(lambda: kubectl.get("deployment", "right")["spec"]["replicas"] == 1)
        shown = command.err + ask(command, "/metrics")[1]
        shown += json.dumps([kubectl.get("events"), kubectl.get("scaledobjects"), kubectl.get("hpa")])
        assert f"127.0.0.1:{redis.port}" in shown
        assert right not in shown
        assert wrong not in shown


def test_told_to_stop_while_the_api_server_is_gone(tmp_path):
    with up("--cluster-only", home=tmp_path) as (api_server, kubectl):
        kubectl.apply(tidegate("crds", home=tmp_path).stdout)
        with run(kubectl, tmp_path) as command:
            api_server.close()
            command.until(lambda: command.events("watch_failed"))


def test_ports_that_are_taken(tmp_path):
    with cluster(tmp_path) as kubectl, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for words in (
            ("--secure-port", port, "--metrics-port", 0),
            ("--secure-port", 0, "--metrics-port", port),
        ):
            done = tidegate("run", "--kubeconfig", kubectl.kubeconfig, *words, home=tmp_path)
            assert done.returncode == 1
            assert done.stderr.splitlines()[-1].startswith(f"tidegate: cannot listen on 127.0.0.1:{port}: ")


def fails(home, *words, **changes):
    """The one line that a `run` fails with."""
    done = tidegate("run", *FREE, *words, home=home, **changes)
    assert done.returncode == 1, done.stderr
    assert not done.stdout
    *_, said = done.stderr.splitlines()
    assert said.startswith("tidegate: ")
    return said.removeprefix("tidegate: ")


def test_no_cluster_to_be_found(tmp_path):
    assert fails(tmp_path).startswith("no cluster: no kubeconfig was given")
    assert fails(tmp_path, "--kubeconfig", "missing") == "kubeconfig missing: no such file"
    assert fails(tmp_path, KUBECONFIG="missing") == "kubeconfig missing: no such file"
    (tmp_path / "garbage").write_text("{: [")
    assert fails(tmp_path, "--kubeconfig", "garbage").startswith("kubeconfig garbage: ")
    (tmp_path / "empty").write_text("")
    assert fails(tmp_path, "--kubeconfig", "empty").startswith("kubeconfig empty: ")


def test_an_api_server_that_cannot_be_used(tmp_path):
    """It fails at once, with the reason: whoever runs it starts it again."""
    with up("--cluster-only", home=tmp_path) as (command, kubectl):
        config = yaml.safe_load(kubectl.kubeconfig.read_text())
        config["users"][0]["user"]["token"] = "wrong"
        (tmp_path / "stranger").write_text(yaml.safe_dump(config))
        assert "Unauthorized" in fails(tmp_path, "--kubeconfig", "stranger")
        config["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(
            make_ca("another").certificate
        ).decode()
        (tmp_path / "another").write_text(yaml.safe_dump(config))
        assert "certificate" in fails(tmp_path, "--kubeconfig", "another")
        assert command.stop() == 0
    said = fails(tmp_path, "--kubeconfig", kubectl.kubeconfig)
    server = config["clusters"][0]["cluster"]["server"]
    assert server.removeprefix("https://") in said
    assert "refused" in said.lower() or "connect" in said.lower()


def test_certificate_files_that_cannot_be_used(tmp_path):
    ca = make_ca("a CA")
    good, other = issue(ca, "metrics", hosts=[NAME]), issue(ca, "web", hosts=["web.example"])
    for name, data in {
        "good.crt": good.certificate,
        "good.key": good.key,
        "other.crt": other.certificate,
        "other.key": other.key,
        "garbage": b"garbage",
        "locked.key": locked_key(),
    }.items():
        (tmp_path / name).write_bytes(data)
    with cluster(tmp_path) as kubectl:

        def said(certificate, key):
            words = ("--tls-cert-file", certificate, "--tls-private-key-file", key)
            return fails(tmp_path, "--kubeconfig", kubectl.kubeconfig, "--register", *words)

        assert said("missing.crt", "good.key") == "[Errno 2] No such file or directory: 'missing.crt'"
        assert said("garbage", "good.key") == "garbage: no PEM certificate in it"
        assert said("good.crt", "garbage") == "garbage: no PEM private key in it"
        assert (
            said("good.crt", "locked.key") == "locked.key: the key is encrypted; give it without a passphrase"
        )
        assert said("good.crt", "other.key").startswith(
            "other.key is not the key of the first certificate in"
        )
        assert said("other.crt", "other.key").startswith(
            f"other.crt: the certificate is for web.example, not for {NAME}"
        )
        assert "NotFound" in kubectl("get", "apiservice", SERVICE, code=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--role", "other"], "--role"),
        (["--tls-cert-file", "c"], "--tls-cert-file and --tls-private-key-file go together"),
        (["--tls-private-key-file", "k"], "--tls-cert-file and --tls-private-key-file go together"),
        (["--advertise", "host:443"], "give --register too"),
        (["--register", "--advertise", "host"], "--advertise host: write HOST:PORT"),
        (["--register", "--advertise", ":443"], "--advertise :443: write HOST:PORT"),
        (["--register", "--advertise", "host:https"], "--advertise host:https: write HOST:PORT"),
        (["--register", "--advertise", "host:0"], "port 0: give one from 1 to 65535"),
        (["--register", "--advertise", "host:65536"], "port 65536: give one from 1 to 65535"),
        (["--register", "--advertise", "[::1]:443"], "'[::1]' is no host to send an API server to"),
        (["--register", "--bind-address", "0.0.0.0"], "'0.0.0.0' is no host to send an API server to"),
        (["--bind-address", "everywhere"], "--bind-address everywhere: write an IP address"),
        (["--secure-port", "65536"], "--secure-port"),
        (["--metrics-port", "http"], "--metrics-port"),
        (["--namespace", "Shop"], "--namespace 'Shop': is no namespace's name"),
        (["--namespace", ""], "--namespace '': is no namespace's name"),
        (["--cluster-namespace", "a/b"], "--cluster-namespace 'a/b': is no namespace's name"),
        (["--filepath-auth-root", "missing"], "--filepath-auth-root missing: is no directory"),
        (["--log-level", "loud"], "--log-level"),
    ],
)
def test_flags_that_cannot_be(tmp_path, words, message):
    done = tidegate("run", *words, home=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert not done.stdout
