"""A whole life of an object: work comes and goes, sources fail, people and the HPA scale, the object is edited, paused,
forced, deleted and made again, clocks jump, writes conflict, what we see is old, we restart.

The machine plays the shell around `decide` with only what design and status allow it to remember: in memory the
moment of the last work and what the sources said last; in the status that moment as of the last edge of activity,
whether it was active, and failures in a row. What must hold is judged by the machine's own notes, which survive every
restart.
"""

import json
from datetime import timedelta

from cores import REAL
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from worlds import NOW, TICK, policies, policy

from scaler.core import decision, record

TRIGGERS = 2
SECONDS = st.sampled_from([0.5, 5, 30, 300, 4000])
PAUSES = st.sampled_from(
    [
        {},
        {},
        {"full": True},
        {"full": True, "replicas": 4},
        {"full": True, "replicas": 0},
        {"scale_in": True},
        {"scale_out": True},
        {"scale_in": True, "scale_out": True},
    ]
)
ON_ERRORS = st.sampled_from(
    [{}, {}, {"kind": "hold", "seconds": 20.0}, {"kind": "ignore"}, {"kind": "last-known", "seconds": 20.0}]
)
FALLBACKS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {
            "threshold": st.integers(0, 2),
            "replicas": st.sampled_from([0, 3]),
            "behavior": st.sampled_from(["static", "currentReplicas", "currentReplicasIfLower"]),
        }
    ),
)


class Source:
    """One trigger's source, and what we remember of it."""

    def __init__(self):
        self.jobs, self.broken = 0, False
        self.failures, self.since, self.last = 0, None, None

    def restart(self):
        """The status remembers the failures in a row, and nothing else."""
        self.since = self.last = None

    def poll(self, now):
        if self.broken:
            self.failures += 1
            self.since = self.since or now
        else:
            self.failures, self.since, self.last = 0, None, self.jobs


