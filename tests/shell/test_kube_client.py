"""The client: what it sends, what it repeats, and what it makes of answers."""

import asyncio
import json

import pytest
from scripted_api import CUT, ScriptedApi, answers, fails, hangs, lists, resets, stream, thing, until

from scaler.clock import SystemClock
from scaler.kube import errors
from scaler.kube.access import Access
from scaler.kube.client import APPLY, JSON_PATCH, Kube
from scaler.kube.mapper import Mapper
from scaler.kube.resources import (
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    EVENTS,
    HPAS,
    NAMESPACES,
    PODS,
    SCALED_OBJECTS,
    Resource,
)

CLOCK = SystemClock()


@pytest.fixture
async def api():
    api = await ScriptedApi().start()
    yield api
    await api.stop()


@pytest.fixture
def observed():
    return []


@pytest.fixture
async def kube(api, observed):
    def observer(verb, resource, status, seconds):
        assert 0 <= seconds < 10
        observed.append((verb, resource, status))

    async with Kube(api.access, CLOCK, observer=observer, jitter=lambda: 0.0) as kube:
        yield kube


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        (PODS, "/api/v1/namespaces/shop/pods/x"),
        (NAMESPACES, "/api/v1/namespaces/x"),
        (HPAS, "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/x"),
        (SCALED_OBJECTS, "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/x"),
        (EVENTS, "/apis/events.k8s.io/v1/namespaces/shop/events/x"),
        (CRDS, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x"),
    ],
)
def test_paths(resource, path):
    assert resource.object("x", "shop") == path
    assert resource.subresource("x", "status", "shop") == f"{path}/status"


def test_paths_escape_and_refuse_what_would_address_something_else():
    assert PODS.object("a/b%2f..?x", "n s") == "/api/v1/namespaces/n%20s/pods/a%2Fb%252f..%3Fx"
    for name in ("", ".", ".."):
        with pytest.raises(ValueError, match="is no name"):
            PODS.object(name, "shop")
    with pytest.raises(ValueError, match="a namespace is needed"):
        PODS.object("x")
    assert PODS.collection() == "/api/v1/pods"
    assert str(DEPLOYMENTS) == "deployments.apps"
    assert str(PODS) == "pods"


async def test_verbs_say_what_they_should(api, kube, observed):
    obj = thing("a", 5)
    for _ in range(9):
        api.others.append(answers(200, obj))
    assert await kube.get(CONFIG_MAPS, "a", "shop") == obj
    await kube.create(CONFIG_MAPS, obj)
    await kube.replace(CONFIG_MAPS, obj)
    await kube.patch(SCALED_OBJECTS, "a", {"status": {}}, "shop", subresource="status")
    await kube.patch(CONFIG_MAPS, "a", [{"op": "remove", "path": "/x"}], "shop", content_type=JSON_PATCH)
    await kube.patch(CONFIG_MAPS, "a", {}, "shop", content_type=APPLY, field_manager="tidegate", force=True)
    await kube.patch_scale(DEPLOYMENTS, "web", "shop", 3, resource_version="77")
    await kube.get_scale(DEPLOYMENTS, "web", "shop")
    await kube.delete(CONFIG_MAPS, "a", "shop", uid="u", resource_version="5", propagation="Background")
    maps = "/api/v1/namespaces/shop/configmaps"
    scaled = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/a/status"
    scale = "/apis/apps/v1/namespaces/shop/deployments/web/scale"
    assert [(request.method, request.path) for request in api.requests] == [
        ("GET", f"{maps}/a"),
        ("POST", maps),
        ("PUT", f"{maps}/a"),
        ("PATCH", scaled),
        ("PATCH", f"{maps}/a"),
        ("PATCH", f"{maps}/a"),
        ("PATCH", scale),
        ("GET", scale),
        ("DELETE", f"{maps}/a"),
    ]
    get, create, _, status, json_patch, apply, patch_scale, _, delete = api.requests
    assert "Content-Type" not in get.headers
    assert get.headers["Accept"] == "application/json"
    assert get.headers["User-Agent"].startswith("tidegate/")
    assert json.loads(create.body) == obj
    assert status.headers["Content-Type"] == "application/merge-patch+json"
    assert json_patch.headers["Content-Type"] == "application/json-patch+json"
    assert apply.headers["Content-Type"] == "application/apply-patch+yaml"
    assert apply.query == {"fieldManager": "tidegate", "force": "true"}
    assert json.loads(patch_scale.body) == {"metadata": {"resourceVersion": "77"}, "spec": {"replicas": 3}}
    assert json.loads(delete.body) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u", "resourceVersion": "5"},
        "propagationPolicy": "Background",
    }
    assert [verb for verb, _, _ in observed] == [
        "get", "create", "update", "patch", "patch", "patch", "patch", "get", "delete",
    ]  # fmt: skip
    assert observed[6] == ("patch", "deployments.apps/scale", 200)


