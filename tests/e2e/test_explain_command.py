"""`tidegate explain` as shipped: asked over loopback and through a pod, followed, replayed; and what it refuses."""

import asyncio
import contextlib
import json
import signal
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from command_line import Running, tidegate
from prometheus_client import CollectorRegistry

from scaler.core.decision import Outcome, Policy, Times
from scaler.core.explain_document import document
from scaler.core.explain_entries import Decided, Subject
from scaler.core.record import Given
from scaler.telemetry import Listener

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
POD = {
    "metadata": {"name": "tidegate-0", "namespace": "tidegate"},
    "spec": {"containers": [{"ports": [{"name": "api", "containerPort": 6443}, {"name": "metrics", "containerPort": 9090}]}]},
    "status": {"phase": "Running"},
}  # fmt: skip


class Known:
    """A journal that knows shop/worker."""

    def __init__(self):
        self.entries = []
        self.decide(0.0, active=False)

    def decide(self, value, *, active):
        now = NOW + timedelta(seconds=len(self.entries))
        outcome = Outcome(index=0, metric="s0-redis-jobs", target=5000, value=value, active=active)
        given = Given(policy=Policy(), outcomes=(outcome,), replicas=0, times=Times(NOW, None), now=now)
        self.entries.append(Decided(given, given.decide(), acted=True, held="", first=now))

    def document(self, namespace, name, last=None):
        if (namespace, name) != ("shop", "worker"):
            return None
        subject = Subject(namespace=namespace, name=name, uid="u", since=NOW, in_charge=True)
        return document(subject, self.entries, NOW, last)

    def objects(self):
        return []


