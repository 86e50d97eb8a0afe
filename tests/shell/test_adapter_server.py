"""The external-metrics API over real TLS: who is believed, how fresh an answer is, what bad clients can do."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from fake_clock import FakeClock
from guarded import Reviewer, front, guard

from metrics_adapter.certificates import self_signed
from metrics_adapter.refresh import Refresh
from metrics_adapter.server import AdapterServer, Limits
from metrics_adapter.store import Metric, Sample, Store, Terms
from scaler.pki import KeyPair, client_context, issue, make_ca

GROUP = "/apis/external.metrics.k8s.io/v1beta1"
SELECT = "labelSelector=scaledobject.keda.sh%2Fname%3Dworker"
JOBS = Metric("shop", "worker", "s0-redis-jobs")
MAILS = Metric("shop", "worker", "s1-redis-mails")
USER = {"X-Remote-User": "system:kube-controller-manager"}
MAY = {"system:kube-controller-manager": {("*", "*")}, "somebody": {("*", "*")}}
POLLED = Terms(freshness=1, interval=30)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)

PROXY_CA = make_ca("front-proxy-ca")
PROXY = issue(PROXY_CA, "front-proxy-client", client=True)
SERVING_CA, SERVING = self_signed("tidegate-metrics", "tidegate")


def url(metric: Metric) -> str:
    return f"{GROUP}/namespaces/{metric.namespace}/{metric.name}?{SELECT}"


def sample(value: str, at: float) -> Sample:
    return Sample(value=value, at=at, moment=NOON)


class Adapter:
    """A running server, and the front proxy's way to ask it."""

    def __init__(self, server: AdapterServer, store: Store, session: aiohttp.ClientSession) -> None:
        self.server, self.store, self.session = server, store, session
        self.root = f"https://127.0.0.1:{server.port}"

    async def get(self, path: str, **options: object) -> tuple[int, dict]:
        async with self.session.get(self.root + path, **({"headers": USER} | options)) as response:
            assert "Retry-After" not in response.headers
            return response.status, await response.json()

    async def value(self, metric: Metric) -> str:
        status, body = await self.get(url(metric))
        assert status == 200, body
        return body["items"][0]["value"]

    def count(self, name: str, **labels: str) -> float:
        return self.server.telemetry.registry.get_sample_value(f"tidegate_adapter_{name}", labels) or 0.0


def as_client(pair: KeyPair | None) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client_context(SERVING_CA, pair)))


@asynccontextmanager
async def serving(
    refresh: Refresh,
    *,
    clock: FakeClock | None = None,
    store: Store | None = None,
    names: Collection[str] = ("front-proxy-client",),
    ca: KeyPair = PROXY_CA,
    ready: Callable[[], bool] = lambda: True,
    limits: Limits | None = None,
) -> AsyncIterator[Adapter]:
    store = store if store is not None else Store()
    store.declare("shop", "worker", {JOBS.name: POLLED, MAILS.name: POLLED})
    clock = clock or FakeClock()
    server = AdapterServer(
        clock,
        store,
        refresh,
        certificate=SERVING,
        guard=guard(clock, front(ca.certificate, tuple(names)), Reviewer(grants=MAY)),
        ready=ready,
        version="1.2.3",
        limits=limits,
    )
    await server.start("127.0.0.1", 0)
    try:
        async with as_client(PROXY) as session:
            yield Adapter(server, store, session)
    finally:
        await server.close()
        await server.close()
    assert {task.get_name() for task in asyncio.all_tasks()} == {asyncio.current_task().get_name()}


def signed_ca(root: KeyPair) -> KeyPair:
    """A CA that is no root: signed by `root`."""
    made = make_ca("front-proxy-intermediate")
    own, signer = (x509.load_pem_x509_certificate(ca.certificate) for ca in (made, root))
    builder = x509.CertificateBuilder(
        issuer_name=signer.subject,
        subject_name=own.subject,
        public_key=own.public_key(),
        serial_number=own.serial_number,
        not_valid_before=own.not_valid_before_utc,
        not_valid_after=own.not_valid_after_utc,
        extensions=list(own.extensions),
    )
    signed = builder.sign(load_pem_private_key(root.key, None), hashes.SHA256())
    return KeyPair(signed.public_bytes(Encoding.PEM), made.key)


async def no_refresh(metrics: Collection[Metric]) -> None:
    raise AssertionError(f"nobody needs {metrics} to be read")


