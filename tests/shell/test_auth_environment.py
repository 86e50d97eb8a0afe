"""The environment of a target's container: which objects its variables need, and what they come to."""

import base64

import pytest

from scaler.control.environment import choose, containers_of, evaluate, needs, service_account_of
from scaler.control.unresolved import Failure, SecretForbidden


def encoded(**entries):
    return {name: base64.b64encode(value.encode()).decode() for name, value in entries.items()}


def target(*containers, **pod):
    return {"spec": {"template": {"spec": {"containers": list(containers), **pod}}}}


def container(*env, env_from=()):
    (found,) = containers_of(target({"name": "app", "env": list(env), "envFrom": list(env_from)}))
    return found


def literal(name, value):
    return {"name": name, "value": value}


def secret(variable, key, name="sec", **more):
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key, **more}}}


def config(variable, key, name="cm", **more):
    return {"name": variable, "valueFrom": {"configMapKeyRef": {"name": name, "key": key, **more}}}


SECRET, CONFIG = ("Secret", "sec"), ("ConfigMap", "cm")


def test_the_named_container_or_the_first():
    containers = containers_of(target({"name": "app"}, {"name": "side"}, serviceAccountName="runner"))
    assert choose(containers, "").name == choose(containers, None).name == "app"
    assert choose(containers, "side").name == "side"
    with pytest.raises(ValueError, match="couldn't find container with name third"):
        choose(containers, "third")
    assert choose((), "any") is None
    assert service_account_of(target(serviceAccountName="runner")) == "runner"
    assert service_account_of({"spec": {}}) == service_account_of(target()) == ""


@pytest.mark.parametrize(
    "odd", [{}, {"spec": None}, {"spec": {"template": None}}, {"spec": {"template": {"spec": None}}}]
)
def test_a_target_without_a_pod_template_has_no_containers(odd):
    assert containers_of(odd) == ()


CASES = {
    "literal": ([literal("A", "1")], (), {}, "1", set()),
    "not set": ([], (), {}, None, set()),
    "empty": ([{"name": "A"}], (), {}, "", set()),
    "the last entry counts": ([literal("A", "1"), literal("A", "2")], (), {}, "2", set()),
    "reference": ([literal("B", "x"), literal("A", "<$(B)>")], (), {}, "<x>", set()),
    "reference forward": ([literal("A", "<$(B)>"), literal("B", "x")], (), {}, "<$(B)>", set()),
    "reference to itself": ([literal("A", "1"), literal("A", "$(A)2")], (), {}, "12", set()),
    "escaped": ([literal("B", "x"), literal("A", "$$(B)")], (), {}, "$(B)", set()),
    "unknown reference": ([literal("A", "$(NO)")], (), {}, "$(NO)", set()),
    "secret": ([secret("A", "k")], (), {SECRET: encoded(k="hush")}, "hush", {SECRET}),
    "config": ([config("A", "k")], (), {CONFIG: {"k": "v"}}, "v", {CONFIG}),
    "secret in a literal": ([secret("B", "k"), literal("A", ":$(B)@")], (), {SECRET: encoded(k="pw")}, ":pw@", {SECRET}),
    "all of a secret": ([], [{"secretRef": {"name": "sec"}}], {SECRET: encoded(A="x")}, "x", {SECRET}),
    "with a prefix": ([], [{"prefix": "A", "secretRef": {"name": "sec"}}], {SECRET: {**encoded(A="no"), "": "eA=="}}, "x",
                      {SECRET}),
    "another prefix": ([], [{"prefix": "DB_", "secretRef": {"name": "sec"}}], {}, None, set()),
    "later of two": ([], [{"secretRef": {"name": "sec"}}, {"configMapRef": {"name": "cm"}}],
                     {SECRET: encoded(A="x"), CONFIG: {"A": "y"}}, "y", {SECRET, CONFIG}),
    "env over envFrom": ([literal("A", "1")], [{"secretRef": {"name": "sec"}}], {}, "1", set()),
    "envFrom in a literal": ([literal("A", "$(B)!")], [{"configMapRef": {"name": "cm"}}], {CONFIG: {"B": "b"}}, "b!", {CONFIG}),
    "optional object": ([secret("A", "k", optional=True)], (), {SECRET: None}, None, {SECRET}),
    "optional key": ([secret("A", "k", optional=True)], (), {SECRET: {}}, None, {SECRET}),
    "optional leaves what was": ([literal("A", "1"), secret("A", "k", optional=True)], (), {SECRET: None}, "1", {SECRET}),
    "optional envFrom": ([], [{"secretRef": {"name": "sec", "optional": True}}], {SECRET: None}, None, {SECRET}),
    "the pod's own after a value": ([literal("A", "1"), {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}], (),
                                    {}, "1", set()),
}  # fmt: skip


