"""The `metrics-api` trigger against an HTTP server of the test."""

import asyncio
import json

import pytest
from aiohttp import web
from http_pages import Pages, moved

from scalers.http import basic
from scalers.registry import Registry
from scalers.sdk import Inputs, InvalidMetadata, NoData, Unauthorized, Unavailable, parse
from scalers.testing import ContractHost, ServerContract

PASSWORD = "sesame"
SECRET = "s3cret-of-the-test"
SCALER = Registry().get("metrics-api")


def parsed(url="http://api/metrics", *, auth=None, formula=False, **metadata):
    written = {"url": url, "valueLocation": "queue.size", "targetValue": "5", **metadata}
    return parse(
        SCALER.metadata,
        Inputs(
            metadata={k: v for k, v in written.items() if v is not None}, auth=auth or {}, formula=formula
        ),
    )


def trigger(*args, **given):
    found = parsed(*args, **given)
    assert found.problems == ()
    return found.value


async def read(metadata):
    async with metadata.connection.open(ContractHost()) as client:
        return (await SCALER.measure(client, metadata)).value


class TestMetricsApi(ServerContract):
    trigger_type = "metrics-api"
    connections = 16

    @pytest.fixture(autouse=True)
    async def _server(self):
        self.sizes = {}

        def queues(request):
            if request.headers.get("Authorization") != basic("reader", PASSWORD)[1]:
                return web.Response(status=401, text=f"not with {request.headers.get('Authorization')}")
            return web.json_response(self.sizes)

        async with Pages() as pages:
            pages["/queues"] = queues
            self.server = (pages.host, pages.port)
            yield

    def inputs_at(self, name, host, port, password=PASSWORD):
        metadata = {
            "url": f"http://{host}:{port}/queues",
            "valueLocation": f"{name}.size",
            "targetValue": "5",
            "authMode": "basic",
        }
        return Inputs(metadata=metadata, auth={"username": "reader", "password": password})

    def wrong_inputs_at(self, name, host, port):
        return self.inputs_at(name, host, port, password=self.wrong_secret)

    async def put(self, name, number):
        self.sizes[name] = {"size": number}