async def nothing_new(metrics: Collection[Metric]) -> None:
    """A source in back-off: asked, it returns at once."""


async def hanging(metrics: Collection[Metric]) -> None:
    await asyncio.Event().wait()


async def wait_until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it is the server that makes it true.
            await asyncio.sleep(0.005)


class TestWhoIsBelieved:
    @pytest.mark.parametrize(
        "path", [url(JOBS), GROUP, "/apis", "/", "/openapi/v2", "/version", "/metrics", "/nothing"]
    )
    async def test_nobody_without_the_front_proxys_certificate(self, path: str) -> None:
        async with serving(no_refresh) as adapter, as_client(None) as stranger:
            forged = USER | {"X-Remote-Group": "system:masters"}
            async with stranger.get(adapter.root + path, headers=forged) as response:
                body = await response.json()
            assert (response.status, body["kind"], body["reason"], body["code"]) == (
                403,
                "Status",
                "Forbidden",
                403,
            )
            assert "system:anonymous" in body["message"]
            forged["Authorization"] = "Bearer abc"
            async with stranger.get(adapter.root + path, headers=forged) as response:
                assert (response.status, (await response.json())["message"]) == (401, "Unauthorized")

    @pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
    async def test_anyone_may_ask_for_health(self, path: str) -> None:
        async with serving(no_refresh) as adapter, as_client(None) as stranger:
            async with stranger.get(adapter.root + path) as response:
                assert (response.status, await response.text()) == (200, "ok")
            assert response.headers["Cache-Control"] == "no-cache, private"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            async with stranger.head(adapter.root + path) as response:
                assert response.status == 200

    async def test_readiness_is_asked_of_the_store_s_feeder(self) -> None:
        ready: list[bool] = []
        async with serving(no_refresh, ready=lambda: bool(ready)) as adapter:
            async with adapter.session.get(adapter.root + "/readyz") as response:
                assert (response.status, await response.text()) == (503, "not ready")
            async with adapter.session.get(adapter.root + "/livez") as response:
                assert response.status == 200
            ready.append(True)
            async with adapter.session.get(adapter.root + "/readyz") as response:
                assert response.status == 200

    async def test_nobody_of_another_name(self) -> None:
        other = issue(PROXY_CA, "somebody", client=True)
        for names, status in ((["front-proxy-client"], 401), ([], 200)):
            async with serving(no_refresh, names=names) as adapter, as_client(other) as session:
                response = await session.get(adapter.root + GROUP, headers=USER)
                assert response.status == status

    async def test_nobody_who_names_no_user(self) -> None:
        async with serving(no_refresh) as adapter:
            for headers in ({}, {"X-Remote-User": ""}, {"X-Remote-Group": "system:masters"}):
                assert (await adapter.get(GROUP, headers=headers))[0] == 401
            assert (await adapter.get(GROUP, headers={"x-remote-user": "somebody"}))[0] == 200

    async def test_the_front_proxys_ca_may_be_an_intermediate(self) -> None:
        intermediate = signed_ca(PROXY_CA)
        ours, uncle = (issue(ca, "front-proxy-client", client=True) for ca in (intermediate, PROXY_CA))
        async with serving(no_refresh, ca=intermediate) as adapter:
            async with as_client(ours) as session:
                assert (await session.get(adapter.root + GROUP, headers=USER)).status == 200
            async with as_client(uncle) as session:
                with pytest.raises(aiohttp.ClientError):
                    await session.get(adapter.root + GROUP, headers=USER)

    async def test_a_certificate_of_another_ca_is_refused_in_the_handshake(self) -> None:
        forged = issue(make_ca("front-proxy-ca"), "front-proxy-client", client=True)
        async with serving(no_refresh) as adapter, as_client(forged) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(adapter.root + "/healthz", headers=USER)
            assert (await adapter.get(GROUP))[0] == 200

    async def test_a_serving_certificate_of_the_ca_is_no_client_certificate(self) -> None:
        serving_pair = issue(PROXY_CA, "front-proxy-client", hosts=["front-proxy"])
        async with serving(no_refresh) as adapter, as_client(serving_pair) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(adapter.root + GROUP, headers=USER)

    async def test_http_2_is_not_offered(self) -> None:
        context = client_context(SERVING_CA, PROXY)
        context.set_alpn_protocols(["h2", "http/1.1"])
        async with serving(no_refresh) as adapter:
            _, writer = await asyncio.open_connection("127.0.0.1", adapter.server.port, ssl=context)
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            writer.close()
            await writer.wait_closed()

    async def test_the_service_s_name_is_verified(self) -> None:
        async with serving(no_refresh) as adapter:
            for name in (
                "tidegate-metrics.tidegate.svc",
                "tidegate-metrics.tidegate.svc.cluster.local",
                "localhost",
            ):
                async with adapter.session.get(
                    adapter.root + GROUP, headers=USER, server_hostname=name
                ) as response:
                    assert response.status == 200
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await adapter.session.get(
                    adapter.root + GROUP, headers=USER, server_hostname="kube-dns.tidegate.svc"
                )


