"""0 → N → 0 with a real RabbitMQ, asked over AMQP and over its management API. The whole URL, login included, is secret."""

import pytest
from rabbitmq_server import RabbitMqServer
from stories import tell

pytestmark = [pytest.mark.slow, pytest.mark.server, pytest.mark.timeout(180)]

WORKER = """\
import asyncio

import aio_pika


async def main():
    async with await aio_pika.connect(env["BROKER"]) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue("jobs", ensure=False)
        while not stopping:
            message = await queue.get(fail=False)
            if message is None:
                await asyncio.sleep(0.05)
            else:
                work(message.body.decode())
                await message.ack()


asyncio.run(main())
"""


@pytest.fixture(scope="module")
def rabbitmq():
    with RabbitMqServer() as server:
        yield server


@pytest.mark.parametrize("protocol", ["amqp", "http"])
async def test_rabbitmq(tmp_path, rabbitmq, protocol):
    user = f"team-{protocol}"
    rabbitmq.user(user, "monitoring")
    rabbitmq.queue("jobs")
    rabbitmq.await_statistics("jobs", 0)
    ports = {"amqp": rabbitmq.port, "http": rabbitmq.api_port}
    places = {name: f"{name}://{user}:{user}@127.0.0.1:{port}/" for name, port in ports.items()}

    def put(jobs):
        for job in jobs:
            message = {"properties": {}, "routing_key": "jobs", "payload": job, "payload_encoding": "string"}
            rabbitmq.api("POST", "exchanges", "/", "amq.default", "publish", body=message)

    await tell(
        tmp_path,
        {"type": "rabbitmq", "metadata": {"queueName": "jobs", "mode": "QueueLength", "value": "4"}},
        WORKER,
        put,
        secret={"host": places[protocol]},
        env={"BROKER": places["amqp"]},
    )
    rabbitmq.await_statistics("jobs", 0)
