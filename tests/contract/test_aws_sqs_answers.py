"""The `aws-sqs-queue` trigger: what it asks, what it makes of each answer, and what an endpoint may do to it."""

import asyncio
import contextlib
import socket
import threading
import traceback

import pytest
from aiohttp import web
from aws_server import AwsServer, error

from scalers.aws_sqs import AwsSqsQueue, requests_a_month
from scalers.sdk import (
    Inputs,
    InvalidMetadata,
    NoData,
    NotFound,
    ScalerError,
    Unauthorized,
    Unavailable,
    parse,
)
from scalers.testing import ContractHost, FaultProxy, free_port

KEY, SECRET, TOKEN = "AKIAEXAMPLEEXAMPLE", "s3cret/of+the=test", "t0ken/of+the=test"
SCALER = AwsSqsQueue()


@pytest.fixture
async def aws():
    async with AwsServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def trigger(endpoint, queue="https://sqs.eu-west-1.amazonaws.com/1/orders", **metadata):
    written = {"queueURL": queue, "awsRegion": "eu-west-1", "awsEndpoint": endpoint, **metadata}
    auth = {"awsAccessKeyID": KEY, "awsSecretAccessKey": SECRET, "awsSessionToken": TOKEN}
    parsed = parse(SCALER.metadata, Inputs(metadata=written, auth=auth))
    assert parsed.problems == ()
    return parsed.value


def host(*, allow_loopback=True):
    found = ContractHost()
    found.allow_loopback = allow_loopback
    return found


async def read(metadata, *, allow_loopback=True):
    async with metadata.connection.open(host(allow_loopback=allow_loopback)) as client:
        async with asyncio.timeout(SCALER.timeout):
            return await SCALER.measure(client, metadata)


async def eventually(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it is about threads and other servers
            await asyncio.sleep(0.01)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("aws sqs")]


