"""Whose certificates mean what: the ConfigMap read, followed while it changes, and told of when it cannot be read."""

import asyncio
import ssl
from collections.abc import Callable

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from served import served
from structlog.testing import capture_logs

from metrics_adapter.authn import ANONYMOUS, CONFIG_MAP, Peer, Trust, User, client, named
from metrics_adapter.trust import Published
from scaler.clock import SystemClock
from scaler.kube.access import Access
from scaler.kube.client import Kube
from scaler.kube.errors import Forbidden, Unreachable
from scaler.pki import client_context, issue, make_ca

FRONT_CA, CLIENT_CA = make_ca("front-proxy-ca"), make_ca("kubernetes-ca")
NAMESPACE, NAME = CONFIG_MAP
DATA = {
    "client-ca-file": CLIENT_CA.certificate.decode(),
    "requestheader-client-ca-file": FRONT_CA.certificate.decode(),
    "requestheader-allowed-names": '["front-proxy-client","aggregator"]',
    "requestheader-username-headers": '["X-Remote-User","X-Other-User"]',
    "requestheader-group-headers": '["X-Remote-Group","X-Other-Group"]',
    "requestheader-extra-headers-prefix": '["X-Remote-Extra-","X-Other-Extra-"]',
    "requestheader-uid-headers": '["X-Remote-Uid"]',
}


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def peer(name: str, ca: object = FRONT_CA, **options: object) -> Peer:
    """A peer whose chain was verified up to its CA."""
    pair = issue(ca, name, client=True, **options)
    return Peer("192.0.2.1", tuple(_der(each.certificate) for each in (pair, ca)))


def _der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


class TestTheConfigMap:
    def test_as_the_api_server_publishes_it(self) -> None:
        trust = Trust.from_config_map(DATA)
        front = trust.front_proxy
        assert front.names == {"front-proxy-client", "aggregator"}
        assert front.user_headers == ("X-Remote-User", "X-Other-User")
        assert FRONT_CA.certificate in trust.bundle
        assert CLIENT_CA.certificate in trust.bundle
        assert trust == Trust.from_config_map(dict(DATA))
        assert hash(trust) == hash(Trust.from_config_map(dict(DATA)))
        assert trust != Trust.from_config_map(DATA | {"client-ca-file": ""})

    def test_several_cas_in_one_bundle(self) -> None:
        other = make_ca("front-proxy-ca")
        bundle = (FRONT_CA.certificate + other.certificate).decode()
        trust = Trust.from_config_map(DATA | {"requestheader-client-ca-file": bundle})
        assert trust.is_front_proxy(peer("aggregator"))
        assert trust.is_front_proxy(peer("aggregator", other))
        assert not trust.is_front_proxy(peer("aggregator", make_ca("front-proxy-ca")))

    def test_a_ca_means_one_thing_only(self) -> None:
        trust = Trust.from_config_map(DATA)
        ours, person = peer("aggregator"), peer("aggregator", CLIENT_CA)
        assert (trust.is_front_proxy(ours), trust.knows(ours)) == (True, False)
        assert (trust.is_front_proxy(person), trust.knows(person)) == (False, True)
        assert (trust.is_front_proxy(Peer()), trust.knows(Peer())) == (False, False)

    def test_unless_the_cluster_has_one_ca_for_both(self) -> None:
        trust = Trust.from_config_map(DATA | {"client-ca-file": DATA["requestheader-client-ca-file"]})
        person = peer("somebody")
        assert (trust.is_front_proxy(person), trust.knows(person)) == (False, True)

    def test_one_ca_for_both_and_no_names_is_told_of(self) -> None:
        shared = DATA | {"client-ca-file": DATA["requestheader-client-ca-file"]}
        assert not Trust.from_config_map(shared).open_to_all
        assert not Trust.from_config_map(DATA | {"requestheader-allowed-names": "[]"}).open_to_all
        nameless = shared | {"requestheader-allowed-names": "[]"}
        assert Trust.from_config_map(nameless).open_to_all
        with capture_logs() as logs:
            Published(None, SystemClock())._take(nameless)
        assert [line["event"] for line in logs] == ["front_proxy_is_anybody", "trust_read"]

    def test_no_names_are_any_name_and_headers_have_defaults(self) -> None:
        for names in ({}, {"requestheader-allowed-names": ""}, {"requestheader-allowed-names": "[]"}):
            trust = Trust.from_config_map(
                {"requestheader-client-ca-file": FRONT_CA.certificate.decode()} | names
            )
            assert trust.is_front_proxy(peer("other"))
            assert trust.front_proxy.user(headers(("x-remote-user", "u"))) == User("u")

    def test_one_without_a_front_proxy_trusts_nobody_to_be_it(self) -> None:
        trust = Trust.from_config_map({"client-ca-file": CLIENT_CA.certificate.decode()})
        assert trust.front_proxy is None
        assert not trust.is_front_proxy(peer("aggregator"))
        assert trust.knows(peer("a", CLIENT_CA))
        assert Trust.from_config_map({}).bundle == b""

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("requestheader-client-ca-file", "none"),
            (
                "requestheader-client-ca-file",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            ),
            ("client-ca-file", "none"),
            ("requestheader-allowed-names", "front-proxy-client"),
            ("requestheader-allowed-names", "[1]"),
            ("requestheader-username-headers", "{}"),
            ("requestheader-extra-headers-prefix", "null"),
        ],
    )
    def test_what_cannot_be_used_is_named(self, key: str, value: str) -> None:
        with pytest.raises(ValueError, match=f"kube-system/extension-apiserver-authentication: {key}"):
            Trust.from_config_map(DATA | {key: value})


