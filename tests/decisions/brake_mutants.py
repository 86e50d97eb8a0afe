"""Hand-made mutants of the brake and the wake-up budget: one wrong rule each, as a substitution. All must die.

A mutant is (the module, what is wrong, the text to replace, the text instead); the text must occur exactly
once. Add one whenever a bug or a review shows a rule that the tests would not have missed.
"""

import importlib.util
import sys
from contextlib import contextmanager

PARTS = ("falls", "pacing", "braked", "brake")
"""The modules of the brake, each after those it imports."""

BRAKE = [
    ("falls", "half may fall", "> share * of:", ">= share * of:"),
    ("falls", "few are enough", "if count >= max(least, best[0])", "if count >= best[0]"),
    ("falls", "one more than the least is needed", "if len(fresh) < least:", "if len(fresh) <= least:"),
    ("falls", "many that rise make no difference", "min(count, of - self.active)", "count"),
    ("falls", "only the number counts, not the moment", "min(count, of - self.active)", "of - self.active"),
    ("falls", "what is told is told again", "if not fall.covered]", "]"),
    ("falls", "what is told still counts as active", " - len(covered) + bisect_left(covered, moment)", ""),
    ("falls", "who rose again fell", "        self.fallen.pop(uid, None)\n\n    def fell", "\n    def fell"),
    (
        "falls",
        "spans that touch share a moment",
        "bisect_left(starts, fall.at) - over",
        "bisect_right(starts, fall.at) - over",
    ),
    (
        "falls",
        "spans that are over still count",
        "bisect_left(starts, fall.at) - over",
        "bisect_left(starts, fall.at)",
    ),
    ("falls", "takes the earlier ones along", "if fall.after < moment <= fall.at)", ")"),
    ("falls", "leaves late ones out", "if fall.after < moment <= fall.at)", "if fall.at == moment)"),
    (
        "falls",
        "forgets how many were active",
        "self._peaks.append(self.active)",
        "self._peaks.append(self.active - 1)",
    ),
    (
        "falls",
        "a peak lasts for ever",
        "return self._peak(bisect_right(self._times, after))",
        "return self._peak(0)",
    ),
    ("falls", "keeps low peaks", "self._peaks[-1] <= self.active", "self._peaks[-1] < 0"),
    (
        "falls",
        "the fallen stay active",
        "        self.active -= 1\n        self.fallen[uid] = fall",
        "        self.fallen[uid] = fall",
    ),
    (
        "falls",
        "the edited stay active",
        '        """One that was active is no longer asked: fewer are active, and nothing fell."""\n        self.active -= 1',
        '        """One"""',
    ),
    ("falls", "peaks of the gone are kept", "if len(self._peaks) > 2 * self.objects + _SPARE:", "if False:"),
    (
        "falls",
        "the deleted are kept",
        "        self.objects -= 1\n        self.fallen.pop(uid, None)",
        "        self.objects -= 1",
    ),
    ("pacing", "no pace", "rate = max(1, int(pace * (waiting + self.through)))", "rate = 10**9"),
    ("pacing", "rounds up", "rate = max(1, int(pace", "rate = max(1, 1 + int(pace"),
    (
        "pacing",
        "never lets few go",
        "max(1, int(pace * (waiting + self.through)))",
        "max(0.01, int(pace * (waiting + self.through)))",
    ),
    ("pacing", "of those that are left", "pace * (waiting + self.through)", "pace * waiting"),
    ("pacing", "a minute's worth at once", "now = max(now, self._taken[-1] + MINUTE / rate)", "pass"),
    ("pacing", "slower ones count no more", "now = max(now, self._taken[-rate] + MINUTE)", "pass"),
    ("pacing", "those that passed are free", "self._taken = deque(sorted((*self._taken, *moments)))", "pass"),
    ("pacing", "those that passed are none", "self.through += len(moments)", "pass"),
    (
        "pacing",
        "forgets what it gave",
        "        self._taken.append(now)\n",
        "        self._taken.append(now - MINUTE / rate)\n",
    ),
    (
        "braked",
        "who has work is braked",
        "or self.works():\n            return False",
        ":\n            return False",
    ),
    ("braked", "who is released is braked", "if self.released or self.passed", "if self.passed"),
    ("braked", "who passed is braked", "or self.passed is not None or", "or"),
    (
        "braked",
        "the first source decides",
        "return any(on.above for on in self.on.values())",
        "return next(iter(self.on.values())).above > 0",
    ),
    (
        "braked",
        "schedules are signs",
        "any(on.above for on in self.on.values() if on.scope is not None)",
        "self.works()",
    ),
    ("braked", "fell where it was seen first", "return max((on.last", "return min((on.last"),
    (
        "brake",
        "a first read is a fall",
        "        known.reads[index] = Read(on, above)\n        if not above:\n            return None\n",
        (
            "        known.reads[index] = Read(on, above)\n        if not above:\n            self._rose(known, on)\n"
            "            return self._fell(known, on, 1.0)\n"
        ),
    ),
    ("brake", "a move is a fall", "or read.on.source != source:", ":"),
    ("brake", "the last read is not remembered", "        if above:\n            read.on.last = now\n", ""),
    (
        "brake",
        "one trigger is enough",
        "        if on.above:\n            return None\n        scope = on.scope",
        "        scope = on.scope",
    ),
    (
        "brake",
        "only the last read counts",
        "here = Fall(min(on.last, reach), self._now)",
        "here = Fall(on.last, self._now)",
    ),
    (
        "brake",
        "only a round counts",
        "here = Fall(min(on.last, reach), self._now)",
        "here = Fall(reach, self._now)",
    ),
    ("brake", "a round is a whole one", "_SOONEST = 0.8", "_SOONEST = 1.0"),
    ("brake", "the controller is not watched", "fallen.append((self._whole, everywhere))", "pass"),
    (
        "brake",
        "the controller goes by its last read only",
        "everywhere = Fall(min(known.last(), reach)",
        "everywhere = Fall(min(known.last(), self._now)",
    ),
    (
        "brake",
        "the controller goes by one source",
        "everywhere = Fall(min(known.last(), reach)",
        "everywhere = Fall(min(on.last, reach)",
    ),
    (
        "brake",
        "who works elsewhere fell",
        "        if not known.active():\n            everywhere",
        "        if True:\n            everywhere",
    ),
    ("brake", "told twice: source, then controller", "covered=scope.engaged is not None)", "covered=False)"),
    (
        "brake",
        "told twice: parts of one event",
        "for scope in (self._whole, *known.scopes()):\n            if (fall",
        "for scope in known.scopes():\n            if (fall",
    ),
    (
        "brake",
        "told twice: controller, then source",
        "for scope in (self._whole, *known.scopes()):\n            if (fall",
        "for scope in (self._whole,):\n            if (fall",
    ),
    (
        "brake",
        "told at each stage",
        "engaged, edge = scope.engaged or self._whole.engaged, None",
        "engaged, edge = None, None",
    ),
    (
        "brake",
        "a second brake under the controller's",
        "scope.engaged or self._whole.engaged, None",
        "scope.engaged, None",
    ),
    (
        "brake",
        "later stages do not hold",
        "            self._cover(known)\n            self._join(known, engaged, holds=True)\n        return edge",
        "            self._cover(known)\n            self._join(known, engaged, holds=edge is not None)\n        return edge",
    ),
    (
        "brake",
        "late ones do not hold",
        "                self._join(known, engaged, holds=True)\n                return None",
        "                self._join(known, engaged, holds=False)\n                return None",
    ),
    (
        "brake",
        "late ones are not braked",
        "                self._join(known, engaged, holds=True)\n                return None",
        "                return None",
    ),
    (
        "brake",
        "all that fall hold",
        "self._join(known, scope.engaged, holds=False)",
        "self._join(known, scope.engaged, holds=True)",
    ),
    (
        "brake",
        "who falls meanwhile is free",
        "        self._follow(known)\n        for where, fall",
        "        for where, fall",
    ),
    (
        "brake",
        "schedules' ends are free",
        "            self._follow(known)\n            return None",
        "            return None",
    ),
    ("brake", "engages for nobody", "if not any(known.brakeable() for known in affected):", "if False:"),
    (
        "brake",
        "all are braked",
        "return known is not None and known.engaged is not None",
        "return known is not None",
    ),
    (
        "brake",
        "spares who comes late, too",
        "fall.after < where.spared and not known.brakeable()",
        "fall.after < where.spared",
    ),
    (
        "brake",
        "those that passed are not counted",
        "engaged.pacing.count(known.passed for known in affected if known.passed is not None)",
        "pass",
    ),
    (
        "brake",
        "nobody waits for the round",
        "                known.held = self._now + interval\n",
        "                pass\n",
    ),
    (
        "brake",
        "everybody waits for the round",
        "before - falls.active > self._settings.pace * before",
        "before > falls.active",
    ),
    ("brake", "few wait for the round", "before >= self._settings.least", "True"),
    ("brake", "waits although it is off", "self._settings.share < 1 and ", ""),
    (
        "brake",
        "waits although it has worked since",
        "        known.held, known.released = -math.inf, False",
        "        known.released = False",
    ),
    (
        "brake",
        "released for ever",
        "        known.held, known.released = -math.inf, False",
        "        known.held = -math.inf",
    ),
    ("brake", "let through for ever", "known.slot = known.passed = None", "known.slot = None"),
    ("brake", "a slot for ever", "known.slot = known.passed = None", "known.passed = None"),
    (
        "brake",
        "work does not free",
        "        known.held, known.released = -math.inf, False\n        return self._leave(known)",
        "        known.held, known.released = -math.inf, False\n        return None",
    ),
    (
        "brake",
        "a new slot at each question",
        "known.slot = engaged.pacing.slot(",
        "return engaged.pacing.slot(",
    ),
    (
        "brake",
        "a moment before the present",
        "                if now < known.held:\n                    return known.held\n",
        "                if now < known.held:\n                    return now\n",
    ),
    (
        "brake",
        "passes again and again",
        "known.passed = now if known.passed is None else known.passed",
        "pass",
    ),
    ("brake", "who went counts no more", "known.engaged.pacing.through += 1", "pass"),
    (
        "brake",
        "who never asked counts",
        "if known.engaged is not None and known.slot is not None:",
        "if known.engaged is not None:",
    ),
    (
        "brake",
        "rest does not free",
        "        known.slot = None\n        return self._leave(known)",
        "        known.slot = None\n        return None",
    ),
    (
        "brake",
        "a slot survives rest",
        "        known.slot = None\n        return self._leave(known)",
        "        return self._leave(known)",
    ),
    (
        "brake",
        "release keeps the slot",
        "if known is None or known.released:\n            return now",
        "if known is None:\n            return now",
    ),
    ("brake", "release does not last", "known.released, known.slot = True, None", "known.slot = None"),
    ("brake", "ends with the first", "        if engaged.holders:\n            return None\n", ""),
    ("brake", "ends with the last of all", "        if engaged.holders:", "        if engaged.members:"),
    ("brake", "the paused leave", "known, stays=True", "known"),
    ("brake", "the paused prolong", "        engaged.holders.discard(known)\n", ""),
    ("brake", "never ends", "        engaged.scope.engaged = None\n", ""),
    ("brake", "braked without a brake", "            member.engaged = None  #", "            pass  #"),
    ("brake", "the moment stays", "engaged.moment = max(engaged.moment, mass.moment)", "pass"),
    (
        "brake",
        "a resumed object does not hold",
        "self._join(known, self._whole.engaged, holds=True)",
        "self._join(known, self._whole.engaged, holds=False)",
    ),
    (
        "brake",
        "resumes who works",
        "if known.engaged is None and known.brakeable():",
        "if known.engaged is None:",
    ),
    ("brake", "edits make no difference", "self._drop(known, set(known.reads) - set(kept))", "pass"),
    ("brake", "what is edited away stays above zero", "on.above -= read.above", "pass"),
    (
        "brake",
        "edited away: the source still has it",
        "                scope.falls.stopped()\n",
        "                pass\n",
    ),
    (
        "brake",
        "edited away: the controller still has it",
        "            self._whole.falls.stopped()\n",
        "            pass\n",
    ),
    (
        "brake",
        "the deleted still hold",
        "        self._drop(known, set(known.reads))\n        return self._leave(known)",
        "        self._drop(known, set(known.reads))\n        return None",
    ),
    ("brake", "sources are kept", "            self._scopes.pop(scope.source, None)", "            pass"),
    (
        "brake",
        "a source in trouble is forgotten",
        "if scope.falls.objects == 0 and scope.engaged is None:",
        "if scope.falls.objects == 0:",
    ),
    (
        "brake",
        "a moved one is counted twice",
        "            self._drop(known, {index})\n",
        "            pass\n",
    ),
    ("brake", "an interval of nothing is one", "interval = max(interval, _SHORTEST)", "pass"),
    ("brake", "time goes back", "self._now = max(self._now, now)", "self._now = now"),
]

