"""What a `prometheus` trigger sends, which triggers share a read, and what is refused before anything is sent."""

import asyncio
import json
from collections import Counter

import msgspec
import pytest
from aiohttp import web
from http_pages import Pages
from hypothesis import given
from hypothesis import strategies as st

from scaler.clock import SystemClock
from scaler.control.host import ClockHost
from scaler.control.source_settings import SourceSettings
from scaler.control.sources import Sources, TriggerKey, Wanted
from scalers.prometheus import answer
from scalers.registry import Registry
from scalers.sdk import AUTH, Inputs, InvalidMetadata, NoData, ScalerError, Unavailable, parse
from scalers.testing import ContractHost

SCALER = Registry().get("prometheus")
QUERY = "/api/v1/query"
SECRET = "s3cret-of-the-test"


def parsed(base="http://prom:9090", *, auth=None, pod_identity="", unknown=(), **metadata):
    written = {"serverAddress": base, "query": "up", "threshold": "1", **metadata}
    inputs = Inputs(
        metadata=written,
        auth=auth or {},
        object={"namespace": "shop", "name": "any", "podIdentity": pod_identity},
        unknown=frozenset(unknown),
    )
    return parse(SCALER.metadata, inputs)


def trigger(base="http://prom:9090", **given):
    found = parsed(base, **given)
    assert found.problems == ()
    return found.value


async def read(metadata):
    async with metadata.connection.open(ContractHost()) as client:
        return (await SCALER.measure(client, metadata)).value


def vector(*values, **more):
    result = [{"metric": {}, "value": [1.0, value]} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}, **more})


class TestWhatIsSent:
    async def test_query_namespace_and_parameters_are_escaped(self):
        async with Pages() as pages:
            pages[QUERY] = vector("7")
            found = await read(
                trigger(
                    pages.base + "/",
                    query='sum(x{a="b&c"}) + 1 %2B',
                    namespace="team a&time=0",
                    queryParameters="dedup=true, partial_response = a&b#c",
                )
            )
        assert found == 7
        assert pages.requests[0].target == (
            f"{QUERY}?query=sum%28x%7Ba%3D%22b%26c%22%7D%29+%2B+1+%252B&namespace=team+a%26time%3D0"
            "&dedup=true&partial_response=a%26b%23c"
        )

    async def test_a_path_before_the_api(self):
        async with Pages() as pages:
            pages["/prometheus/api/v1/query"] = vector("7")
            assert await read(trigger(f"{pages.base}/prometheus")) == 7

    async def test_headers_and_the_tenant(self):
        async with Pages() as pages:
            pages[QUERY] = vector("7")
            await read(trigger(pages.base, customHeaders="X-Scope-OrgID=team-a, X-B = two "))
        headers = pages.requests[0].headers
        assert (headers["X-Scope-OrgID"], headers["X-B"]) == ("team-a", "two")
        assert "Authorization" not in headers

    @pytest.mark.parametrize(
        ("modes", "expected"),
        [
            ("bearer", {"Authorization": "Bearer t0ken"}),
            ("basic", {"Authorization": "Basic dXNlcjpwYXNz"}),
            ("custom", {"X-Custom": "value"}),
            ("custom,bearer", {"X-Custom": "value", "Authorization": "Bearer t0ken"}),
            ("apiKey", {"X-API-KEY": "k3y"}),
        ],
    )
    async def test_auth_modes(self, modes, expected):
        auth = {
            "bearerToken": "t0ken",
            "username": "user",
            "password": "pass",
            "customAuthHeader": "X-Custom",
            "customAuthValue": "value",
            "apiKey": "k3y",
        }
        async with Pages() as pages:
            pages[QUERY] = vector("7")
            await read(trigger(pages.base, auth=auth, authModes=modes))
        sent = pages.requests[0].headers
        names = ("Authorization", "X-Custom", "X-API-KEY")
        assert {name: sent[name] for name in names if name in sent} == expected

    async def test_a_bearer_token_comes_before_a_custom_header_of_its_name(self):
        auth = {"token": "t", "customAuthHeader": "authorization", "customAuthValue": "mine"}
        async with Pages() as pages:
            pages[QUERY] = vector("7")
            await read(trigger(pages.base, auth=auth, authModes="bearer,custom"))
        assert pages.requests[0].headers.getall("Authorization") == ["Bearer t"]

    async def test_a_key_in_the_query(self):
        async with Pages() as pages:
            pages[QUERY] = vector("7")
            await read(
                trigger(
                    pages.base, auth={"apiKey": "k&y"}, authModes="apiKey", method="query", keyParamName="tok"
                )
            )
        assert pages.requests[0].target == f"{QUERY}?query=up&tok=k%26y"