class TestFreshness:
    async def test_a_fresh_sample_needs_nobody(self) -> None:
        async with serving(no_refresh) as adapter:
            adapter.store.put(JOBS, sample("7", 1000))
            assert await adapter.get(url(JOBS)) == (
                200,
                {
                    "kind": "ExternalMetricValueList",
                    "apiVersion": "external.metrics.k8s.io/v1beta1",
                    "metadata": {},
                    "items": [
                        {
                            "metricName": "s0-redis-jobs",
                            "metricLabels": None,
                            "timestamp": "2026-01-05T12:00:00Z",
                            "value": "7",
                        }
                    ],
                },
            )
            assert adapter.count("sample_age_seconds_count") == 1
            assert adapter.count("refreshes_total") == 0

    async def test_requests_for_stale_metrics_share_one_read(self) -> None:
        asked: list[list[Metric]] = []
        clock, store = FakeClock(), Store()

        async def refresh(metrics: Collection[Metric]) -> None:
            asked.append(sorted(metrics, key=lambda metric: metric.name))
            for metric in metrics:
                store.put(metric, sample("9", clock.monotonic()))

        async with serving(refresh, clock=clock, store=store) as adapter:
            store.put(JOBS, sample("7", 1000))
            await clock.advance(10)
            answers = await asyncio.gather(*(adapter.value(metric) for metric in [JOBS, MAILS] * 5))
            assert answers == ["9"] * 10
            assert asked[0] == [JOBS, MAILS]
            # Connections are opened one by one, so a few may have come too late for the first read.
            assert len(asked) <= 3
            assert adapter.count("refreshed_metrics_total") == sum(map(len, asked))

    async def test_who_comes_during_a_read_joins_it(self) -> None:
        asked, answer, store, clock = [], asyncio.Event(), Store(), FakeClock()

        async def refresh(metrics: Collection[Metric]) -> None:
            asked.extend(metrics)
            await answer.wait()
            store.put(JOBS, sample("9", clock.monotonic()))

        async with serving(refresh, clock=clock, store=store, limits=Limits(refresh=30)) as adapter:
            first = asyncio.create_task(adapter.value(JOBS))
            await wait_until(lambda: asked)
            second = asyncio.create_task(adapter.value(JOBS))
            await wait_until(lambda: len(adapter.server._manager.connections) == 2)
            await asyncio.sleep(0.02)
            answer.set()
            assert await asyncio.gather(first, second) == ["9", "9"]
            assert asked == [JOBS]

    async def test_a_silent_source_is_answered_with_the_last_sample(self) -> None:
        clock = FakeClock()
        async with serving(hanging, clock=clock, limits=Limits(refresh=0.05)) as adapter:
            adapter.store.put(JOBS, sample("7", 1000))
            await clock.advance(34)
            assert await adapter.value(JOBS) == "7"
            assert adapter.count("refresh_deadlines_total") == 1
            await clock.advance(1)
            status, body = await adapter.get(url(JOBS))
            assert (status, body["reason"]) == (503, "ServiceUnavailable")
            assert body["message"] == "metric s0-redis-jobs: Stale: its last value is 35 s old"
            assert adapter.count("requests_total", code="503") == 1

    async def test_one_that_was_never_read_is_no_zero(self) -> None:
        async with serving(nothing_new) as adapter:
            status, body = await adapter.get(url(JOBS))
            assert (status, body["message"]) == (
                503,
                "metric s0-redis-jobs: NoSample: its source has not answered yet",
            )

    async def test_a_failing_source_is_told_by_its_reason(self) -> None:
        store = Store()

        async def refresh(metrics: Collection[Metric]) -> None:
            for metric in metrics:
                store.fail(metric, "Unavailable", "127.0.0.1:1: connection refused", 1000)

        async with serving(refresh, store=store) as adapter:
            status, body = await adapter.get(url(JOBS))
            assert (status, body["message"]) == (
                503,
                "metric s0-redis-jobs: Unavailable: 127.0.0.1:1: connection refused",
            )

    async def test_a_silent_source_holds_nobody_else(self) -> None:
        store = Store()

        async def refresh(metrics: Collection[Metric]) -> None:
            if MAILS in metrics:
                store.put(MAILS, sample("3", 1000))
            await hanging(metrics)

        async with serving(refresh, store=store, limits=Limits(refresh=30)) as adapter:
            silent = asyncio.create_task(adapter.get(url(JOBS)))
            async with asyncio.timeout(10):
                assert await adapter.value(MAILS) == "3"
            assert not silent.done()
            silent.cancel()
            await asyncio.gather(silent, return_exceptions=True)

    async def test_a_refresh_that_breaks_its_promise_costs_no_answer(self) -> None:
        async def refresh(metrics: Collection[Metric]) -> None:
            raise RuntimeError("boom")

        clock = FakeClock()
        async with serving(refresh, clock=clock) as adapter:
            adapter.store.put(JOBS, sample("7", 1000))
            await clock.advance(10)
            assert await adapter.value(JOBS) == "7"

    async def test_a_pinned_sample_is_read_once(self) -> None:
        async with serving(no_refresh) as adapter:
            adapter.store.put(JOBS, sample("200", 1000))
            adapter.store.pin(JOBS)
            adapter.store.put(JOBS, sample("0", 1000))
            assert [await adapter.value(JOBS), await adapter.value(JOBS)] == ["200", "0"]

    async def test_closing_waits_for_no_idle_connection(self) -> None:
        async with serving(no_refresh, limits=Limits(drain=60)) as adapter:
            assert (await adapter.get(GROUP))[0] == 200  # The session keeps its connection.
            async with asyncio.timeout(10):
                await adapter.server.close()

    async def test_closing_releases_those_who_wait(self) -> None:
        async with serving(hanging, limits=Limits(refresh=30)) as adapter:
            waiting = asyncio.create_task(adapter.get(url(JOBS)))
            await wait_until(lambda: adapter.count("refreshes_total"))
            async with asyncio.timeout(10):
                await adapter.server.close()
                status, _ = await waiting
            assert status == 503


