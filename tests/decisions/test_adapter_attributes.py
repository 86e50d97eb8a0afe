"""What a request asks to be allowed, and the one rule: what is checked is what is answered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics_adapter import api
from metrics_adapter.attributes import Attributes, attributes, forbidden, segments

GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"
ROOT = f"/apis/{GROUP}/{VERSION}"
WIRE, ALL = 'in the namespace "wire"', "at the cluster scope"
SELECT = "labelSelector=scaledobject.keda.sh%2Fname%3Dlive"


def about(verb: str, resource: str, namespace: str = "", **more: str) -> Attributes:
    return Attributes(verb=verb, group=GROUP, version=VERSION, resource=resource, namespace=namespace, **more)


@pytest.mark.parametrize(
    ("method", "path", "query", "asked"),
    [
        ("GET", f"{ROOT}/namespaces/shop/s0-redis", "", about("list", "s0-redis", "shop")),
        ("HEAD", f"{ROOT}/namespaces/shop/s0-redis", "", about("list", "s0-redis", "shop")),
        ("GET", f"{ROOT}/namespaces/shop/s0-redis/", "", about("list", "s0-redis", "shop")),
        ("GET", f"{ROOT}/namespaces/shop/s0-redis", "watch=true", about("watch", "s0-redis", "shop")),
        ("GET", f"{ROOT}/namespaces/shop/s0-redis", "watch=0", about("list", "s0-redis", "shop")),
        ("DELETE", f"{ROOT}/namespaces/shop/s0-redis", "", about("deletecollection", "s0-redis", "shop")),
        ("POST", f"{ROOT}/namespaces/shop/s0-redis", "", about("create", "s0-redis", "shop")),
        ("PATCH", f"{ROOT}/namespaces/shop/s0-redis", "", about("patch", "s0-redis", "shop")),
        ("BREW", f"{ROOT}/namespaces/shop/s0-redis", "", about("brew", "s0-redis", "shop")),
        ("GET", f"{ROOT}/namespaces/shop/s0-redis/one", "", about("get", "s0-redis", "shop", name="one")),
        (
            "GET",
            f"{ROOT}/namespaces/shop/s0-redis/one/status",
            "",
            about("get", "s0-redis", "shop", name="one", subresource="status"),
        ),
        ("GET", f"{ROOT}/s0-redis", "", about("list", "s0-redis")),
        ("GET", f"{ROOT}/namespaces", "", about("list", "namespaces")),
        ("GET", f"{ROOT}/namespaces/shop", "", about("get", "namespaces", "shop", name="shop")),
        (
            "GET",
            f"{ROOT}/namespaces/shop/status",
            "",
            about("get", "namespaces", "shop", name="shop", subresource="status"),
        ),
        ("GET", f"{ROOT}/watch/namespaces/shop/s0-redis", "", about("watch", "s0-redis", "shop")),
        ("GET", ROOT, "", Attributes(verb="get", path=ROOT)),
        ("GET", f"/apis/{GROUP}", "", Attributes(verb="get", path=f"/apis/{GROUP}")),
        ("POST", "/metrics", "", Attributes(verb="post", path="/metrics")),
        ("GET", "/", "", Attributes(verb="get", path="/")),
        ("GET", "", "", Attributes(verb="get", path="/")),
        ("GET", f"{ROOT}/namespaces/shop/s%30-redis", "", about("list", "s0-redis", "shop")),
    ],
)
def test_requests(method: str, path: str, query: str, asked: Attributes) -> None:
    assert attributes(method, path, query) == asked


@pytest.mark.parametrize(
    "path",
    [
        "//healthz",
        "/healthz//",
        f"{ROOT}/namespaces/shop//s0-redis",
        f"{ROOT}/namespaces/shop/../s0-redis",
        f"{ROOT}/namespaces/shop/./s0-redis",
        f"{ROOT}/namespaces/shop/%2e%2E/s0-redis",
        f"{ROOT}/namespaces/shop/a%2fs0-redis",
        f"{ROOT}/namespaces/shop/a%2Fs0-redis",
        f"{ROOT}/namespaces/shop/s0-redis%00",
        f"{ROOT}/namespaces/shop/s0-redis%0a",
        "healthz",
        "*",
    ],
)
def test_any_other_spelling_is_a_path_of_its_own_where_nothing_is(path: str) -> None:
    assert segments(path) is None
    assert attributes("GET", path).path
    assert api.route("GET", path, SELECT).status == 404


def test_a_metric_cannot_be_called_like_a_part_of_its_namespace() -> None:
    for name in ("status", "finalize"):
        assert api.route("GET", f"{ROOT}/namespaces/shop/{name}", SELECT).status == 404


PARTS = st.lists(
    st.sampled_from(
        ["", ".", "..", "%2e%2e", "%2f", "%00", "apis", GROUP, VERSION, "namespaces", "watch", "status"]
    )
    | st.text(alphabet="abc-%/.2fF\\", max_size=4),
    max_size=8,
)


@given(PARTS, st.sampled_from(["", ROOT, f"{ROOT}/namespaces/shop"]))
def test_what_is_served_is_what_was_asked_about(parts: list[str], root: str) -> None:
    path = "/".join([root, *parts])
    match api.route("GET", path, SELECT):
        case api.Query(metric=metric):
            assert attributes("GET", path, SELECT) == about("list", metric.name, metric.namespace)
        case api.Document(path=served):
            assert attributes("GET", path).path in {served, f"{served}/"}
        case api.Health(check=check):
            assert path.rstrip("/") == f"/{check}"


@pytest.mark.parametrize(
    ("asked", "message", "details"),
    [
        (
            about("list", "s0-redis", "wire"),
            f's0-redis.{GROUP} is forbidden: User "u" cannot list resource "s0-redis" in API group "{GROUP}" {WIRE}',
            {"group": GROUP, "kind": "s0-redis"},
        ),
        (
            about("get", "a", name="n", subresource="status"),
            f'a.{GROUP} "n" is forbidden: User "u" cannot get resource "a/status" in API group "{GROUP}" {ALL}',
            {"name": "n", "group": GROUP, "kind": "a"},
        ),
        (Attributes(verb="get", path="/apis"), 'forbidden: User "u" cannot get path "/apis"', {}),
    ],
)
def test_a_refusal_repeats_the_question(asked: Attributes, message: str, details: dict[str, str]) -> None:
    assert forbidden(asked, "u") == (message, details)
