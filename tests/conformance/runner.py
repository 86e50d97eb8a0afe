"""The conformance runner: recorded behaviour of KEDA and of the HPA controller, one test per record.

A file `test_STEM.py` here holds a test that takes the fixture `case`; conftest.py gives it every record of
`STEM.jsonl` in turn, the record's id as the test's id:

    def test_cron(case):
        assert evaluate(case.input) == case.output["value"]

Records come from the folder named by TIDEGATE_CONFORMANCE, else from `data/`. A file that is absent, empty or
broken is a failing test, never no test. What is not built yet is skipped (pending.py); where we promise
something else, `case.output` already holds the promise (deviations.py).
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deviations
import pending

__all__ = ["Case", "Tally", "directory", "load", "tag"]

_DATA = Path(__file__).parent / "data"
_PROPERTY = "conformance"


@dataclass(frozen=True)
class Case:
    """One record. `problem`: why the records cannot be read. `skip`: why this one cannot run yet."""

    id: str
    stem: str
    input: Mapping[str, Any]
    output: Mapping[str, Any]
    rule: str | None = None
    skip: str | None = None
    problem: str = ""


def directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the records are."""
    return Path(environ.get("TIDEGATE_CONFORMANCE") or _DATA)


def load(stem: str, folder: Path) -> list[Case]:
    """The cases of `folder/STEM.jsonl`, at least one: a failing one where there are no usable records.

    Those of `wire` are exchanges, many to a file, in `folder/wire/`.
    """
    if stem == "wire":
        return _once([case for path in _exchanges(folder) for case in _exchanged(path)], folder / "wire")
    path = folder / f"{stem}.jsonl"
    try:
        lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        return [_broken(stem, "no-records", f"cannot read {path}: {error}")]
    if not lines:
        return [_broken(stem, "no-records", f"{path} holds no record")]
    return _once([_case(stem, number, line) for number, line in enumerate(lines, 1)], path)


def _once(cases: list[Case], path: Path) -> list[Case]:
    """The cases, and a failing one more where two of them go by one id."""
    stem = cases[0].stem
    twice = [name for name, times in Counter(case.id for case in cases).items() if times > 1]
    if twice:
        cases.append(
            _broken(stem, "same-id-twice", f"{path} has more than one record called {', '.join(twice)}")
        )
    return cases


def _case(stem: str, number: int, line: str) -> Case:
    try:
        record = json.loads(line)
        name, given, recorded = record["id"], record["input"], record["output"]
        rule, output = deviations.promised(stem, given, recorded)
        return Case(name, stem, given, output, rule, pending.reason(stem, given))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return _broken(stem, f"line-{number}", f"line {number} is no record {{id, input, output}}: {error!r}")


def _exchanges(folder: Path) -> list[Path]:
    """The files of exchanges with a metrics adapter; one that should be there, where there is none."""
    wire = folder / "wire"
    return [*sorted(wire.glob("adapter-*.json")), wire / "aggregator-to-adapter.json"]


def _exchanged(path: Path) -> list[Case]:
    try:
        exchanges = json.loads(path.read_text(encoding="utf-8"))["exchanges"]
        records = [(each["id"], each["what"], each["request"], each) for each in exchanges]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [_broken("wire", f"no-{path.stem}", f"cannot read {path}: {error!r}")]
    if not records:
        return [_broken("wire", f"no-{path.stem}", f"{path} holds no exchange")]
    cases = []
    for name, what, request, record in records:
        given = {"file": path.stem, "what": what, "request": request}
        recorded = {key: value for key, value in record.items() if key not in {"id", "what", "request"}}
        try:
            rule, output = deviations.promised("wire", given, recorded)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            cases.append(_broken("wire", name, f"{path}: {name} is no exchange: {error!r}"))
            continue
        cases.append(Case(name, "wire", given, output, rule))
    return cases


def _broken(stem: str, name: str, problem: str) -> Case:
    return Case(name, stem, {}, {}, problem=problem)


def tag(case: Case) -> tuple[str, list[str]]:
    """The property that carries stem and rule in a test's reports, also from an xdist worker."""
    return _PROPERTY, [case.stem, case.rule or ""]


class Tally:
    """Counts conformance reports for the line that closes the run."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, str]] = defaultdict(dict)

    def add(self, report: Any) -> None:
        """Take one report of a test: one test may have several, its worst outcome counts."""
        found = dict(report.user_properties).get(_PROPERTY)
        if found is None:
            return
        stem, rule = found
        tests = self._seen[stem]
        before = tests.get(report.nodeid)
        if report.failed:
            tests[report.nodeid] = "failed"
        elif report.skipped and before is None:
            tests[report.nodeid] = "pending" if "not built yet: " in str(report.longrepr) else "skipped"
        elif report.when == "call" and before is None:
            tests[report.nodeid] = f"deviated {rule}" if rule else "passed"

    def lines(self) -> Iterator[str]:
        """One line a STEM, and one for all where there are several."""
        for stem, tests in sorted(self._seen.items()):
            yield f"{stem}: {_counts(tests.values())}"
        if len(self._seen) > 1:
            yield f"all: {_counts(outcome for tests in self._seen.values() for outcome in tests.values())}"


def _counts(outcomes: Iterable[str]) -> str:
    count = Counter(outcomes)
    rules = {
        key.removeprefix("deviated "): n for key, n in sorted(count.items()) if key.startswith("deviated ")
    }
    each = f" ({', '.join(f'{rule} {n}' for rule, n in rules.items())})" if rules else ""
    skipped = f" / {count['skipped']} skipped" if count["skipped"] else ""
    return (
        f"{count['passed']} passed / {sum(rules.values())} deviated{each} / "
        f"{count['pending']} pending / {count['failed']} failed{skipped}"
    )