class TestPages:
    async def test_openapi_is_sent_once(self) -> None:
        async with serving(no_refresh) as adapter:
            async with adapter.session.get(adapter.root + "/openapi/v2", headers=USER) as response:
                etag = response.headers["ETag"]
                assert (response.status, (await response.json())["swagger"]) == (200, "2.0")
            known = USER | {"If-None-Match": etag}
            async with adapter.session.get(adapter.root + "/openapi/v2", headers=known) as response:
                assert (response.status, await response.read()) == (304, b"")
            changed = USER | {"If-None-Match": '"something else"'}
            async with adapter.session.get(adapter.root + "/openapi/v2", headers=changed) as response:
                assert response.status == 200

    async def test_headers(self) -> None:
        async with serving(no_refresh) as adapter:
            response = await adapter.session.get(adapter.root + GROUP, headers=USER)
            assert response.headers["Cache-Control"] == "no-cache, private"
            assert response.headers["Content-Type"] == "application/json"
            assert response.headers["Server"] == "tidegate"

    async def test_what_is_wrong_is_said_as_recorded(self) -> None:
        async with serving(no_refresh) as adapter:
            assert (await adapter.get(f"{GROUP}/nothing"))[0] == 404
            assert (await adapter.get(f"{GROUP}/namespaces/shop/s9?{SELECT}"))[0] == 500
            async with adapter.session.post(
                adapter.root + url(JOBS), headers=USER, data=b"x" * 70_000
            ) as response:
                assert (response.status, (await response.json())["reason"]) == (405, "MethodNotAllowed")
            refused = await adapter.get(url(JOBS), headers=USER | {"Accept": "text/csv"})
            assert refused[0] == refused[1]["code"] == 406

    async def test_own_metrics(self) -> None:
        async with serving(no_refresh) as adapter:
            adapter.store.put(JOBS, sample("7", 1000))
            await adapter.value(JOBS)
            async with adapter.session.get(adapter.root + "/metrics", headers=USER) as response:
                text = await response.text()
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert 'tidegate_adapter_requests_total{code="200"} 1.0' in text.splitlines()
            assert "tidegate_adapter_sample_age_seconds_count 1.0" in text.splitlines()


