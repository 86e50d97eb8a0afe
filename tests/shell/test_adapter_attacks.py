"""Every attack of tests/attacks.py, and those that take time: blocked, told of once, and nobody else hindered."""

import asyncio
import re
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import attacks
import pytest
from attacks import ATTACKS, CLIENT_CA, GOOD, GRANTS, METRIC, PROXY, PROXY_CA, SECRET, TOKENS, Attack, request
from fake_clock import FakeClock
from guarded import Reviewer, front
from structlog.testing import capture_logs

from metrics_adapter import reviews as reviews_module
from metrics_adapter.authn import Trust
from metrics_adapter.certificates import self_signed
from metrics_adapter.guard import Guard
from metrics_adapter.reviews import Reviews
from metrics_adapter.server import AdapterServer, Limits
from metrics_adapter.store import Metric, Sample, Store, Terms
from scaler.kube.errors import Forbidden, Unreachable
from scaler.pki import KeyPair, client_context, issue

SERVING_CA, SERVING = self_signed("tidegate-metrics", "tidegate")
TRUST = front(PROXY_CA.certificate, ("front-proxy-client",), CLIENT_CA.certificate)
HPA = {"X-Remote-User": "system:serviceaccount:kube-system:horizontal-pod-autoscaler"}
MAY = GRANTS | {HPA["X-Remote-User"]: {("list", "*"), ("get", "*")}}
JOBS = Metric("shop", "worker", "s0-redis-jobs")
OVER_TIME = {
    "SlowHandshake",
    "CrowdedHandshakes",
    "CrowdedConnections",
    "SlowRequest",
    "ExpiredCertificate",
    "UntrustedCertificate",
}
"""The causes of TestOverTime."""
FAULTS = {"down": Unreachable("create: refused by 10.0.0.1"), "forbidden": Forbidden("create", 403)}


