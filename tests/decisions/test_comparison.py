"""Observe mode's comparison: silent beside a KEDA that agrees at its own times, loud beside one that differs, in each way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, event, settings
from hypothesis import given as drawn
from hypothesis import strategies as st

from scaler.core.comparison import Comparison
from scaler.core.comparison_report import Subject, document, lines
from scaler.core.decision import Outcome, Policy, Reason, Times
from scaler.core.disagreements import Book, Disagreement
from scaler.core.policy import Pause, Restraint
from scaler.core.record import Given

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
METRIC = "s0-redis-jobs"


def at(seconds):
    return START + timedelta(seconds=seconds)


def outcome(value, **more):
    return Outcome(
        index=0, metric=METRIC, target=5000, value=value, active=value is not None and value > 0, **more
    )


class Observing:
    """Our side: an object polled every 30 s, decided about at given seconds."""

    def __init__(self, policy=Policy(), interval=30, last_active=None):  # noqa: B008 - it is frozen.
        self.policy = policy
        self.comparison = Comparison(interval, START)
        self.last_active = last_active
        self.restraint = Restraint()

    def decide(self, seconds, replicas, value, **more):
        read = (
            replace(outcome(value), active=None, reason="Refused", **more)
            if value is None
            else outcome(value, **more)
        )
        given = Given(
            policy=self.policy, outcomes=(read,), replicas=replicas, now=at(seconds),
            times=Times(START - timedelta(days=1), self.last_active), restraint=self.restraint,
        )  # fmt: skip
        decision = given.decide()
        self.last_active = decision.last_active
        self.comparison.decided(given, decision)
        return decision

    def scaled(self, seconds, before, after):
        self.comparison.scaled(before, after, self.policy.floor, at(seconds))

    def found(self, seconds=10_000):
        self.comparison.look(at(seconds))
        return [(each.kind, each.topic, each.reason) for each in self.comparison.book]

    def one(self):
        (each,) = self.comparison.book
        return each


# Beside a KEDA that agrees.


@st.composite
def lives(draw):
    """A policy, when there is work, and when either side looks. Work and pauses last long enough for both to see them."""
    interval = draw(st.integers(1, 40))
    policy = draw(
        st.builds(
            Policy,
            minimum=st.sampled_from([0, 0, 0, 1, 3]),
            idle=st.sampled_from([None, None, 0]),
            cooldown=st.sampled_from([0, 1, interval, 3 * interval, 300, 97]),
        )
    )
    lasting = st.floats(interval + 4, 6 * interval + 4)
    gaps = st.floats(interval + 4, 2 * policy.cooldown + 5 * interval + 4)
    moments, work = draw(gaps), []
    for _ in range(draw(st.integers(1, 4))):
        end = moments + draw(lasting)
        work.append((moments, end))
        moments = end + draw(gaps)
    late = st.floats(0, 1.5)
    ticks = int((moments + policy.cooldown + 5 * interval) / interval) + 1
    phases = draw(st.floats(0, interval)), draw(st.floats(0, interval))
    looks = [[phase + n * interval + draw(late) for n in range(min(ticks, 150))] for phase in phases]
    return interval, policy, work, looks, draw(st.floats(0, 1.5))


class Keda:
    """Its executor's table (facts 3.4), with its status in whole seconds."""

    def __init__(self, policy, replicas):
        self.policy, self.replicas, self.last_active = policy, replicas, None

    def tick(self, seconds, work):
        policy, before = self.policy, self.replicas
        if work:
            if before == 0 or (policy.idle is not None and before < policy.minimum):
                self.replicas = max(policy.minimum, 1)
            self.last_active = int(seconds)
        elif (policy.idle is not None and before > policy.idle) or (before > 0 and policy.minimum == 0):
            if self.last_active is None or self.last_active + policy.cooldown < seconds:
                self.replicas = policy.idle if policy.idle is not None else policy.minimum
        elif policy.idle is None and before < policy.minimum:
            self.replicas = policy.minimum
        return before, self.replicas