class TestRequests:
    async def test_the_query_string_is_kept_as_it_is(self):
        async with Pages() as pages:
            pages["/m/a"] = '{"queue": {"size": 7}}'
            url = pages.url("/m%2Fa") + "?q=a%20b+c&q=%2F;d#fragment"
            pages["/m%2Fa"] = pages["/m/a"] = '{"queue": {"size": 7}}'
            assert await read(trigger(url)) == 7
            assert pages.requests[0].target == "/m%2Fa?q=a%20b+c&q=%2F;d"

    async def test_a_url_with_spaces_and_other_letters(self):
        async with Pages() as pages:
            pages["/größe x"] = '{"queue": {"size": 7}}'
            assert await read(trigger(pages.url("/größe x?a=b c"))) == 7

    async def test_an_api_key_in_header_or_query(self):
        async with Pages() as pages:
            pages["/"] = '{"queue": {"size": 7}}'
            auth = {"apiKey": "k&y"}
            await read(trigger(pages.url("/?a=1"), auth=auth, authMode="apiKey"))
            await read(trigger(pages.url("/?a=1"), auth=auth, authMode="apiKey", method="query"))
            await read(trigger(pages.url("/"), authMode="apiKey", apiKey="inline", keyParamName="X-Mine"))
            await read(trigger(pages.url("/"), authMode="apiKey", apiKey="x", method="header,query"))
        first, second, third, odd = pages.requests
        assert (odd.target, odd.headers["X-API-KEY"]) == ("/", "x")  # Never in the URL unless told so.
        assert (first.target, first.headers["X-API-KEY"]) == ("/?a=1", "k&y")
        assert (second.target, "X-API-KEY" in second.headers) == ("/?a=1&api_key=k%26y", False)
        assert third.headers["X-Mine"] == "inline"

    async def test_only_200_is_an_answer(self):
        async with Pages() as pages:
            for status in (201, 204, 404, 500):
                pages["/m"] = lambda _request, status=status: web.Response(
                    status=status, text='{"queue":{"size":7}}' if status != 204 else None
                )
                with pytest.raises(Unavailable, match=f"/m answers {status}"):
                    await read(trigger(pages.url("/m")))

    async def test_credentials_without_a_mode_are_not_sent_and_the_error_says_so(self):
        async with Pages() as pages:
            pages["/"] = 401
            with pytest.raises(Unauthorized, match="without authModes none are"):
                await read(trigger(pages.url("/"), auth={"bearerToken": SECRET}))
            assert "Authorization" not in pages.requests[0].headers

    async def test_a_redirect_is_followed(self):
        async with Pages() as pages:
            pages["/"], pages["/m"] = moved("/m"), '{"queue": {"size": 7}}'
            assert await read(trigger(pages.url("/"))) == 7

    async def test_triggers_of_one_server_share_its_connections_and_not_each_others_answers(self):
        async with Pages() as pages:
            pages["/a"], pages["/b"] = '{"queue": {"size": 1}}', '{"queue": {"size": 2}, "x": 3}'
            many = [
                trigger(pages.url("/a")),
                trigger(pages.url("/b")),
                trigger(pages.url("/b"), valueLocation="x"),
                trigger(pages.url("/b?y")),
            ]
            assert len({one.connection for one in many}) == 1
            assert len({one.query() for one in many}) == 4
            async with many[0].connection.open(ContractHost()) as client:
                found = await asyncio.gather(*(SCALER.measure(client, one) for one in many))
        assert [reading.value for reading in found] == [1, 2, 3, 2]

    async def test_a_large_answer_is_taken_apart_as_well(self):
        async with Pages() as pages:
            pages["/"] = json.dumps({"padding": ["x" * 100] * 2000, "queue": {"size": 7}})
            assert await read(trigger(pages.url("/"))) == 7

    @pytest.mark.parametrize("form", ["json", "yaml", "xml", "prometheus"])
    async def test_a_too_large_answer_is_not_read(self, form):
        async with Pages() as pages:
            pages["/"] = "x" * (11 << 20)
            with pytest.raises(Unavailable, match="answers with more than"):
                await read(trigger(pages.url("/"), format=form, valueLocation="size"))

    async def test_a_value_that_is_no_finite_number(self):
        async with Pages() as pages:
            pages["/"] = "a NaN\nb +Inf\n"
            for name in ("a", "b"):
                with pytest.raises(NoData, match="no usable number"):
                    await read(trigger(pages.url("/"), format="prometheus", valueLocation=name))


class TestKeys:
    def test_a_target_is_needed_unless_a_formula_has_its_own(self):
        for missing in (None, "", "0", "0.0"):
            (problem,) = parsed(targetValue=missing).problems
            assert problem.path == "metadata.targetValue"
            assert trigger(targetValue=missing, formula=True).target == 0

    def test_the_name_of_the_metric(self):
        (spec,) = SCALER.specs(trigger(valueLocation='items.#(name=="x").count'))
        assert spec.name == 'metric-api-items-#-name=="x"--count'

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"url": "not a url"}, "metadata.url: .*no scheme"),
            ({"url": "file:///etc/passwd"}, "metadata.url: .*scheme file"),
            ({"url": "http://api/\r\nX-Evil: 1"}, "metadata.url: holds a line break"),
            ({"valueLocation": "{a,b}"}, "metadata.valueLocation: multipaths"),
            ({"valueLocation": "sum(x)", "format": "prometheus"}, "metadata.valueLocation: .*no selector"),
            ({"format": "json,xml"}, "metadata.format: .json,xml. is several formats"),
            (
                {"aggregateFromKubeServiceEndpoints": "true"},
                "metadata.aggregateFromKubeServiceEndpoints: .*not supported yet",
            ),
        ],
    )
    async def test_what_cannot_work_is_said_when_it_is_read_and_by_validate(self, given, words):
        metadata = trigger(**given)
        (problem,) = SCALER.warnings(metadata)
        with pytest.raises(InvalidMetadata, match=words) as caught:
            await read(metadata)
        assert str(caught.value) == str(problem)

    def test_nothing_secret_is_shown(self):
        url = f"http://user:{SECRET}@api/metrics"
        auth = {
            "bearerToken": SECRET,
            "apiKey": SECRET,
            "password": SECRET,
            "key": SECRET,
            "clientSecret": SECRET,
        }
        metadata = trigger(url, auth=auth, authMode="apiKey")
        assert SECRET not in f"{metadata!r} {metadata.connection!r} {metadata.connection.describe()}"
