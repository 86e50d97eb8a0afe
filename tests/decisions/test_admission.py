"""The webhook's rules, one by one: each refuses exactly when it says, names field and mend, and lets neighbours be."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.core import admission_rules, manifest
from scaler.core.admission import admission, skipped, warnings, webhook
from scaler.core.admission_jobs import job_admission
from scaler.core.admission_rules import RULES, Rule
from scaler.core.known_kinds import could_exist, without_scale
from scaler.core.surroundings import Surroundings

REDIS = {"type": "redis", "metadata": {"address": "r:6379", "listName": "jobs"}}
CRON = {"type": "cron", "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *"}}


def cpu(container=None, kind="cpu", **more):
    metadata = {"value": "60"} | ({"containerName": container} if container else {})
    return {"type": kind, "metricType": "Utilization", "metadata": metadata, **more}


def scaled_object(*triggers, name="worker", namespace="shop", annotations=None, target=None, **spec):
    found = manifest.parse(
        {
            "metadata": {"name": name, "namespace": namespace, "annotations": annotations or {}},
            "spec": {
                "scaleTargetRef": target or {"name": "web"},
                "triggers": list(triggers or [REDIS]),
                **spec,
            },
        }
    )
    assert found.problems == ()
    return found.scaled_object


def hpa(name="by-hand", target="web", namespace="shop", owner=None, annotations=None, **ref):
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": annotations or {},
            "ownerReferences": [{"kind": "ScaledObject", "name": owner}] if owner else [],
        },
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target, **ref}},
    }


def container(name="app", requests=None, limits=None):
    return {"name": name, "resources": {"requests": requests or {}, "limits": limits or {}}}


def workload(*containers, kind="Deployment", name="web", pod=None, **spec):
    template = {"spec": {"containers": list(containers) or [container()], **(pod or {})}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": template, **spec},
    }


def limit_range(kind="Container", **given):
    return {
        "kind": "LimitRange",
        "metadata": {"name": "lr", "namespace": "shop"},
        "spec": {"limits": [{"type": kind, **given}]},
    }


def around(*objects, scaled=(), complete=True, kinds=could_exist):
    found = Surroundings(kinds, complete=complete)
    for obj in objects:
        found.put(obj)
    for so in scaled:
        found.put_scaled_object(so)
    return found


def reasons(so, *objects, **given):
    return [refused.reason for refused in admission(so, around(*objects, **given))]


# Names


@pytest.mark.parametrize(("length", "found"), [(54, []), (55, ["hpa-name-too-long"])])
def test_the_hpa_s_name(length, found):
    so = scaled_object(name="x" * length)
    assert reasons(so) == found


def test_a_given_hpa_name_counts_instead_of_the_object_s():
    config = {"horizontalPodAutoscalerConfig": {"name": "short"}}
    assert reasons(scaled_object(name="x" * 63, advanced=config)) == []
    config = {"horizontalPodAutoscalerConfig": {"name": "x" * 64}}
    assert reasons(scaled_object(advanced=config)) == ["hpa-name-too-long"]


# Fallback, modifiers

FALLBACK = {"failureThreshold": 2, "replicas": 4}
USED = ({"target": "3"}, {"activationTarget": "1"}, {"metricType": "Value"}, {"formula": "a", "target": "3"})


@pytest.mark.parametrize("triggers", [[cpu()], [cpu(), cpu(kind="memory")]])
def test_a_fallback_of_nothing_but_cpu_and_memory(triggers):
    so = scaled_object(*triggers, fallback=FALLBACK, minReplicaCount=1)
    assert reasons(so, complete=False) == ["incorrect-fallback"]
    assert reasons(scaled_object(*triggers, minReplicaCount=1), complete=False) == []
    assert reasons(scaled_object(*triggers, REDIS, fallback=FALLBACK), complete=False) == []
    assert reasons(scaled_object(*triggers, CRON, fallback=FALLBACK), complete=False) == []


@pytest.mark.parametrize("used", USED)
def test_modifiers_lift_that_rule(used):
    so = scaled_object(cpu(), fallback=FALLBACK, minReplicaCount=1, advanced={"scalingModifiers": used})
    assert "incorrect-fallback" not in reasons(so, complete=False)


@pytest.mark.parametrize("used", USED)
def test_modifiers_need_a_formula(used):
    so = scaled_object(REDIS | {"name": "a"}, advanced={"scalingModifiers": used})
    assert reasons(so) == ([] if "formula" in used else ["scaling-modifiers"])
    assert reasons(scaled_object(advanced={"scalingModifiers": {}})) == []


def test_a_fallback_by_formula_needs_one():
    fallback = FALLBACK | {"behavior": "scalingModifiers"}
    assert reasons(scaled_object(fallback=fallback)) == ["scaling-modifiers-fallback"]
    given = {"scalingModifiers": {"formula": "a", "target": "3"}}
    assert reasons(scaled_object(REDIS | {"name": "a"}, fallback=fallback, advanced=given)) == []


# Who else scales the target


def test_another_scaled_object_on_the_target():
    other = scaled_object(name="other")
    assert reasons(scaled_object(), scaled=[other]) == ["other-scaled-object"]
    assert reasons(scaled_object(), scaled=[scaled_object()]) == []  # Itself, as an update finds it.
    assert reasons(scaled_object(), scaled=[scaled_object(name="other", namespace="else")]) == []
    for ref in (
        {"name": "api"},
        {"name": "web", "kind": "StatefulSet"},
        {"name": "web", "apiVersion": "apps/v1beta1"},
    ):
        assert reasons(scaled_object(), scaled=[scaled_object(name="other", target=ref)]) == []
    written = {"name": "web", "apiVersion": "apps/v1", "kind": "Deployment"}
    assert reasons(scaled_object(), scaled=[scaled_object(name="other", target=written)]) == [
        "other-scaled-object"
    ]


def test_many_others_are_one_problem():
    others = [scaled_object(name=f"other{n}") for n in range(3)]
    for scaled in (others, [scaled_object(), *others]):
        (refused,) = admission(scaled_object(), around(scaled=scaled))
        assert refused.problem.problem == "Deployment/web is the target of ScaledObject other0 and 2 more too"


def test_another_scaled_object_with_the_hpa():
    config = {"horizontalPodAutoscalerConfig": {"name": "keda-hpa-worker"}}
    other = scaled_object(name="other", target={"name": "api"}, advanced=config)
    assert reasons(scaled_object(), scaled=[other]) == ["other-scaled-object-hpa"]
    assert reasons(other, scaled=[scaled_object()]) == ["other-scaled-object-hpa"]  # KEDA panics here (Q20).


def test_a_foreign_hpa():
    assert reasons(scaled_object(), hpa()) == ["other-hpa"]
    assert reasons(scaled_object(), hpa("keda-hpa-worker")) == ["other-hpa"]  # The right name, and no owner.
    assert reasons(scaled_object(), hpa(owner="worker")) == []
    assert reasons(scaled_object(), hpa(owner="other")) == ["other-hpa"]
    assert reasons(scaled_object(), hpa(target="api")) == []
    assert reasons(scaled_object(), hpa(kind="StatefulSet")) == []
    assert reasons(scaled_object(), hpa(namespace="else")) == []
    assert reasons(scaled_object(), hpa("a"), hpa("b")) == ["other-hpa", "other-hpa"]


@pytest.mark.parametrize(
    ("word", "found"), [("false", []), ("true", ["other-hpa"]), ("False", ["other-hpa"])]
)
def test_an_hpa_that_is_not_to_be_looked_at(word, found):
    annotations = {"validations.keda.sh/hpa-ownership": word}
    assert reasons(scaled_object(), hpa(annotations=annotations)) == found
    assert reasons(scaled_object(annotations=annotations), hpa()) == [
        "other-hpa"
    ]  # On the object it says nothing.


@pytest.mark.parametrize(
    ("word", "name", "found"),
    [
        ("true", "by-hand", []),
        ("true", "", ["transfer-ownership-missing-hpa-name"]),
        ("true", "else", ["transfer-ownership-missing-hpa-name"]),
        ("True", "by-hand", ["other-hpa"]),
        ("false", "by-hand", ["other-hpa"]),
    ],
)
def test_taking_an_hpa_over(word, name, found):
    so = scaled_object(
        annotations={"scaledobject.keda.sh/transfer-hpa-ownership": word},
        advanced={"horizontalPodAutoscalerConfig": {"name": name}},
    )
    assert reasons(so, hpa()) == found


# Kinds


@pytest.mark.parametrize(
    ("ref", "known"),
    [
        ({}, True),
        ({"kind": "ReplicaSet"}, True),
        ({"kind": "Widget"}, False),
        ({"kind": "Widget", "apiVersion": "lab.test/v1"}, True),
        ({"kind": "Deployment", "apiVersion": "lab.test/v9"}, True),
        ({"kind": "ReplicaSet", "apiVersion": "apps/v1beta1"}, False),
        ({"kind": "Deployment", "apiVersion": "apps/v1/x"}, False),
        ({"kind": "ReplicationController", "apiVersion": "v1"}, True),
        ({"kind": "Deployment", "apiVersion": "extensions/v1beta1"}, True),
    ],
)
def test_unknown_kinds(ref, known):
    so = scaled_object(target={"name": "web", **ref})
    (path,) = [r.problem.path for r in admission(so, around())] or [None]
    assert path in ({None} if known else {"spec.scaleTargetRef.kind", "spec.scaleTargetRef.apiVersion"})


def test_a_stranger_of_the_namespace_keeps_all_from_being_changed():
    stranger = scaled_object(name="old", target={"name": "w", "kind": "Widget"})
    (refused,) = admission(scaled_object(), around(scaled=[stranger]))
    assert (refused.reason, refused.problem.path) == ("", "metadata.namespace")
    assert "ScaledObject old" in refused.problem.problem
    (refused,) = admission(scaled_object(), around(hpa("h", "w", kind="Widget")))
    assert "HorizontalPodAutoscaler h" in refused.problem.problem
    exempt = hpa("h", "w", kind="Widget", annotations={"validations.keda.sh/hpa-ownership": "false"})
    assert reasons(scaled_object(), exempt) == []
    assert reasons(scaled_object(namespace="else"), scaled=[stranger]) == []
    changed = scaled_object(name="old")  # What was the stranger itself.
    assert reasons(changed, scaled=[stranger]) == []


def test_kinds_that_have_no_scale():
    assert without_scale("apps/v1", "DaemonSet")
    assert without_scale("batch/v1", "Job")
    assert not without_scale("apps/v1", "ReplicaSet")
    assert not without_scale("lab.test/v1", "DaemonSet")


# Requests

HALF = {"cpu": "500m"}


@pytest.mark.parametrize(
    ("containers", "trigger", "found"),
    [
        ([container(requests=HALF)], cpu(), 0),
        ([container(limits=HALF)], cpu(), 0),
        ([container()], cpu(), 1),
        ([container(requests={"cpu": "0"})], cpu(), 1),
        ([container(requests={"cpu": 1})], cpu(), 0),
        ([container(requests={"cpu": "many"})], cpu(), 1),
        ([container(requests=HALF)], cpu(kind="memory"), 1),
        ([container(requests=HALF), container("side")], cpu(), 1),
        ([container(requests=HALF), container("side")], cpu("app"), 0),
        ([container(requests=HALF), container("side")], cpu("side"), 1),
        ([container(), container("side")], cpu("nobody"), 0),
        ([container(), container("side")], cpu(), 2),
    ],
)
def test_requests(containers, trigger, found):
    so = scaled_object(trigger, minReplicaCount=1)
    assert reasons(so, workload(*containers)) == ["missing-requests"] * found
    assert reasons(scaled_object(), workload(*containers)) == []


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (limit_range(default={"cpu": "1"}), 0),
        (limit_range(defaultRequest={"cpu": "1"}), 0),
        (limit_range(defaultRequest={"cpu": "0"}), 1),
        (limit_range(defaultRequest={"memory": "1Gi"}), 1),
        (limit_range(max={"cpu": "1"}), 0),  # The API server makes it the default limit,
        (limit_range(min={"cpu": "1"}), 0),  # and this the default request.
        (limit_range(maxLimitRequestRatio={"cpu": "1"}), 1),
        (limit_range("Pod", default={"cpu": "1"}), 1),
    ],
)
def test_a_limit_range_stands_in(given, found):
    so = scaled_object(cpu(), minReplicaCount=1)
    assert reasons(so, workload(), given) == ["missing-requests"] * found
    elsewhere = given | {"metadata": {"name": "lr", "namespace": "else"}}
    assert reasons(so, workload(), elsewhere) == ["missing-requests"]


def test_which_targets_are_asked():
    so = scaled_object(cpu(), minReplicaCount=1)
    assert [r.problem.path for r in admission(so, around())] == ["spec.scaleTargetRef.name"]
    assert reasons(so, complete=False) == []  # Files that do not show the target say nothing about it.
    assert reasons(scaled_object()) == []
    custom = {"name": "web", "kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1"}
    assert reasons(scaled_object(cpu(), target=custom)) == []
    stateful = scaled_object(cpu(), target={"name": "web", "kind": "StatefulSet"}, minReplicaCount=1)
    assert reasons(stateful, workload(kind="StatefulSet")) == ["missing-requests"]


@pytest.mark.parametrize(
    ("low", "found"), [({}, 1), ({"minReplicaCount": 0}, 1), ({"minReplicaCount": 1}, 0)]
)
def test_nothing_but_cpu_and_memory_needs_a_minimum(low, found):
    target = workload(container(requests=HALF | {"memory": "1Gi"}))
    wanted = ["scale-to-zero-requirements-not-met"] * found
    assert reasons(scaled_object(cpu(), cpu(kind="memory"), **low), target) == wanted
    assert reasons(scaled_object(cpu(), REDIS, **low), target) == []


def test_a_dry_run_is_not_asked_about_requests():
    so = scaled_object(cpu())
    beside = around(workload(), hpa())
    assert [r.reason for r in admission(so, beside, dry_run=True)] == ["other-hpa"]
    assert len(admission(so, beside)) == 3


# Both sets


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"name": "x" * 64}, ["name-too-long", "hpa-name-too-long"]),
        ({"minReplicaCount": 2, "idleReplicaCount": 2}, ["incorrect-replicas"]),
        ({"idleReplicaCount": 0}, ["incorrect-replicas"]),
        ({"minReplicaCount": 0, "idleReplicaCount": 0}, []),
        ({"triggers": [CRON | {"useCachedMetrics": True}]}, ["incorrect-triggers"]),
        ({"triggers": [REDIS | {"useCachedMetrics": True}]}, []),
        ({"triggers": [REDIS | {"name": "a"}, CRON | {"name": "a"}]}, ["incorrect-triggers"]),
        ({"triggers": [REDIS, CRON]}, []),
        ({"advanced": {"horizontalPodAutoscalerConfig": {"name": "No Name"}}}, []),
    ],
)
def test_the_webhook_also_refuses_what_the_reconcile_would(given, found):
    so = scaled_object(*given.pop("triggers", ()), **given)
    assert [refused.reason for refused in webhook(so, around())] == found


def test_every_rule_is_listed_once():
    made = [rule for rule in vars(admission_rules).values() if isinstance(rule, Rule)]
    assert len({rule.name for rule in RULES}) == len(RULES) == len(made)
    assert all(rule.what and rule.mend for rule in RULES)


# Warnings


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({}, []),
        ({"minReplicaCount": 1}, ["pollingInterval", "cooldownPeriod"]),
        (
            {"minReplicaCount": 2, "idleReplicaCount": 1},
            ["pollingInterval", "cooldownPeriod", "idleReplicaCount"],
        ),
        ({"minReplicaCount": 2, "idleReplicaCount": 0}, []),
        ({"minReplicaCount": 0}, []),
        ({"minReplicaCount": 1, "triggers": [REDIS | {"useCachedMetrics": True}]}, ["cooldownPeriod"]),
        ({"minReplicaCount": 1, "pollingInterval": None}, ["cooldownPeriod"]),
        ({"minReplicaCount": 1, "cooldownPeriod": None}, ["pollingInterval"]),
    ],
)
def test_settings_without_effect(spec, found):
    triggers = spec.pop("triggers", ())
    so = scaled_object(*triggers, **{"pollingInterval": 5, "cooldownPeriod": 60} | spec)
    assert [w.path for w in warnings(so, around())] == [f"spec.{name}" for name in found]


CLAIM = {
    "volumes": [{"name": "v", "emptyDir": {}}, {"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
}
TEMPLATES = {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
DELETED = {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, None),
        ({"pod": CLAIM}, "leaves the volume claim data unused"),
        (TEMPLATES, "leaves its volume claims unused"),
        (TEMPLATES | DELETED, "deletes its volume claims"),
    ],
)
def test_zero_replicas_of_a_target_with_volume_claims(given, words):
    beside = around(workload(kind="StatefulSet", **given))
    target = {"name": "web", "kind": "StatefulSet"}
    found = warnings(scaled_object(target=target), beside)
    assert len(found) == (words is not None)
    if words:
        assert words in found[0].problem
        assert found[0].path == "spec.minReplicaCount"
    idle = scaled_object(target=target, minReplicaCount=2, idleReplicaCount=0)
    assert [w.path for w in warnings(idle, beside)] == ["spec.idleReplicaCount"] * len(found)
    assert warnings(scaled_object(target=target, minReplicaCount=1), beside) == ()


@pytest.mark.parametrize(
    ("word", "pod", "found"),
    [
        ("30", {}, False),
        ("31", {}, True),
        ("31", {"terminationGracePeriodSeconds": 31}, False),
        ("1", {"terminationGracePeriodSeconds": 0}, True),
        ("soon", {}, False),
        ("", {}, False),
        ("9" * 5000, {}, False),
    ],
)
def test_less_time_to_end_than_a_piece_of_work_takes(word, pod, found):
    so = scaled_object(annotations={"tidegate.dev/processing-seconds": word})
    (path,) = [w.path for w in warnings(so, around(workload(pod=pod)))] or [None]
    assert path == ("metadata.annotations.tidegate.dev/processing-seconds" if found else None)
    assert warnings(so, around()) == ()


# Surroundings


def test_surroundings_follow_their_objects():
    beside = around(
        hpa(), workload(), limit_range(default={"cpu": "1"}), scaled=[scaled_object(name="other")]
    )
    so = scaled_object(cpu(), minReplicaCount=1)
    assert [r.reason for r in admission(so, beside)] == ["other-scaled-object", "other-hpa"]
    beside.put(hpa(target="api"))
    beside.put_scaled_object(scaled_object(name="other", target={"name": "api"}))
    assert admission(so, beside) == ()
    beside.put(hpa())
    beside.put_scaled_object(scaled_object(name="other"))
    beside.remove("HorizontalPodAutoscaler", "shop", "by-hand")
    beside.remove("ScaledObject", "shop", "other")
    assert admission(so, beside) == ()
    beside.remove("LimitRange", "shop", "lr")
    assert [r.reason for r in admission(so, beside)] == ["missing-requests"]
    beside.remove("Deployment", "shop", "web")
    assert [r.problem.path for r in admission(so, beside)] == ["spec.scaleTargetRef.name"]
    beside.remove("ScaledObject", "shop", "nobody")


def test_an_hpa_annotated_later_is_let_be():
    beside = around(hpa())
    beside.put(hpa(annotations={"validations.keda.sh/hpa-ownership": "false"}))
    assert admission(scaled_object(), beside) == ()


class Counting(dict):
    """Kinds that are asked for, counted."""

    def __call__(self, api_version, kind):
        self[api_version, kind] = self.get((api_version, kind), 0) + 1
        return True


def test_one_check_does_not_look_at_all_objects_of_the_namespace():
    kinds = Counting()
    many = [
        scaled_object(
            name=f"w{n}", target={"name": f"t{n}", "kind": "Rollout", "apiVersion": "argoproj.io/v1"}
        )
        for n in range(300)
    ]
    beside = around(scaled=many, kinds=kinds)
    assert all(admission(so, beside) == () for so in many)
    assert kinds == {("argoproj.io/v1", "Rollout"): 2 * len(many)}  # Itself, and the one kind there is.


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(string.ascii_letters + "/", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "metadata",
                    "spec",
                    "name",
                    "scaleTargetRef",
                    "limits",
                    "template",
                    "kind",
                    "ownerReferences",
                    "annotations",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(st.sampled_from(["HorizontalPodAutoscaler", "LimitRange", "Deployment", "Other"]), anything, anything)
def test_no_object_beside_raises(kind, metadata, spec):
    obj = {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}
    beside = around(obj, obj | {"metadata": {"name": "web", "namespace": "shop"}}, complete=False)
    so = scaled_object(cpu(), minReplicaCount=1, annotations={"tidegate.dev/processing-seconds": "31"})
    admission(so, beside)
    warnings(so, beside)


# ScaledJobs


@pytest.mark.parametrize(
    ("triggers", "found"),
    [
        ([REDIS], []),
        ([], ["spec.triggers"]),
        (None, ["spec.triggers"]),
        ([REDIS | {"name": "a"}, REDIS | {"name": "b"}, REDIS], []),
        ([REDIS | {"name": "a"}, REDIS, REDIS | {"name": "a"}], ["spec.triggers[2].name"]),
        ([REDIS | {"useCachedMetrics": True}], []),
        ([REDIS, cpu(useCachedMetrics=True)], ["spec.triggers[1].useCachedMetrics"]),
        ([cpu(useCachedMetrics=False)], []),
        ([5, "x"], []),  # What is no trigger is the schema's business.
    ],
)
def test_the_triggers_of_a_scaled_job(triggers, found):
    refused = job_admission({"kind": "ScaledJob", "spec": {"triggers": triggers}})
    assert [one.problem.path for one in refused] == found
    assert {one.reason for one in refused} <= {"incorrect-triggers"}


@given(anything)
def test_no_scaled_job_raises(spec):
    assert all(one.problem.mend for one in job_admission({"spec": spec}))


# Updates that are not checked


def held(kind, finalizers, spec=1):
    return {"kind": kind, "metadata": {"finalizers": finalizers}, "spec": {"a": spec}}


@pytest.mark.parametrize(
    ("kind", "before", "after", "skip"),
    [
        ("ScaledObject", ["a", "b"], ["a"], True),
        ("ScaledObject", ["a"], [], True),
        ("ScaledObject", ["a"], ["a"], False),
        ("ScaledObject", [], ["a"], False),
        ("TriggerAuthentication", ["a"], [], True),
        ("TriggerAuthentication", ["a", "b"], ["a"], False),
        ("ClusterTriggerAuthentication", ["a", "b"], [], False),
        ("ScaledJob", ["a"], None, True),
    ],
)
def test_updates_that_only_take_finalizers_off(kind, before, after, skip):
    assert skipped(held(kind, before), held(kind, after)) == skip
    assert not skipped(held(kind, before), held(kind, after, spec=2))
