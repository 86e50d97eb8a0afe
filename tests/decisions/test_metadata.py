"""Typed metadata: where keys are looked for, how they are converted, what is reported, what is equal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalers._lib import text
from scalers._lib.metric_type import external_metric_type
from scalers.sdk import (
    AUTH,
    ENV,
    METADATA,
    Connection,
    Inputs,
    Metadata,
    NoData,
    Problem,
    Reading,
    Role,
    Seconds,
    check,
    key,
    normalise,
    parse,
)


class Server(Connection):
    address: str = key(order=(METADATA, AUTH, ENV))
    password: str = key(default="", order=(METADATA, ENV, AUTH), secret=True)
    tls: bool | None = key("enableTLS", default=None)

    @check("tls", "password")
    def _tls_needs_a_password(self):
        return "needs a password" if self.tls and not self.password else None


class Depth(Metadata):
    connection: Server
    queue_name: str = key("queue", "queueName")
    depth: int = key(default=5, role=Role.TARGET)
    activation_depth: float = key(default=0, role=Role.ACTIVATION)
    mode: str = key(default="all", choices=("all", "ready"))
    timeout: Seconds = key(default=Seconds(3.0))
    labels: tuple[tuple[str, str], ...] = key(default=())
    tags: tuple[str, ...] = key(default=(), separator=";", choices=("red", "green"))
    pin: int = key(default=1, secret=True)

    @check("depth", "activation_depth")
    def _activation_below_depth(self):
        if self.activation_depth > self.depth:
            return Problem("metadata.activationDepth", "is above depth", "write less")
        return None

    def metric_name(self):
        return f"depth-{self.queue_name}"


def parsed(metadata=None, *, env=None, auth=None, unknown=()):
    written = {"address": "a:1", "queue": "q"} | (metadata or {})
    return parse(Depth, Inputs(metadata=written, env=env or {}, auth=auth or {}, unknown=frozenset(unknown)))


def value(metadata=None, **sources):
    result = parsed(metadata, **sources)
    assert result.problems == ()
    return result.value


def problems(metadata=None, **sources):
    result = parsed(metadata, **sources)
    assert result.value is None
    return {problem.path: problem for problem in result.problems}


def test_defaults():
    found = value()
    assert (found.depth, found.activation_depth, found.mode, found.timeout, found.labels) == (
        5,
        0,
        "all",
        3,
        (),
    )
    assert (found.target, found.activation, found.metric_name()) == (5, 0, "depth-q")
    assert (found.connection.address, found.connection.password, found.connection.tls) == ("a:1", "", None)


@pytest.mark.parametrize(
    ("metadata", "env", "auth", "password"),
    [
        ({"password": "m", "passwordFromEnv": "P"}, {"P": "e"}, {"password": "a"}, "m"),
        ({"passwordFromEnv": "P"}, {"P": "e"}, {"password": "a"}, "e"),
        ({"passwordFromEnv": "P"}, {}, {"password": "a"}, "a"),
        ({"passwordFromEnv": "P"}, {"P": ""}, {"password": "a"}, "a"),
        ({"password": "  ", "passwordFromEnv": "P"}, {"P": " \n"}, {"password": " a\n"}, "a"),
        ({"passwordFromEnv": ""}, {"": "e"}, {}, "e"),
        ({"passwordFromEnv": " P"}, {"P": "e"}, {}, ""),
        ({}, {"P": "e"}, {}, ""),
    ],
)
def test_the_first_source_with_a_value_wins(metadata, env, auth, password):
    assert value(metadata, env=env, auth=auth).connection.password == password


def test_each_key_has_its_own_order():
    sources = {"env": {"A": "env:1"}, "auth": {"address": "auth:1"}}
    assert value({"address": "", "addressFromEnv": "A"}, **sources).connection.address == "auth:1"


def test_aliases_are_tried_in_order_within_a_source():
    assert value({"queue": "first", "queueName": "second"}).queue_name == "first"
    assert value({"queue": "", "queueName": "second"}).queue_name == "second"


def test_a_variable_that_is_not_set_is_named():
    found = problems({"address": "", "addressFromEnv": "BROKER"}, env={"OTHER": "secret"})
    assert (
        found["metadata.address"].problem
        == "is required, and the variable 'BROKER' that addressFromEnv names is not set"
    )


def test_a_key_that_may_not_come_from_the_environment_does_not():
    found = problems({"queue": "", "queueFromEnv": "Q"}, env={"Q": "q"})
    assert found["metadata.queue"].problem == "is required"
    assert found["metadata.queue"].mend == "give queue or queueName in metadata"


def test_every_problem_is_reported_with_its_path():
    found = problems(
        {
            "address": "",
            "queue": "",
            "depth": "5.0",
            "mode": "some",
            "labels": "a",
            "tags": "red;blue",
            "enableTLS": "yes",
        }
    )
    assert set(found) == {
        "metadata.address",
        "metadata.enableTLS",
        "metadata.queue",
        "metadata.depth",
        "metadata.mode",
        "metadata.labels",
        "metadata.tags",
    }
    assert (
        str(found["metadata.depth"])
        == "metadata.depth: '5.0' is no whole number: write digits only, such as 5"
    )
    assert found["metadata.mode"].problem == "'some' must be one of all, ready"


def test_a_secret_is_not_repeated():
    assert "hunter2" not in str(problems({"pin": "hunter2"}))
    found = value({"password": "hunter2"})
    assert "hunter2" not in f"{found!r} {found.connection!r} {Inputs(metadata={}, auth={'p': 'hunter2'})!r}"


def test_rules_over_several_keys():
    found = problems({"depth": "3", "activationDepth": "3.5", "enableTLS": "true"})
    assert str(found["metadata.activationDepth"]) == "metadata.activationDepth: is above depth; write less"
    assert found["metadata.enableTLS"].problem == "needs a password"


def test_a_rule_waits_for_the_keys_it_needs():
    assert set(problems({"depth": "x", "activationDepth": "9"})) == {"metadata.depth"}


def test_offline_what_may_come_from_elsewhere_is_assumed():
    result = parsed({"address": "", "addressFromEnv": "A", "enableTLS": "1"}, unknown={ENV, AUTH})
    assert result.problems == ()
    assert result.assumed == {"connection.address", "connection.password"}
    assert "address" not in repr(result.value.connection)
    with pytest.raises(AttributeError):
        _ = result.value.connection.address


def test_offline_what_cannot_come_from_elsewhere_is_missing():
    assert set(problems({"address": ""}, unknown={ENV})) == {"metadata.address"}


def test_keys_that_nobody_reads_are_named():
    written = {"colour": "blue", "addressFromEnv": "A", "queueFromEnv": "Q", "tls": "1", "queueName": "q"}
    assert parsed(written).unused == ("colour", "queueFromEnv", "tls")


def test_equality_is_by_what_was_understood():
    one, two = value({"depth": "5"}), value({"queueName": "q", "colour": "blue"})
    assert one == two
    assert hash(one) == hash(two)
    assert one.connection == two.connection
    assert one != value({"depth": "6"})
    assert one.query() == value({"depth": "6", "activationDepth": "1"}).query()
    assert one.query() != value({"mode": "ready"}).query()
    assert one.connection != value({"password": "x"}).connection
    assert one != one.connection


def test_equality_may_leave_out_what_does_not_matter():
    class Case(Connection):
        address: str = key()

        def identity(self):
            return self.address.lower()

    class Other(Case):
        pass

    def made(cls, address):
        return parse(cls, Inputs(metadata={"address": address})).value

    assert made(Case, "A") == made(Case, "a")
    assert hash(made(Case, "A")) == hash(made(Case, "a"))
    assert made(Case, "a") != made(Other, "a")


def test_metadata_cannot_be_changed():
    with pytest.raises(AttributeError):
        value().depth = 3


def test_a_metadata_without_roles_has_a_target_of_one_and_no_activation():
    class Plain(Metadata):
        connection: Server
        name: str = key()

    found = parse(Plain, Inputs(metadata={"address": "a:1", "name": "n"})).value
    assert (found.target, found.activation) == (1, 0)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_reading_is_finite(number):
    with pytest.raises(NoData):
        Reading(number)


def test_metric_names_lose_only_these():
    assert normalise("a/b.c:d%e(f)G_h i@{ü}") == "a-b-c-d-e-f-G_h i@{ü}"


def test_metric_types():
    assert [external_metric_type(given) for given in ("", "AverageValue", "Value", "Weird")] == [
        "AverageValue",
        "AverageValue",
        "Value",
        "Weird",
    ]
    with pytest.raises(ValueError, match="Utilization"):
        external_metric_type("Utilization")


# Text to value.


@pytest.mark.parametrize("written", ["1", "t", "T", "TRUE", "true", "True"])
def test_true(written):
    assert text.parse_bool(written) is True


@pytest.mark.parametrize("written", ["0", "f", "F", "FALSE", "false", "False"])
def test_false(written):
    assert text.parse_bool(written) is False


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("0", 0),
        ("-0", 0),
        ("5", 5),
        ("-7", -7),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
    ],
)
def test_whole_numbers(written, expected):
    assert text.parse_int(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [("5", 5), ("2.5", 2.5), ("-0.25", -0.25), ("1e3", 1000), ("1E-2", 0.01), ("1.5e+2", 150)],
)
def test_numbers(written, expected):
    assert text.parse_float(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("30s", 30),
        ("1m30s", 90),
        ("1h", 3600),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("300ms", 0.3),
        ("10us", 1e-5),
        ("10\u00b5s", 1e-5),
        ("10\u03bcs", 1e-5),
        ("7ns", 7e-9),
        ("+1s", 1),
        ("500", 0.5),  # Milliseconds: KEDA's rule for bare numbers.
        ("0", 0),
        ("+0", 0),
        ("007", 0.007),
    ],
)
def test_durations(written, expected):
    assert text.parse_seconds(written) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("convert", "written"),
    [
        (convert, written)
        for convert, all_written in {
            text.parse_bool: ["yes", "on", "tRUE", "2", ""],
            text.parse_int: [
                "",
                "5.0",
                "1e3",
                "007",
                "+1",
                "0x10",
                '"5"',
                "null",
                "five",
                "1_0",
                "٣",
                "9" * 19,
                "9" * 5000,
            ],
            text.parse_float: ["", "NaN", "Inf", "+1", ".5", "5.", "1e400", "0x1", "null", "1_0", "٣.5"],
            text.parse_seconds: [
                "",
                "+",
                "-1s",
                "-5",
                "5x",
                "s",
                "1m 30s",
                "1d",
                "1.2.3s",
                "9" * 19,
                "9" * 400 + "h",
            ],
            text.parse_map: ["a", "a=b=c", "a=1,b"],
        }.items()
        for written in all_written
    ],
)
def test_what_go_refuses_is_refused(convert, written):
    with pytest.raises(ValueError, match=r"^(is|does) "):
        convert(written)


def test_lists_and_maps_are_trimmed():
    assert text.parse_list(" a , b,,c ") == ("a", "b", "", "c")
    assert text.parse_map("a = 1; b=", ";") == (("a", "1"), ("b", ""))


@given(st.text(), st.sampled_from([text.parse_bool, text.parse_int, text.parse_float, text.parse_seconds]))
def test_no_text_does_more_than_be_refused(written, convert):
    try:
        found = convert(written)
    except ValueError:
        return
    assert isinstance(found, int | float)


@given(
    st.dictionaries(
        st.sampled_from(["address", "queue", "depth", "enableTLS", "labels", "timeout"]), st.text()
    )
)
def test_no_metadata_makes_parsing_raise(written):
    result = parse(Depth, Inputs(metadata=written))
    assert (result.value is None) == bool(result.problems)


class Either(Connection):
    scheme: str = key(default="auto", order=(METADATA, AUTH))
    host: str = key(order=(METADATA, AUTH))

    def settled(self):
        return {"scheme": self.host.partition(":")[0]} if self.scheme == "auto" else {}


class Length(Metadata):
    connection: Either
    value: int = key(default=0)

    def settled(self):
        return {"value": self.value or 20}

    @check("value", "connection.scheme")
    def _secure_ones_want_a_value(self):
        return "must be given with https" if self.connection.scheme == "https" and not self.value else None


def length(unknown=(), **metadata):
    return parse(Length, Inputs(metadata=metadata, unknown=frozenset(unknown)))


def test_what_was_written_may_settle_to_something_else():
    value = length(host="http://a").value
    assert (value.connection.scheme, value.value) == ("http", 20)
    assert value == length(host="http://a", scheme="http", value="20").value


def test_a_rule_sees_what_was_written_and_how_the_connection_settled():
    (problem,) = length(host="https://a").problems
    assert (problem.path, problem.problem) == ("metadata.value", "must be given with https")
    assert length(host="https://a", value="1").value.value == 1


def test_a_rule_over_the_connection_is_silent_where_a_key_has_its_own_problem():
    assert [problem.path for problem in length(value="x", host="https://a").problems] == ["metadata.value"]


def test_what_is_unknown_offline_neither_settles_nor_breaks_a_rule():
    offline = length(unknown={AUTH})
    assert offline.problems == ()
    assert offline.assumed == {"connection.scheme", "connection.host"}
    assert offline.value.connection.scheme == "auto"
    assert offline.value.value == 20


@pytest.mark.parametrize("source", ["env", "auth"])
def test_a_wrong_value_from_elsewhere_is_never_repeated(source):
    """The key is none of the secret ones; but whoever named the wrong entry of a Secret must not find it in an Event."""

    class Numbered(Connection):
        port: int = key(order=(METADATA, ENV, AUTH))

    metadata = {"portFromEnv": "PORT"} if source == "env" else {}
    inputs = Inputs(metadata=metadata, **{source: {"PORT": "hunter2", "port": "hunter2"}})
    (problem,) = parse(Numbered, inputs).problems
    assert problem.path == "metadata.port"
    assert "hunter2" not in str(problem)
    (problem,) = parse(Numbered, Inputs(metadata={"port": "many"})).problems
    assert "'many'" in str(problem)
