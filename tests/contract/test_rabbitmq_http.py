"""The `rabbitmq` trigger over the management API of a real rabbitmq-server."""

import asyncio
import contextlib
import threading
import time

import pytest
from rabbitmq_server import held

from scalers.sdk import Inputs, InvalidMetadata, NoData, NotFound, Reading, Unauthorized, Unavailable
from scalers.testing import ServerContract


class HttpTests(ServerContract):
    trigger_type = "rabbitmq"
    connections = 4

    @pytest.fixture(autouse=True)
    def _server(self, rabbitmq_server):
        self.rabbitmq = rabbitmq_server
        self.server = (rabbitmq_server.host, rabbitmq_server.api_port)

    def inputs_at(self, name, host, port):
        return Inputs(metadata={"host": f"http://guest:guest@{host}:{port}", "queueName": name})

    def wrong_inputs_at(self, name, host, port):
        metadata = {"host": f"http://{host}:{port}/", "queueName": name}
        return Inputs(metadata=metadata, auth={"username": "guest", "password": self.wrong_secret})

    async def put(self, name, number):
        await asyncio.to_thread(self.rabbitmq.put, name, number)

    def trigger(self, name, path="/", *, login="guest:guest@", auth=None, server=None, **metadata):
        host, port = server or self.server
        written = {"host": f"http://{login}{host}:{port}{path}", "queueName": name, **metadata}
        return self.metadata(Inputs(metadata=written, auth=auth or {}))

    async def once(self, trigger):
        async with trigger.connection.open(self.host()) as client:
            return await self.read(client, trigger)


