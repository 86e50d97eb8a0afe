"""The aggregation layer in front of a server of ours: TLS both ways, headers, availability."""

import base64
import json
import ssl
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from served import served, until

from scaler import pki
from scaler.clock import SystemClock

SERVICES = "/api/v1/namespaces/sys/services"
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
NAME = "v1beta1.external.metrics.k8s.io"
PATH = "/apis/external.metrics.k8s.io/v1beta1"
CA = pki.make_ca("adapter-ca")


@pytest.fixture
async def client():
    # Availability is checked on a schedule, which a factor speeds up.
    async with served(SystemClock(factor=20), widgets=False) as client:
        client.api.create("", "namespaces", "", {"metadata": {"name": "sys"}})
        yield client


class Adapter:
    """A server that notes what it was asked and who asked."""

    def __init__(self):
        self.requests = []
        self.port = 0
        self.status = 200

    async def answer(self, request):
        certificate = request.transport.get_extra_info("peercert") or {}
        subject = {key: value for (pair,) in certificate.get("subject", ()) for key, value in [pair]}
        self.requests.append((request.method, request.raw_path, list(request.headers.items()), subject))
        return web.Response(
            text=json.dumps({"kind": "APIResourceList"}), content_type="application/json", status=self.status
        )

    def last(self, path):
        """Headers (lower-case names) and subject of the last request for a path."""
        for _, asked, headers, subject in reversed(self.requests):
            if asked == path:
                return [(name.lower(), value) for name, value in headers], subject
        raise AssertionError(f"{path} was never asked for")