class TestSharing:
    """Equal triggers are read once; what differs in anything that may change the answer is not equal."""

    def variants(self, base):
        """Triggers of one server that all ask `up`, each different from the others in one thing."""
        bearer = {"authModes": "bearer"}
        return {
            "plain": trigger(base),
            "tenant a": trigger(base, customHeaders="X-Scope-OrgID=a"),
            "tenant b": trigger(base, customHeaders="X-Scope-OrgID=b"),
            "tenants swapped": trigger(base, customHeaders="X-Scope-OrgID=b,X-Other=a"),
            "header order": trigger(base, customHeaders="X-Other=a,X-Scope-OrgID=b"),
            "namespace": trigger(base, namespace="a"),
            "parameter": trigger(base, queryParameters="namespace=a"),
            "other parameter": trigger(base, queryParameters="namespace=b"),
            "query": trigger(base, query="up + 0"),
            "path": trigger(f"{base}/other"),
            "nulls": trigger(base, ignoreNullValues="false"),
            "token a": trigger(base, auth={"token": "a"}, **bearer),
            "token b": trigger(base, auth={"token": "b"}, **bearer),
            "login": trigger(base, auth={"username": "a", "password": "b"}, authModes="basic"),
            "login b": trigger(base, auth={"username": "a:b", "password": ""}, authModes="basic"),
            "key": trigger(base, auth={"apiKey": "a"}, authModes="apiKey"),
            "key b": trigger(base, auth={"apiKey": "b"}, authModes="apiKey"),
            "key name": trigger(base, auth={"apiKey": "a"}, authModes="apiKey", keyParamName="X-Key"),
            "key in query": trigger(base, auth={"apiKey": "a"}, authModes="apiKey", method="query"),
            "custom": trigger(
                base, auth={"customAuthHeader": "X-A", "customAuthValue": "a"}, authModes="custom"
            ),
            "user in address": trigger(base.replace("://", "://u:p@")),
            "unsafe": trigger(base, unsafeSsl="true"),
        }

    def test_no_two_variants_are_equal(self):
        found = {
            name: (one.connection, one.query()) for name, one in self.variants("http://prom:9090").items()
        }
        assert len(set(found.values())) == len(found)

    def test_target_activation_and_spelling_do_not_matter(self):
        plain = trigger()
        for other in (
            trigger(threshold="9", activationThreshold="4"),
            trigger(query=" up "),
            trigger(auth={"bearerToken": "unused"}),
            trigger("http://prom:9090", keyParamName="unused", authModes=""),
        ):
            assert (other.connection, other.query()) == (plain.connection, plain.query())

    async def test_no_trigger_is_given_anothers_answer(self):
        """Through the real engine, on a server that answers each way of asking with another number."""
        numbers: dict[str, int] = {}
        asked = Counter()

        def reply(request):
            seen = ("Authorization", "X-Scope-OrgID", "X-Other", "X-API-KEY", "X-Key", "X-A")
            way = json.dumps([request.raw_path, *(request.headers.get(name) for name in seen)])
            asked[way] += 1
            return web.Response(text=vector(str(numbers.setdefault(way, len(numbers) + 1))))

        results: dict[TriggerKey, float | ScalerError] = {}
        everything = asyncio.Event()

        def take(key, result):
            results[key] = result.error or result.readings[0].value
            if len(results) == 3 * len(variants):
                everything.set()

        async with Pages() as pages:
            pages[QUERY] = pages["/other/api/v1/query"] = reply
            variants = list(self.variants(pages.base).items())
            clock = SystemClock()
            sources = Sources(clock, take, settings=SourceSettings(), host=ClockHost(clock))
            try:
                for copy in range(3):  # Of each three, which are to share their reads.
                    for name, metadata in variants:
                        wanted = Wanted(
                            key=TriggerKey(f"{name}/{copy}", 0), scaler=SCALER, metadata=metadata, interval=30
                        )
                        sources.want(f"{name}/{copy}", [wanted])
                async with asyncio.timeout(15):
                    await everything.wait()
            finally:
                await sources.close()
        values = [{results[TriggerKey(f"{name}/{copy}", 0)] for copy in range(3)} for name, _ in variants]
        assert all(len(found) == 1 for found in values)
        by_way = Counter(next(iter(found)) for found in values)
        # These ask in the same words, and only differ in what they make of it or whom they trust.
        same = {"plain", "nulls", "unsafe"}
        same_value = {results[TriggerKey(f"{name}/0", 0)] for name in same}
        assert len(same_value) == 1
        others = len(variants) - len(same)
        twice = {"tenants swapped", "header order"}, {"namespace", "parameter"}
        for pair in twice:
            assert len({results[TriggerKey(f"{name}/0", 0)] for name in pair}) == 1
        assert len(by_way) == 1 + others - len(twice)
        assert asked.total() == len(variants)


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "path"),
        [
            ({"customHeaders": "X-A=1\r\nX-Evil: 2"}, "metadata.customHeaders"),
            ({"customHeaders": "X\n-A=1"}, "metadata.customHeaders"),
            ({"customHeaders": "X-A=a\x00b"}, "metadata.customHeaders"),
            ({"queryParameters": "a=1\r\nHost: evil"}, "metadata.queryParameters"),
            ({"queryParameters": "a\nb=1"}, "metadata.queryParameters"),
        ],
    )
    def test_line_breaks_in_headers_and_parameters(self, given, path):
        (problem,) = parsed(**given).problems
        assert problem.path == path
        assert "line break" in problem.problem

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"customHeaders": "X A=1"}, "no name of a header"),
            ({"customHeaders": "=1"}, "no name of a header"),
            ({"customHeaders": "X-A:b=1"}, "no name of a header"),
            ({"customHeaders": "Host=evil"}, "not yours to set"),
            ({"customHeaders": "transfer-encoding=chunked"}, "not yours to set"),
            ({"base": "prom:9090"}, "http://"),
            ({"base": "ftp://prom"}, "scheme ftp"),
            ({"base": "file:///etc/passwd"}, "scheme file"),
            ({"base": "not a url"}, "no scheme"),
            ({"base": "http://"}, "no host"),
            ({"base": "http://prom:99999"}, "is no URL"),
            ({"base": "http://prom\n:80"}, "line break"),
        ],
    )
    async def test_what_cannot_be_sent_is_said_when_it_is_read_and_by_validate(self, given, words):
        metadata = trigger(**given)
        assert words in str(SCALER.warnings(metadata)[0])
        with pytest.raises(InvalidMetadata, match=words):
            await read(metadata)

    async def test_a_token_with_a_line_break(self):
        async with Pages() as pages:
            metadata = trigger(pages.base, auth={"token": f"{SECRET}\nX-Evil: 1"}, authModes="bearer")
            with pytest.raises(InvalidMetadata, match="Authorization holds a line break") as caught:
                await read(metadata)
            assert SECRET not in str(caught.value)
            assert pages.requests == []

    @pytest.mark.parametrize("provider", ["aws", "aws-eks", "azure-workload", "gcp"])
    async def test_pod_identity(self, provider):
        metadata = trigger(pod_identity=provider)
        with pytest.raises(InvalidMetadata, match=f"podIdentity.*{provider}"):
            await read(metadata)
        (problem,) = parsed(pod_identity=provider, authModes="bearer", auth={"token": "t"}).problems
        assert "pod identity cannot be enabled with other auth types" in str(problem)

    @pytest.mark.parametrize(
        "name",
        [
            "awsRegion",
            "identityOwner",
            "cloud",
            "azureManagedPrometheusResourceURL",
            "credentialsFromEnv",
            "credentialsFromEnvFile",
        ],
    )
    async def test_keys_of_the_clouds_are_refused_by_name(self, name):
        metadata = trigger(**{name: SECRET})
        with pytest.raises(InvalidMetadata, match=f"metadata.{name}.*not supported yet") as caught:
            await read(metadata)
        assert SECRET not in str(caught.value)
        assert SCALER.warnings(trigger(**{name: SECRET}, authModes="basic", auth={"username": "u"})) == ()

    def test_what_means_nothing_is_accepted(self):
        for harmless in ({"identityOwner": "pod"}, {"pod_identity": "none"}, {"metricName": "old"}):
            assert SCALER.warnings(trigger(**harmless)) == ()

    def test_offline_nothing_is_said_of_what_a_trigger_authentication_may_hold(self):
        found = parsed(unknown=[AUTH])
        assert found.problems == ()
        assert SCALER.warnings(found.value) == ()

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"authModes": "bearer"}, "needs bearerToken"),
            ({"authModes": "basic", "auth": {"password": SECRET}}, "needs username"),
            ({"authModes": "tls", "auth": {"cert": "x"}}, "needs key"),
            ({"authModes": "tls"}, "needs cert and key"),
            ({"authModes": "custom", "auth": {"customAuthHeader": "X"}}, "needs customAuthValue"),
            ({"authModes": "oauth", "auth": {"clientID": "c"}}, "needs oauthTokenURI"),
            ({"authModes": "apiKey"}, "needs apiKey"),
            ({"authModes": "basic,bearer", "auth": {"username": "u", "token": "t"}}, "exclude each other"),
            ({"authModes": "basic,basic", "auth": {"username": "u"}}, "exclude each other"),
            ({"authModes": "magic"}, "must be one of"),
        ],
    )
    def test_modes_and_what_they_need(self, given, words):
        (problem,) = parsed(**given).problems
        assert words in str(problem)
        assert SECRET not in str(problem)