@pytest.mark.parametrize(("env", "env_from", "contents", "value", "needed"), CASES.values(), ids=CASES)
def test_what_a_variable_comes_to(env, env_from, contents, value, needed):
    made = container(*env, env_from=env_from)
    assert needs(made, {"A"}) == needed
    found = evaluate(made, {"A"}, contents)
    assert found.values.get("A") == value
    assert found.failures == {}


FAILURES = {
    "no secret": ([secret("A", "k")], (), {SECRET: None}, "Secret sec does not exist"),
    "no key": ([config("A", "k")], (), {CONFIG: {"other": "v"}}, "ConfigMap cm has no key k"),
    "no whole secret": ([], [{"secretRef": {"name": "sec"}}], {SECRET: None}, "envFrom: Secret sec does not exist"),
    "of a reference": ([secret("B", "k"), literal("A", "$(B)")], (), {SECRET: None}, "Secret sec does not exist"),
    "no text": ([secret("A", "k")], (), {SECRET: {"k": "/w=="}}, "an entry of Secret sec is no text in UTF-8"),
    "no base64": ([secret("A", "k")], (), {SECRET: {"k": "hunter2"}}, "an entry of Secret sec is no text in UTF-8"),
    "a field of the pod": ([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}], (), {},
                           "A comes from the pod's fieldRef"),
    "a resource of the pod": ([{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}], (), {},
                              "A comes from the pod's resourceFieldRef"),
}  # fmt: skip


@pytest.mark.parametrize(("env", "env_from", "contents", "words"), FAILURES.values(), ids=FAILURES)
def test_why_a_variable_has_no_value(env, env_from, contents, words):
    found = evaluate(container(*env, env_from=env_from), {"A"}, contents)
    assert "A" not in found.values
    assert words in found.failures["A"].problem
    assert "hunter2" not in repr(found)


def test_a_failure_that_a_later_entry_mends_is_none():
    made = container(secret("A", "k"), literal("A", "1"))
    found = evaluate(made, {"A"}, {SECRET: None})
    assert (found.values, found.failures) == ({"A": "1"}, {})


def test_a_right_that_is_missing_is_told_of_the_variable():
    refused = Failure("may not", error=SecretForbidden)
    found = evaluate(container(secret("A", "k")), {"A"}, {SECRET: refused})
    assert found.failures["A"] is refused


def test_only_what_is_named_is_needed():
    made = container(secret("A", "k"), config("B", "k"), literal("C", "$(A)"))
    assert needs(made, {"B"}) == {CONFIG}
    assert needs(made, {"C"}) == {SECRET}
    assert needs(made, set()) == set()
    assert evaluate(made, {"B"}, {CONFIG: {"k": "v"}}).values == {"B": "v"}


def test_references_that_double_do_not_fill_the_memory():
    doubling = [literal("V0", "x" * 1000)] + [
        literal(f"V{n}", f"$(V{n - 1})$(V{n - 1})") for n in range(1, 64)
    ]
    found = evaluate(container(*doubling), {"V63"}, {})
    assert "longer than" in found.failures["V63"].problem


def test_a_long_chain_of_references_is_no_recursion():
    chain = [literal("V0", "x")] + [literal(f"V{n}", f"$(V{n - 1})") for n in range(1, 5000)]
    assert evaluate(container(*chain), {"V4999"}, {}).values["V4999"] == "x"


def test_values_stand_in_no_repr():
    found = evaluate(container(secret("A", "k")), {"A"}, {SECRET: encoded(k="hunter2")})
    assert found.values == {"A": "hunter2"}
    assert "hunter2" not in repr(found)