async def test_lists_in_pages_with_kinds(api, kube):
    bare = thing("a", 5)
    del bare["apiVersion"], bare["kind"]
    api.lists.extend([lists(bare, version=9, token="p 2/="), lists(thing("b", 6), version=9)])
    pages = [page async for page in kube.list_pages(CONFIG_MAPS, "shop", selector="a in (b),!c")]
    assert [[obj["metadata"]["name"] for obj in page.items] for page in pages] == [["a"], ["b"]]
    assert pages[0].items[0]["kind"] == "ConfigMap"
    assert pages[0].items[0]["apiVersion"] == "v1"
    assert pages[1].version == "9"
    assert [request.query for request in api.requests] == [
        {"labelSelector": "a in (b),!c", "limit": "500"},
        {"labelSelector": "a in (b),!c", "limit": "500", "continue": "p 2/="},
    ]
    api.lists.append(answers(200, {"metadata": {}, "items": None}))
    assert (await kube.list_page(CONFIG_MAPS)).items == []


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (400, "BadRequest", errors.ApiError),
        (401, "Unauthorized", errors.Unauthenticated),
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "Conflict", errors.Conflict),
        (409, "AlreadyExists", errors.AlreadyExists),
        (410, "Expired", errors.Gone),
        (422, "Invalid", errors.Invalid),
        (500, "InternalError", errors.ServerError),
    ],
)
async def test_failures_are_our_own_exceptions_and_writes_are_not_repeated(api, kube, code, reason, kind):
    cause = {"reason": "FieldValueInvalid", "message": "must be at least 1", "field": "spec.maxReplicaCount"}
    api.others.append(fails(code, reason, "no, because", name="a", causes=[cause]))
    with pytest.raises(errors.KubeError) as caught:
        await kube.patch(SCALED_OBJECTS, "a", {}, "shop", subresource="status")
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.reason, error.details["name"]) == (code, reason, "a")
    assert error.causes == (cause,)
    assert str(error) == f"patch scaledobjects.keda.sh/status shop/a: no, because ({code})"
    assert len(api.requests) == 1


async def test_failures_in_text_or_worse_are_reported_too(api, kube):
    api.others.append(answers(404, b"404 page not found\n"))
    with pytest.raises(errors.NotFound, match="get configmaps shop/a: 404 page not found"):
        await kube.get(CONFIG_MAPS, "a", "shop")
    api.others.append(answers(418, b"\xff\xfe\x00"))
    with pytest.raises(errors.ApiError):
        await kube.get(CONFIG_MAPS, "a", "shop")
    api.others.append(answers(409, [1]))
    with pytest.raises(errors.Conflict):
        await kube.get(CONFIG_MAPS, "a", "shop")
    api.others.append(answers(422, {"code": "x", "details": [], "message": None}))
    with pytest.raises(errors.Invalid):
        await kube.get(CONFIG_MAPS, "a", "shop")


@pytest.mark.parametrize("answer", [fails(500), fails(503, retry_after=0), resets, stream(CUT)])
async def test_reads_are_repeated(api, kube, answer):
    api.others.extend([answer, answer, answers(200, thing("a", 5))])
    assert await kube.get(CONFIG_MAPS, "a", "shop") == thing("a", 5)
    assert len(api.requests) == 3


@pytest.mark.parametrize("body", [b"<html>", b"{}{", b"[]", b"\xff"])
async def test_an_answer_that_makes_no_sense_is_unreachable(api, kube, body):
    api.others.append(answers(200, body))
    with pytest.raises(errors.Unreachable, match="get configmaps shop/a: the answer is n"):
        await kube.get(CONFIG_MAPS, "a", "shop")
    assert len(api.requests) == 1, "the next would make none either"