class TestBrokenClients:
    async def raw(self, adapter: Adapter, data: bytes, pair: KeyPair | None = PROXY) -> bytes:
        """Send bytes over TLS and return all that comes back until the other side closes."""
        context = client_context(SERVING_CA, pair)
        reader, writer = await asyncio.open_connection("127.0.0.1", adapter.server.port, ssl=context)
        try:
            writer.write(data)
            await writer.drain()
            async with asyncio.timeout(10):
                return await reader.read()
        except (ConnectionError, ssl.SSLError):
            return b""
        finally:
            writer.close()

    @pytest.mark.parametrize(
        "data",
        [
            b"\x16\x03\x01 nonsense\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2_000 + b"\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ],
    )
    async def test_what_is_no_http_is_a_bad_request(self, data: bytes) -> None:
        async with serving(no_refresh) as adapter:
            answer = await self.raw(adapter, data)
            assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), answer[:200]
            assert b'"kind":"Status"' in answer
            assert (await adapter.get(GROUP))[0] == 200

    @pytest.mark.parametrize(
        "target",
        [
            "*",
            "https://elsewhere/healthz",
            "//healthz",
            "/%",
            "/\x80\xff",
            f"{GROUP}/namespaces/a/\xff?b=\xff",
        ],
    )
    async def test_odd_targets_are_answered(self, target: str) -> None:
        async with serving(no_refresh) as adapter:
            request = f"GET {target} HTTP/1.1\r\nHost: a\r\nX-Remote-User: u\r\nConnection: close\r\n\r\n"
            answer = await self.raw(adapter, request.encode("latin-1"))
            assert answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4", b"HTTP/1.1 5", b"HTTP/1.0 400")), answer[
                :200
            ]
            assert (await adapter.get(GROUP))[0] == 200

    async def test_our_own_mistake_is_a_status_too(self) -> None:
        class Broken(Store):
            def serve(self, *_: object, **__: object) -> None:
                raise RuntimeError("a mistake")

        async with serving(no_refresh, store=Broken()) as adapter:
            status, body = await adapter.get(url(JOBS))
            assert (status, body["kind"], body["reason"]) == (500, "Status", "InternalError")
            assert "mistake" not in body["message"]
            assert (await adapter.get(GROUP))[0] == 200

    async def test_who_sends_slowly_is_left(self) -> None:
        for pair, limits in ((None, Limits(stranger=0.3, idle=60)), (PROXY, Limits(stranger=60, idle=0.3))):
            async with serving(no_refresh, limits=limits) as adapter:
                assert await self.raw(adapter, b"GET /healthz HTTP/1.1\r\nHo", pair) == b""

    async def test_who_never_finishes_the_handshake_is_left(self) -> None:
        async with serving(no_refresh, limits=Limits(handshake=0.3)) as adapter:
            reader, writer = await asyncio.open_connection("127.0.0.1", adapter.server.port)
            async with asyncio.timeout(10):
                assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()

    async def test_strangers_cannot_crowd_out_the_front_proxy_nor_a_probe(self) -> None:
        context = client_context(SERVING_CA)
        async with serving(no_refresh, limits=Limits(strangers=3)) as adapter, as_client(None) as probe:
            opened = [
                await asyncio.open_connection("127.0.0.1", adapter.server.port, ssl=context)
                for _ in range(10)
            ]
            assert (await adapter.get(GROUP))[0] == 200
            async with probe.get(adapter.root + "/healthz") as response:
                assert response.status == 200
            assert adapter.count("connections_dropped_total") == 8
            await wait_until(
                lambda: sum(reader.at_eof() or bool(reader.exception()) for reader, _ in opened) == 8
            )
            for _, writer in opened:
                writer.transport.abort()

    async def test_a_port_in_use_is_said(self) -> None:
        async with serving(no_refresh) as adapter:
            second = AdapterServer(
                FakeClock(),
                Store(),
                no_refresh,
                certificate=SERVING,
                guard=guard(FakeClock(), front(PROXY_CA.certificate), Reviewer()),
            )
            with pytest.raises(RuntimeError, match="start"):
                _ = second.port
            with pytest.raises(OSError, match="in use"):
                await second.start("127.0.0.1", adapter.server.port)
            await second.close()
