"""`tidegate compare` and `--mode observe` as shipped."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from command_line import running, tidegate, up
from prometheus_client import CollectorRegistry

from scaler.core.comparison import Comparison
from scaler.core.comparison_report import Subject, document
from scaler.core.decision import Outcome, Policy, Times
from scaler.core.record import Given
from scaler.telemetry import Listener

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SINCE = "2026-01-05T12:00:00Z"
POD = {
    "metadata": {"name": "tidegate-0", "namespace": "tidegate"},
    "spec": {"containers": [{"ports": [{"name": "metrics", "containerPort": 9090}]}]},
    "status": {"phase": "Running"},
}
ALWAYS = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web}
spec:
  scaleTargetRef: {name: web}
  pollingInterval: 5
  triggers:
  - type: cron
    metadata: {timezone: UTC, start: "0 0 1 1 *", end: "59 23 31 12 *", desiredReplicas: "2"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: none}]}
"""


class Known:
    """A report about shop/worker, which is scaled against our will when told to."""

    def __init__(self):
        self.comparison = Comparison(30, NOW)
        outcome = Outcome(index=0, metric="s0-redis-jobs", target=5000, value=0, active=False)
        given = Given(policy=Policy(), outcomes=(outcome,), replicas=0, times=Times(NOW, None), now=NOW)
        self.comparison.decided(given, given.decide())

    def differ(self):
        self.comparison.scaled(0, 1, 1, NOW)
        self.comparison.look(NOW + timedelta(hours=1))

    def document(self, namespace=None):
        subject = Subject("shop", "worker", "apps/v1.Deployment shop/web", self.comparison)
        return document([subject] if namespace in {None, "shop"} else [], "observe", NOW)


