"""The HPA controller's requests to the external-metrics API, and how it reads the answers."""

import json

import pytest

from scaler.local.attributes import Attributes, forbidden
from scaler.local.external_metrics import MetricsError, through, values

LIST = {"kind": "ExternalMetricValueList", "apiVersion": "external.metrics.k8s.io/v1beta1", "metadata": {}}


class Recorded:
    """Stands for the aggregator: notes what it should send on."""

    def __init__(self):
        self.sent = []

    async def forward(self, method, path, query, **more):
        self.sent.append((method, path, query, more))
        return 200, {}, json.dumps({**LIST, "items": [{"metricName": "m", "value": "5"}]}).encode()


class Asked:
    """Stands for the API server's access control: notes what is asked of it."""

    def __init__(self, *, refuse=False):
        self.seen = []
        self.refuse = refuse

    def demand(self, user, attributes):
        self.seen.append(attributes)
        if self.refuse:
            raise forbidden(attributes, user.name)


async def test_the_request_is_the_recorded_one():
    """The recorded request's path, query and Accept (conformance/wire/aggregator-to-adapter.json)."""
    aggregator = Recorded()
    asked = Asked()
    fetch = through(aggregator, asked)
    assert await fetch("hpa-wire", "s0-upper_x.y", "a=1,b=2,c in (x,y)") == ["5"]
    assert await fetch("default", "s0-a/b", "") == ["5"]
    root = "/apis/external.metrics.k8s.io/v1beta1/namespaces"
    (method, path, query, more), (_, other_path, no_query, _) = aggregator.sent
    assert (method, path) == ("GET", f"{root}/hpa-wire/s0-upper_x.y")
    assert query == "labelSelector=a%3D1%2Cb%3D2%2Cc+in+%28x%2Cy%29"
    assert more["accept"] == "application/vnd.kubernetes.protobuf, */*"
    assert more["user"] == "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
    assert "system:serviceaccounts:kube-system" in more["groups"]
    assert asked.seen[0] == Attributes(
        verb="list", group="external.metrics.k8s.io", resource="s0-upper_x.y", namespace="hpa-wire"
    )
    assert (other_path, no_query) == (f"{root}/default/s0-a%2Fb", "")


async def test_who_may_not_read_metrics_does_not_ask_for_them():
    aggregator = Recorded()
    with pytest.raises(MetricsError, match='cannot list resource "m" in API group "external'):
        await through(aggregator, Asked(refuse=True))("shop", "m", "")
    assert not aggregator.sent


def test_values_in_order_and_none():
    items = [{"value": "1500m"}, {"value": 3}]
    assert values(200, json.dumps({**LIST, "items": items}).encode()) == ["1500m", "3"]
    assert values(200, json.dumps({**LIST, "items": []}).encode()) == []


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (503, b'{"kind":"Status","message":"redis is down","code":503}', "503: redis is down"),
        (404, b"404 page not found", "404: 404 page not found"),
        (500, b"", "500: nothing"),
        (200, b"not json", "no ExternalMetricValueList"),
        (200, b'{"items": null}', "no ExternalMetricValueList"),
        (200, b"[]", "no ExternalMetricValueList"),
        (200, b'{"items": [{"metricName": "m"}]}', "without a value"),
        (200, b'{"items": [3]}', "without a value"),
    ],
)
def test_other_answers_are_errors_with_a_sentence(status, body, words):
    with pytest.raises(MetricsError) as caught:
        values(status, body)
    assert words in str(caught.value)
