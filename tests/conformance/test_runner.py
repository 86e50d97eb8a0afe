"""The runner itself: absent and broken records fail, only what is listed is skipped, the counts are right."""

import json
from types import SimpleNamespace

import deviations
import pending
import pytest
import runner


def written(folder, text, stem="cron"):
    (folder / f"{stem}.jsonl").write_text(text, encoding="utf-8")
    return runner.load(stem, folder)


def record(name, given=None, output=None):
    return json.dumps({"id": name, "input": given or {}, "output": output or {}})


@pytest.mark.parametrize(
    "text", ["", "\n \n", "{", "[]", '{"id": "a", "input": {}}', '{"id": "a", "input": 1, "output": {}}']
)
def test_what_is_no_record_is_a_failing_case(tmp_path, text):
    (case,) = written(tmp_path, text)
    assert case.problem
    assert case.skip is None


def test_an_absent_file_is_a_failing_case(tmp_path):
    (case,) = runner.load("cron", tmp_path)
    assert "cannot read" in case.problem


def test_records_become_cases_in_order_with_their_ids(tmp_path):
    text = "\n".join([record("b", {"at": 1}, {"value": "2\u2028"}), record("a")])
    cases = written(tmp_path, text)
    assert [case.id for case in cases] == ["b", "a"]
    assert cases[0].input == {"at": 1}
    assert cases[0].output == {"value": "2\u2028"}


def test_the_same_id_twice_fails(tmp_path):
    cases = written(tmp_path, record("a") + "\n" + record("a"))
    assert "more than one record called a" in cases[-1].problem


def test_the_folder_comes_from_the_environment_or_is_our_own():
    assert str(runner.directory({"TIDEGATE_CONFORMANCE": "/elsewhere"})) == "/elsewhere"
    assert runner.directory({}).joinpath("hpa.jsonl").exists()


@pytest.mark.parametrize(
    ("stem", "given", "reason"),
    [
        ("triggers", {"type": "kafka"}, "not built yet: kafka"),
        ("triggers", {"type": "redis"}, None),
        ("triggers", {"type": "no-such-type"}, None),  # being refused is built
        ("formulas", {"formula": "a"}, None),
        ("cron", {"timezone": "UTC"}, None),
        (
            "wire",
            {"manifest": {"spec": {"triggers": [{"type": "cron"}, {"type": "kafka"}]}}},
            "not built yet: kafka",
        ),
        ("wire", {"manifest": {"spec": {"triggers": "none"}}}, None),
    ],
)
def test_only_what_is_listed_is_pending(stem, given, reason):
    assert pending.reason(stem, given) == reason


def test_the_pending_list_is_sorted_and_names_nothing_twice():
    assert sorted(pending.NOT_BUILT) == list(pending.NOT_BUILT)
    assert len(set(pending.NOT_BUILT)) == len(pending.NOT_BUILT)


def test_a_panic_of_kedas_is_a_problem_of_ours(tmp_path):
    panic = {"accept": False, "stage": "panic"}
    (case,) = written(tmp_path, record("a", {"type": "redis"}, panic), stem="triggers")
    assert (case.rule, case.output["stage"], case.output["accept"]) == ("no-panic", "parse", False)
    assert deviations.promised("triggers", {}, {"stage": "build"}) == (None, {"stage": "build"})


def report(node, when="call", outcome="passed", longrepr="", rule=""):
    return SimpleNamespace(
        nodeid=node,
        when=when,
        failed=outcome == "failed",
        skipped=outcome == "skipped",
        longrepr=longrepr,
        user_properties=[("conformance", ["cron", rule])],
    )


def test_the_closing_line_counts_every_test_once_by_its_worst_outcome():
    tally = runner.Tally()
    for seen in (
        report("a", "setup"),
        report("a"),
        report("a", "teardown"),
        report("b"),
        report("b", "teardown", "failed"),
        report("c", "setup", "failed"),
        report("d", "setup", "skipped", "not built yet: kafka"),
        report("e", rule="no-panic"),
        report("f", rule="no-panic"),
        report("g", "setup", "skipped", "no redis-server here"),
        SimpleNamespace(user_properties=[]),
    ):
        tally.add(seen)
    assert list(tally.lines()) == [
        "cron: 1 passed / 2 deviated (no-panic 2) / 1 pending / 2 failed / 1 skipped"
    ]


EXCHANGE = {"id": "x", "what": "directly: a metric", "request": {"method": "GET", "path": "/"}}