@drawn(life=lives())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_keda_that_agrees_at_its_own_times_is_never_told_of(life):
    interval, policy, work, (its, ours), delay = life
    keda, observing, shown = Keda(policy, 0), Observing(policy, interval), 0
    happened = sorted([(t, 0, "keda") for t in its] + [(t, 1, "us") for t in ours])
    news = []
    for seconds, _, who in happened:
        while news and news[0][0] <= seconds:
            when, before, after = news.pop(0)
            observing.scaled(when, before, after)
            shown = after
        busy = any(begin <= seconds < end for begin, end in work)
        if who == "keda":
            before, after = keda.tick(seconds, busy)
            if before != after:
                event("activated" if after > before else "deactivated")
                news.append((seconds + delay, before, after))
        else:
            observing.decide(seconds, shown, 7 if busy else 0)
    for when, before, after in news:
        observing.scaled(when, before, after)
    assert observing.found() == []
    assert observing.comparison.agreed == observing.comparison.changes


def test_the_lives_have_activations_and_deactivations():
    counts = {"up": 0, "down": 0}

    @drawn(life=lives())
    @settings(max_examples=100, derandomize=True, database=None, deadline=None)
    def live(life):
        _, policy, work, (its, _), _ = life
        keda = Keda(policy, 0)
        for seconds in its:
            before, after = keda.tick(seconds, any(begin <= seconds < end for begin, end in work))
            counts["up"] += after > before
            counts["down"] += after < before

    live()
    assert min(counts.values()) > 20


# "Did": a change that none of our decisions wished.


def test_an_activation_without_work_is_told_with_our_reason():
    observing = Observing()
    observing.decide(0, 0, 0)
    observing.scaled(10, 0, 1)
    observing.decide(30, 1, 0)
    assert observing.found(44) == []
    observing.decide(60, 1, 0)
    (told,) = [each for each in observing.comparison.book if each.kind == "scaled"]
    assert (told.topic, told.reason, told.message) == ("up", "AtRest", "no work; at 0")
    assert (told.done, told.wished, told.first) == ("scaled from 0 to 1", "left it at 0", at(10))
    assert (observing.comparison.changes, observing.comparison.agreed) == (1, 0)


def test_a_deactivation_while_there_is_work_and_one_long_before_the_cooldown_is_over():
    observing = Observing()
    observing.decide(0, 3, 40)
    observing.scaled(10, 3, 0)
    observing.decide(30, 0, 40)
    assert observing.found(50)[0] == ("scaled", "down", "HPAInCharge")
    observing = Observing(Policy(cooldown=300), last_active=at(0))
    observing.decide(10, 1, 0)
    observing.scaled(20, 1, 0)
    assert observing.found() == [("scaled", "down", "CoolingDown")]


def test_a_deactivation_a_little_before_the_end_of_our_cooldown_agrees():
    observing = Observing(Policy(cooldown=300), last_active=at(0))
    observing.decide(260, 1, 0)
    observing.scaled(270, 1, 0)  # Ours ends at 300, within the 35 s.
    assert observing.found() == []
    assert observing.comparison.agreed == 1


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"policy": Policy(pause=Pause(full=True))}, "Paused"),
        ({"policy": Policy(pause=Pause(scale_in=True))}, "ScaleInPaused"),
        ({"value": None}, "TriggersFailed"),
        ({"restraint": Restraint(not_before=at(900))}, "Braked"),
    ],
)
def test_what_would_have_kept_us_is_the_reason(more, reason):
    observing = Observing(more.get("policy", Policy()), last_active=at(-1000))
    observing.restraint = more.get("restraint", Restraint())
    observing.decide(0, 2, more.get("value", 0))
    observing.scaled(5, 2, 0)
    assert observing.found() == [("scaled", "down", reason)]


def test_the_step_from_below_the_minimum_is_the_hpas_while_there_is_work_and_ours_without():
    for value in (0, 9):
        observing = Observing(Policy(minimum=3))
        observing.decide(0, 1, value)
        observing.scaled(5, 1, 3)
        assert observing.found() == []


def test_a_decision_within_the_grace_after_the_change_agrees():
    observing = Observing()
    observing.decide(0, 0, 0)
    observing.scaled(10, 0, 1)
    observing.decide(30, 1, 9)
    assert observing.found() == []
    assert observing.comparison.agreed == 1