class Life(RuleBasedStateMachine):
    @initialize(bounds=policies(), replicas=st.integers(0, 8))
    def create(self, bounds, replicas):
        self.now = NOW
        self.replicas, self.version = replicas, 1
        self.sources = [Source() for _ in range(TRIGGERS)]
        self.make(bounds)

    def make(self, bounds):
        self.bounds, self.rules = bounds, {}
        self.created, self.original, self.deleted = self.now, self.replicas, False
        self.seen = (self.replicas, self.version)
        self.restraint = {}
        self.status_active, self.status_last_active = None, None
        self.last_active, self.fresh = None, True
        self.seen_work_at = None
        for source in self.sources:
            source.failures, source.since, source.last = 0, None, None

    @property
    def policy(self):
        return policy(REAL, **self.bounds, **self.rules)

    @property
    def may_fall(self):
        return self.bounds["idle"] is not None or self.bounds["minimum"] == 0

    @property
    def pause(self):
        return self.rules.get("pause", {})

    # The world.

    @rule(trigger=st.integers(0, TRIGGERS - 1), jobs=st.integers(1, 40))
    def push(self, trigger, jobs):
        self.sources[trigger].jobs += jobs

    @rule(trigger=st.integers(0, TRIGGERS - 1))
    def drain(self, trigger):
        self.sources[trigger].jobs = 0

    @rule(trigger=st.integers(0, TRIGGERS - 1), broken=st.booleans())
    def source_fails_or_recovers(self, trigger, broken):
        self.sources[trigger].broken = broken

    @rule(replicas=st.integers(0, 15), noticed=st.booleans())
    def scale_by_hand(self, replicas, noticed):
        self.scale(replicas, noticed=noticed)

    @rule(share=st.floats(0, 1), noticed=st.booleans())
    def hpa_moves_the_replicas(self, share, noticed):
        """Anywhere between its bounds; at 0 it does nothing, and paused there is none."""
        if self.replicas and not self.pause.get("full"):
            floor, maximum = self.policy.floor, self.policy.maximum
            self.scale(floor + round(share * (maximum - floor)), noticed=noticed)

    @rule()
    def the_watch_catches_up(self):
        self.seen = (self.replicas, self.version)

    @rule(seconds=SECONDS)
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    @rule(tick=st.sampled_from([0 * TICK, TICK]))
    def the_cooldown_just_ends(self, tick):
        until = decision._cooldown_end(self.policy, decision.Times(self.created, self.last_active))
        self.now = max(self.now, until + tick)

    @rule(seconds=st.sampled_from([0.5, 5, 100]))
    def the_clock_is_set_back(self, seconds):
        """No time passes: what was seen is as long ago as before."""
        self.now -= timedelta(seconds=seconds)
        if self.seen_work_at is not None:
            self.seen_work_at -= timedelta(seconds=seconds)

    # The user, and what is held against the object.

    @rule(bounds=policies())
    def edit(self, bounds):
        self.bounds = bounds

    @rule(pause=PAUSES)
    def pause_or_unpause(self, pause):
        self.rules = {**self.rules, "pause": pause}

    @rule(forced=st.booleans(), after_scale_in=st.booleans())
    def force_or_not(self, forced, after_scale_in):
        self.rules = {**self.rules, "forced": forced, "after_scale_in": after_scale_in}

    @rule(on_error=ON_ERRORS, fallback=FALLBACKS)
    def say_what_failures_mean(self, on_error, fallback):
        self.rules = {**self.rules, "on_error": on_error, "fallback": fallback}

    @rule(braked=st.booleans(), awaits_budget=st.booleans())
    def restrain(self, braked, awaits_budget):
        not_before = self.now + timedelta(seconds=60) if braked else None
        self.restraint = {"braked": braked, "not_before": not_before, "awaits_budget": awaits_budget}

    @rule(restored=st.booleans())
    def delete(self, restored):
        """The target keeps its replicas, or gets back those that it had at first."""
        if restored and not self.deleted:
            self.scale(self.original, noticed=False)
        self.deleted = True

    @precondition(lambda self: self.deleted)
    @rule(bounds=policies())
    def make_again(self, bounds):
        self.make(bounds)

    # Ourselves, and stories that random steps would seldom tell.

    @rule(polled=st.booleans())
    def restart(self, polled):
        self.last_active, self.fresh = self.status_last_active, True
        self.seen = (self.replicas, self.version)
        self.restraint = {}
        for source in self.sources:
            source.restart()
        if polled:
            self.poll()

    @rule(seconds=st.sampled_from([0.5, 5, 400]), ends=st.booleans())
    def busy_for_a_while(self, seconds, ends):
        """Only the edge of activity is in the status, the last moment of work only in memory."""
        self.sources[0].jobs, self.sources[0].broken = 7, False
        self.poll()
        self.now += timedelta(seconds=seconds)
        self.poll()
        if ends:
            self.nobody_has_work(broken=False)

    @rule(seconds=st.sampled_from([0.5, 5, 400]), broken=st.booleans())
    def quiet_for_a_while(self, seconds, broken):
        self.nobody_has_work(broken=broken)
        self.poll()
        self.now += timedelta(seconds=seconds)
        self.poll()

    @rule(seconds=st.sampled_from([5, 400]))
    def restart_when_the_work_just_ended(self, seconds):
        self.busy_for_a_while(seconds, ends=True)
        self.restart(polled=True)

    @rule(on_error=ON_ERRORS, fallback=FALLBACKS, polls=st.integers(1, 4), all_of_them=st.booleans())
    def fail_for_a_while(self, on_error, fallback, polls, all_of_them):
        self.say_what_failures_mean(on_error, fallback)
        self.nobody_has_work(broken=all_of_them)
        self.sources[0].broken = True
        for _ in range(polls):
            self.poll()
            self.now += timedelta(seconds=8)

    @rule(seen=st.integers(0, 6), replicas=st.integers(0, 9), jobs=st.sampled_from([0, 7]))
    def what_we_see_is_old(self, seen, replicas, jobs):
        self.nobody_has_work(broken=False)
        self.sources[0].jobs = jobs
        self.scale(seen, noticed=True)
        self.scale(replicas, noticed=False)
        self.poll()

    @rule()
    def poll(self):
        for source in self.sources:
            source.poll(self.now)
        if self.deleted:
            return
        stale = self.seen[1] != self.version
        before, verdict = self.replicas, self.verdict(self.replicas)
        decided = self.decide_and_write()
        event(decided.reason)
        if verdict is True:
            self.seen_work_at = self.now
        self.judge(before, verdict, decided, stale=stale)
        if stale:
            self.seen = (self.replicas, self.version)
            return
        settled = self.replicas
        self.decide_and_write()
        assert self.replicas == settled, "a second look at the same world wrote again"

    @rule()
    def in_the_end_it_rests(self):
        """Whatever has happened: with working sources, no work, no wishes and enough time, it comes to rest."""
        self.at_peace()
        self.nobody_has_work(broken=False)
        self.poll()
        latest = max(self.now, self.created, self.last_active or self.created)
        self.now = latest + timedelta(seconds=self.policy.cooldown + self.policy.initial_cooldown) + TICK
        self.poll()
        if self.may_fall:
            assert self.replicas == self.policy.rest
        assert self.replicas >= self.policy.rest

    @rule()
    def in_the_end_work_is_done(self):
        """And with work it stands at the floor at least, where the HPA takes over."""
        self.at_peace()
        self.sources[0].jobs, self.sources[0].broken = 7, False
        self.poll()
        below = self.bounds["idle"] is not None or self.replicas == 0
        assert self.replicas >= (self.policy.floor if below else 1)

    @rule(replicas=st.integers(0, 15))
    def paused_it_stays_where_the_user_says(self, replicas):
        if self.deleted:
            return
        before = self.rules
        self.rules = {**before, "pause": {"full": True, "replicas": replicas}}
        self.seen = (self.replicas, self.version)
        self.poll()
        assert self.replicas == replicas
        self.rules = before

    @invariant()
    def nobody_wrote_nonsense(self):
        assert self.replicas >= 0

    # What must hold.

    def verdict(self, replicas):
        """Is there work? True, False, or None where nobody can tell: by the rules of the user, in the test's words."""
        if self.pause.get("full"):
            return None
        if self.rules.get("forced"):
            return True
        said = [self.says(source, replicas) for source in self.sources]
        if True in said:
            return True
        if None in said or said.count("ignored") == TRIGGERS:
            return None
        return False

    def says(self, source, replicas):
        if not source.broken:
            return source.jobs > 0
        fallback, on_error = self.rules.get("fallback"), self.rules.get("on_error") or {}
        if fallback is not None and source.failures > fallback["threshold"]:
            count = {
                "static": fallback["replicas"],
                "currentReplicas": replicas,
                "currentReplicasIfLower": min(replicas, fallback["replicas"]),
            }
            return count[fallback["behavior"]] > 0
        over = "seconds" in on_error and self.now - source.since > timedelta(seconds=on_error["seconds"])
        kind = on_error.get("kind", "hold")
        if kind == "last-known" and not over and source.last:
            return True
        return "ignored" if kind == "ignore" or (kind == "hold" and over) else None

    def judge(self, before, verdict, decided, *, stale):
        """`stale`: what was seen was old, so that nothing done is right too; what is done must be right all the same."""
        done = self.replicas
        if stale and done == before:
            return
        if self.pause.get("full"):
            assert done == self.pause.get("replicas", before)
        elif verdict is None:
            assert done == before, "not knowing moved the replicas"
        elif verdict:
            self.judge_work(before)
        else:
            self.judge_quiet(before, decided)

    def judge_work(self, before):
        must_jump = before == 0 or (self.bounds["idle"] is not None and before < self.bounds["minimum"])
        held = self.pause.get("scale_out") or self.restraint.get("awaits_budget")
        if must_jump and not held:
            assert self.replicas == self.policy.floor
        else:
            assert self.replicas == before, (
                "from the floor upwards the number is the HPA's; below it, it may be held"
            )

    def judge_quiet(self, before, decided):
        assert self.replicas >= min(before, self.policy.rest)
        assert self.replicas >= self.policy.rest or before < self.policy.rest
        if self.replicas < before:
            assert self.may_fall, "the HPA's steps were taken"
            assert decided.reason == "Deactivated"
            assert not self.pause.get("scale_in")
            assert before <= self.policy.floor or not self.rules.get("after_scale_in")
            assert self.restraint.get("not_before") is None or self.now >= self.restraint["not_before"]
            if self.seen_work_at is None:
                assert self.now - self.created > timedelta(seconds=self.policy.initial_cooldown)
            else:
                # Also across restarts: they may lengthen a cooldown, never shorten it.
                assert self.now - self.seen_work_at > timedelta(seconds=self.policy.cooldown)

    # The shell.

    def at_peace(self):
        """The object is there, nothing is paused, forced or held, and what we see is as it is."""
        if self.deleted:
            self.make(self.bounds)
        self.rules, self.restraint = {}, {}
        self.seen = (self.replicas, self.version)

    def nobody_has_work(self, *, broken):
        for source in self.sources:
            source.jobs, source.broken = 0, broken

    def scale(self, replicas, *, noticed):
        self.replicas, self.version = replicas, self.version + 1
        if noticed:
            self.seen = (self.replicas, self.version)

    def decide_and_write(self):
        replicas, version = self.seen
        decided = self.decide(replicas)
        if decided.replicas not in {None, replicas} and version != self.version:
            # Conflict: the target is read anew, and what was decided is decided again.
            event("conflict")
            replicas = self.replicas
            self.seen = (self.replicas, self.version)
            decided = self.decide(replicas)
        if decided.replicas not in {None, replicas}:
            self.scale(decided.replicas, noticed=True)
        return decided

    def decide(self, replicas):
        decided = self.decided(replicas, self.last_active)
        if self.fresh and self.status_active and decided.active is False:
            # The status says Active and we find no work: nobody knows when it ended.
            decided = self.decided(replicas, self.now)
        if decided.active is not None:
            self.fresh = False
            if decided.active != self.status_active:
                self.status_active, self.status_last_active = decided.active, decided.last_active
        self.last_active = decided.last_active
        return decided

    def decided(self, replicas, last_active):
        given = record.Given(
            policy=self.policy,
            outcomes=tuple(self.outcome(index, source) for index, source in enumerate(self.sources)),
            replicas=replicas,
            times=decision.Times(self.created, last_active),
            now=self.now,
            ready=replicas,
            restraint=decision.Restraint(**self.restraint),
        )
        decided = given.decide()
        line = json.dumps(record.to_record(given, decided))
        assert record.replay(json.loads(line)) == decided
        assert decided.trail[0].before == replicas
        assert decided.trail[-1].after == (replicas if decided.replicas is None else decided.replicas)
        return decided

    @staticmethod
    def outcome(index, source):
        about = {"index": index, "metric": f"s{index}-jobs", "target": 5000}
        if source.since is not None:
            return decision.Outcome(
                **about,
                reason="Unavailable",
                message="connection refused",
                failures=source.failures,
                since=source.since,
                last=source.last,
                was_active=None if source.last is None else source.last > 0,
            )
        return decision.Outcome(**about, value=float(source.last), active=source.last > 0)


Life.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
