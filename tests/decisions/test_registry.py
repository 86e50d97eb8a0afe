"""Trigger types: names at once, code on first use, and the remedy where that fails."""

import sys
from importlib.metadata import EntryPoint

import pytest

from scalers.registry import GROUP, Registry
from scalers.sdk import AUTH, ENV, Inputs, InvalidMetadata, parse


class Distribution:
    def __init__(self, name):
        self.name = name


def claim(name, value, owner="their-scalers"):
    entry = EntryPoint(name, value, GROUP)
    vars(entry)["dist"] = Distribution(owner)
    return entry


def refusal(registry, trigger_type):
    with pytest.raises(InvalidMetadata) as caught:
        registry.get(trigger_type)
    (problem,) = caught.value.problems
    assert problem.path == "type"
    assert str(caught.value) in str(problem) or problem.problem in str(caught.value)
    return caught.value


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a module that can be imported in this test; answers its name."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names = []

    def write(text):
        name = f"tidegate_test_plugin_{tmp_path.name.replace('-', '_')}_{len(names)}"
        names.append(name)
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        return name

    yield write
    for name in names:
        sys.modules.pop(name, None)


def test_the_built_in_scalers_come_by_the_same_door():
    registry = Registry()
    assert {"cron", "redis"} <= set(registry.types)
    assert registry.get("redis") is registry.get("redis")
    assert registry.get("cron").metadata.__name__ == "CronMetadata"


def test_code_is_imported_on_first_use_only(plugin):
    name = plugin("raise SystemError('imported')")
    registry = Registry([claim("theirs", f"{name}:Scaler")])
    assert registry.types == ("theirs",)
    assert name not in sys.modules
    assert "SystemError: imported" in str(refusal(registry, "theirs"))


@pytest.mark.parametrize(
    ("wrong", "mend"), [("rediss", "did you mean redis?"), ("kafka", "installed are cron, redis")]
)
def test_an_unknown_type(wrong, mend):
    registry = Registry([claim("redis", "scalers.redis:RedisList"), claim("cron", "scalers.cron:Cron")])
    error = refusal(registry, wrong)
    assert str(error) == f"no scaler found for type: {wrong}"
    assert error.problems[0].mend == mend


def test_an_unknown_type_where_nothing_is_installed():
    assert refusal(Registry([]), "redis").problems[0].mend == "installed are none"


def test_a_name_claimed_twice_is_the_error_of_that_type_alone():
    registry = Registry(
        [
            claim("redis", "scalers.redis:RedisList", "tidegate"),
            claim("redis", "evil:Redis", "evil-scalers"),
            claim("cron", "scalers.cron:Cron", "tidegate"),
        ]
    )
    error = str(refusal(registry, "redis"))
    assert "evil-scalers (evil:Redis) and tidegate (scalers.redis:RedisList)" in error
    assert registry.get("cron").metadata.__name__ == "CronMetadata"


def test_a_distribution_that_is_found_twice_claims_once():
    twice = [claim("cron", "scalers.cron:Cron", "tidegate")] * 2
    assert Registry(twice).get("cron").metadata.__name__ == "CronMetadata"


@pytest.mark.parametrize(
    ("value", "mend"),
    [
        ("no_such_module_here:Scaler", "pip install --upgrade 'their-scalers'"),
        ("no_such_module_here:Scaler [queues]", "pip install --upgrade 'their-scalers[queues]'"),
    ],
)
def test_what_cannot_be_imported_says_how_to_mend_it(value, mend):
    registry = Registry([claim("theirs", value)])
    for _ in range(2):
        error = refusal(registry, "theirs")
        assert "no_such_module_here" in str(error)
        assert mend in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "Scaler = 1",
        "Scaler = dict",
        "from scalers.sdk import Scaler",
        "class Scaler:\n    metadata = None",
        "",
        "(",
        "1/0",
    ],
)
def test_what_is_no_scaler_is_refused_for_good(plugin, text):
    registry = Registry([claim("theirs", f"{plugin(text)}:Scaler")])
    first, second = refusal(registry, "theirs"), refusal(registry, "theirs")
    assert str(first) == str(second)
    assert first is not second
    assert "their-scalers" in str(first)


