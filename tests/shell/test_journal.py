"""The journal: what it keeps and forgets, and who it says has changed the replicas."""

import json
from datetime import timedelta

import msgspec
import pytest
from fake_clock import FakeClock

from scaler.control.journal import Journal
from scaler.control.managed import Managed
from scaler.control.observed import Observed
from scaler.control.resolution import Resolved
from scaler.control.targets import TargetKey
from scaler.control.triggers import build
from scaler.core import manifest
from scaler.core.decision import Decision, Outcome, Policy, Times
from scaler.core.record import Given
from scaler.core.steps import Step
from scaler.kube.resources import DEPLOYMENTS
from scalers._lib.problem import Problem
from scalers.registry import Registry

S = timedelta(seconds=1)


def managed(name="worker", uid="u", **spec):
    metadata = {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": "1"}
    triggers = [
        {"type": "redis", "metadata": {"address": "a:1", "listName": "jobs", "activationListLength": "5"}}
    ]
    body = {"scaleTargetRef": {"name": "web"}, "triggers": triggers, **spec}
    made = Managed.of(manifest.parse({"metadata": metadata, "spec": body, "status": {}}).scaled_object)
    made.readings.take(build(made.so, [Resolved()], Registry()), FakeClock().now())
    made.target, made.in_charge = TargetKey(DEPLOYMENTS, "shop", "web"), True
    made.hpa_name = made.so.hpa_name
    return made


class Scene:
    def __init__(self, length=50, **hooks):
        self.clock = FakeClock()
        self.journal = Journal(self.clock, length, **hooks)
        self.worker = managed()

    def later(self, seconds=1.0):
        self.clock.elapsed += seconds

    def decided(
        self, value=7.0, replicas=0, *, active=True, to=None, acted=True, held="", **more
    ) -> Decision:
        outcome = Outcome(
            index=0, metric="s0-redis-jobs", target=5000, active=active, value=value, trigger="", **more
        )
        now = self.clock.now()
        given = Given(
            policy=self.worker.policy(),
            outcomes=(outcome,),
            replicas=replicas,
            times=Times(now, None),
            now=now,
        )
        decision = given.decide()
        self.journal.decided(to or self.worker, given, decision, acted=acted, held=held)
        return decision

    def document(self, name="worker", last=None):
        found = self.journal.document("shop", name, last)
        return json.loads(msgspec.json.encode(found)) if found is not None else None

    def entries(self, *kinds):
        return [entry for entry in self.document()["entries"] if not kinds or entry["kind"] in kinds]

    def changes(self):
        """Oldest first."""
        return [entry["text"].partition(":")[0] for entry in reversed(self.entries("scaled"))]


def hpa(desired, scaled, maximum=9):
    spec = {"minReplicas": 1, "maxReplicas": maximum, "metrics": []}
    status = {"desiredReplicas": desired, "currentReplicas": desired, "lastScaleTime": scaled}
    return {"metadata": {"name": "keda-hpa-worker", "namespace": "shop"}, "spec": spec, "status": status}


def test_what_is_not_known_has_no_document():
    scene = Scene()
    assert scene.document() is None
    assert scene.journal.objects() == []


def test_a_steady_object_does_not_push_out_its_history():
    scene = Scene(length=3)
    scene.decided(0.0, active=False)
    for value in range(1000):
        scene.later(30)
        scene.decided(10.0 + value, replicas=3 + value % 2)
    newest, oldest = scene.entries()
    assert (newest["reason"], newest["count"]) == ("HPAInCharge", 1000)
    assert newest["record"]["given"]["outcomes"][0]["value"] == 1009
    assert newest["first"] < newest["last"]
    assert (oldest["reason"], oldest["count"]) == ("AtRest", 1)


def test_the_journal_is_bounded():
    scene = Scene(length=5)
    for number in range(40):
        scene.later()
        scene.decided(9.0, active=bool(number % 2), replicas=1)
        scene.journal.refused(scene.worker, Step.TARGET, f"number {number}")
    assert [len(scene.entries(kind)) for kind in ("decision", "refused")] == [5, 5]
    assert scene.entries("refused")[0]["text"].endswith(": number 39")
    assert len(scene.document(last=2)["entries"]) == 2


def test_very_many_objects_keep_fewer_entries_each(monkeypatch):
    monkeypatch.setattr("scaler.control.journal._ALTOGETHER", 70)
    scene = Scene(length=50)
    for number in range(10):
        other = managed(f"w{number}", f"u{number}")
        for turn in range(40):
            scene.decided(9.0, active=bool(turn % 2), replicas=1, to=other)
    assert len(scene.document("w9")["entries"]) == 7
    assert len(scene.document("w0")["entries"]) == 50 - 10  # Nobody has touched it since: all it ever said.


def test_a_refusal_stands_until_the_object_is_in_charge():
    scene = Scene()
    scene.decided(replicas=2)
    scene.worker.in_charge = False
    scene.journal.refused(scene.worker, Step.TARGET, "spec.scaleTargetRef: no such thing")
    scene.later(5)
    scene.journal.refused(scene.worker, Step.TARGET, "spec.scaleTargetRef: no such thing")
    found = scene.document()
    assert (found["state"], found["reason"]) == ("Refused", "ScaledObjectCheckFailed")
    assert found["refused"]["step"] == str(Step.TARGET)
    assert found["refused"]["since"] < found["entries"][0]["last"]
    assert found["entries"][0]["count"] == 2
    assert scene.journal.objects()[0]["reason"] == "ScaledObjectCheckFailed"
    scene.worker.in_charge = True
    scene.journal.in_charge(scene.worker)
    found = scene.document()
    assert (found["state"], found["refused"], found["reason"]) == ("InCharge", None, "HPAInCharge")
    assert found["entries"][0]["text"] == "all checks passed"
    scene.journal.in_charge(scene.worker)
    assert len(scene.entries("in-charge")) == 1


def test_an_object_that_our_models_refuse_is_explained_too():
    scene = Scene()
    seen = Observed(
        namespace="shop", name="odd", uid="x", resource_version="1", generation=1, labels={}, annotations={},
        finalizers=(), deleted=False, status={}, so=None,
        problems=(Problem("spec.triggers", "is text, not a list", "write a list"),),
    )  # fmt: skip
    scene.journal.broken(seen)
    found = scene.document("odd")
    assert found["answer"] == (
        "shop/odd: ScaledObjectCheckFailed: ScaledObject is not what its CRD allows: "
        "spec.triggers: is text, not a list; write a list"
    )
    scene.journal.gone("shop", "odd")
    scene.journal.gone("shop", "odd")
    assert scene.document("odd") is None


def test_a_namesake_has_a_page_of_its_own():
    scene = Scene()
    scene.decided(replicas=2)
    scene.decided(0.0, active=False, to=managed(uid="v"))
    assert scene.document()["object"]["uid"] == "v"
    assert [entry["reason"] for entry in scene.entries()] == ["AtRest"]
    scene.journal.forget("u")
    assert scene.document()["object"]["uid"] == "v"
    scene.journal.forget("v")
    assert scene.document() is None


def test_a_document_knows_target_activation_and_hpa():
    scene = Scene(live_hpa=lambda *key: hpa(3, "") if key == ("shop", "keda-hpa-worker") else None)
    scene.decided(3.0, active=False)
    found = scene.document()
    assert found["answer"].endswith("s0-redis-jobs is 3, and activation takes more than 5")
    assert found["target"] == "apps/v1.Deployment shop/web"
    assert found["hpa"]["desiredReplicas"] == 3
    (row,) = found["triggers"]
    assert (row["type"], row["activation"]) == ("redis", 5)


def test_what_keeps_all_of_it_from_acting_is_said():
    scene = Scene(trouble=lambda: "the API server does not show ScaledObjects: cannot connect")
    scene.decided(replicas=1)
    assert scene.document()["answer"].endswith("the API server does not show ScaledObjects: cannot connect")


def test_a_decision_that_was_not_carried_out_is_an_entry_of_its_own():
    scene = Scene()
    scene.decided()
    scene.decided(acted=False)
    scene.decided(held="nobody looks")
    assert [(e["acted"], e["held"]) for e in reversed(scene.entries())] == [
        (True, ""), (False, ""), (False, "nobody looks"),
    ]  # fmt: skip


# Who changed the replicas.


@pytest.mark.parametrize("watch_first", [False, True])
def test_our_own_write_is_told_once(watch_first):
    scene = Scene()
    scene.decided()
    told = [
        lambda: scene.journal.scaled(scene.worker, 0, 1, by="tidegate", why="Activated"),
        lambda: scene.journal.scaled(scene.worker, 0, 1, by="other"),
    ]
    for tell in reversed(told) if watch_first else told:
        tell()
    assert [entry["text"] for entry in scene.entries("scaled")] == ["from 0 to 1 by Tidegate: Activated"]
    scene.later(90)
    scene.journal.scaled(scene.worker, 1, 0, by="other")
    scene.journal.scaled(scene.worker, 0, 1, by="other")
    assert scene.changes() == [
        "from 0 to 1 by Tidegate",
        "from 1 to 0 by somebody else",
        "from 0 to 1 by somebody else",
    ]


@pytest.mark.parametrize("watch_first", [False, True])
def test_what_the_hpa_did_is_known_by_its_status(watch_first):
    scene = Scene()
    scene.journal.hpa_seen(scene.worker, hpa(1, ""))
    scene.decided(20.0, replicas=1)
    told = [
        lambda: scene.journal.hpa_seen(scene.worker, hpa(4, "2026-01-05T12:00:01Z")),
        lambda: scene.journal.scaled(scene.worker, 1, 4, by="other"),
    ]
    for tell in reversed(told) if watch_first else told:
        scene.later()
        tell()
    (entry,) = scene.entries("scaled")
    assert (entry["by"], entry["hpa"]["desiredReplicas"]) == ("hpa", 4)
    assert entry["served"] == [{"metric": "s0-redis-jobs", "value": 20, "target": 5}]
    # The same status again, as after an edit of the HPA, is no news.
    scene.journal.hpa_seen(scene.worker, hpa(4, "2026-01-05T12:00:01Z"))
    scene.journal.scaled(scene.worker, 4, 9, by="other")
    scene.journal.scaled(scene.worker, 9, 4, by="other")
    assert scene.changes()[1:] == ["from 4 to 9 by somebody else", "from 9 to 4 by somebody else"]


def test_a_status_of_long_ago_claims_nothing():
    scene = Scene()
    scene.journal.scaled(scene.worker, 1, 4, by="other")
    scene.journal.hpa_seen(scene.worker, hpa(4, "2026-01-05T11:00:00Z"))  # Its first sight, after a restart.
    assert scene.changes() == ["from 1 to 4 by somebody else"]
    scene.later(61)
    scene.journal.hpa_seen(scene.worker, hpa(4, "2026-01-05T12:00:59Z"))
    assert scene.changes() == ["from 1 to 4 by somebody else"]


def test_somebody_may_change_our_write_before_the_watch_shows_it():
    scene = Scene()
    scene.journal.scaled(scene.worker, 0, 1, by="tidegate", why="Activated")
    scene.journal.scaled(scene.worker, 0, 6, by="other")
    assert scene.changes() == ["from 0 to 1 by Tidegate", "from 1 to 6 by somebody else"]


def test_writes_that_fail_are_counted_and_end_with_the_wish():
    scene = Scene()
    decision = scene.decided()
    for _ in range(3):
        scene.later()
        scene.journal.failed_write(scene.worker, decision, "patch deployments.apps/scale shop/web: no (403)")
    (entry,) = scene.entries("write-failed")
    assert (entry["count"], entry["reason"]) == (3, "Activated")
    assert "Not done: the replicas could not be written: patch" in scene.document()["answer"]
    scene.later()
    scene.decided(replicas=1)
    assert "Not done" not in scene.document()["answer"]


def test_a_target_whose_replicas_cannot_be_read():
    scene = Scene()
    scene.decided(replicas=2)
    scene.later()
    scene.journal.replicas_unknown(scene.worker, "get deployments.apps/scale shop/web: no (403)")
    assert scene.document()["answer"].startswith(
        "shop/worker: ErrorGettingCurrentReplicas: the target's replicas could"
    )


def test_who_edited_or_deleted_the_hpa():
    scene = Scene()
    wanted = hpa(1, "")
    tell = scene.journal.hpa_ensured
    tell(scene.worker, wanted, None)
    tell(scene.worker, wanted, ())
    tell(scene.worker, wanted, ("spec.maxReplicas",))
    tell(scene.worker, hpa(1, "", maximum=12), ("spec.maxReplicas",))
    tell(scene.worker, hpa(1, "", maximum=12), None)
    assert [entry["text"] for entry in reversed(scene.entries("hpa"))] == [
        "HPA keda-hpa-worker was made",
        "somebody edited HPA keda-hpa-worker: mended spec.maxReplicas",
        "HPA keda-hpa-worker was changed in spec.maxReplicas",
        "somebody deleted HPA keda-hpa-worker: it was made again",
    ]


def test_after_a_pause_the_hpa_is_made_not_mended():
    scene = Scene()
    scene.journal.hpa_ensured(scene.worker, hpa(1, ""), None)
    now = scene.clock.now()
    policy = Policy(pause=msgspec.convert({"full": True}, type(scene.worker.policy().pause)))
    given = Given(policy=policy, outcomes=(), replicas=2, times=Times(now, None), now=now)
    scene.journal.decided(scene.worker, given, given.decide(), acted=True)
    scene.later()
    scene.journal.hpa_ensured(scene.worker, hpa(1, ""), None)
    texts = [entry["text"] for entry in scene.entries("hpa")]
    assert texts == ["HPA keda-hpa-worker was made"]


def test_objects_are_listed_with_their_last_reason():
    scene = Scene()
    scene.decided(replicas=2)
    scene.journal.decided(managed("alone", "w"), *_quiet(scene.clock.now()), acted=True)
    assert scene.journal.objects() == [
        {"namespace": "shop", "name": "alone", "reason": "AtRest", "replicas": 0, "since": "2026-01-05T12:00:00.000Z"},
        {"namespace": "shop", "name": "worker", "reason": "HPAInCharge", "replicas": 2, "since": "2026-01-05T12:00:00.000Z"},
    ]  # fmt: skip


def _quiet(now):
    outcome = Outcome(index=0, metric="s0-redis-jobs", target=5000, active=False, value=0.0)
    given = Given(policy=Policy(), outcomes=(outcome,), replicas=0, times=Times(now, None), now=now)
    return given, given.decide()
