"""The least rights of given objects, and how they are folded into Roles."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.core import manifest
from scaler.core.rbac import Account, Need, Reference, Right, Settings, documents, rights

SHOP = "shop"
SEEN = {"list", "watch"}


def scaled_object(name="worker", namespace=SHOP, triggers=None, target="web", status=None, **spec):
    obj = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"name": target},
            "triggers": triggers or [{"type": "cron", "metadata": {}}],
            **spec,
        },
        "status": status or {},
    }
    return manifest.parse(obj).scaled_object


def need(*references, target=("apps", "deployments"), **more):
    return Need(so=scaled_object(**more), target=target, references=frozenset(references))


def verbs(found, resource, namespace=SHOP, name=""):
    """The verbs on a resource (with its group) of exactly this name."""
    plural, _, group = resource.partition(".")
    return {
        right.verb
        for right in found
        if (right.namespace, right.group, right.resource, right.name) == (namespace, group, plural, name)
    }


def test_what_every_object_needs():
    found = rights([need()], Settings(namespaces=(SHOP,)))
    assert found == {
        *(Right(SHOP, group, resource, verb)
          for group, resource in (("keda.sh", "scaledobjects"), ("keda.sh", "triggerauthentications"),
                                  ("autoscaling", "horizontalpodautoscalers"), ("apps", "deployments"))
          for verb in SEEN),
        Right(SHOP, "keda.sh", "scaledobjects", "get", "worker"),
        Right(SHOP, "keda.sh", "scaledobjects", "patch", "worker"),
        Right(SHOP, "keda.sh", "scaledobjects/status", "patch", "worker"),
        Right(SHOP, "keda.sh", "scaledobjects/finalizers", "update", "worker"),
        Right(SHOP, "autoscaling", "horizontalpodautoscalers", "create"),
        *(Right(SHOP, "autoscaling", "horizontalpodautoscalers", verb, "keda-hpa-worker")
          for verb in ("get", "update", "delete")),
        Right(SHOP, "apps", "deployments", "get", "web"),
        Right(SHOP, "apps", "deployments/scale", "get", "web"),
        Right(SHOP, "apps", "deployments/scale", "patch", "web"),
        Right(SHOP, "events.k8s.io", "events", "create"),
        Right(SHOP, "events.k8s.io", "events", "patch"),
    }  # fmt: skip


def test_without_a_namespace_the_watches_are_the_clusters_and_nothing_else_is():
    found = rights([need()], Settings())
    wide = {(right.group, right.resource) for right in found if not right.namespace}
    assert wide == {
        ("", "namespaces"),
        ("apps", "deployments"),
        ("autoscaling", "horizontalpodautoscalers"),
        ("keda.sh", "clustertriggerauthentications"),
        ("keda.sh", "scaledobjects"),
        ("keda.sh", "triggerauthentications"),
    }
    assert {right.verb for right in found if not right.namespace} == SEEN
    assert verbs(found, "deployments.apps", name="web") == {"get"}


def test_objects_of_other_namespaces_are_not_minded():
    other = need(Reference("Secret", "other", "creds"), namespace="other")
    assert rights([need(), other], Settings(namespaces=(SHOP,))) == rights(
        [need()], Settings(namespaces=(SHOP,))
    )


def test_a_namespace_without_objects_is_watched():
    found = rights([need()], Settings(namespaces=(SHOP, "empty")))
    assert {right.verb for right in found if right.namespace == "empty"} == SEEN


@pytest.mark.parametrize(
    ("reference", "right"),
    [
        (Reference("Secret", SHOP, "creds"), Right(SHOP, "", "secrets", "get", "creds")),
        (Reference("Secret", "tidegate", "creds"), Right("tidegate", "", "secrets", "get", "creds")),
        (Reference("ConfigMap", SHOP, "place"), Right(SHOP, "", "configmaps", "get", "place")),
        (Reference("ServiceAccount", SHOP, "runner"), Right(SHOP, "", "serviceaccounts", "get", "runner")),
        (Reference("Token", SHOP, "runner"), Right(SHOP, "", "serviceaccounts/token", "create", "runner")),
    ],
)
def test_what_is_referred_to_is_read_by_name_and_no_other(reference, right):
    settings = Settings(namespaces=(SHOP,))
    assert rights([need(reference)], settings) - rights([need()], settings) == {right}


def test_authentications():
    settings = Settings(namespaces=(SHOP,))
    without = rights([need()], settings)
    assert rights([need(Reference("TriggerAuthentication", SHOP, "login"))], settings) == without
    cluster = Reference("ClusterTriggerAuthentication", "", "login")
    assert rights([need(cluster)], settings) - without == {
        *(Right("", "keda.sh", "clustertriggerauthentications", verb) for verb in SEEN),
        *(Right("default", "events.k8s.io", "events", verb) for verb in ("create", "patch")),
    }


def test_pods_are_watched_where_they_are_counted():
    workload = [{"type": "kubernetes-workload", "metadata": {"podSelector": "a=b", "value": "1"}}]
    found = rights([need(triggers=workload), need(name="other", namespace="next")], Settings())
    assert verbs(found, "pods") == SEEN
    assert verbs(found, "pods", "next") == set()


def test_both_names_of_a_renamed_hpa():
    renamed = {"horizontalPodAutoscalerConfig": {"name": "mine"}}
    found = rights([need(advanced=renamed, status={"hpaName": "keda-hpa-worker"})], Settings())
    for name in ("mine", "keda-hpa-worker"):
        assert verbs(found, "horizontalpodautoscalers.autoscaling", name=name) == {"get", "update", "delete"}


def test_other_kinds_of_targets():
    found = rights([need(target=("argoproj.io", "rollouts"))], Settings())
    assert verbs(found, "rollouts.argoproj.io", namespace="") == SEEN
    assert verbs(found, "rollouts/scale.argoproj.io", name="web") == {"get", "patch"}
    assert not [right for right in found if right.group == "apps"]
    none = rights([need(target=None)], Settings())
    assert {right.group for right in none} == {"", "keda.sh", "autoscaling", "events.k8s.io"}


def test_registering():
    found = rights([], Settings(namespaces=(SHOP,), service="tidegate-metrics")) - rights(
        [], Settings(namespaces=(SHOP,))
    )
    api = "apiservices.apiregistration.k8s.io"
    assert verbs(found, api, "") == verbs(found, "services", "tidegate") == {"create"}
    assert verbs(found, api, "", "v1beta1.external.metrics.k8s.io") == {"get", "update"}
    assert verbs(found, "services", "tidegate", "tidegate-metrics") == {"get", "update"}


LEASES = "leases.coordination.k8s.io"


def test_a_controller_of_several_leads_by_a_lease_and_serves_no_api():
    lease = ("home", "mine")
    settings = Settings(namespaces=(SHOP,), role="controller", service="tidegate-metrics", lease=lease)
    found = rights([need()], settings) - rights([need()], Settings(namespaces=(SHOP,)))
    assert verbs(found, LEASES, "home") == {"create"}
    assert verbs(found, LEASES, "home", "mine") == {"get", "update"}
    assert len(found) == 3, "it registers nothing"
    made = documents([need()], settings)
    assert {d["metadata"]["name"] for d in made} == {"tidegate-controller"}


def test_an_adapter_looks_at_the_lease_and_at_nothing_else():
    settings = Settings(namespaces=(SHOP,), role="adapter")
    found = rights([need(Reference("Secret", SHOP, "creds"))], settings)
    assert verbs(found, LEASES, "tidegate", "tidegate") == SEEN
    assert len(found) == 2
    registering = rights([], Settings(role="adapter", service="tidegate-metrics"))
    assert {right.resource for right in registering} == {"leases", "services", "apiservices"}
    assert {d["roleRef"]["name"] for d in documents([], settings) if "roleRef" in d} == {
        "tidegate-adapter", "system:auth-delegator", "extension-apiserver-authentication-reader",
    }  # fmt: skip


NAMES = st.sampled_from(["a", "b", "c"])
REFERENCES = st.builds(
    Reference,
    st.sampled_from(["Secret", "ConfigMap", "ServiceAccount", "Token", "ClusterTriggerAuthentication"]),
    NAMES,
    NAMES,
)
NEEDS = st.builds(
    lambda name, namespace, target, references: need(
        *references, name=name, namespace=namespace, target=target
    ),
    NAMES,
    NAMES,
    st.sampled_from([("apps", "deployments"), ("apps", "statefulsets"), None]),
    st.lists(REFERENCES, max_size=4),
)
SETTINGS = st.builds(
    lambda role, namespaces, service: Settings(
        role=role, account=Account("sys", "me"), namespaces=tuple(namespaces), service=service
    ),
    st.sampled_from(["all", "controller", "adapter"]),
    st.lists(NAMES, max_size=2, unique=True),
    st.sampled_from(["", "metrics"]),
)


@given(st.lists(NEEDS, max_size=4), SETTINGS)
def test_the_roles_say_exactly_the_rights(needs, settings):
    made = documents(needs, settings)
    said = {
        Right(role["metadata"].get("namespace", ""), group, resource, verb, name)
        for role in made
        for rule in role.get("rules") or ()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames") or ("",)
    }
    assert said == rights(needs, settings)
    assert "*" not in json.dumps(made)
    assert made == documents(list(reversed(needs)), settings), "the order of objects does not matter"


@given(st.lists(NEEDS, max_size=3), SETTINGS)
def test_every_role_is_bound_to_the_account_where_it_is(needs, settings):
    made = documents(needs, settings)
    roles = [obj for obj in made if not obj["kind"].endswith("Binding")]
    bindings = [obj for obj in made if obj["kind"].endswith("Binding")]
    for role in roles:
        (binding,) = [b for b in bindings if b["metadata"] == role["metadata"]]
        assert (binding["kind"], binding["roleRef"]["kind"]) == (f"{role['kind']}Binding", role["kind"])
    for binding in bindings:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "namespace": "sys", "name": "me"}]
    others = {b["roleRef"]["name"] for b in bindings if not b["roleRef"]["name"].startswith("tidegate")}
    asks = {"system:auth-delegator", "extension-apiserver-authentication-reader"}
    assert others == (set() if settings.role == "controller" else asks)