@asynccontextmanager
async def adapter(client, host="tidegate.sys.svc", port=0):
    data = client.api.get("", "configmaps", "kube-system", "extension-apiserver-authentication")["data"]
    front_proxy_ca = data["requestheader-client-ca-file"].encode()
    context = pki.server_context(pki.issue(CA, "adapter", hosts=[host]), client_ca=front_proxy_ca)
    found = Adapter()
    runner = web.ServerRunner(web.Server(found.answer, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=context)
    await site.start()
    found.port = runner.addresses[0][1]
    try:
        yield found
    finally:
        await runner.cleanup()


async def register(client, port, ca=CA, **spec):
    service = {"type": "ExternalName", "externalName": "127.0.0.1"}
    await client.post(SERVICES, {"metadata": {"name": "tidegate"}, "spec": service})
    reference = {"name": "tidegate", "namespace": "sys", "port": port}
    if ca:
        spec["caBundle"] = base64.b64encode(ca.certificate).decode()
    wanted = {
        "group": "external.metrics.k8s.io",
        "version": "v1beta1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": reference,
        **spec,
    }
    status, body = await client.post(API_SERVICES, {"metadata": {"name": NAME}, "spec": wanted})
    assert status == 201, body


def condition(client):
    status = client.api.get("apiregistration.k8s.io", "apiservices", "", NAME).get("status") or {}
    return next(iter(status.get("conditions") or ()), {})


async def available(client, wanted="True"):
    return await until(lambda: (found := condition(client)).get("status") == wanted and found)


async def test_a_request_is_passed_on_with_the_user_and_a_certificate(client):
    async with adapter(client) as server:
        await register(client, server.port)
        assert (await available(client))["message"] == "all checks passed"
        path = f"{PATH}/namespaces/x/s0-upper_x.y?labelSelector=a%3D1%2Cb+in+%28x%2Cy%29"
        status, body = await client.get(path, X_Remote_User="forged", Kubectl_Command="kubectl get")
        assert (status, body) == (200, {"kind": "APIResourceList"})
        headers, subject = server.last(path)
    assert subject == {"commonName": "front-proxy-client"}
    assert [value for name, value in headers if name == "x-remote-group"] == [
        "system:masters",
        "system:authenticated",
    ]
    one = dict(headers)
    assert one["x-remote-user"] == "kubernetes-admin"
    assert one["kubectl-command"] == "kubectl get"
    assert one["x-forwarded-uri"] == f"{PATH}/namespaces/x/s0-upper_x.y"
    assert one["x-forwarded-proto"] == "https"
    assert one["host"].startswith("tidegate.sys.svc")
    assert "authorization" not in one


async def test_the_hpa_controller_asks_inside_the_process(client):
    async with adapter(client) as server:
        await register(client, server.port)
        await available(client)
        path = f"{PATH}/namespaces/x/m"
        status, headers, body = await client.cluster.aggregator.forward(
            "GET",
            path,
            "labelSelector=a%3D1",
            user="system:kube-controller-manager",
            groups=["system:masters"],
        )
        assert (status, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
        assert json.loads(body) == {"kind": "APIResourceList"}
        sent, _ = server.last(f"{path}?labelSelector=a%3D1")
        assert ("x-remote-user", "system:kube-controller-manager") in sent


@pytest.mark.parametrize("host", ["a b/../@elsewhere:9", "UPPER", "::1", "a..b"])
async def test_a_service_with_no_name_to_go_to_is_refused(client, host):
    service = {"type": "ExternalName", "externalName": host}
    status, body = await client.post(SERVICES, {"metadata": {"name": "tidegate"}, "spec": service})
    assert (status, body["details"]["causes"][0]["field"]) == (422, "spec.externalName")


@pytest.mark.parametrize("port", [0, 99_999])
async def test_an_apiservice_with_no_port_to_go_to_is_refused(client, port):
    reference = {"name": "tidegate", "namespace": "sys", "port": port}
    spec = {"group": "a.io", "version": "v1", "service": reference, "insecureSkipTLSVerify": True}
    spec |= {"groupPriorityMinimum": 100, "versionPriority": 100}
    status, body = await client.post(API_SERVICES, {"metadata": {"name": "v1.a.io"}, "spec": spec})
    assert (status, body["details"]["causes"][0]["field"]) == (422, "spec.service.port")


async def test_the_group_is_discovered(client):
    async with adapter(client) as server:
        await register(client, server.port)
        _, found = await client.get("/apis/external.metrics.k8s.io")
    assert found["versions"] == [{"groupVersion": "external.metrics.k8s.io/v1beta1", "version": "v1beta1"}]
    _, groups = await client.get("/apis")
    assert "external.metrics.k8s.io" in [group["name"] for group in groups["groups"]]
    await client.delete(f"{API_SERVICES}/{NAME}")
    assert (await client.get(PATH))[0] == 404


async def test_a_server_that_goes_away_and_comes_back(client):
    async with adapter(client) as server:
        port = server.port
        await register(client, port)
        await available(client)
    status, text = await client.get(f"{PATH}/namespaces/x/m")
    assert status == 503
    assert "service" in text
    await available(client, "False")
    assert condition(client)["reason"] == "FailedDiscoveryCheck"
    assert await client.get(f"{PATH}/namespaces/x/m") == (503, "service unavailable\n")
    async with adapter(client, port=port):
        await available(client)
        assert (await client.get(f"{PATH}/namespaces/x/m"))[0] == 200


async def test_a_certificate_of_another_name_or_authority_is_refused(client):
    async with adapter(client, host="other.sys.svc") as server:
        await register(client, server.port)
        found = await available(client, "False")
        assert "certificate" in found["message"].lower()
    async with adapter(client) as server:
        bundle = base64.b64encode(pki.make_ca("stranger").certificate).decode()
        service = {"name": "tidegate", "namespace": "sys", "port": server.port}
        await client.patch(f"{API_SERVICES}/{NAME}", {"spec": {"caBundle": bundle, "service": service}})
        assert (await client.get(PATH))[0] == 503
        bundle = base64.b64encode(CA.certificate).decode()
        await client.patch(f"{API_SERVICES}/{NAME}", {"spec": {"caBundle": bundle}})
        await available(client)


async def test_a_server_whose_certificate_nobody_checks(client):
    async with adapter(client, host="other.sys.svc") as server:
        await register(client, server.port, ca=None, insecureSkipTLSVerify=True)
        await available(client)


async def test_an_unhealthy_answer_or_a_missing_service(client):
    async with adapter(client) as server:
        server.status = 500
        await register(client, server.port)
        assert (await available(client, "False"))["message"] == f"bad status from {PATH}: 500"
        server.status = 200
        await available(client)
        await client.delete(f"{SERVICES}/tidegate")
        await until(lambda: condition(client)["reason"] == "ServiceNotFound")
        assert (await client.get(PATH))[0] == 503


async def test_an_api_service_is_checked(client):
    body = {"metadata": {"name": "x"}, "spec": {"group": "g", "version": "v1"}}
    status, answer = await client.post(API_SERVICES, body)
    assert (status, answer["details"]["causes"][0]["field"]) == (422, "metadata.name")
    service = {"name": "n", "namespace": "sys"}
    spec = {
        "group": "g",
        "version": "v1",
        "service": service,
        "groupPriorityMinimum": 0,
        "versionPriority": 5,
    }
    status, answer = await client.post(API_SERVICES, {"metadata": {"name": "v1.g"}, "spec": spec})
    assert (status, answer["details"]["causes"][0]["field"]) == (422, "spec.groupPriorityMinimum")


async def test_the_api_servers_own_certificate_is_verifiable(client):
    stranger = pki.client_context(CA.certificate)
    with pytest.raises(Exception, match="certificate verify failed") as caught:
        await client.session.get(f"{client.cluster.url}/version", ssl=stranger)
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