class TestAsking:
    async def test_one_request_with_the_queue_as_written_and_only_what_counts(self, aws):
        for queue in ("orders", "orders.fifo", "/1/orders", "https://sqs.eu-west-1.amazonaws.com/1/orders"):
            aws.asked.clear()
            assert (await read(trigger(aws.url, queue))).value == 2
            (asked,) = aws.asked
            assert asked.operation == "GetQueueAttributes"
            assert asked.parameters == {
                "QueueUrl": queue,
                "AttributeNames": [
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            }
            assert (asked.key, asked.region, asked.token) == (KEY, "eu-west-1", TOKEN)

    async def test_a_thousand_queues_are_a_thousand_requests_on_four_connections(self, aws):
        many = [trigger(aws.url, f"q-{n}") for n in range(1000)]
        assert len({one.connection for one in many}) == 1
        async with many[0].connection.open(host()) as client:
            found = await asyncio.gather(*(SCALER.measure(client, one) for one in many))
        assert {reading.value for reading in found} == {2}
        assert [asked.operation for asked in aws.asked] == ["GetQueueAttributes"] * 1000
        assert {asked.parameters["QueueUrl"] for asked in aws.asked} == {one.queue_url for one in many}
        assert 1 <= aws.most <= 4
        await eventually(lambda: not aws.open)

    def test_equal_triggers_are_one_question_whatever_they_make_of_the_answer(self):
        one = trigger("", queueLength="5", activationQueueLength="1")
        two = trigger("", queueLength="50", activationQueueLength="10")
        assert one.query() == two.query()
        assert one.connection == two.connection
        assert one.query() != trigger("", scaleOnInFlight="false").query()
        assert one.query() != trigger("", scaleOnDelayed="true").query()

    @pytest.mark.parametrize(
        ("poll", "sync", "awake", "ours", "kedas"),
        [
            (30, 15, 1, 172_800, 259_200),
            (30, 15, 0, 86_400, 86_400),
            (300, 15, 1, 172_800, 181_440),
            (30, 5, 1, 259_200, 604_800),
            (5, 15, 1, 518_400, 691_200),
            (60, 60, 1, 43_200, 86_400),
            (30, 15, 0.25, 108_000, 129_600),
        ],
    )
    def test_what_it_costs(self, poll, sync, awake, ours, kedas):
        assert requests_a_month(poll, hpa_sync=sync, awake=awake) == (ours, kedas)


class TestAnswers:
    @pytest.mark.parametrize(
        ("code", "status", "kind"),
        [
            ("QueueDoesNotExist", 400, NotFound),
            ("InvalidClientTokenId", 403, Unauthorized),
            ("UnrecognizedClientException", 400, Unauthorized),
            ("SignatureDoesNotMatch", 403, Unauthorized),
            ("InvalidSignatureException", 400, Unauthorized),
            ("ExpiredTokenException", 400, Unauthorized),
            ("AccessDeniedException", 400, Unauthorized),
            ("Whatever", 401, Unauthorized),
            ("Whatever", 403, Unauthorized),
            ("InvalidAddress", 404, InvalidMetadata),
            ("InvalidAttributeName", 400, InvalidMetadata),
            ("RequestThrottled", 403, Unavailable),
            ("ThrottlingException", 400, Unavailable),
            ("InternalFailure", 500, Unavailable),
            ("ServiceUnavailable", 503, Unavailable),
            ("Whatever", 404, Unavailable),
        ],
    )
    async def test_errors(self, aws, code, status, kind):
        aws.say("GetQueueAttributes", error(code), status=status)
        with pytest.raises(ScalerError) as caught:
            await read(trigger(aws.url))
        assert type(caught.value) is kind
        assert not caught.value.connection
        assert kind is NotFound or code in str(caught.value)

    async def test_the_older_name_of_a_missing_queue(self, aws):
        headers = {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"}
        aws.say("GetQueueAttributes", error("QueueDoesNotExist"), status=400, headers=headers)
        with pytest.raises(NotFound):
            await read(trigger(aws.url))

    @pytest.mark.parametrize(
        ("code", "status", "times"), [("RequestThrottled", 403, 2), ("X", 503, 2), ("X", 400, 1)]
    )
    async def test_it_is_tried_again_once_where_that_helps(self, aws, code, status, times):
        aws.say("GetQueueAttributes", error(code), status=status)
        with pytest.raises(Unavailable):
            await read(trigger(aws.url))
        assert len(aws.asked) == times

    @pytest.mark.parametrize(
        "attributes",
        [
            None,
            {},
            {"ApproximateNumberOfMessages": "3"},
            {"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "many"},
            {"ApproximateNumberOfMessages": "", "ApproximateNumberOfMessagesNotVisible": "0"},
        ],
    )
    async def test_a_number_that_is_missing_is_not_zero(self, aws, attributes):
        aws.say("GetQueueAttributes", {} if attributes is None else {"Attributes": attributes})
        with pytest.raises(NoData, match="ApproximateNumberOfMessages"):
            await read(trigger(aws.url))

    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"[]", b'"x"', b"7", b'{"Attributes": 7}', b"\xff\xfe", b"{"]
    )
    async def test_what_is_no_answer_of_sqs(self, aws, body):
        aws.say("GetQueueAttributes", body)
        with pytest.raises((Unavailable, NoData)):
            await read(trigger(aws.url))

    async def test_an_answer_that_breaks_off_is_none_even_if_it_could_be_read(self, aws):
        async def cut(request, asked):
            answer = web.StreamResponse(headers={"Content-Length": "1000"})
            await answer.prepare(request)
            await answer.write(b'{"Attributes": {"ApproximateNumberOfMessages": "0"}}')
            request.transport.close()
            return answer

        aws.say("GetQueueAttributes", cut)
        with pytest.raises(Unavailable, match="broke off"):
            await read(trigger(aws.url, scaleOnInFlight="false"))
        assert len(aws.asked) == 2

    async def test_redirects_are_not_followed(self, aws):
        async with AwsServer() as other:
            for status in (301, 302, 307, 308):
                aws.say("GetQueueAttributes", b"", status=status, headers={"Location": f"{other.url}/latest"})
                with pytest.raises(Unavailable, match="redirect") as caught:
                    await read(trigger(aws.url))
                assert not caught.value.connection
            assert not other.asked

    async def test_a_server_that_repeats_what_it_was_sent(self, aws):
        async def repeat(request, asked):
            sent = " ".join(f"{name}: {value}" for name, value in request.headers.items())
            return web.json_response(error("AccessDenied", f"{sent} {SECRET} {asked.token}"), status=403)

        aws.say("GetQueueAttributes", repeat)
        metadata = trigger(aws.url)
        with pytest.raises(Unauthorized) as caught:
            await read(metadata)
        shown = "".join(traceback.format_exception(caught.value)) + f"{metadata!r} {metadata.connection!r}"
        for secret in (KEY, SECRET, TOKEN):
            assert secret not in shown


class TestEvil:
    """Endpoints that mean harm, or are in deep trouble."""

    @pytest.mark.parametrize("length", [None, 1 << 30])
    async def test_an_endless_answer_is_not_read_to_its_end(self, aws, length):
        sent = 0

        async def bomb(request, asked):
            nonlocal sent
            answer = web.StreamResponse()
            answer.content_length = length
            await answer.prepare(request)
            with contextlib.suppress(ConnectionError):
                while sent < 200 << 20:
                    await answer.write(b"x" * 65536)
                    sent += 65536
            return answer

        aws.say("GetQueueAttributes", bomb)
        with pytest.raises(Unavailable, match="far too long"):
            await read(trigger(aws.url))
        assert sent < 50 << 20
        assert len(aws.asked) == 1

    async def test_a_read_that_is_given_up_frees_its_thread(self, aws):
        """Of a server that never ends its answer: one byte every moment, so that no timeout of a socket fires."""

        async def drip(request, asked):
            answer = web.StreamResponse(headers={"Content-Length": "100000"})
            await answer.prepare(request)
            with contextlib.suppress(ConnectionError):
                while True:
                    await answer.write(b"x")
                    await asyncio.sleep(0.05)
            return answer

        metadata = trigger(aws.url)
        async with metadata.connection.open(host()) as client:
            aws.say("GetQueueAttributes", drip)
            stuck = [asyncio.ensure_future(SCALER.measure(client, metadata)) for _ in range(4)]
            await eventually(lambda: len(aws.asked) == 4)
            waiting = asyncio.ensure_future(SCALER.measure(client, trigger(aws.url, "never-asked-for")))
            await asyncio.sleep(0)
            for task in (*stuck, waiting):
                task.cancel()
            await asyncio.gather(*stuck, waiting, return_exceptions=True)
            aws.say("GetQueueAttributes", {"Attributes": dict.fromkeys(metadata.attributes, "3")})
            async with asyncio.timeout(1.0):
                assert (await SCALER.measure(client, metadata)).value == 6
            assert len(threads()) <= 4
        assert "never-asked-for" not in {asked.parameters["QueueUrl"] for asked in aws.asked}
        await eventually(lambda: not threads())

    async def test_a_handshake_that_never_ends_ends_all_the_same(self):
        begun, ended = asyncio.Event(), asyncio.Event()

        async def drip(reader, writer):
            with contextlib.suppress(ConnectionError):
                writer.write(b"\x16\x03\x03\x40\x00")  # A record of TLS, 16 kB long.
                begun.set()
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            writer.close()
            ended.set()

        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            metadata = trigger(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            async with metadata.connection.open(host()) as client:
                reading = asyncio.ensure_future(SCALER.measure(client, metadata))
                await begun.wait()
                await asyncio.sleep(0.2)
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                await eventually(lambda: not client._threads.busy)
                await asyncio.wait_for(ended.wait(), 10)
        await eventually(lambda: not threads())

    async def test_a_closed_client_leaves_no_thread_and_answers_who_waits(self, aws):
        async def hang(request, asked):
            await asyncio.Event().wait()

        aws.say("GetQueueAttributes", hang)
        metadata = trigger(aws.url)
        async with metadata.connection.open(host()) as client:
            waiting = [asyncio.ensure_future(SCALER.measure(client, metadata)) for _ in range(9)]
            await eventually(lambda: len(aws.asked) == 4)
        for answer in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(answer, Unavailable)
        with pytest.raises(Unavailable, match="closed"):
            await SCALER.measure(client, metadata)
        await eventually(lambda: not threads())

    async def test_what_does_not_answer_in_time_is_the_connections_fault(self, aws):
        async def hang(request, asked):
            await asyncio.Event().wait()

        aws.say("GetQueueAttributes", hang)
        with pytest.raises(Unavailable, match="no answer in time") as caught:
            await read(trigger(aws.url))
        assert caught.value.connection

    async def test_an_idle_connection_that_the_server_closed_is_no_failure(self, aws):
        async with FaultProxy(aws.host, aws.port) as proxy:
            metadata = trigger(f"http://{proxy.host}:{proxy.port}")
            async with metadata.connection.open(host()) as client:
                for _ in range(3):
                    assert (await SCALER.measure(client, metadata)).value == 2
                    await proxy.reset()


class TestAddresses:
    """The policy of triggers' URLs. What is refused is never connected to."""

    @pytest.mark.parametrize(
        "name",
        ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "0.0.0.0", "[::ffff:127.0.0.1]"],
    )
    async def test_loopback_where_it_is_not_allowed(self, aws, name):
        with pytest.raises(InvalidMetadata, match="loopback"):
            await read(trigger(f"http://{name}:{aws.port}"), allow_loopback=False)
        assert not aws.asked
        assert not aws.most

    @pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "127.1"])
    async def test_loopback_where_it_is(self, aws, name):
        assert (await read(trigger(f"http://{name}:{aws.port}"))).value == 2

    @pytest.mark.parametrize("allow", [True, False])
    @pytest.mark.parametrize(
        "name", ["169.254.169.254", "169.254.170.2", "[fe80::1]", "[fd00:ec2::254]", "2852039166"]
    )
    @pytest.mark.parametrize("scheme", ["http", "https"])
    async def test_metadata_services_never(self, scheme, name, allow):
        with pytest.raises(InvalidMetadata, match="no trigger may reach"):
            await read(trigger(f"{scheme}://{name}"), allow_loopback=allow)

    async def test_it_is_the_address_that_counts_not_the_name(self, aws, monkeypatch):
        answers = {
            "metadata.example": ["169.254.169.254"],
            "mixed.example": ["169.254.169.254", "127.0.0.1"],
            "first.example": ["127.0.0.2", "127.0.0.1"],
        }
        real = socket.getaddrinfo

        def lookup(name, port, *args, **options):
            found = []
            for address in answers.get(name, [name]):
                found += real(address, port, *args, **options)
            return found

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        with pytest.raises(InvalidMetadata, match=r"metadata\.example resolves to 169\.254\.169\.254"):
            await read(trigger(f"http://metadata.example:{aws.port}"))
        for name in ("mixed.example", "first.example"):
            assert (await read(trigger(f"http://{name}:{aws.port}"))).value == 2

    async def test_what_was_judged_is_what_is_connected_to(self, aws, monkeypatch):
        """A name that resolves to something else the second time (DNS rebinding) has no second time."""
        lookups = []
        real = socket.getaddrinfo

        def lookup(name, port, *args, **options):
            if name == "rebinding.example":
                lookups.append(name)
                name = "127.0.0.1" if len(lookups) == 1 else "127.0.0.2"
            return real(name, port, *args, **options)

        monkeypatch.setattr(socket, "getaddrinfo", lookup)
        assert (await read(trigger(f"http://rebinding.example:{aws.port}"))).value == 2
        assert len(lookups) == 1

    async def test_through_a_proxy(self, aws, monkeypatch):
        monkeypatch.setenv("http_proxy", aws.url)
        assert (await read(trigger("http://sqs.example"), allow_loopback=False)).value == 2
        with pytest.raises(InvalidMetadata, match="no trigger may reach"):
            await read(trigger("http://169.254.169.254"))
        assert len(aws.asked) == 1

    @pytest.mark.parametrize(
        ("endpoint", "words"),
        [
            ("localhost:4566", "scheme"),
            ("ftp://localhost", "scheme"),
            ("http://", "no host|no URL"),
            ("http://user:pass@localhost", "user name"),
            ("http://localhost?x=1", "query"),
        ],
    )
    async def test_what_is_no_endpoint_is_said_before_it_is_read(self, endpoint, words):
        metadata = trigger(endpoint)
        assert any(problem.path == "metadata.awsEndpoint" for problem in SCALER.warnings(metadata))
        with pytest.raises(InvalidMetadata, match=words) as caught:
            await read(metadata)
        assert "pass" not in str(caught.value)
        assert "pass" not in metadata.connection.describe()

    async def test_a_name_that_does_not_exist(self):
        with pytest.raises(Unavailable, match="cannot connect") as caught:
            await read(trigger("http://no-such-host.invalid"))
        assert caught.value.connection
        assert "object at" not in str(caught.value)

    async def test_a_port_where_nobody_listens(self):
        with pytest.raises(Unavailable, match="refused") as caught:
            await read(trigger(f"http://127.0.0.1:{free_port()}"))
        assert caught.value.connection
        assert "object at" not in str(caught.value)


