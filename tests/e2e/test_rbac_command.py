"""`tidegate rbac` on manifests: what it prints, and what it says of what it cannot follow."""

import pytest
import yaml
from command_line import WORKER, tidegate

from scaler.local.rbac_kinds import BINDINGS, ROLES


def write(path, *objects):
    path.write_text(yaml.safe_dump_all(objects))
    return path


def obj(kind, name, version="v1", namespace="shop", **fields):
    place = {"namespace": namespace} if namespace else {}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **place}, **fields}


def scaled_object(*triggers, to=None):
    ref = to or {"name": "web"}
    return obj(
        "ScaledObject", "worker", "keda.sh/v1alpha1", spec={"scaleTargetRef": ref, "triggers": triggers}
    )


def redis(name=None, **metadata):
    trigger = {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs", **metadata}}
    return trigger | ({"authenticationRef": {"name": name}} if name else {})


def workload(*env):
    container = {"name": "app", "image": "busybox", "env": list(env)}
    return obj("Deployment", "web", "apps/v1", spec={"template": {"spec": {"containers": [container]}}})


def roles(home, *words, code=0):
    done = tidegate("rbac", *words, home=home)
    assert done.returncode == code, done.stderr
    return list(yaml.safe_load_all(done.stdout)), done.stderr


def rules(documents, namespace):
    (role,) = [d for d in documents if d["kind"] == "Role" and d["metadata"]["namespace"] == namespace]
    return {
        (resource, name, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames") or ("",)
    }


def test_the_example(tmp_path):
    made, said = roles(tmp_path, "-f", WORKER)
    assert said == ""
    assert [d["kind"] for d in made] == [
        "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ClusterRoleBinding", "RoleBinding",
    ]  # fmt: skip
    for document in made:
        check = (BINDINGS if document["kind"].endswith("Binding") else ROLES).check
        assert check(document, None) == [], "an API server takes it"
    assert ("deployments/scale", "redis-worker", "patch") in rules(made, "default")


def test_references_are_followed_as_the_controller_follows_them(tmp_path):
    auth = {"secretTargetRef": [{"parameter": "password", "name": "creds", "key": "p"}]}
    secret = {"name": "USER", "valueFrom": {"secretKeyRef": {"name": "people", "key": "u"}}}
    unused = {"name": "OTHER", "valueFrom": {"secretKeyRef": {"name": "nobody-asks", "key": "u"}}}
    files = write(
        tmp_path / "all.yaml",
        scaled_object(redis("login", usernameFromEnv="USER")),
        obj("TriggerAuthentication", "login", "keda.sh/v1alpha1", spec=auth),
        workload(secret, unused),
    )
    words = ("--namespace", "shop", "--service-account", "sys/me")
    made, said = roles(tmp_path, "-f", files, *words)
    assert said == ""
    secrets = {each for each in rules(made, "shop") if each[0] == "secrets"}
    assert secrets == {("secrets", "creds", "get"), ("secrets", "people", "get")}
    assert [d["kind"] for d in made if d["kind"] == "ClusterRole"] == []
    assert all(d["subjects"][0]["namespace"] == "sys" for d in made if "subjects" in d)


@pytest.mark.parametrize(
    ("objects", "words"),
    [
        ([scaled_object(redis("login")), workload()], "TriggerAuthentication shop/login is not there"),
        ([scaled_object(redis(usernameFromEnv="USER"))], "Deployment shop/web is not there"),
        ([scaled_object(redis(), to={"name": "web", "kind": "DaemonSet"})], "apps/v1 DaemonSet cannot be scaled"),
        (
            [scaled_object(redis(), to={"name": "web", "envSourceContainerName": "ghost"}), workload()],
            "container with name ghost",
        ),
        ([obj("ScaledObject", "worker", "keda.sh/v1alpha1", spec={})], "spec.scaleTargetRef: is required"),
        ([obj("ScaledJob", "worker", "keda.sh/v1alpha1")], "ScaledJob is not supported yet"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_said_and_the_rest_is_printed(tmp_path, objects, words):
    made, said = roles(tmp_path, "-f", write(tmp_path / "some.yaml", *objects), code=1)
    assert words in said
    assert made[0]["kind"] == "ClusterRole"


def test_plurals_come_from_the_crds_or_are_guessed(tmp_path):
    to = {"apiVersion": "lab.test/v1", "kind": "Policy", "name": "web"}
    made, _ = roles(tmp_path, "-f", write(tmp_path / "so.yaml", scaled_object(redis(), to=to)))
    assert ("policies/scale", "web", "patch") in rules(made, "shop")
    names = {"kind": "Policy", "plural": "polices"}
    crd = obj("CustomResourceDefinition", "polices.lab.test", "apiextensions.k8s.io/v1", namespace="",
              spec={"group": "lab.test", "names": names})  # fmt: skip
    made, _ = roles(tmp_path, "-f", write(tmp_path / "so.yaml", scaled_object(redis(), to=to), crd))
    assert ("polices/scale", "web", "patch") in rules(made, "shop")


def test_an_adapter_needs_no_objects_to_be_known(tmp_path):
    made, said = roles(tmp_path, "--role", "adapter", "--register", "--lease", "home/mine")
    assert said == ""
    assert rules(made, "home") == {("leases", "mine", "list"), ("leases", "mine", "watch")}
    assert {d["metadata"].get("namespace") for d in made} == {None, "home", "tidegate", "kube-system"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give either manifests with -f or a cluster with --kubeconfig"),
        (("-f", WORKER, "--kubeconfig", "x"), "give either"),
        (("-f", "nowhere.yaml"), "nowhere.yaml: No such file"),
        (("-f", WORKER, "--service-account", "me"), "--service-account me: write NAMESPACE/NAME"),
        (("-f", WORKER, "--lease", "a/b/c"), "--lease a/b/c: write NAMESPACE/NAME"),
        (("-f", WORKER, "--namespace", "A"), "is no namespace's name"),
        (("-f", WORKER, "--role", "controller", "--register"), "--register goes with the adapter"),
    ],
)
def test_a_command_line_that_cannot_be(tmp_path, words, said):
    done = tidegate("rbac", *words, home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