def test_who_knows_nothing_agrees_to_nothing_also_afterwards():
    observing = Observing()
    observing.decide(0, 1, None)
    observing.scaled(5, 1, 0)
    observing.decide(30, 0, None)
    assert observing.found() == [("scaled", "down", "TriggersFailed")]


def test_a_change_before_the_first_decision_is_judged_by_what_we_would_have_done_then():
    observing = Observing()
    observing.scaled(0, 0, 1)
    observing.decide(20, 1, 0)
    observing.found(50)
    told = next(each for each in observing.comparison.book if each.kind == "scaled")
    assert (told.reason, told.message) == ("AtRest", "no work; at 0")


def test_changes_above_the_floor_are_the_hpas():
    observing = Observing()
    observing.decide(0, 1, 9)
    observing.scaled(1, 1, 7)
    observing.scaled(2, 7, 2)
    assert observing.found() == []
    assert observing.comparison.changes == 0


def test_a_decision_of_long_ago_agrees_to_nothing():
    observing = Observing()
    observing.decide(0, 0, 9)
    for seconds in (30, 60, 90):
        observing.decide(seconds, 0, 0)
    observing.scaled(100, 0, 1)
    assert ("scaled", "up", "AtRest") in observing.found()
    observing = Observing()
    observing.decide(0, 0, 9)
    observing.decide(30, 0, 0)
    observing.scaled(34, 0, 1)  # 34 s after we wished it: within the grace.
    assert observing.found() == []


def test_a_decision_after_the_grace_agrees_to_nothing():
    observing = Observing()
    observing.decide(0, 0, 0)
    observing.scaled(10, 0, 1)
    observing.decide(46, 1, 9)
    assert observing.found() == [("scaled", "up", "AtRest")]


def test_the_reason_is_ours_at_the_time_of_the_change():
    observing = Observing(last_active=at(-1000))
    observing.restraint = Restraint(not_before=at(900))
    observing.decide(0, 1, 0)
    observing.scaled(10, 1, 0)
    observing.restraint = Restraint()
    observing.decide(20, 0, 9)
    observing.decide(30, 1, 0)
    assert ("scaled", "down", "Braked") in observing.found()


def test_replicas_that_only_decisions_show_are_changes_too():
    observing = Observing()
    observing.decide(0, 0, 0)
    observing.decide(30, 1, 0)
    assert ("scaled", "up", "AtRest") in observing.found()
    observing = Observing()
    observing.decide(0, 0, 0)
    observing.scaled(20, 0, 1)
    observing.decide(30, 1, 0)
    observing.scaled(31, 0, 1)
    observing.found()
    assert observing.comparison.changes == 1
    observing = Observing()
    observing.decide(0, 0, 0)
    observing.decide(30, 1, 0)
    observing.scaled(31, 0, 1)
    assert observing.comparison.changes == 1


def test_another_target_is_no_change():
    observing = Observing()
    observing.decide(0, 0, 0)
    observing.comparison.retargeted()
    observing.decide(30, 3, 0)
    assert observing.comparison.changes == 0


def test_before_the_first_decision_there_is_no_agreement():
    observing = Observing()
    observing.scaled(0, 0, 1)
    assert observing.found() == [("scaled", "up", "NotDecided")]


def test_very_many_changes_are_bounded_and_none_is_lost():
    observing = Observing()
    observing.decide(0, 0, 0)
    for seconds in range(100):
        observing.scaled(seconds / 100, 0, 1)
        observing.scaled(seconds / 100 + 0.005, 1, 0)
    observing.found()
    told = next(each for each in observing.comparison.book if each.topic == "up")
    assert (told.count, told.first) == (100, at(0))
    assert observing.comparison.changes == 200


# "Did not": what we wished for longer than the grace.


def test_an_activation_that_is_not_done_is_told_once_an_episode_and_goes_on():
    observing = Observing()
    for seconds in (0, 30):
        observing.decide(seconds, 0, 9)
    assert observing.found(34) == []
    observing.decide(60, 0, 9)
    observing.decide(90, 0, 9)
    told = observing.one()
    assert (told.kind, told.topic, told.reason, told.count) == ("not-scaled", "up", "Activated", 1)
    assert (told.done, told.wished) == ("left at 0", "scaled it from 0 to 1")
    assert (told.first, told.last) == (at(0), at(90))
    observing.decide(120, 0, 0)
    for seconds in (150, 190):
        observing.decide(seconds, 0, 9)
    assert observing.one().count == 2


