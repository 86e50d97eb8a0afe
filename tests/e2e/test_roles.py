"""Controllers and adapters as processes of their own: one leads, all adapters know what it knows, and another takes over."""

import json

import pytest
from command_line import left, tidegate, until
from redis_server import RedisServer
from shared_work import crew, kill, metric_path

pytestmark = [pytest.mark.slow, pytest.mark.server]


def test_one_leads_the_other_takes_over_and_the_metrics_go_on(tmp_path, redis):
    with crew(tmp_path) as here:
        adapter = here.adapter()
        adapter.until(lambda: adapter.ready, "ready without a leader, since nobody leads for so short a time")
        first = here.controller()
        first.until(lambda: first.ready)
        assert here.await_leader([first]) is first
        second = here.controller()
        second.until(lambda: second.ready, "a standby is as ready")
        here.target()
        here.scaled_object(redis)
        here.kubectl("wait", "scaledobject/web", "--for=condition=Ready", "--timeout=40s")
        until(lambda: here.metric(metric_path()) == "0", "the metric")
        for number in range(3):
            redis.cli("RPUSH", "web", number)
        until(lambda: here.replicas() == 3, "what the HPA makes of it")
        assert "tidegate_leading 1.0" in first.get("/metrics")[1]
        assert "tidegate_leading 0.0" in second.get("/metrics")[1]
        assert "tidegate_adapter_fed 1.0" in adapter.get("/metrics")[1]
        assert json.loads(second.get("/decisions")[1]) == {"objects": []}

        # Told to stop, it lets go: the other leads at once.
        assert first.stop() == 0
        assert here.await_leader([second]) is second
        assert here.lease()["spec"]["leaseTransitions"] >= 1
        assert first.events("lease_released")
        redis.cli("RPUSH", "web", "x")
        until(lambda: here.metric(metric_path()) == "4", "fed by the other")
        until(lambda: here.replicas() == 4)

        # Killed, it is missed when its Lease is over.
        third = here.controller()
        third.until(lambda: third.ready)
        kill(second)
        assert here.metric(metric_path()) == "4", "the last sample is served meanwhile"
        assert here.await_leader([third]) is third
        redis.cli("DEL", "web")
        until(lambda: here.replicas() == 0, "at rest", within=60)
        assert adapter.ready
        for member in (third, adapter):
            assert member.stop() == 0
    assert not left(tmp_path)


def test_adapters_without_a_leader_answer_discovery_and_say_why_there_is_no_value(tmp_path):
    with crew(tmp_path) as here:
        adapter = here.adapter()
        adapter.until(lambda: adapter.ready)
        found = json.loads(here.kubectl("get", "--raw", "/apis/external.metrics.k8s.io/v1beta1"))
        assert found["kind"] == "APIResourceList"
        said = here.kubectl("get", "--raw", metric_path(), code=1)
        assert "NoLeader: no leading controller has told of it yet" in said
        assert adapter.stop() == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--role", "controller"], "--role controller: give --feed-cert-dir, a folder with ca.crt, tls.crt and tls.key"),
        (["--role", "adapter"], "--role adapter: give --feed-cert-dir"),
        (["--feed-cert-dir", "."], "--feed-cert-dir .: is for --role controller and --role adapter alone"),
        (["--role", "adapter", "--feed-cert-dir", "nowhere"], "--feed-cert-dir nowhere: is no directory"),
        (["--role", "controller", "--feed-cert-dir", ".", "--register"], "--register goes with the adapter"),
        (["--role", "controller", "--feed-cert-dir", ".", "--lease", "x"], "--lease x: write NAMESPACE/NAME"),
        (["--role", "controller", "--feed-cert-dir", ".", "--lease", "A/x"], "--lease 'A': is no namespace's name"),
        (
            ["--role", "controller", "--feed-cert-dir", ".", "--lease-duration", "15"],
            "--lease-duration 15: write a duration above 0 with its unit",
        ),
        (
            ["--role", "controller", "--feed-cert-dir", ".", "--lease-duration", "10s"],
            "--lease-retry-period must be below half of --lease-renew-deadline",
        ),
        (
            ["--role", "controller", "--feed-cert-dir", ".", "--feed-address", "0.0.0.0"],
            "--feed-address 0.0.0.0: is no address to be reached at: give --feed-host too, or POD_IP",
        ),
    ],
)  # fmt: skip
def test_flags_that_cannot_be(tmp_path, words, message):
    done = tidegate("run", *words, home=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_folder_without_certificates_is_said_so(tmp_path):
    (tmp_path / "feed").mkdir()
    with crew(tmp_path) as here:
        (tmp_path / "feed" / "tls.crt").write_text("none")
        done = tidegate(
            "run", "--role", "controller", "--kubeconfig", here.kubectl.kubeconfig, "--feed-cert-dir", tmp_path / "feed",
            home=tmp_path,
        )  # fmt: skip
        assert done.returncode == 1
        assert "tls.crt: no PEM certificate in it" in done.stderr


@pytest.fixture
def redis():
    with RedisServer() as server:
        yield server
