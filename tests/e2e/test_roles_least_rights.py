"""Controllers and adapters as processes with a ServiceAccount each, and the Roles that `tidegate rbac` prints for them."""

import json

import pytest
from command_line import tidegate, until
from redis_server import RedisServer
from shared_work import crew, metric_path

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.fixture
def redis():
    with RedisServer() as server:
        yield server


def signed_in(kubectl, home, name):
    """A kubeconfig of the ServiceAccount tidegate/NAME."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": "tidegate"},
    }
    kubectl.apply(json.dumps(account))
    config = json.loads(kubectl("config", "view", "--raw", "-o", "json"))
    config["users"][0]["user"] = {"token": kubectl("create", "token", name, "-n", "tidegate").strip()}
    path = home / f"{name}-config"
    path.write_text(json.dumps(config))
    return path


def granted(kubectl, home, role, *words):
    """Apply what is printed for one role, and give its process' kubeconfig."""
    own = ("--role", role, "--service-account", f"tidegate/{role}", "--namespace", "default")
    done = tidegate(
        "rbac", "--kubeconfig", kubectl.kubeconfig, "--lease", "default/tidegate", *own, *words, home=home
    )
    assert (done.returncode, done.stderr) == (0, "")
    kubectl.apply(done.stdout)
    return signed_in(kubectl, home, role)


def test_each_process_has_its_own_rights_and_the_work_goes_on(tmp_path, redis):
    with crew(tmp_path) as here:
        kubectl = here.kubectl
        kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tidegate"}}))
        here.target()
        here.scaled_object(redis)
        controller_config = granted(kubectl, tmp_path, "controller")
        adapter_config = granted(kubectl, tmp_path, "adapter", "--register")
        adapter = here.adapter("--kubeconfig", adapter_config)
        first = here.controller("--kubeconfig", controller_config, "--namespace", "default")
        assert here.await_leader([first]) is first
        kubectl("wait", "scaledobject/web", "--for=condition=Ready", "--timeout=40s")
        until(lambda: here.metric(metric_path()) == "0", "the metric")
        for number in range(3):
            redis.cli("RPUSH", "web", number)
        until(lambda: here.replicas() == 3, "what the HPA makes of it, with rights of its own")
        second = here.controller("--kubeconfig", controller_config, "--namespace", "default")
        second.until(lambda: second.ready)
        assert first.stop() == 0
        assert here.await_leader([second]) is second
        redis.cli("DEL", "web")
        until(lambda: here.replicas() == 0, "at rest", within=60)
        can = kubectl(
            "auth", "can-i", "list", "scaledobjects", "--as=system:serviceaccount:tidegate:adapter", code=1
        )
        assert "no" in can or not can, "an adapter sees none of it"
        assert adapter.ready
        for member in (second, adapter):
            assert member.stop() == 0