def exchanged(folder, name, *exchanges):
    (folder / "wire").mkdir(exist_ok=True)
    (folder / "wire" / f"{name}.json").write_text(json.dumps({"about": "", "exchanges": list(exchanges)}))


def test_exchanges_are_cases_with_their_own_ids(tmp_path):
    answer = {"status": 200, "headers": {}, "body": {}}
    exchanged(tmp_path, "adapter-metrics", {**EXCHANGE, "response": answer})
    exchanged(tmp_path, "aggregator-to-adapter", {**EXCHANGE, "id": "y", "answered": 200, "seen": {}})
    exchanged(tmp_path, "crud", {"id": "of another server"})
    one, other = runner.load("wire", tmp_path)
    assert (one.id, one.input["file"], one.output) == ("x", "adapter-metrics", {"response": answer})
    assert (other.id, other.output) == ("y", {"answered": 200, "seen": {}})
    assert other.input["request"] == EXCHANGE["request"]


@pytest.mark.parametrize("text", [None, "", "{", "[]", '{"exchanges": []}', '{"exchanges": [{"id": "x"}]}'])
def test_a_file_of_exchanges_that_is_absent_empty_or_broken_fails(tmp_path, text):
    exchanged(tmp_path, "adapter-metrics", {**EXCHANGE, "answered": None})
    if text is not None:
        (tmp_path / "wire" / "aggregator-to-adapter.json").write_text(text)
    _, case = runner.load("wire", tmp_path)
    assert (case.id, case.stem) == ("no-aggregator-to-adapter", "wire")
    assert "aggregator-to-adapter.json" in case.problem


def test_an_exchange_that_makes_no_sense_fails_alone_and_no_id_stands_twice(tmp_path):
    exchanged(
        tmp_path, "adapter-metrics", {**EXCHANGE, "response": {"status": 200, "headers": 7, "body": {}}}
    )
    exchanged(tmp_path, "aggregator-to-adapter", {**EXCHANGE, "answered": 200})
    broken, good, twice = runner.load("wire", tmp_path)
    assert "is no exchange" in broken.problem
    assert (good.problem, twice.id) == ("", "same-id-twice")


def test_what_kedas_adapter_answers_otherwise_is_ours_by_rule():
    def promised(status, body, path="/apis/x/v1/namespaces/wire/s0-a", kind="application/json", **headers):
        request = {"method": "GET", "path": path, "headers": headers}
        request["query"] = {"labelSelector": "scaledobject.keda.sh/name=live"}
        response = {"status": status, "headers": {"Content-Type": kind}, "body": body}
        rule, output = deviations.promised("wire", {"what": "", "request": request}, {"response": response})
        return rule, output["response"]

    words = "(in KEDA's words: "
    rule, ours = promised(500, {"message": words + "the source cannot be read)"})
    assert (rule, ours["status"], ours["body"]["reason"]) == ("failed-source-503", 503, "ServiceUnavailable")
    for gist in ("the selector names no ScaledObject)", "only equality selectors)", "unknown metric)"):
        assert promised(500, {"message": words + gist})[0] is None
    binary = "application/vnd.kubernetes.protobuf"
    rule, ours = promised(200, "BINARY", kind=binary, Accept=f"{binary}, */*")
    assert (rule, ours["status"], ours["headers"]["Content-Type"]) == ("json-only", 200, "application/json")
    rule, ours = promised(200, "yaml", kind="application/yaml", Accept="application/yaml")
    assert (rule, ours["status"]) == ("json-only", 406)
    items = {"items": [{"metricName": "composite-metric", "value": "1"}]}
    rule, ours = promised(200, items)
    assert (rule, ours["status"]) == ("composite-only", 500)
    assert promised(200, items, path="/apis/x/v1/namespaces/wire/Composite-Metric")[0] is None
    rule, ours = promised(200, {"major": "1"}, path="/version")
    assert (rule, set(ours["body"])) == ("describes-itself", {"major", "minor", "gitVersion"})
    assert promised(403, {}, path="/version")[0] is None
    aggregated, shape = (
        {"kind": "APIGroupDiscoveryList", "items": []},
        "application/json;as=APIGroupDiscoveryList",
    )
    for accepted, status in ((f"{shape},application/json", 200), (shape, 406)):
        rule, ours = promised(200, aggregated, path="/apis", Accept=accepted)
        assert (rule, ours["status"]) == ("describes-itself", status)
