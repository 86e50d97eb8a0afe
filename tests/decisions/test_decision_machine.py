"""A whole life of an object: work comes and goes, sources fail, people and the HPA scale, clocks jump, we
restart.

The machine plays the shell around `decide` with only what design and status allow it to remember: in memory
the moment of the last work, in the status that moment as of the last edge of activity and whether it was
active. What must hold is judged by the machine's own notes, which survive every restart.
"""

import json
from datetime import timedelta

from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from worlds import NOW, TICK, policies

from scaler.core import decision, record

TRIGGERS = 2


class Life(RuleBasedStateMachine):
    @initialize(policy=policies(), replicas=st.integers(0, 8))
    def create(self, policy, replicas):
        self.policy = decision.Policy(**policy)
        self.may_fall = policy["idle"] is not None or policy["minimum"] == 0
        self.now = self.created = NOW
        self.replicas = replicas
        self.backlog = [0] * TRIGGERS
        self.broken = [False] * TRIGGERS
        self.status_active, self.status_last_active = None, None
        self.last_active, self.fresh = None, True
        self.seen_work_at = None

    # The world.

    @rule(trigger=st.integers(0, TRIGGERS - 1), jobs=st.integers(1, 40))
    def push(self, trigger, jobs):
        self.backlog[trigger] += jobs

    @rule(trigger=st.integers(0, TRIGGERS - 1))
    def drain(self, trigger):
        self.backlog[trigger] = 0

    @rule(trigger=st.integers(0, TRIGGERS - 1), broken=st.booleans())
    def source_fails_or_recovers(self, trigger, broken):
        self.broken[trigger] = broken

    @rule(replicas=st.integers(0, 15))
    def scale_by_hand(self, replicas):
        self.replicas = replicas

    @rule(share=st.floats(0, 1))
    def hpa_moves_the_replicas(self, share):
        """Anywhere between its bounds; at 0 it does nothing."""
        if self.replicas:
            floor, maximum = self.policy.floor, self.policy.maximum
            self.replicas = floor + round(share * (maximum - floor))

    @rule(seconds=st.sampled_from([0.5, 5, 30, 300, 4000]))
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

    # Ourselves, and stories that random steps would seldom tell.

    @rule(polled=st.booleans())
    def restart(self, polled):
        self.last_active, self.fresh = self.status_last_active, True
        if polled:
            self.poll()

    @rule(seconds=st.sampled_from([0.5, 5, 400]), ends=st.booleans())
    def busy_for_a_while(self, seconds, ends):
        """Only the edge of activity is in the status, the last moment of work only in memory."""
        self.backlog[0], self.broken[0] = 7, False
        self.poll()
        self.now += timedelta(seconds=seconds)
        self.poll()
        if ends:
            self.backlog = [0] * TRIGGERS

    @rule(seconds=st.sampled_from([0.5, 5, 400]), broken=st.booleans())
    def quiet_for_a_while(self, seconds, broken):
        self.backlog, self.broken = [0] * TRIGGERS, [broken] * TRIGGERS
        self.poll()
        self.now += timedelta(seconds=seconds)
        self.poll()

    @rule()
    def poll(self):
        before = self.replicas
        decided = self.decide_and_write()
        event(decided.reason)
        working = any(jobs and not broken for jobs, broken in zip(self.backlog, self.broken, strict=True))
        if working:
            self.seen_work_at = self.now
            self.judge_work(before)
        elif any(self.broken):
            assert self.replicas == before, "not knowing moved the replicas"
        else:
            self.judge_quiet(before, decided)
        settled = self.replicas
        self.decide_and_write()
        assert self.replicas == settled, "a second poll of the same world wrote again"

    @rule()
    def in_the_end_it_rests(self):
        """Whatever has happened: with working sources, no work and enough time, the replicas come to rest."""
        self.backlog, self.broken = [0] * TRIGGERS, [False] * TRIGGERS
        self.poll()
        latest = max(self.now, self.created, self.last_active or self.created)
        self.now = latest + timedelta(seconds=self.policy.cooldown + self.policy.initial_cooldown) + TICK
        self.poll()
        if self.may_fall:
            assert self.replicas == self.policy.rest
        assert self.replicas >= self.policy.rest

    @invariant()
    def nobody_wrote_nonsense(self):
        assert self.replicas >= 0

    def judge_work(self, before):
        assert self.replicas >= before, "work scaled in"
        assert self.replicas >= 1
        if self.policy.idle is not None:
            assert self.replicas >= self.policy.minimum
        if before >= self.policy.floor:
            assert self.replicas == before, "from the floor upwards the number is the HPA's"

    def judge_quiet(self, before, decided):
        assert self.replicas >= min(before, self.policy.rest)
        assert self.replicas >= self.policy.rest or before < self.policy.rest
        if self.replicas < before:
            assert self.may_fall, "the HPA's steps were taken"
            assert decided.reason == "Deactivated"
            if self.seen_work_at is None:
                assert self.now - self.created > timedelta(seconds=self.policy.initial_cooldown)
            else:
                # Also across restarts: they may lengthen a cooldown, never shorten it.
                assert self.now - self.seen_work_at > timedelta(seconds=self.policy.cooldown)

    # The shell.

    def decide_and_write(self):
        decided = self.decided(self.last_active)
        if self.fresh and self.status_active and decided.active is False:
            # The status says Active and we find no work: nobody knows when it ended.
            decided = self.decided(self.now)
        if decided.active is not None:
            self.fresh = False
            if decided.active != self.status_active:
                self.status_active, self.status_last_active = decided.active, decided.last_active
        self.last_active = decided.last_active
        if decided.replicas is not None:
            self.replicas = decided.replicas
        return decided

    def decided(self, last_active):
        times = decision.Times(self.created, last_active)
        outcomes = [self.read(trigger) for trigger in range(TRIGGERS)]
        decided = decision.decide(self.policy, outcomes, self.replicas, times, self.now)
        given = record.Given(
            policy=self.policy, outcomes=tuple(outcomes), replicas=self.replicas, times=times, now=self.now
        )
        line = json.dumps(record.to_record(given, decided))
        assert record.replay(json.loads(line)) == decided
        return decided

    def read(self, trigger):
        about = {"index": trigger, "metric": f"s{trigger}-jobs", "target": 5000}
        if self.broken[trigger]:
            return decision.Outcome(**about, reason="Unavailable", message="connection refused")
        return decision.Outcome(**about, value=float(self.backlog[trigger]), active=self.backlog[trigger] > 0)


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
