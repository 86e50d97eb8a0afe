"""docs/validation.md is complete: every rule that refuses and every warning has its row."""

import re
from pathlib import Path

import pytest

from scaler.core import manifest, rules
from scaler.core.admission import warnings
from scaler.core.admission_rules import RULES, rule_of
from scaler.core.known_kinds import could_exist
from scaler.core.steps import Step
from scaler.core.surroundings import Surroundings

PAGE = (Path(__file__).parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")
REDIS = {"type": "redis", "metadata": {"listName": "jobs"}}


def section(heading):
    return re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]


def scaled_object(**given):
    annotations = given.pop("annotations", {})
    found = manifest.parse(
        {
            "metadata": {"name": given.pop("name", "worker"), "annotations": annotations},
            "spec": {"scaleTargetRef": {"name": "web"}, "triggers": [REDIS], **given},
        }
    )
    assert found.problems == ()
    return found.scaled_object


def modifiers(**given):
    return {"advanced": {"scalingModifiers": {"formula": "1", "target": "1", **given}}}


BROKEN = {
    "name": {"name": "x" * 64},
    "bounds": {"minReplicaCount": 2, "idleReplicaCount": 2},
    "cached": {"triggers": [{"type": "cron", "metadata": {}, "useCachedMetrics": True}]},
    "names": {"triggers": [REDIS | {"name": "a"}, REDIS | {"name": "a"}]},
    "hpa": {"advanced": {"horizontalPodAutoscalerConfig": {"name": "No Name"}}},
    "formula": modifiers(formula="nobody"),
    "target": modifiers(target="0"),
    "activation": modifiers(activationTarget="x"),
    "annotation": {"annotations": {"tidegate.dev/activation": "x"}},
}
"""One object for each thing that the reconcile refuses."""


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_what_the_reconcile_refuses_has_a_row(broken):
    (refusal,) = rules.refusals(scaled_object(**broken))
    rule = rule_of(refusal)
    path = re.sub(r"tidegate\.dev/.*", "tidegate.dev/…", refusal.problem.path)
    if rule is not None:
        assert not rule.webhook_only
    else:
        assert f"| `{path}` |" in section("What only the controller refuses")


def test_every_check_of_the_reconcile_is_among_these():
    """Each function that makes refusals is met, and each kind of problem it can make."""
    source = Path(rules.__file__).read_text(encoding="utf-8")
    met = {refusal.step for broken in BROKEN.values() for refusal in rules.refusals(scaled_object(**broken))}
    assert met == {Step[name] for name in re.findall(r"\(Step\.(\w+), ", source)}
    written = len(
        re.findall(r"yield Problem\(", source)
    )  # One bound cannot be met, and annotations have their module.
    assert written == len(BROKEN), "give the new refusal a case above, and a row on the page"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_of_the_webhook_has_its_row(rule):
    who = "webhook" if rule.webhook_only else "webhook and controller"
    label = f"`{rule.reason}`" if rule.reason else ""
    assert f"| {rule.what} | {label} | {who} | {rule.mend} |" in section("The webhook's rules")


def test_every_warning_has_its_row():
    surroundings = Surroundings(could_exist)
    surroundings.put(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "template": {
                    "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}], "containers": []}
                }
            },
        }
    )
    up = scaled_object(minReplicaCount=1, pollingInterval=5, cooldownPeriod=5)
    slow = {"tidegate.dev/processing-seconds": "31"}
    found = [
        *warnings(up, surroundings),
        *warnings(scaled_object(annotations=slow), surroundings),
        *warnings(scaled_object(minReplicaCount=2, idleReplicaCount=0), surroundings),
    ]
    assert len({warning.path for warning in found}) == 5
    for warning in found:
        assert f"`{warning.path}`" in section("Warnings")