class TestAnswers:
    """What Prometheus itself never answers, or only now and then."""

    @pytest.mark.parametrize(
        ("result", "error", "words"),
        [
            ([{"metric": {}, "value": [1, None]}], NoData, "null"),
            ([{"metric": {}, "value": [1]}], NoData, "didn't return enough values"),
            ([{"metric": {}, "value": [1, "seven"]}], NoData, "unknown form"),
            ([{"metric": {}, "value": [1, True]}], NoData, "unknown form"),
            ([{"metric": {}, "value": [1, {}]}], NoData, "unknown form"),
            ([{"metric": {}, "value": "7"}], NoData, "unknown form"),
            (["7"], NoData, "unknown form"),
            ([{"metric": {}, "histogram": [1, {}]}], NoData, "native histogram"),
            ([{"metric": {}, "values": [[1, "2"]]}], NoData, "range vector"),
            ({"a": 1}, Unavailable, "does not answer as Prometheus does"),
        ],
    )
    def test_odd_results(self, result, error, words):
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
        with pytest.raises(error, match=words):
            answer.number(body, "http://prom", ignore_null=True)

    @pytest.mark.parametrize(("text", "value"), [("7", 7), ("1e3", 1000), ("-2.5", -2.5), (7, 7), (2.5, 2.5)])
    def test_numbers(self, text, value):
        assert answer.number(vector(text).encode(), "", ignore_null=False) == value

    def test_other_servers_leave_out_what_is_not_needed(self):
        for document in (
            {"data": {"result": [{"value": [1, "7"]}]}},
            {
                "status": "success",
                "data": {"resultType": None, "result": [{"value": [1, "7"]}]},
                "warnings": [],
            },
        ):
            assert answer.number(json.dumps(document).encode(), "", ignore_null=False) == 7
        for nothing in ([], None):
            body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": nothing}})
            assert answer.number(body.encode(), "", ignore_null=True) == 0

    def test_an_empty_value_list(self):
        body = json.dumps({"status": "success", "data": {"result": [{"metric": {}, "value": []}]}}).encode()
        assert answer.number(body, "", ignore_null=True) == 0
        with pytest.raises(NoData, match="the value list is empty"):
            answer.number(body, "", ignore_null=False)

    @pytest.mark.parametrize("more", [{"warnings": ["store x is down"]}, {"isPartial": True}])
    def test_an_empty_answer_that_says_it_is_incomplete_is_not_zero(self, more):
        with pytest.raises(NoData, match="may be incomplete"):
            answer.number(vector(**more).encode(), "", ignore_null=True)
        assert answer.number(vector("3", **more).encode(), "", ignore_null=True) == 3

    @pytest.mark.parametrize(
        "body", [b"", b"<html>login</html>", b"[]", b"{}", b'{"status":"error","error":"x"}', b"[" * 10000]
    )
    def test_what_is_no_answer(self, body):
        with pytest.raises(Unavailable, match="does not answer as Prometheus does"):
            answer.number(body, "http://prom", ignore_null=True)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["value", "values", "metric", "result", "data", "status", "resultType"]),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        )
    )
    def test_any_document_is_a_number_or_a_scaler_error(self, document):
        body = msgspec.json.encode(
            {"status": "success", "data": {"resultType": "vector", "result": document}}
        )
        for content in (body, msgspec.json.encode(document)):
            try:
                assert isinstance(answer.number(content, "", ignore_null=False), float)
            except ScalerError:
                continue

    async def test_the_servers_words_are_shown_without_secrets(self):
        async with Pages() as pages:
            said = json.dumps(
                {"status": "error", "errorType": "internal", "error": f"tenant {SECRET} is gone\n"}
            )
            pages[QUERY] = lambda _request: web.Response(status=500, text=said)
            metadata = trigger(pages.base, customHeaders=f"X-Api-Token={SECRET}")
            with pytest.raises(Unavailable, match=r"answers 500: tenant \*\*\* is gone") as caught:
                await read(metadata)
        assert SECRET not in f"{caught.value}{metadata!r}"

    @pytest.mark.parametrize("status", [400, 422, 503])
    async def test_only_a_query_that_is_not_accepted_is_the_manifests_fault(self, status):
        async with Pages() as pages:
            said = json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error"})
            pages[QUERY] = lambda _request: web.Response(status=status, text=said)
            with pytest.raises(ScalerError, match="parse error") as caught:
                await read(trigger(pages.base))
        assert type(caught.value) is (InvalidMetadata if status == 400 else Unavailable)