BUDGET = [
    ("no budget", "return not used or used + pods <= self._budget", "return True"),
    ("one too many", "used + pods <= self._budget", "used + pods <= self._budget + 1"),
    ("one too few", "used + pods <= self._budget", "used + pods < self._budget"),
    ("large ones wait for ever", "return not used or used", "return used"),
    ("large ones cost one budget", "pods -= charged", "pods = 0"),
    ("large ones cost all at once", "charged = min(pods, self._budget)", "charged = pods"),
    ("half a minute", "            end += MINUTE\n", "            end += MINUTE / 2\n"),
    ("spent for ever", "while self._charges and self._charges[0][0] <= self._now:", "while False:"),
    ("spent a moment too long", "self._charges[0][0] <= self._now", "self._charges[0][0] < self._now"),
    ("spent, and counted still", "self._used -= self._charges.popleft()[1]", "self._charges.popleft()"),
    ("nothing costs nothing", "pods = max(pods, 1)", "pass"),
    (
        "those that wait are passed",
        "            self._wait(uid, namespace, pods)\n            self._grant()\n",
        (
            "            if self._fits(self._used, pods):\n                self._charge(pods)\n"
            "                return True\n            self._wait(uid, namespace, pods)\n"
        ),
    ),
    (
        "one queue for all",
        "setdefault(self._namespaces.setdefault(uid, namespace), OrderedDict())",
        "setdefault(self._namespaces.setdefault(uid, 'all') and 'all', OrderedDict())",
    ),
    (
        "a namespace keeps its turn",
        "                self._waiting.move_to_end(namespace)\n",
        "                pass\n",
    ),
    (
        "the last come first",
        "return namespace, *next(iter(queue.items()))",
        "return namespace, *next(reversed(queue.items()))",
    ),
    ("the first number counts", "if queue.get(uid) != pods:", "if uid not in queue:"),
    (
        "asking again loses the place",
        "            queue[uid] = pods\n",
        "            queue.pop(uid, None)\n            queue[uid] = pods\n",
    ),
    ("a grant lasts for ever", "self._granted[uid][0] <= self._now", "False"),
    ("a grant is for ever", "_, granted = self._granted.pop(uid)", "_, granted = self._granted[uid]"),
    ("more is free", "self._charge(pods - granted)", "pass"),
    ("granted twice is paid twice", "self._charge(pods - granted)", "self._charge(pods)"),
    ("told again and again", "news, self._news = list(self._news), {}", "news = list(self._news)"),
    (
        "tells who has gone already",
        "        _, granted = self._granted.pop(uid)\n        self._news.pop(uid, None)\n",
        "        _, granted = self._granted.pop(uid)\n",
    ),
    ("due grants nothing", "        self._grant()\n        news,", "        news,"),
    (
        "the forgotten wait",
        "            del self._waiting[namespace][uid]\n            if not",
        "            if not",
    ),
    (
        "empty namespaces have turns",
        "            if not self._waiting[namespace]:\n                del self._waiting[namespace]\n",
        "",
    ),
    (
        "the forgotten may wake",
        "        self._granted.pop(uid, None)\n        self._news.pop(uid, None)\n        namespace",
        "        namespace",
    ),
    (
        "next is when all is free",
        "                if self._fits(used, pods):\n                    break\n",
        "",
    ),
    (
        "next is when anything is free",
        "                if self._fits(used, pods):\n                    break\n",
        "                if used < self._used:\n                    break\n",
    ),
    ("next is never news", "        if self._news:\n            return self._now\n", ""),
    (
        "next stays when a charge is added",
        "            pods -= charged\n            self._next = None\n",
        "            pods -= charged\n",
    ),
    (
        "next stays when the first grows",
        "            if self._first()[1] == uid:\n                self._next = None\n",
        "",
    ),
    (
        "next stays when the first goes",
        "            self._next = None\n            del self._waiting",
        "            del self._waiting",
    ),
    ("time goes back", "self._now = max(self._now, now)", "self._now = now"),
]


@contextmanager
def mutant(of, old, new, parts=PARTS):
    """The last of `parts`, made anew over the others, with one substitution in the part `of`."""
    names = [f"scaler.core.{part}" for part in parts]
    real = {name: sys.modules.get(name) for name in names}
    try:
        for name in names:
            _make(name, *((old, new) if name.endswith(f".{of}") else ("", "")))
        yield sys.modules[names[-1]]
    finally:
        for name, module in real.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _make(name, old, new):
    spec = importlib.util.find_spec(name)
    source = spec.loader.get_source(name)
    if old and source.count(old) != 1:
        raise LookupError(f"{name} holds {old!r} {source.count(old)} times: mend this mutant")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    changed = source.replace(old, new) if old else source
    exec(compile(changed, spec.origin, "exec"), module.__dict__)  # noqa: S102 - our own source, changed by us
