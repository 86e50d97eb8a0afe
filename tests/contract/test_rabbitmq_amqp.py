"""The `rabbitmq` trigger over AMQP against a real rabbitmq-server."""

import asyncio
import math
import time

import pytest
from rabbitmq_server import held

from scalers.sdk import Inputs, InvalidMetadata, NotFound, Reading, Unauthorized, Unavailable
from scalers.testing import Fault, FaultProxy, ServerContract


def ours(connection):
    """Is this one, as the broker describes it, Tidegate's?"""
    return connection.get("client_properties", {}).get("connection_name", "").startswith("tidegate-")


class AmqpTests(ServerContract):
    trigger_type = "rabbitmq"

    @pytest.fixture(autouse=True)
    def _server(self, rabbitmq_server):
        self.rabbitmq = rabbitmq_server
        self.server = (rabbitmq_server.host, rabbitmq_server.port)

    def inputs_at(self, name, host, port):
        return Inputs(metadata={"host": f"amqp://guest:guest@{host}:{port}/", "queueName": name})

    def wrong_inputs_at(self, name, host, port):
        metadata = {"host": f"amqp://guest:guest@{host}:{port}/", "queueName": name}
        return Inputs(metadata=metadata, auth={"username": "guest", "password": self.wrong_secret})

    async def put(self, name, number):
        self.rabbitmq.queue(name)
        self.rabbitmq.publish(name, number)

    def trigger(self, name, path="/", *, login="guest:guest", auth=None, **metadata):
        host, port = self.server
        written = {"host": f"amqp://{login}@{host}:{port}{path}", "queueName": name, **metadata}
        return self.metadata(Inputs(metadata=written, auth=auth or {}))

    async def once(self, trigger):
        async with trigger.connection.open(self.host()) as client:
            return await self.read(client, trigger)


