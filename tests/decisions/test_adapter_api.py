"""Paths in, answers out. Codes and bodies are those recorded of KEDA's adapter behind a real API server."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_adapter import api, selector
from metrics_adapter.documents import PATHS, pages
from metrics_adapter.store import Metric, Sample, Stale, Store, Terms

BASE = "/apis/external.metrics.k8s.io/v1beta1"
LIVE = f"{BASE}/namespaces/wire/s0-redis-wire"
SELECT = "labelSelector=scaledobject.keda.sh%2Fname%3Dlive"
WIRE = Metric("wire", "live", "s0-redis-wire")
NOON = datetime(2026, 1, 5, 12, 0, 0, 987_654, tzinfo=UTC)


def fed(value: str = "7", moment: datetime = NOON) -> Store:
    store = Store()
    store.declare("wire", "live", {WIRE.name: Terms(freshness=1, interval=30)})
    store.put(WIRE, Sample(value=value, at=100, moment=moment))
    return store


def ask(
    path: str, query: str = "", *, method: str = "GET", accept: str = "", store: Store | None = None
) -> api.Response:
    asked = api.route(method, path, query, accept)
    if isinstance(asked, api.Query):
        return api.answer(asked, store or fed(), 100, refreshed=True)
    assert isinstance(asked, api.Response), asked
    return asked


def query_of(path: str, query: str = SELECT) -> Metric:
    asked = api.route("GET", path, query)
    assert isinstance(asked, api.Query), asked
    return asked.metric


def test_a_value() -> None:
    assert ask(LIVE, SELECT).body == {
        "kind": "ExternalMetricValueList",
        "apiVersion": "external.metrics.k8s.io/v1beta1",
        "metadata": {},
        "items": [
            {
                "metricName": "s0-redis-wire",
                "metricLabels": None,
                "timestamp": "2026-01-05T12:00:00Z",
                "value": "7",
            }
        ],
    }


@pytest.mark.parametrize(
    ("path", "query", "options", "code", "reason", "details"),
    [
        (LIVE, "", {}, 500, None, None),
        (LIVE, "labelSelector=scaledobject.keda.sh%2Fname+in+%28live%29", {}, 500, None, None),
        (LIVE, "labelSelector=scaledobject.keda.sh%2Fname%3D", {}, 500, None, None),
        (LIVE, "labelSelector=scaledobject.keda.sh%2Fname%3Dghost", {}, 500, None, None),
        (f"{BASE}/namespaces/default/s0-redis-wire", SELECT, {}, 500, None, None),
        (f"{BASE}/namespaces/wire/s0-nothing", SELECT, {}, 500, None, None),
        (LIVE, "labelSelector=a+in+%28b", {}, 400, "BadRequest", None),
        (f"{BASE}/s0-redis-wire", SELECT, {}, 404, "NotFound", {}),
        (f"{BASE}/namespaces/wire", "", {}, 404, "NotFound", {}),
        (f"{LIVE}/status", SELECT, {}, 404, "NotFound", {}),
        (f"{BASE}/namespaces//s0-redis-wire", SELECT, {}, 404, "NotFound", {}),
        (f"{BASE}/namespaces/wire/s0-a%2Fb", SELECT, {}, 404, "NotFound", {}),
        (LIVE, SELECT, {"method": "DELETE"}, 405, "MethodNotAllowed", {}),
        (LIVE, SELECT, {"method": "HEAD"}, 405, "MethodNotAllowed", {}),
        (BASE, "", {"method": "POST"}, 405, "MethodNotAllowed", {}),
        ("/healthz", "", {"method": "POST"}, 405, "MethodNotAllowed", {}),
        ("/metrics", "", {"method": "PUT"}, 405, "MethodNotAllowed", {}),
        (
            LIVE,
            f"{SELECT}&watch=true&timeoutSeconds=2",
            {},
            405,
            "MethodNotAllowed",
            {"group": "external.metrics.k8s.io", "kind": "*"},
        ),
        (LIVE, SELECT, {"accept": "text/csv"}, 406, "NotAcceptable", {}),
        (BASE, "", {"accept": "application/vnd.kubernetes.protobuf"}, 406, "NotAcceptable", {}),
    ],
)
def test_refusals(
    path: str, query: str, options: dict, code: int, reason: str | None, details: dict | None
) -> None:
    answer = ask(path, query, **options)
    body = answer.body
    assert (answer.status, body["code"], body.get("reason"), body.get("details")) == (
        code,
        code,
        reason,
        details,
    )
    assert (body["kind"], body["apiVersion"], body["metadata"], body["status"]) == (
        "Status",
        "v1",
        {},
        "Failure",
    )
    assert body["message"]


def test_messages_say_what_is_meant() -> None:
    assert ask(LIVE, "").body["message"] == (
        "which ScaledObject is not said: give labelSelector=scaledobject.keda.sh/name=<name>"
    )
    assert (
        "no ScaledObject wire/ghost"
        in ask(LIVE, "labelSelector=scaledobject.keda.sh/name%3Dghost").body["message"]
    )
    message = ask(f"{BASE}/namespaces/wire/s0-nothing", SELECT).body["message"]
    assert message == "no metric 's0-nothing' in ScaledObject wire/live"


def test_a_failed_source_is_unavailable_with_its_reason() -> None:
    store = Store()
    store.declare("wire", "live", {WIRE.name: Terms(freshness=1, interval=30)})
    store.fail(WIRE, "Unavailable", "redis:6379: connection refused", 100)
    answer = ask(LIVE, SELECT, store=store)
    assert (answer.status, answer.body["reason"]) == (503, "ServiceUnavailable")
    assert answer.body["message"] == "metric s0-redis-wire: Unavailable: redis:6379: connection refused"
    assert answer.age is None


def test_a_stale_sample_is_refreshed_first_and_its_age_told() -> None:
    query = api.Query(WIRE)
    assert api.answer(query, fed(), 103) == Stale(WIRE)
    answer = api.answer(query, fed(), 103, refreshed=True)
    assert (answer.status, answer.age) == (200, 3)


def test_a_negative_number_asks_for_nothing() -> None:
    assert ask(LIVE, SELECT, store=fed("-5")).body["items"][0]["value"] == "0"


def test_timestamps_are_in_utc() -> None:
    store = fed(moment=NOON.astimezone(timezone(timedelta(hours=5, minutes=30))))
    assert ask(LIVE, SELECT, store=store).body["items"][0]["timestamp"] == "2026-01-05T12:00:00Z"


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("S0-REDIS-WIRE", "S0-REDIS-WIRE"),
        ("s0-a%20b%2Cc", "s0-a b,c"),
        ("s0-a+b", "s0-a+b"),
        ("s0-%C3%BC%E2%82%AC", "s0-ü€"),
        ("s0-upper_x.y", "s0-upper_x.y"),
        ("s0-100%", "s0-100%"),
        ("s0-%FF", "s0-\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_names_in_paths(segment: str, name: str) -> None:
    assert query_of(f"{BASE}/namespaces/wire/{segment}").name == name


@pytest.mark.parametrize(
    "query",
    [
        SELECT,
        "labelSelector=scaledobject.keda.sh/name=live",
        "labelSelector=scaledobject.keda.sh%2Fname%3D%3Dlive",
        "labelSelector=+a%3D1+%2C+scaledobject.keda.sh%2Fname+%3D+live",
        f"limit=500&{SELECT}&labelSelector=x%3Dy",
        f"{SELECT}&watch=false",
        f"{SELECT}&watch=0",
    ],
)
def test_selectors(query: str) -> None:
    assert query_of(LIVE, query) == WIRE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in b", "unable to parse requirement: found 'b', expected: '('"),
        ("a in (b=c)", "unable to parse requirement: found '=', expected: ',' or ')'"),
        ("a,", "unable to parse requirement: found '', expected: identifier after ','"),
        ("a=1,=", "unable to parse requirement: found '=', expected: identifier after ','"),
        ("=", "unable to parse requirement: found '=', expected: !, identifier, or 'end of string'"),
        ("!=a", "unable to parse requirement: found '!=', expected: !, identifier, or 'end of string'"),
        ("!,", "unable to parse requirement: found ',', expected: identifier"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b=c", "unable to parse requirement: found '=', expected: ',' or 'end of string'"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
    ],
)
def test_selectors_that_are_none(text: str, message: str) -> None:
    with pytest.raises(selector.MalformedSelectorError) as caught:
        selector.equalities(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text", ["-a=b", "a/b/c=d", "A.B/c=d", "a=-", f"a={'x' * 64}", f"{'x' * 64}=a", "ü=a"]
)
def test_labels_that_are_none(text: str) -> None:
    with pytest.raises(selector.MalformedSelectorError, match="is no"):
        selector.equalities(text)


@pytest.mark.parametrize(
    "text", ["a", "!a", "a!=b", "a in (b)", "a in ()", "a notin (b,c)", "a>1", "x=y,a<1"]
)
def test_selectors_that_are_more_than_equality(text: str) -> None:
    with pytest.raises(selector.UnsupportedSelectorError, match="the term on 'a' is no equality"):
        selector.equalities(text)


def test_selectors_of_equalities() -> None:
    assert selector.equalities("") == selector.equalities("  ") == {}
    assert selector.equalities("a=1,b==2,c=, d = x.y_z ,a=3") == {"a": "3", "b": "2", "c": "", "d": "x.y_z"}


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/json, */*",
        "application/vnd.kubernetes.protobuf, */*",
        "application/vnd.kubernetes.protobuf,application/json",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        "text/html, application/*;q=0.8",
    ],
)
def test_json_will_do(accept: str) -> None:
    assert ask(LIVE, SELECT, accept=accept).status == 200


@pytest.mark.parametrize(
    "accept", ["application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml", "image/*"]
)
def test_json_will_not_do(accept: str) -> None:
    assert ask(LIVE, SELECT, accept=accept).status == 406


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz", "/healthz/"])
def test_health(path: str) -> None:
    check = path.strip("/")
    assert api.route("GET", path) == api.route("HEAD", path, accept="text/csv") == api.Health(check)


def test_every_page_is_reached_and_no_other() -> None:
    assert set(pages("1.2.3")) == PATHS
    assert {path: api.route("GET", path) for path in PATHS} == {path: api.Document(path) for path in PATHS}
    assert api.route("GET", "/apis/") == api.Document("/apis")
    assert api.route("GET", "/metrics") == api.Telemetry()


def test_discovery_is_as_recorded() -> None:
    found = {path: msgspec.json.decode(page.body) for path, page in pages("1.2.3").items()}
    version = {"groupVersion": "external.metrics.k8s.io/v1beta1", "version": "v1beta1"}
    group = {"name": "external.metrics.k8s.io", "versions": [version], "preferredVersion": version}
    assert found["/apis"] == {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]}
    assert found["/apis/external.metrics.k8s.io"] == {"kind": "APIGroup", "apiVersion": "v1"} | group
    assert found[BASE] == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "external.metrics.k8s.io/v1beta1",
        "resources": [
            {
                "name": "externalmetrics",
                "singularName": "",
                "namespaced": True,
                "kind": "ExternalMetricValueList",
                "verbs": ["get"],
            }
        ],
    }
    assert found["/"]["paths"] == sorted((PATHS - {"/"}) | {"/healthz", "/livez", "/metrics", "/readyz"})
    assert {key: found["/version"][key] for key in ("major", "minor", "gitVersion")} == {
        "major": "1",
        "minor": "2",
        "gitVersion": "v1.2.3",
    }


def test_openapi_v2_holds_the_recorded_paths_and_definitions() -> None:
    document = msgspec.json.decode(pages("1.2.3")["/openapi/v2"].body)
    assert document["swagger"] == "2.0"
    assert set(document["paths"]) == {
        "/apis/",
        "/apis/external.metrics.k8s.io/",
        f"{BASE}/",
        f"{BASE}/namespaces/{{namespace}}/{{resource}}",
        "/version/",
    }
    assert set(document["definitions"]) == {
        "io.k8s.apimachinery.pkg.api.resource.Quantity",
        "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup",
        "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList",
        "io.k8s.apimachinery.pkg.apis.meta.v1.APIResource",
        "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList",
        "io.k8s.apimachinery.pkg.apis.meta.v1.GroupVersionForDiscovery",
        "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta",
        "io.k8s.apimachinery.pkg.apis.meta.v1.ServerAddressByClientCIDR",
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
        "io.k8s.apimachinery.pkg.version.Info",
        "io.k8s.metrics.pkg.apis.external_metrics.v1beta1.ExternalMetricValue",
        "io.k8s.metrics.pkg.apis.external_metrics.v1beta1.ExternalMetricValueList",
    }


def test_openapi_v3_is_indexed_by_its_hash() -> None:
    found = pages("1.2.3")
    index = msgspec.json.decode(found["/openapi/v3"].body)["paths"]
    page = found[f"/openapi/v3{BASE}"]
    assert index == {
        BASE.strip("/"): {"serverRelativeURL": f"/openapi/v3{BASE}?hash={page.etag[1:-1]}"},
    }
    document = msgspec.json.decode(page.body)
    assert document["openapi"] == "3.0.0"
    values = document["components"]["schemas"][
        "io.k8s.metrics.pkg.apis.external_metrics.v1beta1.ExternalMetricValueList"
    ]
    assert values["x-kubernetes-group-version-kind"] == [
        {"group": "external.metrics.k8s.io", "version": "v1beta1", "kind": "ExternalMetricValueList"}
    ]
    assert found["/openapi/v3"].etag != pages("1.2.4")["/openapi/v3"].etag


@pytest.mark.parametrize("path", ["/openapi/v2", f"/openapi/v3{BASE}"])
def test_every_reference_leads_somewhere_and_every_answer_keeps_its_promise(path: str) -> None:
    document = msgspec.json.decode(pages("1.2.3")[path].body)

    def resolve(reference: str) -> dict:
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        return found

    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [one for value in node.values() for one in references(value)]
        return [one for value in node for one in references(value)] if isinstance(node, list) else []

    assert references(document)
    for reference in references(document):
        assert resolve(reference)["type"]

    def conforms(value: object, schema: dict) -> None:
        schema = resolve(schema["$ref"]) if "$ref" in schema else schema
        kind = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "object"}[
            type(value)
        ]
        assert kind == schema["type"], (value, schema)
        if isinstance(value, list):
            for item in value:
                conforms(item, schema["items"])
        if isinstance(value, dict):
            assert set(schema.get("required", [])) <= set(value)
            for key, item in value.items():
                conforms(item, schema["properties"][key])

    operation = document["paths"][f"{BASE}/namespaces/{{namespace}}/{{resource}}"]["get"]
    ok = operation["responses"]["200"]
    conforms(
        ask(LIVE, SELECT).body,
        ok["schema"] if "schema" in ok else ok["content"]["application/json"]["schema"],
    )


ANY = st.text(st.characters(exclude_categories=()))  # Lone surrogates too: bytes that are no UTF-8.
CHARS = st.sampled_from(
    [*"/%?&=+,.:;()!<>ü\x00 ", "%2F", "%00", "%zz", "apis", "external.metrics.k8s.io", "v1beta1"]
)
PATHY = st.lists(CHARS | st.sampled_from(["namespaces", "wire", LIVE, BASE, "/healthz"]), max_size=12).map(
    "".join
)
SELECTORY = st.lists(
    CHARS | st.sampled_from(["labelSelector=", SELECT, "watch=", "in", "notin"]), max_size=12
).map("".join)


@pytest.mark.parametrize(
    "path", ["/apis/external.metrics.k8s.io/v1", "/apis/../healthz", "/api", "/nothing", "//healthz", "*", ""]
)
def test_outside_the_group_what_is_not_there_is_answered_with_what_is(path: str) -> None:
    answer = api.route("GET", path)
    assert isinstance(answer, api.Response)
    assert (answer.status, set(answer.body)) == (404, {"paths"})
    assert {"/apis", BASE, "/healthz", "/openapi/v2"} <= set(answer.body["paths"])


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "BREW"]),
    path=PATHY | ANY,
    query=SELECTORY | ANY,
    accept=SELECTORY | ANY,
)
def test_whatever_is_asked_is_answered(method: str, path: str, query: str, accept: str) -> None:
    asked = api.route(method, path, query, accept)
    if isinstance(asked, api.Query):
        asked = api.answer(asked, fed(), 100, refreshed=True)
    if isinstance(asked, api.Response):
        assert asked.status in {200, 400, 404, 405, 406, 500}
        body = msgspec.json.decode(msgspec.json.encode(asked.body))
        assert body.get("kind") in {"Status", "ExternalMetricValueList"} or set(body) == {"paths"}
    else:
        assert isinstance(asked, api.Health | api.Document | api.Telemetry)


@given(SELECTORY | ANY)
def test_whatever_is_selected_is_labels_or_an_error(text: str) -> None:
    try:
        labels = selector.equalities(text)
    except (selector.MalformedSelectorError, selector.UnsupportedSelectorError):
        return
    # What is accepted says the same when it is written anew.
    assert selector.equalities(",".join(f"{key}={value}" for key, value in labels.items())) == labels