@pytest.mark.parametrize("name", [".", ".."])
async def test_a_name_that_would_lead_elsewhere_is_not_found_and_not_asked_for(api, kube, name):
    with pytest.raises(errors.NotFound, match="is no name"):
        await kube.get(CONFIG_MAPS, name, "shop")
    with pytest.raises(errors.NotFound, match="is no name"):
        await kube.patch_scale(DEPLOYMENTS, name, "shop", 1)
    assert api.requests == []


async def test_a_list_of_what_are_no_objects_is_unreachable(api, kube):
    api.lists.append(answers(200, {"metadata": {}, "items": [1]}))
    with pytest.raises(errors.Unreachable, match="no object"):
        await kube.list_page(CONFIG_MAPS, "shop")


async def test_reads_are_not_repeated_for_ever(api, kube):
    api.others.extend([fails(500)] * 20)
    with pytest.raises(errors.ServerError):
        await kube.get(CONFIG_MAPS, "a", "shop")
    assert len(api.requests) == 4


async def test_429_is_honoured_for_writes_too(api, kube):
    api.others.extend([fails(429, "TooManyRequests", retry_after=1), answers(201, thing("a", 5))])
    began = asyncio.get_running_loop().time()
    await kube.create(CONFIG_MAPS, thing("a", 5))
    assert asyncio.get_running_loop().time() - began >= 0.95
    assert len(api.requests) == 2


async def test_a_long_retry_after_is_the_callers(api, kube):
    api.others.append(fails(429, "TooManyRequests", retryAfterSeconds=60))
    with pytest.raises(errors.TooManyRequests) as caught:
        await kube.create(CONFIG_MAPS, thing("a", 5))
    assert caught.value.retry_after == 60
    assert len(api.requests) == 1


async def test_a_cut_or_reset_write_is_unreachable_and_sent_once(api, kube, observed):
    for answer in (resets, stream(CUT)):
        api.others.append(answer)
        with pytest.raises(errors.Unreachable, match="create configmaps shop/a"):
            await kube.create(CONFIG_MAPS, thing("a", 5))
    assert len(api.requests) == 2
    assert observed == [("create", "configmaps", 0)] * 2


async def test_a_hanging_server_meets_the_deadline(api):
    async with Kube(api.access, CLOCK, timeout=0.2) as kube:
        api.others.append(hangs)
        with pytest.raises(errors.Unreachable, match=r"no answer within 0\.2 s"):
            await kube.get(CONFIG_MAPS, "a", "shop")
        assert len(api.requests) == 1, "a read that hung is not repeated: it would hang again"


async def test_a_refused_connection_is_unreachable(api, kube):
    await api.stop()
    with pytest.raises(
        errors.Unreachable,
        match=r"get configmaps shop/a: cannot connect to 127.0.0.1:\d+: Connection refused$",
    ):
        await kube.get(CONFIG_MAPS, "a", "shop")


async def test_a_bounded_number_of_requests_is_under_way_and_waiting_costs_no_deadline(api):
    under_way = most = 0

    async def slow(exchange):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.3)
        under_way -= 1
        await answers(200, thing("a", 5))(exchange)

    api.others.extend([slow] * 12)
    async with Kube(api.access, CLOCK, concurrency=3, timeout=1) as kube:
        await asyncio.gather(*(kube.get(CONFIG_MAPS, "a", "shop") for _ in range(12)))
    assert most == 3


async def test_watches_do_not_use_up_the_connections_of_requests(api):
    async with Kube(api.access, CLOCK, concurrency=2, timeout=2) as kube:

        async def follow():
            async for _ in kube.watch(CONFIG_MAPS, version="1", seconds=60, idle=70):
                pass

        watches = [asyncio.create_task(follow()) for _ in range(10)]
        await until(lambda: len(api.asked("watch")) == 10)
        api.others.append(answers(200, thing("a", 5)))
        await kube.get(CONFIG_MAPS, "a", "shop")
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