def test_a_wish_that_was_broken_off_is_not_told():
    observing = Observing()
    observing.decide(0, 0, 9)
    observing.decide(30, 0, 0)
    observing.decide(60, 0, 9)
    observing.decide(90, 0, None)
    assert observing.found() == []


def test_a_count_that_is_there_already_is_no_wish():
    observing = Observing(Policy(pause=Pause(full=True, replicas=3)))
    for seconds in (0, 30, 60, 90):
        observing.decide(seconds, 3, 0)
    assert observing.found() == []


def test_a_deactivation_may_take_one_more_interval():
    observing = Observing(Policy(cooldown=0), last_active=at(-1))
    for seconds in (0, 30, 60):
        observing.decide(seconds, 1, 0)
    assert observing.found(65) == []
    assert observing.found(66) == [("not-scaled", "down", "Deactivated")]


def test_a_change_that_comes_late_ends_the_wish():
    observing = Observing()
    observing.decide(0, 0, 9)
    observing.scaled(33, 0, 1)
    assert observing.found() == []
    assert observing.comparison.agreed == 1


# The HPA.


def hpa(**spec):
    metrics = [
        {
            "type": "External",
            "external": {"metric": {"name": METRIC}, "target": {"type": "AverageValue", "averageValue": "5"}},
        }
    ]
    meta = {"name": "keda-hpa-worker", "namespace": "shop", "labels": {"scaledobject.keda.sh/name": "worker"}}
    return {"metadata": meta, "spec": {"minReplicas": 1, "maxReplicas": 10, "metrics": metrics, **spec}}


def test_the_fields_in_which_an_hpa_differs_are_told_with_both_values():
    observing = Observing()
    live, wanted = hpa(maxReplicas=4), hpa()
    live["metadata"]["labels"] = {**live["metadata"]["labels"], "app.kubernetes.io/version": "2.17.0"}
    wanted["metadata"]["labels"] = {**wanted["metadata"]["labels"], "app.kubernetes.io/version": "1"}
    wanted["metadata"]["annotations"] = {"tidegate.dev/mode": "observe", "team.example/x": "a"}
    observing.comparison.hpa_seen(live, wanted, at(0))
    assert observing.found(35) == []
    assert observing.found(36) == [
        ("hpa", "metadata.annotations.team.example/x, spec.maxReplicas", "HPADiffers")
    ]
    told = observing.one()
    assert told.done == "metadata.annotations.team.example/x unset; spec.maxReplicas 4"
    assert told.wished == 'metadata.annotations.team.example/x "a"; spec.maxReplicas 10'


@pytest.mark.parametrize(("live", "wanted", "topic"), [(None, hpa(), "missing"), (hpa(), None, "exists")])
def test_an_hpa_too_many_or_too_few(live, wanted, topic):
    observing = Observing()
    observing.comparison.hpa_seen(live, wanted, at(0))
    observing.comparison.hpa_seen(live, wanted, at(20))
    assert observing.found() == [("hpa", topic, "HPADiffers")]


def test_an_hpa_that_is_made_or_mended_within_the_grace_and_one_that_cannot_be_seen():
    observing = Observing()
    observing.comparison.hpa_seen(None, hpa(), at(0))
    observing.comparison.hpa_seen(hpa(maxReplicas=4), hpa(), at(30))
    observing.comparison.hpa_seen(hpa(), hpa(), at(60))
    unseen = hpa()
    excluded = {"scaledobject.keda.sh/hpa-excluded-labels": "tier,scaledobject.keda.sh/name"}
    unseen["metadata"]["annotations"] = excluded
    observing.comparison.hpa_seen(None, unseen, at(61))
    assert observing.found(2000) == []
    observing.comparison.hpa_seen(None, None, at(3000))
    assert observing.found() == []


# The metrics.