@contextlib.asynccontextmanager
async def listening(known):
    listener = Listener(CollectorRegistry(), lambda: True, known)
    await listener.start("127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listener.port}"
    finally:
        await listener.close()


async def explain(*words, home, **more):
    return await asyncio.to_thread(tidegate, "explain", *words, home=home, **more)


async def test_over_loopback(tmp_path):
    known = Known()
    known.decide(9.0, active=True)
    async with listening(known) as server:
        done = await explain("shop/worker", "--server", server, home=tmp_path)
        text = done.stdout.splitlines()
        assert text[0] == "shop/worker: 0 replicas. Activated: work in s0-redis-jobs; from 0 to 1"
        assert [line.split()[1] for line in text[-2:]] == ["Activated:", "AtRest:"]
        done = await explain("shop/worker", "--server", server, "-o", "json", "--last", "1", home=tmp_path)
        found = json.loads(done.stdout)
        assert found["answer"] == text[0]
        assert len(found["entries"]) == 1
        done = await explain("shop/other", "--server", server, home=tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("tidegate: no ScaledObject shop/other is known here")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["shop/worker", "--server", "http://10.0.0.1:8080"], "--server http://10.0.0.1:8080: write http://127.0.0.1:PORT"),
        (["shop/worker", "--server", "http://localhost.evil.example"], "write http://127.0.0.1:PORT"),
        (["shop/worker", "--server", "https://127.0.0.1:1"], "write http://127.0.0.1:PORT"),
        (["shop/worker", "--server", "http://x@127.0.0.1:1"], "write http://127.0.0.1:PORT"),
        (["shop/worker", "--server", "http://127.0.0.1:1/metrics"], "write http://127.0.0.1:PORT"),
        (["shop/worker", "--server", "127.0.0.1:70000"], "write http://127.0.0.1:PORT"),
        (["shop/worker", "--server", "http://127.0.0.1:1", "--kubeconfig", "x"], "give one of them"),
        (["shop/worker", "--controller-namespace", "A b"], "--controller-namespace 'A b'"),
        (["worker"], "worker: write NAMESPACE/NAME"),
        (["shop/worker/x"], "write NAMESPACE/NAME"),
        ([], "say which ScaledObject"),
        (["shop/worker", "--replay", "-"], "--replay takes a file and nothing else"),
        (["--follow", "--replay", "-"], "--replay takes a file and nothing else"),
    ],
)  # fmt: skip
def test_command_lines_that_cannot_be(tmp_path, words, told):
    done = tidegate("explain", *words, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


async def test_nobody_there(tmp_path):
    async with listening(Known()) as server:
        pass
    done = await explain("shop/worker", "--server", server, home=tmp_path)
    assert done.returncode == 1
    assert f"tidegate: {server} cannot be asked: " in done.stderr
    assert "is this its --metrics-port?" in done.stderr


async def test_something_else_there(tmp_path):
    async with api_server() as (server, _):
        done = await explain("shop/worker", "--server", server, home=tmp_path)
        assert done.returncode == 1
        assert "is this Tidegate's --metrics-port?" in done.stderr


async def test_following_prints_what_is_new(tmp_path):
    known = Known()
    async with listening(known) as server:
        text = Running("explain", "shop/worker", "--server", server, "--follow", home=tmp_path)
        lines = Running(
            "explain", "shop/worker", "--server", server, "--follow", "-o", "json", home=tmp_path, name="json"
        )
        try:
            await asyncio.to_thread(text.until, lambda: "AtRest: no work; at 0" in text.out)
            await asyncio.to_thread(lines.until, lambda: lines.out.count("\n") == 1)
            known.decide(9.0, active=True)
            await asyncio.to_thread(
                text.until, lambda: "now: shop/worker: 0 replicas. Activated: " in text.out
            )
            await asyncio.to_thread(lines.until, lambda: lines.out.count("\n") == 2)
            assert text.out.count("2026-01-05T12:00:01Z  Activated: work in s0-redis-jobs; from 0 to 1") == 1
            assert [json.loads(line)["reason"] for line in lines.out.splitlines()] == ["AtRest", "Activated"]
            for running in (text, lines):
                assert await asyncio.to_thread(running.stop, signal.SIGINT) == 0
        finally:
            text.close()
            lines.close()
    replayed = tidegate("explain", "--replay", "-", home=tmp_path, stdin=lines.out.encode())
    assert (replayed.returncode, replayed.stderr) == (0, "2 decided again, 0 differently\n")


# Deciding again.


def test_a_saved_document_replays_to_the_same(tmp_path):
    known = Known()
    known.decide(9.0, active=True)
    body = known.document("shop", "worker")
    saved = tmp_path / "saved.json"
    saved.write_text(json.dumps(_plain(body)))
    done = tidegate("explain", "--replay", saved, home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "2 decided again, 0 differently\n")
    assert (
        done.stdout == "2026-01-05T12:00:01Z  Activated: the same\n2026-01-05T12:00:00Z  AtRest: the same\n"
    )
    edited = _plain(body)
    edited["entries"][0]["record"]["decision"]["replicas"] = 4
    done = tidegate("explain", "--replay", "-", home=tmp_path, stdin=json.dumps(edited).encode())
    assert (done.returncode, done.stderr) == (1, "2 decided again, 1 differently\n")
    assert "Activated: replicas was 4, is 1" in done.stdout


def _plain(body):
    return json.loads(json.dumps(body))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no record of a decision in it"),
        ("{}", "no record of a decision in it"),
        ("{}\nhello", "line 2 is no JSON"),
        ('{"given": {}, "decision": {}}', "no record of a decision: "),
    ],
)
def test_what_holds_no_record(tmp_path, text, told):
    done = tidegate("explain", "--replay", "-", home=tmp_path, stdin=text.encode())
    assert done.returncode == 2
    assert told in done.stderr
    assert tidegate("explain", "--replay", tmp_path / "nothing", home=tmp_path).returncode == 2


# Through the API server.


