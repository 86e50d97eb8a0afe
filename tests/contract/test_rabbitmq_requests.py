"""What the `rabbitmq` trigger asks of the management API: how many requests, and what it makes of odd answers."""

import asyncio
import contextlib
from urllib.parse import parse_qs, unquote, urlsplit

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from scalers.registry import Registry
from scalers.sdk import Inputs, NoData, NotFound, Reading, Unauthorized, Unavailable, parse
from scalers.testing import ContractHost, FaultProxy

SCALER = Registry().get("rabbitmq")
SECRET = "s3cret-of-the-test"


def trigger(port, name, path="/", *, login="guest:guest@", auth=None, **metadata):
    written = {"host": f"http://{login}127.0.0.1:{port}{path}", "queueName": name, **metadata}
    found = parse(SCALER.metadata, Inputs(metadata=written, auth=auth or {}))
    assert found.problems == ()
    return found.value


async def measure(client, *many):
    return await SCALER.measure_many(client, many)


@contextlib.asynccontextmanager
async def serving(handler):
    """A web server of the test's: its port."""

    async def handle(request):
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class Counting:
    """Passes requests on to the real broker and remembers them."""

    def __init__(self, server):
        self.server = server
        self.seen = []

    async def __call__(self, request):
        self.seen.append(request.raw_path)
        headers = {"Authorization": request.headers["Authorization"]}
        url = URL(f"http://{self.server.host}:{self.server.api_port}{request.raw_path}", encoded=True)
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
            return web.Response(
                status=answer.status, body=await answer.read(), content_type=answer.content_type
            )

    def taken(self):
        """What was asked since the last time, as (pages, single queues, others)."""
        paths = [urlsplit(one) for one in self.seen]
        self.seen = []
        pages = [one for one in paths if "page=" in one.query]
        single = [one for one in paths if one.path.count("/") == 4]
        return len(pages), len(single), len(paths) - len(pages) - len(single)


class TestRequests:
    async def test_six_hundred_triggers_are_a_request_a_page_on_four_connections(self, rabbitmq_server):
        rabbitmq_server.vhost("pages")
        names = [f"many-{number}" for number in range(600)]
        rabbitmq_server.import_queues(names, "pages")
        rabbitmq_server.publish("many-599", 3, "pages")
        await asyncio.to_thread(rabbitmq_server.await_statistics, "many-599", 3, "pages")
        counting = Counting(rabbitmq_server)
        async with serving(counting) as port, FaultProxy("127.0.0.1", port) as proxy:
            many = [trigger(proxy.port, name, "/pages") for name in names]
            async with many[0].connection.open(ContractHost()) as client:
                for cycle in range(3):
                    answers = await measure(client, *many)
                    assert [one.value for one in answers] == [0] * 599 + [3]
                    assert counting.taken() == (2, 0, 1 if cycle == 0 else 0)
            assert proxy.most <= 4

    async def test_three_triggers_of_a_large_virtual_host_are_three_requests(self, rabbitmq_server):
        rabbitmq_server.vhost("large")
        names = [f"many-{number}" for number in range(2000)]
        rabbitmq_server.import_queues(names, "large")
        await asyncio.to_thread(rabbitmq_server.await_statistics, "many-7", 0, "large")
        counting = Counting(rabbitmq_server)
        async with serving(counting) as port:
            many = [trigger(port, name, "/large") for name in names]
            async with many[0].connection.open(ContractHost()) as client:
                for _ in range(2):
                    await measure(client, *many[:3])
                    assert counting.taken() == (0, 3, 0)
                await measure(client, *many[:40])
                assert counting.taken() == (0, 40, 1)
                # Of all of them a page is the cheaper way, and of a part of them once more none is.
                assert all(isinstance(one, Reading) for one in await measure(client, *many[:1000]))
                assert counting.taken() == (4, 0, 0)
                await measure(client, *many[:100])
                assert counting.taken() == (0, 100, 0)

    async def test_one_queue_for_several_triggers_is_one_request(self, rabbitmq_server):
        rabbitmq_server.queue("shared")
        await asyncio.to_thread(rabbitmq_server.await_statistics, "shared", 0)
        counting = Counting(rabbitmq_server)
        async with serving(counting) as port:
            many = [
                trigger(port, "shared"),
                trigger(port, "shared", excludeUnacknowledged="true"),
                trigger(port, "shared", mode="MessageRate", value="1"),
            ]
            async with many[0].connection.open(ContractHost()) as client:
                assert [one.value for one in await measure(client, *many)] == [0, 0, 0]
            assert counting.taken() == (0, 1, 0)