def told_hpa(value=None, average=None, replicas=2, active=("True", "ValidMetricFound"), desired=None):
    current = {"value": value} if average is None else {"averageValue": average}
    known = [{"type": "External", "external": {"metric": {"name": METRIC}, "current": current}}]
    return {
        **hpa(),
        "status": {
            "currentReplicas": replicas,
            "desiredReplicas": desired or replicas,
            "currentMetrics": known if value or average else [{"type": ""}],
            "conditions": [{"type": "ScalingActive", "status": active[0], "reason": active[1], "message": "no luck"}],
        },
    }  # fmt: skip


def metrics(observing, *steps, until=600):
    """Steps of (our value, the HPA's status), repeated every 30 s."""
    for seconds in range(0, until, 30):
        value, live = steps[min(seconds // 30, len(steps) - 1)]
        observing.decide(seconds, 2, value)
        observing.comparison.hpa_seen(live, hpa(), at(seconds + 1))
    return [each for each in observing.comparison.book if each.kind == "metric"]


@pytest.mark.parametrize(
    ("ours", "live"),
    [
        (40, told_hpa(average="20")),
        (43, told_hpa(average="20")),  # Less than a replica's worth.
        (100, told_hpa(average="46")),  # Less than a tenth.
        (60, told_hpa(average="20", desired=3)),
        (0, told_hpa(average="1m")),
        (None, told_hpa(active=("False", "FailedGetExternalMetric"))),
        (40, told_hpa(active=("False", "ScalingDisabled"))),
        (40, told_hpa(average="nonsense")),
        (40, {**hpa(), "status": {}}),
    ],
)
def test_numbers_that_are_near(ours, live):
    assert metrics(Observing(), (ours, live)) == []


@pytest.mark.parametrize(
    ("ours", "live", "done", "wished"),
    [
        (60, told_hpa(average="20"), "20 a replica, with 2 of them", "served 60"),
        (0, told_hpa(average="20"), "20 a replica, with 2 of them", "served 0"),
        (None, told_hpa(average="20"), "20 a replica, with 2 of them", "served no number"),
        (
            40,
            told_hpa(active=("False", "FailedGetExternalMetric")),
            "no number (FailedGetExternalMetric: no luck)",
            "served 40",
        ),
    ],
)
def test_numbers_that_are_far_apart(ours, live, done, wished):
    (told,) = metrics(Observing(), (ours, live))
    assert told.topic == METRIC
    assert done in told.done
    assert told.wished.startswith(wished)
    assert told.reason == ("Refused" if ours is None else "MetricDiffers")
    assert (told.first, told.count) == (at(1), 1)


def test_a_number_of_type_value_has_no_replicas_worth():
    for ours, found in ((10.5, 0), (12, 1)):
        observing = Observing()
        for seconds in range(0, 300, 30):
            observing.decide(seconds, 2, ours, metric_type="Value")
            observing.comparison.hpa_seen(told_hpa("10"), hpa(), at(seconds + 1))
        assert len(observing.comparison.book) == found


def test_numbers_that_run_ahead_of_each_other_are_near():
    """A queue that drains by 140 a poll: the HPA's number is always the one before our last."""
    steps = [(3000 - 140 * n, told_hpa(average=str((3140 - 140 * n) / 2))) for n in range(20)]
    assert metrics(Observing(), *steps) == []


def test_a_number_of_long_ago_is_no_excuse():
    old = told_hpa(average="200")
    (told,) = metrics(Observing(), (400, old), (40, old))
    assert told.wished == "served 40"


def test_numbers_that_were_near_in_between_begin_again():
    far, near = told_hpa(average="100"), told_hpa(average="20")
    assert metrics(Observing(), (40, far), (40, near), (40, far), until=110) == []


def test_at_zero_replicas_what_the_hpa_once_read_is_old():
    observing = Observing()
    for seconds in range(0, 300, 30):
        observing.decide(seconds, 0, 0)
        observing.comparison.hpa_seen(told_hpa(average="20"), hpa(), at(seconds + 1))
    assert observing.found() == []


def test_a_number_may_be_as_old_as_an_hpas_sync_beyond_the_grace():
    for until, found in ((54, 0), (57, 1)):
        observing = Observing()
        observing.decide(0, 2, 100)
        observing.comparison.hpa_seen(told_hpa(average="5"), hpa(), at(1))
        observing.decide(30, 2, 100)
        assert len(observing.found(until)) == found


# Refused.


def test_what_we_refuse_and_others_run():
    observing = Observing()
    observing.decide(0, 0, 9)
    observing.comparison.undecided("ScaledObjectCheckFailed", "no such target", at(10), runs=True)
    assert not observing.comparison.compared
    assert observing.found(45) == []
    assert observing.found(46) == [("refused", "", "ScaledObjectCheckFailed")]
    observing = Observing()
    observing.comparison.undecided("ScaledObjectCheckFailed", "no such target", at(0))
    observing.comparison.undecided("ScaledObjectCheckFailed", "no such target", at(20), runs=True)
    observing.decide(40, 0, 0)
    assert observing.found() == []


# The book and the report.


def disagreement(topic="up", last=0):
    return Disagreement(
        kind="scaled", topic=topic, done=f"at {last}", wished="w", reason="AtRest", message="m",
        first=at(last), last=at(last),
    )  # fmt: skip


def test_equal_ones_are_one_entry_and_the_oldest_goes():
    book = Book(most=2)
    for last in (0, 1, 2):
        book.begin(disagreement("up", last))
    book.begin(disagreement("down", 3))
    (newest, older) = book
    assert (newest.topic, older.count, older.first, older.last, older.done) == (
        "down",
        3,
        at(0),
        at(2),
        "at 2",
    )
    book.begin(replace(disagreement("down", 3), reason="Braked"))
    assert [each.reason for each in book if each.topic == "down"] == ["AtRest", "Braked"]
    assert book.begun == {"scaled": 5}
    book = Book(most=2)
    for topic, last in (("up", 2), ("down", 3)):
        book.begin(disagreement(topic, last))
    book.begin(disagreement("else", 4))
    assert [each.topic for each in book] == ["else", "down"]


def test_the_report_lists_who_disagrees_and_counts_who_agrees():
    agreeing, differing, waiting = Observing(), Observing(), Observing()
    agreeing.decide(0, 0, 0)
    differing.decide(0, 0, 0)
    differing.scaled(10, 0, 1)
    differing.scaled(11, 1, 0)
    differing.found(100)
    named = {"b": agreeing, "a": differing, "c": waiting}
    subjects = [
        Subject("shop", name, "apps/v1.Deployment shop/web", o.comparison) for name, o in named.items()
    ]
    found = document(subjects, "observe", at(60))
    assert [each["object"]["name"] for each in found["objects"]] == ["a", "b", "c"]
    assert found["summary"] == "3 objects, 1 agree, 1 not compared"
    assert [each["agrees"] for each in found["objects"]] == [False, True, False]
    text = list(lines(found))
    assert text[:6] == [
        "shop/a: 1 disagreement",
        "  apps/v1.Deployment shop/web, watched since 2026-01-05T12:00:00Z, 1 of 2 changes across the floor as Tidegate would",
        "  2026-01-05T12:00:10Z  scaled",
        "    done:      scaled from 0 to 1",
        "    Tidegate:  would have left it at 0",
        "    because:   AtRest: no work; at 0",
    ]
    assert text[-4] == "shop/c: not compared. NotDecided: no decision was made yet"
    assert text[-1] == found["summary"]
    assert not any("shop/b" in line for line in text)


def test_a_report_from_elsewhere_cannot_move_the_cursor_nor_break_off():
    hostile = {
        "objects": [{"object": {"name": "a\x1b[2J"}, "disagreements": [{"done": "x\r\ny"}]}, {}],
        "summary": None,
    }
    text = "\n".join(lines(hostile))
    assert "\x1b" not in text
    assert "\r" not in text


def test_nothing_observed_says_how_to_begin():
    assert "tidegate.dev/mode=observe" in document([], "act", at(0))["summary"]


def test_decisions_of_every_reason_are_taken():
    for reason in Reason:
        observing = Observing()
        given = Given(policy=Policy(), outcomes=(), replicas=1, times=Times(START, None), now=START)
        decision = replace(given.decide(), reason=reason)
        observing.comparison.decided(given, decision)
        assert observing.comparison.compared