@contextlib.asynccontextmanager
async def listening(known):
    listener = Listener(CollectorRegistry(), lambda: True, None, known)
    await listener.start("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.port}"
    finally:
        await listener.close()


async def compare(*words, home, **more):
    return await asyncio.to_thread(tidegate, "compare", *words, home=home, **more)


async def test_over_loopback(tmp_path):
    known = Known()
    async with listening(known) as server:
        done = await compare("--server", server, home=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "1 object, 1 agree\n", "")
        known.differ()
        done = await compare("--server", server, home=tmp_path)
        assert done.returncode == 1
        assert done.stdout.splitlines() == [
            "shop/worker: 1 disagreement",
            f"  apps/v1.Deployment shop/web, watched since {SINCE}, 0 of 1 changes across the floor as Tidegate would",
            "  2026-01-05T12:00:00Z  scaled",
            "    done:      scaled from 0 to 1",
            "    Tidegate:  would have left it at 0",
            "    because:   AtRest: no work; at 0",
            "",
            "1 object, 0 agree",
        ]
        done = await compare("--server", server, "-o", "json", "-n", "shop", home=tmp_path)
        assert json.loads(done.stdout) == known.document()
        done = await compare("--server", server, "-n", "other", home=tmp_path)
        assert done.returncode == 0
        assert done.stdout.startswith("no ScaledObject is observed: annotate")
        asked = await asyncio.to_thread(tidegate, "explain", "shop/worker", "--server", server, home=tmp_path)
        assert asked.returncode == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--server", "http://10.0.0.1:8080"], "write http://127.0.0.1:PORT"),
        (["--server", "http://127.0.0.1:1", "--kubeconfig", "x"], "give one of them"),
        (["--controller-namespace", "A b"], "--controller-namespace 'A b'"),
        (["-n", "A b"], "--namespace 'A b': is no namespace's name"),
    ],
)
def test_command_lines_that_cannot_be(tmp_path, words, told):
    done = tidegate("compare", *words, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_a_run_that_observes_cannot_register(tmp_path):
    done = tidegate("run", "--mode", "observe", "--register", home=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "tidegate: --register writes to the cluster, --mode observe never does: give one\n"


# Through the API server.


@contextlib.asynccontextmanager
async def api_server(home, **reports):
    """Pods by name, and what each answers: a report, or an HTTP status."""
    asked = []
    root = "/api/v1/namespaces/tidegate/pods"

    async def pods(_):
        items = [{**POD, "metadata": {**POD["metadata"], "name": name.replace("_", "-")}} for name in reports]
        return web.json_response({"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": items})

    async def proxied(request):
        asked.append(request.path_qs.removeprefix(root))
        found = reports[request.match_info["pod"].partition(":")[0].replace("-", "_")]
        if isinstance(found, int):
            body = {"kind": "Status", "status": "Failure", "message": "no", "code": found}
            return web.json_response(body, status=found)
        return web.json_response(found.document(request.query.get("namespace")))

    app = web.Application()
    app.router.add_get(root, pods)
    app.router.add_get(f"{root}/{{pod}}/proxy/disagreements", proxied)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server = f"http://127.0.0.1:{runner.addresses[0][1]}"
    kubeconfig = home / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    try:
        yield kubeconfig, asked
    finally:
        await runner.cleanup()


class Nothing:
    def document(self, _namespace=None):
        return document([], "act", NOW)


async def test_through_the_pod_that_observes(tmp_path):
    async with api_server(tmp_path, old=404, acting=Nothing(), observing=Known()) as (kubeconfig, asked):
        done = await compare("--kubeconfig", kubeconfig, "-n", "shop", home=tmp_path)
        assert (done.returncode, done.stdout) == (0, "1 object, 1 agree\n")
        assert asked[-1] == "/observing%3A9090/proxy/disagreements?namespace=shop"


@pytest.mark.parametrize(
    ("reports", "code", "told"),
    [
        ({"acting": Nothing(), "old": 404}, 0, "no ScaledObject is observed"),
        ({"old": 404}, 1, "tidegate: pod old has no such report"),
        ({"locked": 403}, 1, "the right to get pods/proxy in namespace tidegate is missing"),
        ({}, 1, "no running pod with the labels"),
    ],
)
async def test_pods_that_have_nothing_to_tell(tmp_path, reports, code, told):
    async with api_server(tmp_path, **reports) as (kubeconfig, _):
        done = await compare("--kubeconfig", kubeconfig, home=tmp_path)
        assert done.returncode == code
        assert told in done.stdout + done.stderr


# The whole.


@pytest.mark.slow
def test_an_observing_run_decides_reports_and_leaves_the_cluster_as_it_was(tmp_path):
    with up("--cluster-only", home=tmp_path) as (_, kubectl):
        kubectl.apply(tidegate("crds", home=tmp_path).stdout)
        kubectl.apply(ALWAYS)
        before = kubectl.get("scaledobject", "web")
        words = (
            "--kubeconfig",
            kubectl.kubeconfig,
            "--mode",
            "observe",
            "--secure-port",
            "0",
            "--metrics-port",
            "0",
        )
        with running("run", *words, home=tmp_path, name="run", TIDEGATE_TIME_FACTOR="20") as command:
            command.until(lambda: command.events("ready"))
            (begun,) = command.events("running")
            assert begun["mode"] == "observe"
            server = f"http://{begun['metrics']}"

            def told():
                done = tidegate("compare", "--server", server, "-o", "json", home=tmp_path)
                found = {
                    each["kind"] for o in json.loads(done.stdout)["objects"] for each in o["disagreements"]
                }
                return done.returncode == 1 and found == {"not-scaled", "hpa"}

            command.until(told)
            done = tidegate("explain", "default/web", "--server", server, home=tmp_path)
            assert done.stdout.startswith("default/web: 0 replicas. Activated")
            assert command.stop() == 0
        assert kubectl.get("scaledobject", "web") == before
        assert kubectl.get("hpa")["items"] == []
        assert kubectl.get("deployment", "web")["spec"]["replicas"] == 0
        services = {each["metadata"]["name"] for each in kubectl.get("apiservices")["items"]}
        assert "v1beta1.external.metrics.k8s.io" not in services
        assert kubectl.get("service")["items"] == []
        assert [
            e for e in kubectl.get("events")["items"] if e["involvedObject"]["kind"] == "ScaledObject"
        ] == []


@pytest.mark.slow
def test_an_embedded_cluster_in_which_tidegate_observes(tmp_path):
    with up("--mode", "observe", home=tmp_path) as (_, kubectl):
        services = {each["metadata"]["name"] for each in kubectl.get("apiservices")["items"]}
        assert "v1beta1.external.metrics.k8s.io" not in services
        assert kubectl.get("scaledobjects")["items"] == []