class World:
    """A running adapter that has the secret, and the front proxy's way to it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.reviewer = Reviewer(TOKENS, MAY)
        self.trust: Trust | None = TRUST
        self.store = Store()
        self.store.declare("shop", "worker", {JOBS.name: Terms(freshness=1, interval=30)})
        self.store.put(JOBS, Sample(value=SECRET, at=1000, moment=datetime(2026, 1, 5, tzinfo=UTC)))

    def serve(self, limits: Limits | None) -> AdapterServer:
        guard = Guard(lambda: self.trust, Reviews(self.clock, self.reviewer))
        return AdapterServer(
            self.clock, self.store, self.refresh, certificate=SERVING, guard=guard, limits=limits
        )

    async def refresh(self, metrics: Collection[Metric]) -> None:
        raise AssertionError(f"nobody needs {metrics} to be read")

    @asynccontextmanager
    async def running(self, limits: Limits | None = None) -> AsyncIterator["World"]:
        self.server = self.serve(limits)
        await self.server.start("127.0.0.1", 0)
        try:
            yield self
        finally:
            await self.server.close()

    def refused(self, cause: str) -> float:
        found = self.server.telemetry.registry.get_sample_value(
            "tidegate_adapter_refused_total", {"cause": cause}
        )
        return found or 0.0

    async def open(self, pair: KeyPair | None = None, *, plain: bool = False) -> tuple:
        context = None if plain else client_context(SERVING_CA, pair)
        return await asyncio.open_connection("127.0.0.1", self.server.port, ssl=context)

    async def send(self, data: bytes, pair: KeyPair | None = None, *, plain: bool = False) -> bytes:
        """What comes back until the other side ends it; nothing when it ends it without a word."""
        try:
            reader, writer = await self.open(pair, plain=plain)
        except (ConnectionError, ssl.SSLError):
            return b""
        received = b""
        try:
            writer.write(data)
            async with asyncio.timeout(15):
                while piece := await reader.read(65_536):
                    received += piece
        except (ConnectionError, ssl.SSLError):
            return received
        finally:
            writer.transport.abort()
        return received

    async def reads(self) -> bool:
        """Does the HPA controller still get its number?"""
        answer = await self.send(request(headers=HPA), PROXY)
        return answer.startswith(b"HTTP/1.1 200 ") and SECRET.encode() in answer


def statuses(answer: bytes) -> tuple[int, ...]:
    return tuple(int(code) for code in re.findall(rb"^HTTP/1\.[01] (\d{3}) ", answer, re.MULTILINE))


def causes(logs: list[dict]) -> Counter:
    return Counter(line["cause"] for line in logs if line["event"] == "refused")


def test_the_table_holds_what_it_promises() -> None:
    assert len(ATTACKS) >= 30
    assert len({attack.id for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.id for attack in ATTACKS])
async def test_it_is_blocked_and_told_of_once(attack: Attack) -> None:
    with capture_logs() as logs:
        async with World().running() as world:
            assert await world.reads()
            asked = len(world.reviewer.asked)
            world.reviewer.fault = FAULTS.get(attack.fault)
            # Open the connection to be judged before what is known of it goes.
            world.trust = None if attack.fault == "untold" else TRUST
            for _ in range(3):
                answer = await world.send(attack.sends, attack.pair, plain=attack.plain)
                seen = statuses(answer)
                assert SECRET.encode() not in answer
                assert b"worker" not in answer.replace(b"%3Dworker", b"")
                if attack.statuses:
                    assert seen, answer
                    assert set(seen) <= set(attack.statuses), answer
                else:
                    assert seen == ()
            assert world.refused(attack.cause) == 3
            if attack.cause in {
                "BadClientCertificate",
                "NameNotAllowed",
                "MalformedRequest",
                "Impersonation",
            }:
                assert len(world.reviewer.asked) == asked, "the API server need not be asked"
            world.reviewer.fault, world.trust = None, TRUST
            await world.clock.advance(0)
            assert await world.reads()
    assert causes(logs)[attack.cause] == 1
    secrets = [GOOD, attacks.NARROW, attacks.UNKNOWN, "BEGIN"]
    told = [line for line in logs if line["event"] == "refused"]
    assert not [line for line in told for word in secrets if f"Bearer {word}" in str(line)]
    assert all(value.isprintable() for line in told for value in line.values() if isinstance(value, str))


async def test_what_is_not_granted_is_refused_as_what_is_not_there() -> None:
    """Whoever may not ask cannot tell an object that is there from one that is not."""
    async with World().running() as world:
        here = await world.send(request(token=attacks.NARROW))
        gone = await world.send(request(METRIC.replace("Dworker", "Dghost"), token=attacks.NARROW))
        unknown = await world.send(
            request(METRIC.replace("s0-redis-jobs", "s0-nothing-yet"), token=attacks.NARROW)
        )
        bodies = [each.partition(b"\r\n\r\n")[2] for each in (here, gone, unknown)]
        assert bodies[0] == bodies[1]
        assert bodies[2].replace(b"s0-nothing-yet", b"s0-redis-jobs") == bodies[0]


async def test_each_cause_is_told_again_after_a_minute_with_what_was_left_out() -> None:
    with capture_logs() as logs:
        async with World().running() as world:
            for _ in range(5):
                await world.send(request())
            await world.clock.advance(61)
            await world.send(request())
    told = [line for line in logs if line["event"] == "refused"]
    assert [line.get("unreported") for line in told] == [None, 4]
    assert told[0] | {"cause": "Forbidden", "user": "system:anonymous", "peer": "127.0.0.1"} == told[0]


class TestOverTime:
    async def test_a_certificate_that_expires_while_its_connection_lives(self) -> None:
        now = datetime.now(UTC)
        brief = attacks.certificate(
            PROXY_CA, "front-proxy-client", now - timedelta(hours=1), now + timedelta(seconds=3)
        )
        async with World().running() as world:
            reader, writer = await world.open(brief)
            keep = request(headers=HPA).replace(b"Connection: close\r\n", b"")
            async with asyncio.timeout(15):
                while True:
                    writer.write(keep)
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(re.search(rb"Content-Length: (\d+)", head)[1])
                    body = await reader.readexactly(length)
                    if statuses(head) != (200,):
                        break
                    await asyncio.sleep(0.05)
            assert statuses(head) == (401,)
            assert SECRET.encode() not in body
            assert world.refused("ExpiredCertificate") == 1
            writer.transport.abort()

    async def test_a_ca_that_is_withdrawn_holds_no_longer_and_a_new_one_does(self) -> None:
        renewed_ca = attacks.FOREIGN_CA
        renewed = issue(renewed_ca, "front-proxy-client", client=True)
        asked = request(headers=HPA)
        async with World().running() as world:
            reader, writer = await world.open(PROXY)
            writer.write(asked.replace(b"Connection: close\r\n", b""))
            assert statuses(await reader.readuntil(b"\r\n\r\n")) == (200,)
            assert await world.send(asked, renewed) == b""
            # Both for a while, as a rotation goes: nobody is turned away.
            world.trust = front(PROXY_CA.certificate + renewed_ca.certificate)
            for pair in (PROXY, renewed):
                assert statuses(await world.send(asked, pair)) == (200,)
            world.trust = front(renewed_ca.certificate)
            writer.write(asked)
            assert b" 401 " in await reader.read()
            writer.transport.abort()
            assert world.refused("UntrustedCertificate") == 1
            assert await world.send(asked, PROXY) == b""
            assert statuses(await world.send(asked, renewed)) == (200,)

    async def test_a_name_that_is_no_longer_allowed(self) -> None:
        async with World().running() as world:
            world.trust = front(PROXY_CA.certificate, ("another",))
            assert statuses(await world.send(request(headers=HPA), PROXY)) == (401,)
            assert world.refused("NameNotAllowed") == 1

    async def test_a_flood_of_requests_on_one_connection(self) -> None:
        async with World().running(Limits(stranger=2.0)) as world:
            flood = asyncio.create_task(world.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 20_000))
            for _ in range(5):
                assert await world.reads()
            assert set(statuses(await flood)) <= {200}

    async def test_headers_sent_slowly(self) -> None:
        with capture_logs() as logs:
            async with World().running(Limits(stranger=0.3)) as world:
                for _ in range(2):
                    assert await world.send(b"GET /healthz HTTP/1.1\r\nHo") == b""
                assert world.refused("SlowRequest") == 2
        assert causes(logs) == {"SlowRequest": 1}

    async def test_a_body_that_never_comes(self) -> None:
        async with World().running(Limits(stranger=0.5)) as world:
            sends = b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"
            assert statuses(await world.send(sends)) == (403,)

    async def test_who_says_nothing_is_left_without_a_word_in_the_log(self) -> None:
        with capture_logs() as logs:
            async with World().running(Limits(stranger=0.3)) as world:
                assert await world.send(b"") == b""
        assert causes(logs) == {}

    async def test_a_handshake_that_is_never_finished(self) -> None:
        with capture_logs() as logs:
            async with World().running(Limits(handshake=0.3)) as world:
                for _ in range(2):
                    assert await world.send(b"", plain=True) == b""
                assert world.refused("SlowHandshake") == 2
        assert causes(logs) == {"SlowHandshake": 1}

    async def test_a_crowd_of_unfinished_handshakes(self) -> None:
        with capture_logs() as logs:
            async with World().running(Limits(handshakes=4)) as world:
                crowd = [await world.open(plain=True) for _ in range(12)]
                async with asyncio.timeout(10):
                    while world.refused("CrowdedHandshakes") < 8:  # noqa: ASYNC110 - the server's to reach.
                        await asyncio.sleep(0.01)
                assert await world.reads()
                for _, writer in crowd:
                    writer.transport.abort()
        assert causes(logs) == {"CrowdedHandshakes": 1}

    async def test_a_crowd_of_strangers(self) -> None:
        with capture_logs() as logs:
            async with World().running(Limits(strangers=4)) as world:
                crowd = [await world.open() for _ in range(10)]
                async with asyncio.timeout(10):
                    while world.refused("CrowdedConnections") < 6:  # noqa: ASYNC110 - the server's to reach.
                        await asyncio.sleep(0.01)
                assert await world.reads()
                for _, writer in crowd:
                    writer.transport.abort()
        assert causes(logs) == {"CrowdedConnections": 1}

    async def test_a_crowd_of_certificates_of_the_client_ca_is_one_of_strangers(self) -> None:
        kubelet = issue(CLIENT_CA, "system:node:a", organizations=["system:nodes"], client=True)
        async with World().running(Limits(strangers=2)) as world:
            crowd = [await world.open(kubelet) for _ in range(4)]
            async with asyncio.timeout(10):
                while world.refused("CrowdedConnections") < 2:  # noqa: ASYNC110 - the server's to reach.
                    await asyncio.sleep(0.01)
            assert await world.reads()
            for _, writer in crowd:
                writer.transport.abort()

    async def test_guessed_tokens_do_not_flood_the_api_server(self) -> None:
        class Slow(Reviewer):
            def __init__(self) -> None:
                super().__init__(TOKENS, MAY)
                self.now = self.most = 0
                self.go = asyncio.Event()

            async def create(self, resource: object, obj: dict) -> dict:
                if obj["spec"].get("user") != HPA["X-Remote-User"]:
                    self.now += 1
                    self.most = max(self.most, self.now)
                    await self.go.wait()
                    self.now -= 1
                return await super().create(resource, obj)

        world = World()
        world.reviewer = Slow()
        async with world.running() as world:
            guesses = [
                asyncio.create_task(world.send(request(token=f"guess-{number}"))) for number in range(12)
            ]
            async with asyncio.timeout(10):
                while world.reviewer.now < 4:  # noqa: ASYNC110 - the server's to reach.
                    await asyncio.sleep(0.01)
            assert await world.reads(), "the front proxy has turns of its own"
            world.reviewer.go.set()
            assert {statuses(answer) for answer in await asyncio.gather(*guesses)} == {(401,)}
            assert world.reviewer.most == 4


async def test_the_front_proxys_requests_cost_one_review_in_ten_seconds() -> None:
    async with World().running() as world:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=client_context(SERVING_CA, PROXY))
        ) as session:
            for _ in range(50):
                url = f"https://127.0.0.1:{world.server.port}{METRIC}"
                async with session.get(url, headers=HPA) as response:
                    assert response.status == 200
        assert world.reviewer.kinds() == ["SubjectAccessReview"]
        assert world.reviewer.asked[0][1] == {
            "user": HPA["X-Remote-User"],
            "groups": ["system:authenticated"],
            "resourceAttributes": {
                "verb": "list",
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "resource": "*",
            },
        }


def test_the_page_lists_every_cause_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs/security.md").read_text()
    table = page.partition("<!-- causes -->")[2].partition("<!-- /causes -->")[0]
    listed = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert sorted(listed) == sorted({attack.cause for attack in ATTACKS} | OVER_TIME)


def test_the_page_has_the_limits_that_hold() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs/security.md").read_text().split())
    listens, reviews = Limits(), reviews_module.Limits()
    for sentence in (
        f"not finished in {listens.handshake:g} s",
        f"more than {listens.handshakes} unfinished ones",
        f"more than {listens.strangers} that are not the front proxy's",
        f"the {listens.stranger:g} s that a connection of others than the front proxy lasts",
        f"more than {listens.headers} headers",
        f"hold for {reviews.keep:g} s, at most {reviews.most:,} of them",
        f"503, after {reviews.deadline:g} s at most",
        f"take four turns at a time, {reviews.strangers / reviews.breath:g} a second at most",
    ):
        assert sentence in page, sentence
    assert reviews.strangers == 4
