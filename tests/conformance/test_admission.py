"""What KEDA's webhook answered in the records of ScaledObjects, against our rules of schema, reconcile and webhook."""

import pytest
import runner
from webhook import answer

_GISTS = {
    "cpu/memory alone cannot scale to zero": {"scale-to-zero-requirements-not-met"},
    "the container sets no request for this resource": {"missing-requests"},
    "unknown target kind": {""},
    "trigger names are not unique": {"incorrect-triggers"},
    "useCachedMetrics not allowed for this type": {"incorrect-triggers"},
    "another HPA already manages this target": {"other-hpa"},
    "transfer needs the HPA's name in advanced settings": {"transfer-ownership-missing-hpa-name"},
    "fallback is not allowed here": {"incorrect-fallback", "scaling-modifiers-fallback"},
    "replica bounds are wrong": {"incorrect-replicas"},
    "scalingModifiers are wrong": {"scaling-modifiers"},
}
"""What a record says in words → our reasons for it. Words that are not here are not compared."""


def _records():
    return [pytest.param(case, id=case.id) for case in runner.load("scaledobjects", runner.directory())]


@pytest.mark.parametrize("record", _records())
def test_admission(record):
    assert not record.problem, record.problem
    recorded = record.output["with_admission_webhook"]
    found = answer(record.input)
    code = 403 if recorded["code"] == 500 else recorded["code"]  # KEDA's panic over a shared HPA name (Q20).
    assert found["code"] == code, found["reasons"]
    assert found["patch_codes"] == recorded.get("patch_codes", [])
    if code == 201:
        assert found["warnings"] == recorded.get("warnings", 0)
    if code == 403 and recorded.get("gist") in _GISTS:
        assert _GISTS[recorded["gist"]] & set(found["reasons"])
