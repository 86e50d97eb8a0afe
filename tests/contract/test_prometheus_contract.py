"""The `prometheus` trigger against a real Prometheus."""

import asyncio

import pytest
from prometheus_server import PASSWORD, USER, PrometheusServer

from scaler import pki
from scalers.registry import Registry
from scalers.sdk import Inputs, InvalidMetadata, NoData, Unauthorized, Unavailable, parse
from scalers.testing import ContractHost, Fault, ServerContract


@pytest.fixture(scope="class")
def prometheus():
    """One that wants a login."""
    with PrometheusServer(login=True) as server:
        yield server


class TestPrometheus(ServerContract):
    trigger_type = "prometheus"
    connections = 16

    @pytest.fixture(autouse=True)
    def _server(self, prometheus):
        self.prometheus = prometheus
        self.server = (prometheus.host, prometheus.port)

    def inputs_at(self, name, host, port, password=PASSWORD, **metadata):
        written = {
            "serverAddress": f"http://{host}:{port}",
            "query": f'number{{name="{name}"}}',
            "threshold": "5",
            "authModes": "basic",
        }
        return Inputs(metadata={**written, **metadata}, auth={"username": USER, "password": password})

    def wrong_inputs_at(self, name, host, port):
        return self.inputs_at(name, host, port, password=self.wrong_secret)

    async def put(self, name, number):
        await asyncio.to_thread(self.prometheus.set, name, number)

    async def ask(self, query, **metadata):
        trigger = self.metadata(self.inputs_at("", *self.server, query=query, **metadata))
        async with trigger.connection.open(self.host()) as client:
            return (await self.read(client, trigger)).value

    async def test_a_scalar_is_a_number(self):
        assert await self.ask("scalar(vector(3))") == 3
        assert await self.ask("42.5") == 42.5
        assert await self.ask("1 - 3") == -2

    async def test_an_expression_with_every_kind_of_character(self):
        name = self.fresh_name()
        await self.put(name, 4)
        assert await self.ask(f'sum(number{{name=~"{name}|x&y=z#+%"}}) + 1 > 0') == 5

    async def test_several_series_are_no_number(self):
        await self.put(self.fresh_name(), 1)
        await self.put(self.fresh_name(), 1)
        with pytest.raises(NoData, match=r"returned multiple elements .* sum\("):
            await self.ask("number")

    async def test_nothing_is_zero_or_an_error_as_the_user_likes(self):
        assert await self.ask("absent_metric") == 0
        with pytest.raises(NoData, match="the result is empty"):
            await self.ask("absent_metric", ignoreNullValues="false")

    @pytest.mark.parametrize("query", ["0/0", "1/0", "vector(-1)/0", "scalar(absent_metric)"])
    async def test_what_is_not_finite_is_zero_or_an_error(self, query):
        assert await self.ask(query) == 0
        with pytest.raises(NoData, match="no usable number"):
            await self.ask(query, ignoreNullValues="false")

    @pytest.mark.parametrize("ignore", ["true", "false"])
    async def test_a_range_or_a_string_is_an_error_always(self, ignore):
        with pytest.raises(NoData, match="range vector"):
            await self.ask("number[5m]", ignoreNullValues=ignore)
        with pytest.raises(NoData, match="range vector"):
            await self.ask("absent_metric[5m]", ignoreNullValues=ignore)
        with pytest.raises(NoData, match="a string"):
            await self.ask('"seven"', ignoreNullValues=ignore)

    async def test_promqls_own_words_reach_the_user(self):
        with pytest.raises(InvalidMetadata, match="parse error: unclosed left parenthesis"):
            await self.ask("sum(number")
        with pytest.raises(InvalidMetadata, match="unknown function"):
            await self.ask("summe(number)")

    async def test_an_error_while_the_query_runs_is_not_the_connections(self):
        await self.put(self.fresh_name(), 1)
        await self.put(self.fresh_name(), 1)
        with pytest.raises(Unavailable, match="answers 422: found duplicate series") as caught:
            await self.ask('number * on(job) number{name=~".+"}')
        assert not caught.value.connection

    async def test_without_auth_modes_no_credentials_are_sent_and_that_is_said(self):
        inputs = self.inputs_at("x", *self.server)
        trigger = self.metadata(Inputs(metadata={**inputs.metadata, "authModes": ""}, auth=inputs.auth))
        async with trigger.connection.open(self.host()) as client:
            with pytest.raises(Unauthorized, match="without authModes none are"):
                await self.read(client, trigger)

    async def test_a_login_in_the_address(self):
        inputs = self.inputs_at("x", *self.server)
        host, port = self.server
        address = f"http://{USER}:{PASSWORD}@{host}:{port}/"
        metadata = {"serverAddress": address, "query": "7", "threshold": "1"}
        trigger = self.metadata(Inputs(metadata=metadata))
        assert inputs.metadata["serverAddress"] != address
        async with trigger.connection.open(self.host()) as client:
            assert (await self.read(client, trigger)).value == 7
        assert PASSWORD not in f"{trigger!r} {trigger.connection!r} {trigger.connection.describe()}"

    async def test_a_path_that_is_no_prometheus(self):
        host, port = self.server
        trigger = self.metadata(
            self.inputs_at("x", host, port, serverAddress=f"http://{host}:{port}/nowhere")
        )
        async with trigger.connection.open(self.host()) as client:
            with pytest.raises(Unavailable, match="/nowhere/api/v1/query answers 404"):
                await self.read(client, trigger)

    async def test_a_deadline_of_its_own(self):
        async with self.behind_proxy(7) as (proxy, client, metadata):
            short = self.metadata(self.inputs_at("x", proxy.host, proxy.port, query="5", timeout="50ms"))
            long = self.metadata(self.inputs_at("x", proxy.host, proxy.port, query="6", timeout="10s"))
            assert short.connection == long.connection == metadata.connection
            assert (await self.read(client, metadata)).value == 7
            proxy.delay = 1.0
            await proxy.set(Fault.SLOW)
            answers = await asyncio.gather(
                self.read(client, short), self.read(client, long), return_exceptions=True
            )
        assert isinstance(answers[0], Unavailable)
        assert "within 0.05 s" in str(answers[0])
        assert not answers[0].connection
        assert answers[1].value == 6