class Api:
    """A management API of the test's own: `queues` by name, a dict or a (status, text) each."""

    def __init__(self, queues=None, **special):
        self.queues = queues or {}
        self.special = special
        self.seen = []

    async def __call__(self, request):
        self.seen.append(request.raw_path)
        path = urlsplit(request.raw_path).path
        if (answer := self.special.get(path.rpartition("/")[2])) is not None:
            return answer(request) if callable(answer) else web.json_response(answer)
        if "page" in request.query:
            return self.page(request)
        found = self.queues.get(unquote(path.rpartition("/")[2]))
        if found is None:
            return web.json_response({"error": "Object Not Found", "reason": "Not Found"}, status=404)
        if isinstance(found, tuple):
            return web.Response(status=found[0], text=found[1])
        return web.json_response(found)

    def page(self, request):
        size, number = int(request.query["page_size"]), int(request.query["page"])
        items = list(self.queues.values())
        pages = -(-len(items) // size)
        if number > max(1, pages):
            return web.json_response(
                {"error": "page_out_of_range", "reason": "Page out of range"}, status=400
            )
        part = items[(number - 1) * size : number * size]
        return web.json_response({"items": part, "page_count": pages, "total_count": len(items)})


async def one(queue, **metadata):
    """What a trigger makes of this answer of the API."""
    async with serving(Api({"q": queue})) as port:
        asking = trigger(port, "q", **metadata)
        async with asking.connection.open(ContractHost()) as client:
            (answer,) = await measure(client, asking)
    return answer


RATE = {"mode": "MessageRate", "value": "1"}
TAKEN = {"mode": "DeliverGetRate", "value": "1"}


class TestAnswers:
    @pytest.mark.parametrize(
        "queue",
        [
            {"name": "q"},
            {"name": "q", "messages": None, "messages_ready": None},
            {"name": "q", "messages": None, "messages_ready": 3},
            {"name": "q", "message_stats": {"publish_details": {"rate": 4.0}}},
        ],
    )
    @pytest.mark.parametrize("metadata", [{}, RATE, TAKEN])
    async def test_a_queue_without_statistics_is_unknown_and_not_empty(self, queue, metadata):
        answer = await one(queue, **metadata)
        assert type(answer) is NoData
        assert "has no statistics of the queue 'q'" in str(answer)

    async def test_so_is_one_among_many_that_match(self):
        queues = {"q1": {"name": "q1", "messages": 5}, "q2": {"name": "q2"}}
        async with serving(Api(queues)) as port:
            asking = trigger(port, "^q", useRegex="true")
            async with asking.connection.open(ContractHost()) as client:
                (answer,) = await measure(client, asking)
        assert type(answer) is NoData
        assert "'q2'" in str(answer)

    @pytest.mark.parametrize("stats", [{}, [], None, {"publish": 0, "publish_details": {"rate": 0.0}}])
    async def test_a_queue_that_nobody_has_used_yet_has_rates_of_zero(self, stats):
        assert await one({"name": "q", "messages": 2, "message_stats": stats}, **TAKEN) == Reading(0)

    async def test_a_broker_that_keeps_no_rates(self):
        answer = await one({"name": "q", "messages": 2, "message_stats": {"publish": 7}}, **RATE)
        assert type(answer) is NoData
        assert "rates_mode" in str(answer)

    async def test_only_the_fields_that_are_needed_are_asked_for(self):
        api = Api({"q": {"name": "q", "messages": 2}})
        async with serving(api) as port:
            plain, rates = trigger(port, "q"), trigger(port, "q", **RATE)
            async with plain.connection.open(ContractHost()) as client:
                await measure(client, plain)
                await measure(client, rates)
        columns = [parse_qs(urlsplit(path).query)["columns"][0].split(",") for path in api.seen]
        assert columns[0] == ["name", "messages", "messages_ready"]
        assert "message_stats.publish_details.rate" in columns[1]

    @pytest.mark.parametrize(
        "queue",
        [
            (200, "<html>welcome</html>"),
            (200, "[]"),
            (200, '{"messages": 3}'),
            (200, '{"name": "q", "messages": "many"}'),
            (200, "[" * 100_000),
            (404, "<html>nothing here</html>"),
            (500, '{"error": "nodedown"}'),
            (503, ""),
        ],
    )
    async def test_what_is_no_answer_of_the_api_is_no_number(self, queue):
        answer = await one(queue)
        assert type(answer) is Unavailable
        assert not answer.connection

    async def test_the_servers_words_are_repeated_and_the_password_is_not(self):
        answer = await one(
            (500, f'{{"error": "bad", "reason": "for guest:{SECRET}"}}'), login=f"guest:{SECRET}@"
        )
        assert "bad: for" in str(answer)
        assert SECRET not in str(answer)

    @pytest.mark.parametrize(
        "overview", [{}, {"object_totals": []}, {"object_totals": {}}, lambda _: web.Response(status=403)]
    )
    async def test_who_may_not_know_how_many_queues_there_are_asks_one_by_one(self, overview):
        queues = {f"q{number}": {"name": f"q{number}", "messages": number} for number in range(30)}
        api = Api(queues, overview=overview)
        async with serving(api) as port:
            many = [trigger(port, name) for name in queues]
            async with many[0].connection.open(ContractHost()) as client:
                for _ in range(2):
                    assert [found.value for found in await measure(client, *many)] == list(range(30))
        assert len(api.seen) == 61

    async def test_a_page_that_fails_is_the_error_of_what_is_missing(self):
        queues = {f"q{number}": {"name": f"q{number}", "messages": number} for number in range(1200)}
        api = Api(queues, overview={"object_totals": {"queues": 1200}})

        def page(request):
            if request.query["page"] == "2":
                return web.json_response({"error": "timeout"}, status=500)
            return Api.page(api, request)

        api.page = page
        async with serving(api) as port:
            many = [trigger(port, name) for name in queues]
            async with many[0].connection.open(ContractHost()) as client:
                answers = await measure(client, *many)
        assert [type(found) for found in answers] == [Reading] * 500 + [Unavailable] * 500 + [Reading] * 200
        assert len(api.seen) == 4

    async def test_missing_queues_on_pages_are_looked_for_one_by_one(self):
        queues = {f"q{number}": {"name": f"q{number}", "messages": 1} for number in range(0, 40, 2)}
        api = Api(queues, overview={"object_totals": {"queues": 20}})
        async with serving(api) as port:
            many = [trigger(port, f"q{number}") for number in range(40)]
            async with many[0].connection.open(ContractHost()) as client:
                answers = await measure(client, *many)
        assert [type(found) for found in answers] == [Reading, NotFound] * 20
        assert len(api.seen) == 1 + 1 + 20

    async def test_pages_that_have_gone_meanwhile_are_empty(self):
        queues = {f"q{number}": {"name": f"q{number}", "messages": 1} for number in range(600)}
        api = Api(queues, overview={"object_totals": {"queues": 600}})

        def page(request):
            answer = Api.page(api, request)
            for number in range(100, 600):
                api.queues.pop(f"q{number}", None)
            return answer

        api.page = page
        async with serving(api) as port:
            many = [trigger(port, f"q{number}") for number in range(600)]
            async with many[0].connection.open(ContractHost()) as client:
                answers = await measure(client, *many)
        # What was on the first page had been there; what was to come is looked for, and is gone.
        assert [type(found) for found in answers] == [Reading] * 500 + [NotFound] * 100

    async def test_a_virtual_host_that_has_gone_meanwhile(self):
        api = Api({}, overview={"object_totals": {"queues": 20}})
        api.page = lambda _: web.json_response({"error": "Object Not Found"}, status=404)
        async with serving(api) as port:
            many = [trigger(port, f"q{number}", "/prod") for number in range(20)]
            async with many[0].connection.open(ContractHost()) as client:
                answers = await measure(client, *many)
        assert {str(found) for found in answers} == {"the virtual host 'prod' does not exist"}

    async def test_a_broker_that_answers_nothing_is_not_asked_for_every_queue(self):
        async def silence(_):
            await asyncio.sleep(3600)

        async with serving(silence) as port, FaultProxy("127.0.0.1", port) as proxy:
            many = [trigger(proxy.port, f"q{number}", timeout="500ms") for number in range(40)]
            async with many[0].connection.open(ContractHost()) as client:
                answers = await asyncio.wait_for(measure(client, *many), 5)
            assert {type(found) for found in answers} == {Unavailable}
            assert "does not answer within 0.5 s" in str(answers[39])
            assert proxy.total < 8

    async def test_one_slow_queue_costs_only_itself(self):
        async def slow(request):
            if request.path.endswith("/slow"):
                await asyncio.sleep(3600)
            name = request.path.rpartition("/")[2]
            return web.json_response({"name": name, "messages": 1})

        async with serving(slow) as port:
            many = [trigger(port, name, timeout="300ms") for name in ("a", "slow", *"bcdefg")]
            async with many[0].connection.open(ContractHost()) as client:
                answers = await measure(client, *many)
        assert [type(found) for found in answers] == [Reading, Unavailable] + [Reading] * 6

    async def test_a_proxy_may_keep_the_api_in_a_folder(self):
        api = Api({"q": {"name": "q", "messages": 2}})
        async with serving(api) as port:
            asking = trigger(port, "q", "/broker/one/eu%2Fwest")
            async with asking.connection.open(ContractHost()) as client:
                assert await measure(client, asking) == [Reading(2)]
        assert urlsplit(api.seen[0]).path == "/broker/one/api/queues/eu%2Fwest/q"

    async def test_no_answer_is_read_beyond_its_share(self):
        async def endless(request):
            response = web.StreamResponse()
            await response.prepare(request)
            with contextlib.suppress(ConnectionError):
                while True:
                    await response.write(b" " * 65536)
            return response

        async with serving(endless) as port:
            asking = trigger(port, "q", timeout="20s")
            async with asking.connection.open(ContractHost()) as client:
                (answer,) = await measure(client, asking)
        assert type(answer) is Unavailable
        assert "MiB" in str(answer)


CLIENT = {
    "clientID": "tidegate",
    "clientSecret": SECRET,
    "scope": "read, list",
    "endpointParams": "a=b%20c",
}


class TestOAuth:
    async def test_a_token_is_asked_for_once_and_replaced_when_it_is_refused(self):
        tokens, asked = iter(["first", "second"]), []

        async def login(request):
            asked.append((request.headers["Authorization"], dict(await request.post())))
            return web.json_response({"access_token": next(tokens), "expires_in": 3600})

        good = {"Bearer first"}

        async def api(request):
            if request.headers.get("Authorization") not in good:
                return web.json_response({"error": "not_authorised"}, status=401)
            return web.json_response({"name": "q", "messages": 4})

        async with serving(login) as token_port, serving(api) as port:
            auth = {**CLIENT, "oauthTokenURI": f"http://127.0.0.1:{token_port}/token"}
            asking = trigger(port, "q", auth=auth)
            async with asking.connection.open(ContractHost()) as client:
                for _ in range(3):
                    assert await measure(client, asking) == [Reading(4)]
                assert len(asked) == 1
                good.clear()
                good.add("Bearer second")
                assert await measure(client, asking) == [Reading(4)]
        assert [form for _, form in asked] == [
            {"grant_type": "client_credentials", "a": "b c", "scope": "read list"}
        ] * 2

    async def test_a_client_that_is_refused(self):
        async def login(_):
            return web.json_response({"error": "invalid_client"}, status=401)

        async with serving(login) as token_port:
            auth = {**CLIENT, "oauthTokenURI": f"http://127.0.0.1:{token_port}/token"}
            asking = trigger(token_port, "q", auth=auth)
            async with asking.connection.open(ContractHost()) as client:
                (answer,) = await measure(client, asking)
        assert type(answer) is Unauthorized
        assert SECRET not in str(answer)