@contextlib.asynccontextmanager
async def api_server(pods=(), forbidden=(), proxied=None):
    """As much of a kube-apiserver as is asked: lists of pods, and its pod proxy. `proxied` is (pod, port) → journal."""
    asked = []

    def status(code, message):
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
        return web.json_response(body, status=code)

    async def answer(request):
        asked.append((request.path, dict(request.query)))
        parts = request.path.split("/")
        if parts[1:4] != ["api", "v1", "namespaces"] or parts[5] != "pods":
            return status(404, "the server could not find the requested resource")
        verb = "list pods" if len(parts) == 6 else "get pods/proxy"
        if verb in forbidden:
            return status(403, f'pods is forbidden: User "ann" cannot {verb}')
        if len(parts) == 6:
            return web.json_response({"kind": "PodList", "metadata": {}, "items": list(pods)})
        pod, _, port = parts[6].partition(":")
        known = (proxied or {}).get((pod, int(port)))
        if known is None:
            return status(503, "error trying to reach service: dial tcp: connection refused")
        found = known.document(parts[9], parts[10], int(request.query["last"]))
        return web.json_response(
            _plain(found) if found else {"error": "not known"}, status=200 if found else 404
        )

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


def kubeconfig(folder, server):
    file = folder / "kubeconfig"
    file.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "ann"}}],
                "clusters": [{"name": "it", "cluster": {"server": server}}],
                "users": [{"name": "ann", "user": {"token": "t"}}],
            }
        )
    )
    return file


def pod(name, phase="Running"):
    return {**POD, "metadata": {**POD["metadata"], "name": name}, "status": {"phase": phase}}


class Standby(Known):
    def document(self, *_key):
        return None


async def test_through_the_controller_s_pod(tmp_path):
    """A pod that does not run yet, a standby, and the one in charge."""
    pods = [pod("pending", "Pending"), pod("standby"), pod("leader")]
    async with api_server(pods, proxied={("standby", 9090): Standby(), ("leader", 9090): Known()}) as (
        server,
        asked,
    ):
        file = kubeconfig(tmp_path, server)
        done = await explain("shop/worker", "--kubeconfig", file, home=tmp_path)
        assert done.stdout.startswith("shop/worker: 0 replicas. AtRest: no work; at 0\n"), done.stderr
        listed, *proxied = asked
        assert listed[0] == "/api/v1/namespaces/tidegate/pods"
        assert listed[1]["labelSelector"] == (
            "app.kubernetes.io/name=tidegate,app.kubernetes.io/component=controller"
        )
        assert [path for path, _ in proxied] == [
            f"/api/v1/namespaces/tidegate/pods/{name}:9090/proxy/decisions/shop/worker"
            for name in ("standby", "leader")
        ]
        done = await explain("shop/none", home=tmp_path, KUBECONFIG=str(file))
        assert done.returncode == 1
        assert (
            "pod standby knows no ScaledObject shop/none; pod leader knows no ScaledObject shop/none"
            in done.stderr
        )


@pytest.mark.parametrize(
    ("pods", "forbidden", "told"),
    [
        ([pod("one")], ["list pods"], "the right to list pods in namespace ops is missing: pods is forbidden: User"),
        ([pod("one")], ["get pods/proxy"], "the right to get pods/proxy in namespace ops is missing: pods is forbidden"),
        ([pod("one", "Failed")], [], "no running pod with the labels app.kubernetes.io/name=tidegate,"),
        ([{**pod("one"), "spec": {"containers": [{}]}}], [], "pod one has no port named metrics"),
        ([pod("one")], [], "pod one: error trying to reach service: dial tcp: connection refused"),
    ],
)  # fmt: skip
async def test_why_the_controller_cannot_be_asked(tmp_path, pods, forbidden, told):
    async with api_server(pods, forbidden) as (server, _):
        file = kubeconfig(tmp_path, server)
        done = await explain(
            "shop/worker", "--kubeconfig", file, "--controller-namespace", "ops", home=tmp_path
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr


async def test_without_a_cluster(tmp_path):
    done = await explain("shop/worker", home=tmp_path)
    assert done.returncode == 1
    assert "no cluster: no kubeconfig was given" in done.stderr
