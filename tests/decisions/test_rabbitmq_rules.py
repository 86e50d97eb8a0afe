"""The `rabbitmq` trigger without a broker: its URL, its keys and their rules, its modes, its counting of costs."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalers.rabbitmq import RabbitMq
from scalers.rabbitmq.address import parse as address
from scalers.rabbitmq.census import FEW, Census, pages_cost
from scalers.rabbitmq.figures import MODES, Figures, compose, reading
from scalers.sdk import AUTH, ENV, Inputs, Problem, parse

OAUTH = {"oauthTokenURI": "https://login.shop/token", "clientID": "c", "clientSecret": "s3cret-client"}


def parsed(metadata=None, auth=None, **more):
    written = {"host": "http://guest:s3cret@rabbit:15672/", "queueName": "jobs"} | (metadata or {})
    return parse(RabbitMq.metadata, Inputs(metadata=written, auth=auth or {}, **more))


def trigger(metadata=None, auth=None):
    found = parsed(metadata, auth)
    assert found.problems == ()
    return found.value


def paths(metadata=None, auth=None):
    return [problem.path for problem in parsed(metadata, auth).problems]


# The URL.


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "amqp", "http", "folder"),
    [
        ("amqp://rabbit", "amqp", "rabbit", None, "/", "/", ""),
        ("amqp://rabbit/", "amqp", "rabbit", None, "/", "/", ""),
        ("amqp://rabbit//", "amqp", "rabbit", None, "/", "/", ""),
        ("AMQPS://Rabbit:5671/prod", "amqps", "Rabbit", 5671, "prod", "prod", ""),
        ("http://u:p@h:1/a%20b", "http", "h", 1, "a b", "a b", ""),
        ("http://h/sub/", "http", "h", None, "sub/", "/", "/sub"),
        ("http://h/sub/path/eu%2Fwest", "http", "h", None, "sub/path/eu/west", "eu/west", "/sub/path"),
        ("http://h/%2F", "http", "h", None, "/", "/", ""),
        ("http://[::1]:15672/x?heartbeat=5#y", "http", "::1", 15672, "x", "x", ""),
        ("rabbit:5672", "rabbit", "", None, "/", "/", ""),
        ("rabbit", "", "", None, "rabbit", "rabbit", ""),
        ("//rabbit/x", "", "rabbit", None, "x", "x", ""),
    ],
)
def test_addresses(text, scheme, host, port, amqp, http, folder):
    found = address(text)
    assert (found.scheme, found.host, found.port) == (scheme, host, port)
    assert (found.amqp_vhost, found.http_vhost, found.folder) == (amqp, http, folder)


def test_the_login_of_a_url_is_unescaped():
    found = address("amqp://a%40b:p%2Fq%3Ar@rabbit")
    assert (found.user, found.password) == ("a@b", "p/q:r")
    assert address("amqp://rabbit").user is None
    assert "p/q:r" not in repr(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("amqp://h/a%zz", "two hexadecimal digits"),
        ("amqp://u:p%@h", "two hexadecimal digits"),
        ("amqp://u:p^w@h", "in its login"),
        ("amqp://h h/", "in its host name"),
        ("amqp://h%41/", "in its host name"),
        ("amqp://h:x/", "no number"),
        ("amqp://[::1", "lacks the ]"),
        (":5672", "no scheme before"),
        ("1amqp:x", "colon"),
        ("amqp://h\nx", "control character"),
        ("amqp://h/x#%", "two hexadecimal digits"),
    ],
)
def test_what_is_no_url(text, words):
    with pytest.raises(ValueError, match=words):
        address(text)
    assert paths({"host": text}) == ["metadata.host"]


@given(st.text(max_size=30))
def test_any_text_is_a_url_or_not(text):
    with contextlib.suppress(ValueError):
        found = address(text)
        assert found.scheme == found.scheme.lower()


# The keys.


@pytest.mark.parametrize(
    ("metadata", "mode", "value"),
    [
        ({}, "QueueLength", 20),
        ({"mode": "Unknown"}, "QueueLength", 20),
        ({"value": "0"}, "QueueLength", 20),
        ({"queueLength": "0"}, "QueueLength", 20),
        ({"queueLength": "2.5"}, "QueueLength", 2.5),
        ({"queueLength": "7", "value": "0"}, "QueueLength", 7),
        ({"queueLength": "0", "mode": "MessageRate", "value": "3"}, "MessageRate", 3),
        ({"mode": "QueueLength", "value": "-2"}, "QueueLength", -2),
    ],
)
def test_what_the_three_keys_of_the_target_come_to(metadata, mode, value):
    found = trigger(metadata)
    assert (found.mode, found.value, found.target) == (mode, value, value)


@pytest.mark.parametrize(
    ("metadata", "wrong"),
    [
        ({"mode": "queuelength", "value": "1"}, ["metadata.mode"]),
        ({"mode": "MessageRate"}, ["metadata.value"]),
        ({"mode": "MessageRate", "value": "0"}, ["metadata.value"]),
        ({"mode": "nonsense"}, ["metadata.mode", "metadata.value"]),
        ({"value": "3"}, ["metadata.mode"]),
        ({"queueLength": "3", "mode": "MessageRate"}, ["metadata.queueLength"]),
        ({"queueLength": "3", "value": "3"}, ["metadata.queueLength"]),
        ({"pageSize": "0"}, ["metadata.pageSize"]),
        ({"pageSize": "-1", "value": "3"}, ["metadata.mode", "metadata.pageSize"]),
        ({"protocol": "amqp,http"}, ["metadata.protocol"]),
    ],
)
def test_rules_of_the_mode(metadata, wrong):
    assert sorted(paths(metadata)) == wrong


@pytest.mark.parametrize(
    "metadata",
    [
        {"useRegex": "true"},
        {"excludeUnacknowledged": "true"},
        {"mode": "MessageRate", "value": "1"},
        {"mode": "QueueLength", "value": "1", "timeout": "1s"},
        {"queueLength": "0", "mode": "QueueLength", "value": "1", "timeout": "1"},
    ],
)
@pytest.mark.parametrize(
    "amqp", [{"host": "amqp://rabbit"}, {"protocol": "amqp"}, {"host": "AMQPS://rabbit"}]
)
def test_what_needs_the_management_api(metadata, amqp):
    assert paths(metadata) == []
    assert len(paths(metadata | amqp)) == 1


@pytest.mark.parametrize("metadata", [{}, {"queueLength": "5"}, {"mode": "Unknown"}])
def test_without_a_mode_keda_does_not_look_at_the_timeout(metadata):
    found = trigger({"host": "amqp://rabbit", "timeout": "1s"} | metadata)
    assert [problem.path for problem in found.warnings()] == ["metadata.timeout"]


@pytest.mark.parametrize(
    ("auth", "wrong"),
    [
        ({"username": "u"}, "authenticationRef (username)"),
        ({"password": "p"}, "authenticationRef (username)"),
        ({"tls": "yes"}, "authenticationRef (tls)"),
        ({"cert": "c"}, "authenticationRef (cert)"),
        ({"key": "k"}, "authenticationRef (cert)"),
        ({"clientID": "c"}, "authenticationRef (oauthTokenURI)"),
        (OAUTH | {"username": "u", "password": "p"}, "authenticationRef (oauthTokenURI)"),
        (OAUTH | {"workloadIdentityResource": "r"}, "authenticationRef (oauthTokenURI)"),
        (OAUTH | {"endpointParams": "a=b;c"}, "authenticationRef (endpointParams)"),
        (OAUTH | {"endpointParams": "a=%"}, "authenticationRef (endpointParams)"),
    ],
)
def test_rules_of_the_login(auth, wrong):
    assert paths(auth=auth) == [wrong]


def test_ways_to_log_in_that_amqp_has_not():
    assert paths({"host": "amqp://h"}, OAUTH) == ["authenticationRef (oauthTokenURI)"]
    identity = {"workloadIdentityResource": "r"}
    assert paths({"protocol": "amqp"}, identity) == ["authenticationRef (workloadIdentityResource)"]


def test_all_problems_at_once():
    found = parsed(
        {"host": "redis://x", "value": "3", "pageSize": "0"}, {"username": "u", "cert": "c"}
    ).problems
    assert len(found) == 5
    assert "s3cret" not in "".join(map(str, found))


def test_auto_is_settled_by_the_host():
    assert trigger().connection.protocol == "http"
    assert trigger({"host": "amqps://h", "protocol": "auto"}).connection.protocol == "amqp"
    assert trigger({"host": "x", "protocol": "http"}).connection.protocol == "http"


@pytest.mark.parametrize(
    ("metadata", "auth", "words"),
    [
        ({"protocol": "amqp"}, {}, "does not begin with amqp:// or amqps://"),
        ({"host": "amqp://h", "protocol": "http"}, {}, "does not begin with http:// or https://"),
        ({"host": "http:h"}, {}, "names no host"),
        ({"host": "http://h:99999"}, {}, "a port that none has"),
        ({}, {"workloadIdentityResource": "r"}, "Azure workload identity"),
    ],
)
def test_what_keda_accepts_and_no_client_can_do(metadata, auth, words):
    found = trigger(metadata, auth)
    (problem,) = found.connection.refusals()
    assert words in problem.problem
    assert problem in RabbitMq().warnings(found)
    assert found.connection.describe()


def test_what_does_not_do_what_it_seems_to_do():
    found = trigger({"host": "amqp://h/x?cacertfile=/etc/passwd"}, {"tls": "enable"})
    assert [problem.path for problem in RabbitMq().warnings(found)] == [
        "metadata.host",
        "authenticationRef (tls)",
    ]


def test_offline_nothing_is_said_of_what_only_a_secret_knows():
    inputs = Inputs(
        metadata={"queueName": "q", "mode": "MessageRate", "value": "1"}, unknown=frozenset({AUTH, ENV})
    )
    found = parse(RabbitMq.metadata, inputs)
    assert found.problems == ()
    assert RabbitMq().specs(found.value)[0].target == 1


def test_secrets_are_nowhere_to_be_seen():
    for auth in ({"username": "u", "password": "s3cret-too"}, OAUTH):
        found = trigger(auth=auth)
        shown = (
            f"{found!r} {found.connection!r} {found.connection.describe()} {found.connection.credentials!r}"
        )
        assert "s3cret" not in shown


def test_connections_that_are_the_same():
    same = [
        trigger(),
        trigger({"queueName": "other", "mode": "MessageRate", "value": "2", "vhostName": "prod"}),
        trigger({"host": "HTTP://guest:s3cret@RABBIT:15672/other", "unsafeSsl": "true"}, {"ca": "x"}),
        trigger({"host": "http://rabbit:15672"}, {"username": "guest", "password": "s3cret"}),
    ]
    assert len({found.connection for found in same}) == 1
    others = [
        trigger({"host": "http://guest:other@rabbit:15672/"}),
        trigger({"host": "https://guest:s3cret@rabbit:15672/"}),
        trigger({"host": "http://guest:s3cret@rabbit:15672/sub/"}),
        trigger({"timeout": "9s"}),
        trigger({"host": "http://rabbit:15672/"}, OAUTH),
        trigger({"host": "http://rabbit:15672/"}, OAUTH | {"scope": "read"}),
        trigger({"host": "amqp://guest:s3cret@rabbit:15672/"}),
        trigger({"host": "amqp://guest:s3cret@rabbit:15672/prod"}),
    ]
    assert len({found.connection for found in (*same, *others)}) == 1 + len(others)


def test_queries_that_are_the_same():
    amqp = {"host": "amqp://h"}
    assert trigger(amqp | {"activationValue": "3"}).query() == trigger(amqp | {"queueLength": "5"}).query()
    assert trigger({"activationValue": "3"}).query() == trigger({"queueLength": "5"}).query()
    rate = {"mode": "MessageRate", "value": "1"}
    different = [
        trigger(),
        trigger({"vhostName": "prod"}),
        trigger({"excludeUnacknowledged": "true"}),
        trigger(rate),
        # The activation has a part in what is answered.
        trigger(rate | {"activationValue": "3"}),
        trigger({"useRegex": "true"}),
        trigger({"useRegex": "true", "operation": "max"}),
    ]
    assert len({found.query() for found in different}) == len(different)


def test_only_over_amqp_keda_connects_while_it_builds():
    scaler, amqp, http = RabbitMq(), trigger({"host": "amqp://h"}), trigger()
    assert (scaler.tried_first(amqp), scaler.tried_first(http)) == (True, False)
    assert (scaler.reads_together(amqp), scaler.reads_together(http)) == (False, True)


def test_a_certificate_is_the_login_where_there_is_no_other():
    pair = {"cert": "c", "key": "k", "tls": "enable"}
    assert trigger({"host": "amqps://h"}, pair).connection.external
    assert not trigger({"host": "amqps://u:p@h"}, pair).connection.external
    assert not trigger({"host": "amqps://h"}, {"cert": "c", "key": "k"}).connection.external
    assert not trigger({"host": "amqps://h"}, pair | {"username": "u", "password": "p"}).connection.external


# The modes.


@pytest.mark.parametrize(
    ("mode", "figures", "activation", "value", "active"),
    [
        ("QueueLength", Figures(7, 1, 1), 9, 7, None),
        ("MessageRate", Figures(0, 3, 0), 3, 3, False),
        ("MessageRate", Figures(0, 3, 0), 2, 3, True),
        ("MessageRate", Figures(4, 0, 0), 3, 0, True),
        ("DeliverGetRate", Figures(4, 9, 2), 3, 2, None),
        ("PublishedToDeliveredRatio", Figures(0, 0, 0), 0, 0, False),
        ("PublishedToDeliveredRatio", Figures(0, 0, 5), 0, 0, False),
        ("PublishedToDeliveredRatio", Figures(0, 3, 0), 5, 5, True),
        ("PublishedToDeliveredRatio", Figures(0, 3, 2), 1.5, 1.5, False),
        ("PublishedToDeliveredRatio", Figures(0, 3, 2), 1, 1.5, True),
        ("ExpectedQueueConsumptionTime", Figures(0, 0, 0), 4, 4, True),
        ("ExpectedQueueConsumptionTime", Figures(10, 1, 2), 4.5, 4.5, False),
        ("ExpectedQueueConsumptionTime", Figures(10, 1, 2), 4, 4.5, True),
        ("ExpectedQueueConsumptionTime", Figures(0, 1, 2), 0, -0.5, False),
    ],
)
def test_the_modes(mode, figures, activation, value, active):
    found = reading(mode, figures, activation)
    assert (found.value, found.active) == (value, active)


@given(
    st.sampled_from(MODES),
    st.integers(0, 10**9),
    st.floats(0, 1e6),
    st.floats(0, 1e6).filter(lambda rate: rate == 0 or rate > 1e-6),
    st.floats(-10, 1e6),
)
def test_every_mode_makes_a_number_of_everything(mode, messages, published, delivered, activation):
    assert math.isfinite(reading(mode, Figures(messages, published, delivered), activation).value)


def test_several_queues_as_one():
    queues = [Figures(5, 1.0, 0.5), Figures(2, 2.0, 0.25)]
    assert compose(queues, "sum") == Figures(7, 3.0, 0.75)
    assert compose(queues, "avg") == Figures(3, 1.5, 0.375)
    assert compose(queues, "max") == Figures(5, 2.0, 0.5)
    for operation in ("sum", "avg", "max"):
        assert compose([], operation) == Figures(0)


# What costs the broker less.


def test_few_triggers_on_a_large_virtual_host_are_asked_for_one_by_one():
    census = Census()
    assert not census.needs_bound(3, 0)
    assert not census.pays(3, None, 0)
    census.count(10_000, 0)
    assert not census.pays(3, None, 1)
    assert not census.pays(5_000, None, 1)


def test_many_triggers_on_a_small_one_are_read_by_pages():
    census = Census()
    assert census.needs_bound(600, 0)
    assert not census.pays(600, None, 0)
    assert census.pays(600, 650, 0)
    census.count(600, 0)
    assert census.pays(600, None, 1)
    assert not census.pays(60, None, 1)


def test_a_count_is_asked_for_again_after_a_while():
    census = Census()
    census.count(600, 0)
    assert not census.needs_bound(600, 299)
    assert census.needs_bound(600, 300)


def test_a_page_is_risked_when_it_is_small_change():
    """The broker has 10,000 queues, the virtual host 100: that shows only on a page."""
    census, gets = Census(), 0
    while not census.pays(90, 10_000, 0):
        census.asked(90)
        gets += 90
    assert 20 * (10_000 / 35) < gets < 8_000
    census.count(100, 0)
    assert census.pays(90, 10_000, 1)
    assert census.spent == 0


@given(st.integers(0, 20_000), st.integers(0, 20_000))
def test_pages_cost_more_the_more_queues_there_are(one, other):
    small, large = sorted((one, other))
    assert pages_cost(small) <= pages_cost(large)


@given(st.integers(0, FEW - 1), st.integers(0, 10**6))
def test_few_never_pay_without_a_count(wanted, bound):
    assert not Census(spent=1e9).pays(wanted, bound, 0)


def test_problems_name_the_mend():
    (problem,) = parsed({"host": "redis://x"}).problems
    assert isinstance(problem, Problem)
    assert problem.mend
