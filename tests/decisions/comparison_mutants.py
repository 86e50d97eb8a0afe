"""Hand-made mutants of observe mode's comparison: one wrong rule each, as a substitution. All must die by the worked examples.

A mutant is (the module, what is wrong, the text to replace, the text instead); the text must occur exactly once. Add one
whenever a bug or a review shows a rule that the tests would not have missed.
"""

import importlib.util
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import scaler.core

PARTS = ("disagreements", "comparison_hpa", "comparison_metrics", "comparison", "comparison_report")
"""Each after those it imports."""

MUTANTS = [
    ("disagreements", "forgets how often", "count=known.count + 1", "count=1"),
    (
        "disagreements",
        "forgets the first time",
        "found = replace(found, first=known.first, count",
        "found = replace(found, count",
    ),
    (
        "disagreements",
        "keeps one more",
        "while len(self._entries) > self._most",
        "while len(self._entries) > self._most + 1",
    ),
    ("disagreements", "drops the newest", "del self._entries[min(", "del self._entries[max("),
    ("disagreements", "oldest first", "reverse=True", "reverse=False"),
    (
        "disagreements",
        "reasons are one",
        "return self.kind, self.topic, self.reason",
        "return self.kind, self.topic, ''",
    ),
    (
        "disagreements",
        "directions are one",
        "return self.kind, self.topic, self.reason",
        "return self.kind, '', self.reason",
    ),
    ("disagreements", "counts what goes on", "count=known.count)", "count=known.count + 1)"),
    ("disagreements", "begins unheard", "self.begun[found.kind] += 1", ""),
    ("comparison_hpa", "the maker's version differs", '"metadata.labels.app.kubernetes.io/version", ', ""),
    ("comparison_hpa", "our annotations differ", ', "metadata.annotations.tidegate.dev/")', ")"),
    (
        "comparison_hpa",
        "no annotation differs",
        '"metadata.annotations.tidegate.dev/")',
        '"metadata.annotations.")',
    ),
    (
        "comparison_hpa",
        "what cannot be seen is missing",
        "hpa.OWNER_LABEL in annotations",
        "hpa.OWNER_LABEL is None and annotations",
    ),
    (
        "comparison_hpa",
        "one too many is fine",
        'return HpaDifference("exists"',
        'return None and HpaDifference("exists"',
    ),
    (
        "comparison_hpa",
        "one too few is fine",
        'return HpaDifference("missing"',
        'return None and HpaDifference("missing"',
    ),
    (
        "comparison_hpa",
        "tells theirs for ours",
        "_said(hpa.defaulted(wanted), shown)",
        "_said(hpa.defaulted(live), shown)",
    ),
    (
        "comparison_metrics",
        "a share is the whole",
        "share * min(counts), share * max(counts)",
        "share, share",
    ),
    (
        "comparison_metrics",
        "only the present count",
        "share * min(counts), share * max(counts)",
        "share * counts[0], share * counts[0]",
    ),
    ("comparison_metrics", "no tenth", "_TENTH * max(most, theirs.most)", "0"),
    ("comparison_metrics", "a third", "_TENTH = 0.1", "_TENTH = 0.34"),
    (
        "comparison_metrics",
        "no replica's worth",
        "ours.target if ours.average else",
        "0 if ours.average else",
    ),
    (
        "comparison_metrics",
        "a replica's worth of a Value",
        "ours.target if ours.average else",
        "ours.target if True else",
    ),
    ("comparison_metrics", "too few is fine", "theirs.most < least - slack or ", ""),
    ("comparison_metrics", "too many is fine", " or theirs.least > most + slack", ""),
    (
        "comparison_metrics",
        "our silence is fine",
        "    if not numbers:\n        return True\n",
        "    if not numbers:\n        return False\n",
    ),
    ("comparison_metrics", "their silence is fine", "return bool(numbers) and ours", "return False and ours"),
    (
        "comparison_metrics",
        "both silent is not",
        "return bool(numbers) and ours.numbers[-1][1] is not None",
        "return True",
    ),
    ("comparison_metrics", "zero replicas count", "if ours is None or self._at_zero:", "if ours is None:"),
    ("comparison_metrics", "switched off counts", ' or active.reason == "ScalingDisabled"', ""),
    ("comparison_metrics", "only our last number", "deque(maxlen=_MOST)", "deque(maxlen=1)"),
    ("comparison_metrics", "our numbers never age", "< now - 2 * grace - HPA_SYNC", "< now - 999 * grace"),
    ("comparison_metrics", "our numbers age at once", "< now - 2 * grace - HPA_SYNC", "< now - grace / 9"),
    ("comparison", "no 5 s", "GRACE = timedelta(seconds=5)", "GRACE = timedelta(seconds=0)"),
    ("comparison", "no interval", "timedelta(seconds=self.interval) + GRACE", "GRACE"),
    (
        "comparison",
        "two intervals",
        "timedelta(seconds=self.interval) + GRACE",
        "timedelta(seconds=2 * self.interval) + GRACE",
    ),
    ("comparison", "the clock stands still", "now=max(stance.at, change.at + self.grace)", "now=stance.at"),
    (
        "comparison",
        "the present replicas decide",
        "given = replace(stance.given, replicas=change.before, ",
        "given = replace(stance.given, ",
    ),
    ("comparison", "the HPA wishes nothing", " or decision.reason is Reason.HPA_IN_CHARGE", ""),
    (
        "comparison",
        "up is down",
        "agrees = above == (change.after >= change.floor)",
        "agrees = above != (change.after >= change.floor)",
    ),
    ("comparison", "all agree", "agrees = above == (change.after >= change.floor)", "agrees = True"),
    ("comparison", "agreements are not counted", "self.agreed += agrees", ""),
    (
        "comparison",
        "only the last decision counts",
        "*(s for s in self._stances.values() if s.at >= now - self.grace)",
        "",
    ),
    ("comparison", "a decision counts for ever", " if s.at >= now - self.grace)", ")"),
    ("comparison", "later decisions do not count", "if not self._agrees(change, self.stance)]", "]"),
    ("comparison", "the step is at 0", "(before < floor) == (after < floor)", "(before < 1) == (after < 1)"),
    ("comparison", "every change counts", "(before < floor) == (after < floor)", "before == after"),
    ("comparison", "is told twice", "before = known if known is not None else before", "before = before"),
    (
        "comparison",
        "decisions show no change",
        "self.scaled(self._replicas, given.replicas, given.policy.floor, now)",
        "",
    ),
    (
        "comparison",
        "late decisions count",
        "        now = given.now\n        self.look(now)\n",
        "        now = given.now\n",
    ),
    ("comparison", "a change ends no wish", 'self._settle("not-scaled", "up" if change.up else "down")', ""),
    (
        "comparison",
        "loses what is too much",
        "            self._differ(self._pending.pop(0))",
        "            self._pending.pop(0)",
    ),
    (
        "comparison",
        "another target is a change",
        "        self._replicas = None\n        self._pending.clear()",
        "        self._pending.clear()",
    ),
    (
        "comparison",
        "the reason is of later",
        "change.stance if change.stance.given is not None else self.stance",
        "self.stance",
    ),
    (
        "comparison",
        "the reason is of after",
        "decision = replace(stance.given, replicas=change.before).decide()",
        "decision = stance.given.decide()",
    ),
    (
        "comparison",
        "a deactivation is due at once",
        "self.interval if decision.reason is Reason.DEACTIVATED else 0",
        "0",
    ),
    (
        "comparison",
        "an activation has two intervals",
        "self.interval if decision.reason is Reason.DEACTIVATED else 0",
        "self.interval",
    ),
    ("comparison", "what is so is wished", "if to is None or to == before:", "if to is None:"),
    (
        "comparison",
        "a wish is kept",
        '            self._settle("not-scaled")\n            return',
        "            return",
    ),
    ("comparison", "is told at every look", "standing.told = True", "standing.told = False"),
    ("comparison", "does not go on", "self.book.goes_on(replace(standing.found, last=now))", "pass"),
    (
        "comparison",
        "starts again at each sight",
        "first = known.found.first if known is not None else now",
        "first = now",
    ),
    (
        "comparison",
        "an HPA that agrees again differs",
        'self._settle("hpa", but=found.topic if found is not None else None)',
        "",
    ),
    (
        "comparison",
        "a number that agrees again differs",
        '            self._settle("metric", topic)',
        "            pass",
    ),
    ("comparison", "no sync of the HPA", "late=HPA_SYNC, ", ""),
    (
        "comparison",
        "who decides refuses still",
        '        self._settle("refused")\n        self._wish',
        "        self._wish",
    ),
    ("comparison", "a refusal is told of all", "        if runs:", "        if True:"),
    (
        "comparison",
        "a refused object still wishes",
        'for kind in ("not-scaled", "hpa", "metric"):',
        'for kind in ("hpa", "metric"):',
    ),
    ("comparison", "due is when it began", "elif standing.due < now:", "elif standing.found.first < now:"),
    ("comparison_report", "all agree", "comparison.compared and not comparison.book", "comparison.compared"),
    (
        "comparison_report",
        "who waits agrees",
        "comparison.compared and not comparison.book",
        "not comparison.book",
    ),
    (
        "comparison_report",
        "lists who agrees",
        'if found.get("disagreements") or not found.get("compared"):',
        "if True:",
    ),
    (
        "comparison_report",
        "in any order",
        "sorted(subjects, key=lambda subject: (subject.namespace, subject.name))",
        "list(subjects)",
    ),
    (
        "comparison_report",
        "prints what moves the cursor",
        'return " ".join(plain(text).split())',
        "return str(text)",
    ),
]