class TestHttp(HttpTests):
    async def test_names_may_be_any_text(self):
        names = (
            "a b",
            "eu/jobs",
            "früh",
            "a+b:c(d)",
            "100%",
            "a%2Fb",
            "日本",
            "x?y#z",
            '"quoted"',
            "n" * 250,
        )
        names = tuple(f"{name} http" for name in names)  # The broker is shared with the tests of AMQP.
        for name in names:
            self.rabbitmq.queue(name)
            self.rabbitmq.publish(name)
        for name in names:
            await asyncio.to_thread(self.rabbitmq.await_statistics, name, 1)
            assert (await self.once(self.trigger(name))).value == 1

    @pytest.mark.parametrize("name", [".", ".."])
    async def test_two_names_that_no_path_can_hold(self, name):
        with pytest.raises(InvalidMetadata, match="cannot be asked for over HTTP"):
            await self.once(self.trigger(name))

    async def test_a_missing_queue_fails_alone(self):
        name, missing = self.fresh_name(), self.fresh_name()
        await self.put(name, 1)
        many = [self.trigger(missing), self.trigger(name), self.trigger(missing + "/x")]
        async with many[0].connection.open(self.host()) as client:
            answers = await self.scaler.measure_many(client, many)
            with pytest.raises(NotFound, match=f"the queue '{missing}' does not exist") as caught:
                await self.read(client, many[0])
        assert caught.value.reason == "SourceNotFound"
        assert [type(answer) for answer in answers] == [NotFound, Reading, NotFound]

    async def test_virtual_hosts_share_a_client(self):
        queue = self.fresh_name()  # The broker is shared with other tests.
        for vhost, number in (("shop", 1), ("a b", 2), ("eu/west", 3)):
            self.rabbitmq.vhost(vhost)
            self.rabbitmq.queue(queue, vhost)
            self.rabbitmq.publish(queue, number, vhost)
        for vhost, number in (("shop", 1), ("a b", 2), ("eu/west", 3)):
            await asyncio.to_thread(self.rabbitmq.await_statistics, queue, number, vhost)
        many = [
            self.trigger(queue, "/shop"),
            self.trigger(queue, "/a%20b"),
            self.trigger(queue, "/eu%2Fwest"),
            self.trigger(queue, "/shop", vhostName="eu/west"),
            self.trigger(queue, "/nowhere"),
            self.trigger(queue, vhostName="a b"),
        ]
        assert len({one.connection for one in many}) == 1
        assert len({one.query() for one in many}) == 4
        async with many[0].connection.open(self.host()) as client:
            answers = await self.scaler.measure_many(client, many)
        assert isinstance(answers[4], NotFound)
        assert [one.value for one in answers if isinstance(one, Reading)] == [1, 2, 3, 3, 2]

    @pytest.mark.parametrize("path", ["", "/", "//", "/%2F", "/%2f"])
    async def test_no_virtual_host_is_the_default_one(self, path):
        name = self.fresh_name()
        await self.put(name, 2)
        assert (await self.once(self.trigger(name, path))).value == 2

    async def test_unacknowledged_messages_count_unless_excluded(self):
        name = self.fresh_name()
        await self.put(name, 5)
        async with held(self.rabbitmq, name, 2):
            give_up = time.monotonic() + self.patience
            excluding = self.trigger(name, excludeUnacknowledged="true")
            while (await self.once(excluding)).value != 3:
                assert time.monotonic() < give_up
                await asyncio.sleep(0.1)
            assert (await self.once(self.trigger(name))).value == 5

    async def test_rates(self):
        name = self.fresh_name()
        self.rabbitmq.queue(name)
        modes = {
            mode: self.trigger(name, mode=mode, value="1", activationValue="0.5")
            for mode in (
                "MessageRate",
                "DeliverGetRate",
                "PublishedToDeliveredRatio",
                "ExpectedQueueConsumptionTime",
            )
        }
        async with busy(self.rabbitmq, name), modes["MessageRate"].connection.open(self.host()) as client:
            give_up = time.monotonic() + self.patience
            while True:
                answers = await self.scaler.measure_many(client, list(modes.values()))
                found = dict(zip(modes, answers, strict=True))
                if all(isinstance(one, Reading) and one.value > 0 for one in answers):
                    break
                assert time.monotonic() < give_up, found
                await asyncio.sleep(0.2)
        # Twice as much is published as is taken.
        assert found["MessageRate"].active
        assert found["DeliverGetRate"].active is None
        assert found["PublishedToDeliveredRatio"].value == pytest.approx(2, rel=0.5)
        assert found["ExpectedQueueConsumptionTime"].value > 0

    async def test_an_idle_queue_has_rates_of_zero(self):
        name = self.fresh_name()
        await self.put(name, 0)
        read = {
            mode: await self.once(self.trigger(name, mode=mode, value="1", activationValue="3"))
            for mode in ("MessageRate", "DeliverGetRate", "PublishedToDeliveredRatio")
        }
        assert [one.value for one in read.values()] == [0, 0, 0]
        waiting = await self.once(
            self.trigger(name, mode="ExpectedQueueConsumptionTime", value="1", activationValue="3")
        )
        assert (waiting.value, waiting.active) == (3, True)

    async def test_regular_expressions(self):
        prefix = self.fresh_name()
        for number in range(7):
            self.rabbitmq.queue(f"{prefix}-{number}")
            self.rabbitmq.publish(f"{prefix}-{number}", number)
        for number in range(7):
            await asyncio.to_thread(self.rabbitmq.await_statistics, f"{prefix}-{number}", number)

        async def read(expression, **metadata):
            return (await self.once(self.trigger(expression, useRegex="true", **metadata))).value

        assert await read(f"^{prefix}-[0-6]$") == 21
        assert await read(f"^{prefix}-[56]$", operation="sum") == 11
        assert await read(f"^{prefix}-[56]$", operation="avg") == 5
        assert await read(f"^{prefix}-", operation="max") == 6
        assert await read(f"^{prefix}-", pageSize="2") == 21
        assert await read(f"^{prefix}-", pageSize="100000") == 21
        assert await read(f"^{prefix}-nothing") == 0
        self.rabbitmq.import_queues([f"{prefix}-more-{number}" for number in range(21)])
        with pytest.raises(NoData, match="more than 20 pages"):
            await read(f"^{prefix}-more", pageSize="1")

    async def test_what_is_no_regular_expression(self):
        with pytest.raises(InvalidMetadata, match="not accepted as a regular expression"):
            await self.once(self.trigger("(", useRegex="true"))

    async def test_an_unknown_operation_is_said_when_it_is_read(self):
        trigger = self.trigger("q", useRegex="true", operation="median")
        with pytest.raises(InvalidMetadata, match="operation 'median' must be one of sum, avg, max"):
            await self.once(trigger)
        assert [problem.path for problem in self.scaler.warnings(trigger)] == ["metadata.operation"]

    async def test_no_login_at_all(self):
        with pytest.raises(Unauthorized, match="wants a login, and none is given"):
            await self.once(self.trigger("q", login=""))

    async def test_a_user_without_a_tag_may_not_ask(self):
        self.rabbitmq.user("nobody")
        with pytest.raises(Unauthorized) as caught:
            await self.once(self.trigger("q", login="nobody:nobody@"))
        assert "nobody:" not in str(caught.value)

    async def test_a_virtual_host_that_the_user_may_not_see(self):
        self.rabbitmq.vhost("hidden")
        self.rabbitmq.user("clerk", "management", vhost="/")
        name = self.fresh_name()
        await self.put(name, 1)
        assert (await self.once(self.trigger(name, login="clerk:clerk@"))).value == 1
        with pytest.raises(Unauthorized):
            await self.once(self.trigger(name, "/hidden", login="clerk:clerk@"))

    async def test_the_amqp_port_is_no_management_api(self):
        trigger = self.trigger("q", server=(self.rabbitmq.host, self.rabbitmq.port))
        with pytest.raises(Unavailable):
            await self.once(trigger)

    async def test_azure_workload_identity_is_refused_by_name(self):
        trigger = self.trigger("q", auth={"workloadIdentityResource": "api://x"})
        with pytest.raises(InvalidMetadata, match="Azure workload identity is not supported"):
            await self.once(trigger)

    async def test_loopback_where_triggers_may_not_reach_it(self):
        host = self.host()
        host.allow_loopback = False
        trigger = self.trigger("q")
        async with trigger.connection.open(host) as client:
            with pytest.raises(InvalidMetadata, match="loopback"):
                await self.read(client, trigger)


@contextlib.asynccontextmanager
async def busy(server, name):
    """A queue to which twice as much is published as is taken, all the time."""
    over = threading.Event()

    def work():
        while not over.wait(0.02):
            server.publish(name, 10)
            server.take(name, 5)

    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        yield
    finally:
        over.set()
        await working
