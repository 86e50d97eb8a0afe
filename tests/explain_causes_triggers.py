"""Causes that lie with a trigger: its source, its login, its metadata, what it says."""

import asyncio
import contextlib

from authenticated import SECRETS, authenticated, authentication, changed, login, refs, secret, using
from controlled import controlled
from explain_causes import cause
from http_pages import Pages
from prometheus_server import PrometheusServer
from rabbitmq_server import RabbitMqServer

from metrics_adapter.certificates import self_signed
from scaler.pki import server_context


@contextlib.asynccontextmanager
async def simple(redis, *, on=controlled, replicas=0, **options):
    """A run with the Deployment in place."""
    async with on(redis, **options) as run:
        run.deployment(replicas=replicas)
        yield run


@contextlib.asynccontextmanager
async def numbers(page, tls=None, **metadata):
    """A run whose object asks an HTTP server that answers with `page`."""
    async with Pages(tls=tls) as pages, simple(None) as run:
        pages["/"] = page
        trigger = {"type": "metrics-api", "metadata": {"url": pages.url("/"), "targetValue": "5", **metadata}}
        run.scaled_object("worker", trigger)
        yield run


@cause("wrong password, from the start")
async def wrong_password(redis):
    async with simple(redis, on=authenticated) as run:
        secret(run, "creds", username="one", password="wrong")
        authentication(run, secretTargetRef=refs())
        run.scaled_object("worker", using(run))
        yield run


@cause("password changed, and Tidegate still has the old one")
async def password_changed(redis):
    async with simple(redis, on=authenticated) as run:
        secret(run, "creds", **login("one"))
        authentication(run, secretTargetRef=refs())
        run.scaled_object("worker", using(run))
        await run.settled()
        changed(run, "creds", password="wrong")
        yield run


@cause("the address has no DNS entry")
async def no_dns(redis):
    async with simple(redis) as run:
        run.scaled_object("worker", run.redis_trigger(address="redis.invalid:6379"))
        yield run


@cause("nothing listens at the address")
async def refused(redis):
    async with simple(redis) as run:
        run.scaled_object("worker", run.redis_trigger(address="127.0.0.1:1"))
        yield run


@cause("the source is down while there is no work")
async def down(redis):
    async with simple(redis, replicas=0) as run:
        run.scaled_object()
        await run.settled()
        redis.stop()
        yield run


@cause("the source does not answer")
async def silent(redis):
    async def say_nothing(_reader, writer):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    try:
        async with simple(redis) as run:
            port = server.sockets[0].getsockname()[1]
            run.scaled_object("worker", run.redis_trigger(address=f"127.0.0.1:{port}"))
            yield run
    finally:
        server.close()


@cause("TLS asked of a server that has none")
async def no_tls(redis):
    async with simple(redis) as run:
        run.scaled_object("worker", run.redis_trigger(enableTLS="true"))
        yield run


@cause("a certificate that is not trusted")
async def untrusted(_redis):
    _, pair = self_signed("page", "default", ["127.0.0.1"])
    async with numbers('{"left": 3}', tls=server_context(pair), valueLocation="left") as run:
        yield run


@cause("a query without a result")
async def empty_result(_redis):
    with PrometheusServer() as prometheus:
        async with simple(None) as run:
            query = {"serverAddress": prometheus.address, "query": "no_such_metric", "threshold": "5"}
            run.scaled_object(
                "worker", {"type": "prometheus", "metadata": {**query, "ignoreNullValues": "false"}}
            )
            yield run


@cause("a query that is not a number")
async def not_a_number(_redis):
    with PrometheusServer() as prometheus:
        async with simple(None) as run:
            query = {"serverAddress": prometheus.address, "query": "vector(0) / 0", "threshold": "5"}
            run.scaled_object(
                "worker", {"type": "prometheus", "metadata": {**query, "ignoreNullValues": "false"}}
            )
            yield run


@cause("an answer without the field")
async def missing_field(_redis):
    async with numbers('{"queue": {"left": 3}}', valueLocation="queue.right") as run:
        yield run


@cause("an HTTP source that fails")
async def http_failure(_redis):
    async with numbers(500, valueLocation="left") as run:
        yield run


@cause("a queue that does not exist")
async def missing_queue(_redis):
    with RabbitMqServer() as rabbitmq:
        async with simple(None) as run:
            place = f"http://guest:guest@127.0.0.1:{rabbitmq.api_port}/"
            metadata = {
                "protocol": "http",
                "host": place,
                "queueName": "jobs",
                "mode": "QueueLength",
                "value": "5",
            }
            run.scaled_object("worker", {"type": "rabbitmq", "metadata": metadata})
            yield run


@cause("a value that is below the activation")
async def below_activation(redis):
    async with simple(redis) as run:
        run.push(3)
        run.scaled_object("worker", run.redis_trigger(activationListLength="5"))
        yield run


@cause("no work")
async def no_work(redis):
    async with simple(redis) as run:
        run.scaled_object()
        yield run


@cause("one trigger fails, another has work")
async def one_fails(redis):
    async with simple(redis) as run:
        run.push(1)
        run.scaled_object("worker", run.redis_trigger("other", address="127.0.0.1:1"), run.redis_trigger())
        yield run


@cause("the Secret is missing")
async def no_secret(redis):
    async with simple(redis, on=authenticated) as run:
        authentication(run, secretTargetRef=refs())
        run.scaled_object("worker", using(run))
        yield run


@cause("the Secret lacks the key")
async def no_key(redis):
    async with simple(redis, on=authenticated) as run:
        secret(run, "creds", username="one")
        authentication(run, secretTargetRef=refs())
        run.scaled_object("worker", using(run))
        yield run


@cause("the Secret is deleted while it is in use")
async def secret_deleted(redis):
    async with simple(redis, on=authenticated) as run:
        secret(run, "creds", **login("one"))
        authentication(run, secretTargetRef=refs())
        run.scaled_object("worker", using(run))
        await run.settled()
        run.delete("creds", SECRETS)
        yield run


@cause("the TriggerAuthentication is missing")
async def no_authentication(redis):
    async with simple(redis, on=authenticated) as run:
        run.scaled_object("worker", using(run))
        yield run


@cause("a value in the metadata that cannot be")
async def bad_metadata(redis):
    async with simple(redis) as run:
        run.scaled_object("worker", run.redis_trigger(listLength="five"))
        yield run


@cause("an unknown trigger type")
async def unknown_type(redis):
    async with simple(redis) as run:
        run.scaled_object("worker", {"type": "carrier-pigeon", "metadata": {}})
        yield run