async def one_read(inputs):
    """One read of a trigger with these inputs."""
    scaler = Registry().get("prometheus")
    parsed = parse(scaler.metadata, inputs)
    assert parsed.problems == ()
    async with parsed.value.connection.open(ContractHost()) as client:
        return (await scaler.measure(client, parsed.value)).value


@pytest.fixture(scope="class")
def authority():
    return pki.make_ca("test CA")


@pytest.fixture(scope="class")
def server(authority):
    with PrometheusServer(certificate=pki.issue(authority, "prometheus", hosts=["127.0.0.1"])) as server:
        yield server


class TestPrometheusOverTls:
    async def ask(self, server, auth=None, **metadata):
        written = {"serverAddress": server.address, "query": "7", "threshold": "1", **metadata}
        return await one_read(Inputs(metadata=written, auth=auth or {}))

    async def test_an_authority_of_ones_own_counts_without_auth_modes(self, server, authority):
        assert await self.ask(server, {"ca": authority.certificate.decode()}) == 7

    async def test_unsafe_ssl_counts_also_with_another_authority(self, server):
        other = pki.make_ca("another CA").certificate.decode()
        assert await self.ask(server, {"ca": other}, unsafeSsl="true") == 7
        with pytest.raises(Unavailable, match="its certificate is not trusted") as caught:
            await self.ask(server, {"ca": other})
        assert caught.value.connection

    async def test_a_certificate_that_nobody_vouches_for(self, server):
        with pytest.raises(Unavailable, match="its certificate is not trusted"):
            await self.ask(server)

    async def test_an_authority_that_is_no_certificate(self, server):
        with pytest.raises(InvalidMetadata, match="ca is no certificate"):
            await self.ask(server, {"ca": "-----BEGIN nonsense"})