def test_a_scaler_of_somebody_elses(plugin):
    name = plugin(
        "from scalers.sdk import *\n"
        "class C(Connection):\n    address: str = key()\n"
        "class M(Metadata):\n    connection: C\n    def metric_name(self): return 'theirs'\n"
        "class S(Scaler):\n    metadata = M\n    async def measure(self, client, metadata): return Reading(1)\n"
    )
    scaler = Registry([claim("theirs", f"{name}:S")]).get("theirs")
    found = parse(scaler.metadata, Inputs(metadata={"address": "a"})).value
    assert [(spec.name, spec.target) for spec in scaler.specs(found)] == [("theirs", 1)]


def check(metadata, trigger_type="redis", **options):
    checked = Registry().check(trigger_type, metadata, **options)
    return [str(problem) for problem in checked.problems], [str(warning) for warning in checked.warnings]


def test_a_good_trigger_has_nothing_to_mend():
    assert check({"address": "a:1", "listName": "q"}, metric_type="Value") == ([], [])


def test_every_problem_of_a_trigger_is_found():
    problems, _ = check({"listLength": "x"}, metric_type="Utilization")
    assert [problem.partition(":")[0] for problem in problems] == [
        "metricType",
        "metadata.address",
        "metadata.listName",
        "metadata.listLength",
    ]


def test_unknown_types_are_problems_too():
    (problem,), warnings = check({}, "no-such-type")
    assert problem.startswith("type: no scaler found for type: no-such-type; installed are")
    assert warnings == []


def test_unused_keys_are_warned_of():
    written = {"address": "a:1", "listName": "q", "listLenght": "3", "tls": "enable", "colour": "blue"}
    problems, warnings = check(written)
    assert problems == []
    ignored = "is ignored: it is no key of this trigger type's metadata"
    assert warnings == [
        f"metadata.colour: {ignored}; remove it",
        f"metadata.listLenght: {ignored}; did you mean listLength?",
        f"metadata.tls: {ignored}; give it in a TriggerAuthentication, the only place where it is read",
    ]


def test_what_will_fail_when_it_is_read_is_warned_of():
    assert check({"address": "cache", "listName": "q"})[1][0].startswith(
        "metadata.address: address 'cache' has no port"
    )


def test_a_checked_trigger_has_its_metrics():
    written = {"addressFromEnv": "REDIS", "listName": "a/b", "listLength": "7"}
    checked = Registry().check("redis", written, frozenset({ENV}))
    assert [(spec.name, spec.target) for spec in checked.specs] == [("redis-a-b", 7)]
    assert not Registry().check("redis", written | {"listLength": "x"}).specs
    assert not Registry().check("redis", written, frozenset({ENV}), metric_type="Utilization").specs


def test_a_metric_that_is_known_only_online_is_left_out(plugin):
    name = plugin(
        "from scalers.sdk import *\n"
        "class C(Connection):\n    pass\n"
        "class M(Metadata):\n    connection: C\n    queue: str = key(order=(METADATA, ENV))\n"
        "    def metric_name(self): return self.queue\n"
        "class S(Scaler):\n    metadata = M\n    async def measure(self, client, metadata): return Reading(1)\n"
    )
    registry = Registry([claim("theirs", f"{name}:S")])
    checked = registry.check("theirs", {"queueFromEnv": "Q"}, frozenset({ENV}))
    assert (checked.problems, checked.specs) == ((), ())


def test_what_is_known_only_online_is_taken_as_given():
    written = {"addressFromEnv": "REDIS", "listName": "q"}
    assert check(written, unknown=frozenset({ENV})) == ([], [])
    assert check({"listName": "q"}, unknown=frozenset({ENV, AUTH})) == ([], [])
    assert check({"listName": "q"}, unknown=frozenset({ENV}))[0] == [
        "metadata.address: no server is given: write address as host:port, or both host and port"
    ]