@contextmanager
def mutant(of, old, new):
    """The examples of test_comparison, on modules of which one has a substitution. The text must be there exactly once."""
    source = Path(sys.modules[f"scaler.core.{of}"].__file__).read_text(encoding="utf-8")
    if source.count(old) != 1:
        raise LookupError(f"{of} holds {old!r} {source.count(old)} times: mend this mutant")
    kept = {part: sys.modules[f"scaler.core.{part}"] for part in PARTS}
    try:
        for part in PARTS:
            name = f"scaler.core.{part}"
            text = Path(kept[part].__file__).read_text(encoding="utf-8")
            module = importlib.util.module_from_spec(
                importlib.util.spec_from_file_location(name, kept[part].__file__)
            )
            sys.modules[name] = module
            setattr(scaler.core, part, module)
            exec(compile(text.replace(old, new) if part == of else text, name, "exec"), module.__dict__)  # noqa: S102 - our own source, changed by us
        yield list(_examples())
    finally:
        for part, module in kept.items():
            sys.modules[f"scaler.core.{part}"] = module
            setattr(scaler.core, part, module)


def _examples():
    """The tests of test_comparison as calls, each parameter's too, but for those that draw."""
    file = Path(__file__).with_name("test_comparison.py")
    spec = importlib.util.spec_from_file_location("comparison_examples", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, test in vars(module).items():
        if not name.startswith("test_") or hasattr(test, "hypothesis") or "lives" in name:
            continue
        marks = [mark for mark in getattr(test, "pytestmark", ()) if mark.name == "parametrize"]
        if not marks:
            yield test
        for mark in marks:
            names, values = mark.args
            if isinstance(names, str):
                values = [(value,) for value in values]
                names = [names]
            for value in values:
                yield partial(test, **dict(zip(names, value, strict=True)))