class TestDoubts:
    """What `tidegate validate` warns of, since KEDA accepts it and then does something else."""

    @pytest.mark.parametrize(
        ("queue", "metadata", "path"),
        [
            ("http://localhost:4566/000000000000/q", {}, "metadata.queueURL"),
            ("https://sqs.us-east-1.amazonaws.com/1/q", {}, "metadata.queueURL"),
            ("q", {"identityOwner": "Pod"}, "metadata.identityOwner"),
            ("q", {"awsEndpoint": "http://169.254.169.254"}, "metadata.awsEndpoint"),
        ],
    )
    def test_warned_of(self, queue, metadata, path):
        found = SCALER.warnings(trigger("", queue, **metadata))
        assert [problem.path for problem in found] == [path]

    @pytest.mark.parametrize(
        ("queue", "metadata"),
        [
            ("q", {}),
            ("https://sqs.eu-west-1.amazonaws.com/1/q", {}),
            ("https://eu-west-1.queue.amazonaws.com/1/q", {}),
            ("https://sqs.eu-west-1.api.aws/1/q", {}),
            ("http://localhost:4566/000000000000/q", {"awsEndpoint": "http://localhost:4566"}),
            ("q", {"identityOwner": "operator"}),
        ],
    )
    def test_not_warned_of(self, queue, metadata):
        assert not SCALER.warnings(trigger("", queue, **metadata))

    def test_what_is_not_known_yet_is_not_doubted(self):
        written = {"queueURLFromEnv": "Q", "awsEndpoint": "nonsense"}
        inputs = Inputs(metadata=written, unknown=frozenset({"env", "auth"}))
        parsed = parse(SCALER.metadata, inputs)
        assert parsed.problems == ()
        assert [problem.path for problem in SCALER.warnings(parsed.value)] == ["metadata.awsEndpoint"]