class TestWhoIsNamed:
    def test_all_that_the_front_proxy_knows_of_somebody(self) -> None:
        front = Trust.from_config_map(DATA).front_proxy
        given = headers(
            ("X-Remote-User", "jane"),
            ("X-Other-User", "not asked any more"),
            ("X-Remote-Group", "a"),
            ("x-remote-group", "b"),
            ("X-Other-Group", "c"),
            ("X-Remote-Uid", "42"),
            ("X-Remote-Extra-Authentication.kubernetes.io%2fcredential-Id", "X"),
            ("X-Other-Extra-Scopes", "one"),
            ("x-other-extra-scopes", "two"),
        )
        assert front.user(given) == User(
            "jane",
            ("a", "b", "c"),
            "42",
            (("authentication.kubernetes.io/credential-id", ("X",)), ("scopes", ("one", "two"))),
        )
        assert front.user(headers(("X-Other-User", "joe"))) == User("joe")
        assert front.user(headers(("X-Remote-User", ""), ("X-Remote-Group", "a"))) is None

    def test_a_certificate_of_the_client_ca_names_itself(self) -> None:
        person = peer("jane", CLIENT_CA, organizations=["dev", "ops"])
        assert client(person.certificate) == User("jane", ("dev", "ops"))

    def test_who_was_authenticated_is_in_the_group_of_those(self) -> None:
        assert named(User("a", ("g",))).groups == ("g", "system:authenticated")
        assert named(User("a", ("system:authenticated",))).groups == ("system:authenticated",)
        assert named(ANONYMOUS) == ANONYMOUS


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the cluster makes it true.
            await asyncio.sleep(0.01)


class TestFollowing:
    async def test_it_is_followed_when_it_changes_and_held_when_it_breaks(self) -> None:
        async with served(widgets=False) as one:
            clock, cluster = SystemClock(), one.cluster
            access = Access(cluster.url, tls=client_context(cluster.ca), token=cluster.token)
            api = cluster.api
            async with Kube(access, clock) as kube:
                published = Published(kube, clock)
                assert published.trust is None
                await published.start()
                first = published.trust
                assert first.front_proxy.names == {"front-proxy-client"}
                await until(published._reflector.synced.is_set)
                with capture_logs() as logs:
                    api.merge_patch("", "configmaps", NAMESPACE, NAME, {"data": DATA})
                    await until(lambda: published.trust == Trust.from_config_map(DATA))
                    # What makes no sense changes nothing, and is told of.
                    for _ in range(2):
                        broken = {"data": {"requestheader-allowed-names": "x", "n": str(_)}}
                        api.merge_patch("", "configmaps", NAMESPACE, NAME, broken)
                    await until(lambda: [line for line in logs if line["event"] == "trust_unknown"])
                    assert published.trust == Trust.from_config_map(DATA)
                    api.delete("", "configmaps", NAMESPACE, NAME)
                    await until(lambda: "was deleted" in str(logs))
                    assert published.trust == Trust.from_config_map(DATA)
                    api.create("", "configmaps", NAMESPACE, {"metadata": {"name": NAME}, "data": {}})
                    await until(lambda: published.trust == Trust.from_config_map({}))
                assert [line["event"] for line in logs if line["event"] == "no_front_proxy"]
                told = [line["problem"] for line in logs if line["event"] == "trust_unknown"]
                assert len(told) == len(set(told))
                await published.close()
                await published.close()

    async def test_one_that_is_not_there_yet_is_waited_for(self) -> None:
        async with served(widgets=False) as one:
            clock, cluster = SystemClock(), one.cluster
            access = Access(cluster.url, tls=client_context(cluster.ca), token=cluster.token)
            cluster.api.delete("", "configmaps", NAMESPACE, NAME)
            with capture_logs() as logs:
                async with Kube(access, clock) as kube:
                    published = Published(kube, clock)
                    await published.start()
                    await until(published._reflector.synced.is_set)
                    assert published.trust is None
                    made = {"metadata": {"name": NAME}, "data": DATA}
                    cluster.api.create("", "configmaps", NAMESPACE, made)
                    await until(lambda: published.trust is not None)
                    await published.close()
            (told,) = (line for line in logs if line["event"] == "trust_unknown")
            assert "does not exist; a kube-apiserver writes it" in told["problem"]
            assert told["meanwhile"] == "nobody is answered until it can be read"

    async def test_a_missing_right_is_named_and_an_api_server_that_is_gone_ends_the_start(self) -> None:
        class Refusing:
            def __init__(self, error: Exception) -> None:
                self.error = error

            async def get(self, *_: object) -> dict:
                raise self.error

            async def list_page(self, *_: object, **__: object) -> None:
                raise self.error

        with capture_logs() as logs:
            published = Published(Refusing(Forbidden("get configmaps kube-system/x", 403)), SystemClock())
            await published.start()
            await asyncio.sleep(0)
            await published.close()
        (told,) = (line for line in logs if line["event"] == "trust_unknown")
        assert "403" in told["problem"] or "get configmaps" in told["problem"]
        assert "extension-apiserver-authentication-reader" in told["problem"]
        gone = Published(Refusing(Unreachable("get: refused")), SystemClock())
        with pytest.raises(Unreachable):
            await gone.start()
        await gone.close()