async def test_after_401_the_credentials_are_renewed_once_for_all(api):
    renewals = []

    class Rotating(Access):
        async def renew(self):
            renewals.append(self.token)
            return Access(self.server, token="new") if len(renewals) == 1 else None

    async def guard(exchange):
        good = exchange.request.headers.get("Authorization") == "Bearer new"
        await (answers(200, thing("a", 5)) if good else fails(401, "Unauthorized"))(exchange)

    api.paths["/api/v1/namespaces/shop/configmaps/a"] = guard
    async with Kube(Rotating(api.access.server, token="old"), CLOCK) as kube:
        await asyncio.gather(*(kube.get(CONFIG_MAPS, "a", "shop") for _ in range(5)))
        assert renewals == ["old"]
        before = len(api.requests)
        await kube.get(CONFIG_MAPS, "a", "shop")
        assert len(api.requests) == before + 1
        api.paths["/api/v1/namespaces/shop/configmaps/a"] = fails(401, "Unauthorized")
        with pytest.raises(errors.Unauthenticated):
            await kube.get(CONFIG_MAPS, "a", "shop")
        assert len(api.requests) == before + 2


async def test_an_access_does_not_show_its_token():
    assert "secret" not in repr(Access("http://x", token="secret"))


async def test_a_closed_client_says_so(api):
    kube = Kube(api.access, CLOCK)
    await kube.close()
    with pytest.raises(errors.Unreachable, match="the client is closed"):
        await kube.get(CONFIG_MAPS, "a", "shop")


async def test_raw(api, kube):
    api.others.append(answers(200, b"ok"))
    assert await kube.raw("/readyz", query={"verbose": "true"}) == b"ok"
    assert api.requests[0].query == {"verbose": "true"}


APPS = {
    "kind": "APIResourceList",
    "groupVersion": "lab.test/v1",
    "resources": [
        {"name": "widgets", "namespaced": True, "kind": "Widget"},
        {"name": "widgets/status", "namespaced": True, "kind": "Widget"},
        {
            "name": "widgets/scale",
            "namespaced": True,
            "kind": "Scale",
            "group": "autoscaling",
            "version": "v1",
        },
        {"name": "gadgets", "namespaced": False, "kind": "Gadget"},
        {"name": 5},
        "odd",
    ],
}


async def test_the_mapper_finds_resources_and_their_scale(api, kube, fake_clock):
    api.paths["/apis/lab.test/v1"] = answers(200, APPS)
    mapper = Mapper(kube, fake_clock)
    found = await asyncio.gather(*(mapper.find("lab.test/v1", "Widget") for _ in range(5)))
    assert found[0].resource == Resource("lab.test", "v1", "widgets", "Widget")
    assert found[0].scalable
    gadget = await mapper.find("lab.test/v1", "Gadget")
    assert gadget.resource == Resource("lab.test", "v1", "gadgets", "Gadget", namespaced=False)
    assert not gadget.scalable
    assert len(api.requests) == 1


async def test_the_mapper_looks_again_for_what_was_missing_but_not_too_often(api, kube, fake_clock):
    mapper = Mapper(kube, fake_clock, patience=10)
    for _ in range(3):
        with pytest.raises(errors.UnknownKind, match=r"lab.test/v1 Widget: .* is its CRD installed\?"):
            await mapper.find("lab.test/v1", "Widget")
    assert len(api.requests) == 1
    api.paths["/apis/lab.test/v1"] = answers(200, APPS)
    await fake_clock.advance(9)
    with pytest.raises(errors.UnknownKind):
        await mapper.find("lab.test/v1", "Widget")
    await fake_clock.advance(1)
    assert (await mapper.find("lab.test/v1", "Widget")).scalable
    assert len(api.requests) == 2


async def test_the_mapper_does_not_take_a_failure_for_an_answer(api, kube, fake_clock):
    mapper = Mapper(kube, fake_clock)
    api.paths["/apis/lab.test/v1"] = fails(403, "Forbidden")
    with pytest.raises(errors.Forbidden):
        await mapper.find("lab.test/v1", "Widget")
    api.paths["/apis/lab.test/v1"] = answers(200, APPS)
    assert (await mapper.find("lab.test/v1", "Widget")).scalable


@pytest.mark.parametrize("api_version", ["", "/", "a/b/c", "../v1", "apps/"])
async def test_the_mapper_refuses_what_is_no_api_version(api, kube, fake_clock, api_version):
    with pytest.raises(errors.UnknownKind, match="apiVersion"):
        await Mapper(kube, fake_clock).find(api_version, "Widget")
    assert api.requests == []