class TestAmqp(AmqpTests):
    async def test_a_missing_queue_fails_alone(self):
        names = [self.fresh_name() for _ in range(200)]
        for number, name in enumerate(names):
            if number % 3:
                await self.put(name, 1)
        many = [self.trigger(name) for name in names]
        async with FaultProxy(*self.server) as proxy:
            connection = self.metadata(self.inputs_at("q", proxy.host, proxy.port)).connection
            async with connection.open(self.host()) as client:
                for _ in range(2):
                    answers = await self.scaler.measure_many(client, many)
                    for number, answer in enumerate(answers):
                        assert type(answer) is (Reading if number % 3 else NotFound)
                with pytest.raises(NotFound, match=f"'{names[0]}' does not exist") as caught:
                    await self.read(client, many[0])
                assert caught.value.reason == "SourceNotFound"
                assert not caught.value.connection
            assert proxy.total == 1

    async def test_names_may_be_any_text(self):
        for name in (
            "a b",
            "eu/jobs",
            "früh",
            "a+b:c(d)",
            "100%",
            "日本",
            "x?y#z",
            '"quoted"',
            "n" * 255,
        ):
            await self.put(name, 1)
            assert (await self.once(self.trigger(name))).value == 1

    async def test_a_name_too_long_for_amqp(self):
        with pytest.raises(InvalidMetadata, match="longer than the 255 bytes"):
            await self.once(self.trigger("ü" * 128))

    async def test_virtual_hosts(self):
        for vhost in ("shop", "a b", "eu/west", "prod%2Fx"):
            self.rabbitmq.vhost(vhost)
            self.rabbitmq.queue("jobs", vhost)
            self.rabbitmq.publish("jobs", 2, vhost)
        assert (await self.once(self.trigger("jobs", "/shop"))).value == 2
        assert (await self.once(self.trigger("jobs", "/a%20b"))).value == 2
        assert (await self.once(self.trigger("jobs", "/eu/west"))).value == 2
        assert (await self.once(self.trigger("jobs", "/eu%2Fwest"))).value == 2
        assert (await self.once(self.trigger("jobs", "/nowhere", vhostName="eu/west"))).value == 2
        assert self.trigger("jobs", "/shop").connection != self.trigger("jobs", "/a%20b").connection
        assert (
            self.trigger("jobs", "/shop").connection == self.trigger("jobs", "/", vhostName="shop").connection
        )

    async def test_a_virtual_host_that_does_not_exist(self):
        with pytest.raises(NotFound, match="virtual host 'nowhere' does not exist"):
            await self.once(self.trigger("jobs", "/nowhere"))

    async def test_a_virtual_host_that_the_user_may_not_enter(self):
        self.rabbitmq.vhost("closed")
        self.rabbitmq.user("visitor", vhost="/")
        with pytest.raises(Unauthorized, match="into the virtual host 'closed'"):
            await self.once(self.trigger("jobs", "/closed", login="visitor:visitor"))

    async def test_the_keys_of_the_login_come_before_the_one_in_host(self):
        name = self.fresh_name()
        await self.put(name, 3)
        self.rabbitmq.user("reader")
        auth = {"username": "reader", "password": "reader"}
        assert (await self.once(self.trigger(name, login="guest:wrong", auth=auth))).value == 3

    async def test_a_login_with_characters_that_urls_escape(self):
        name = self.fresh_name()
        await self.put(name, 3)
        self.rabbitmq.user("a@b/c:d")
        login = "a%40b%2Fc%3Ad:a%40b%2Fc%3Ad"
        assert (await self.once(self.trigger(name, login=login))).value == 3

    async def test_unacknowledged_messages_do_not_count(self):
        name = self.fresh_name()
        await self.put(name, 5)
        async with held(self.rabbitmq, name, 2):
            assert (await self.once(self.trigger(name))).value == 3

    async def test_six_hundred_triggers_are_one_connection(self):
        names = [self.fresh_name() for _ in range(600)]
        self.rabbitmq.import_queues(names)
        self.rabbitmq.publish(names[-1], 2)
        many = [self.trigger(name) for name in names]
        async with FaultProxy(*self.server) as proxy:
            connection = self.metadata(self.inputs_at("q", proxy.host, proxy.port)).connection
            async with connection.open(self.host()) as client:
                for _ in range(3):
                    answers = await self.scaler.measure_many(client, many)
                    assert [answer.value for answer in answers] == [0] * 599 + [2]
            assert proxy.total == 1

    async def test_brokers_list_the_connection_by_our_name(self):
        name = self.fresh_name()
        await self.put(name, 1)
        trigger = self.trigger(name)
        async with trigger.connection.open(self.host()) as client:
            await self.read(client, trigger)
            give_up = time.monotonic() + self.patience
            while not (mine := [one for one in self.rabbitmq.connections() if ours(one)]):
                assert time.monotonic() < give_up
                await asyncio.sleep(0.1)
            assert mine[0]["timeout"] == 10

    async def test_who_waited_for_a_failing_connection_shares_the_failure(self):
        async with self.behind_proxy(1) as (proxy, client, metadata):
            await proxy.set(Fault.CUT)
            answers = await asyncio.gather(
                *(self.read(client, metadata) for _ in range(20)), return_exceptions=True
            )
            assert {type(answer) for answer in answers} == {Unavailable}
            assert proxy.total == 1

    async def test_a_read_that_is_given_up_spoils_no_other(self):
        async with self.behind_proxy(7) as (proxy, client, metadata):
            empty = self.fresh_name()
            await self.put(empty, 0)
            await self.read(client, metadata)
            await proxy.set(Fault.SLOW)
            late = [asyncio.ensure_future(self.read(client, metadata)) for _ in range(5)]
            await asyncio.sleep(0.05)
            for one in late:
                one.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            assert (await self.read(client, self.trigger(empty))).value == 0
            await proxy.set(Fault.NONE)
            assert (await self.read(client, metadata)).value == 7
            assert proxy.total == 1

    async def test_the_management_port_is_no_amqp(self):
        trigger = self.metadata(self.inputs_at("q", self.rabbitmq.host, self.rabbitmq.api_port))
        with pytest.raises(Unavailable) as caught:
            await self.once(trigger)
        assert caught.value.connection

    async def test_a_name_that_no_server_has(self):
        trigger = self.metadata(self.inputs_at("q", "no-such-host.invalid", 5672))
        with pytest.raises(Unavailable, match="no-such-host") as caught:
            await self.once(trigger)
        assert caught.value.connection

    async def test_loopback_where_triggers_may_not_reach_it(self):
        host = self.host()
        host.allow_loopback = False
        for address in (self.server[0], "localhost"):
            trigger = self.metadata(self.inputs_at("q", address, self.server[1]))
            async with trigger.connection.open(host) as client:
                with pytest.raises(InvalidMetadata, match="loopback"):
                    await self.read(client, trigger)

    async def test_the_clouds_metadata_address_is_never_reached(self):
        with pytest.raises(InvalidMetadata, match=r"169\.254\.169\.254 is a link-local address"):
            await self.once(self.metadata(self.inputs_at("q", "169.254.169.254", 5672)))

    async def test_a_target_that_is_no_number_of_messages(self):
        assert math.isclose(self.trigger("q", mode="QueueLength", value="2.5").target, 2.5)
