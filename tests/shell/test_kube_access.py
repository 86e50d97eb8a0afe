"""Kubeconfigs and service accounts as found in the wild, against a real TLS listener."""

import base64
import json
import os
import ssl
import sys

import pytest
import yaml
from aiohttp import web

from scaler import pki
from scaler.clock import SystemClock
from scaler.kube import access, errors
from scaler.kube.client import Kube
from scaler.kube.resources import CONFIG_MAPS

CA = pki.make_ca("test-ca")
CLOCK = SystemClock()


class Guarded:
    """An HTTPS server that answers a ConfigMap to whoever shows an accepted token or certificate."""

    def __init__(self):
        self.accepted = {"Bearer good"}
        self.requests = []
        self.port = 0

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    async def handle(self, request):
        certificate = request.transport.get_extra_info("peercert")
        user = dict(pair for rdn in certificate["subject"] for pair in rdn) if certificate else {}
        shown = user.get("commonName") or request.headers.get("Authorization", "")
        self.requests.append(shown)
        body = {"kind": "ConfigMap", "metadata": {"name": "x"}}
        return (
            web.json_response(body)
            if shown in self.accepted
            else web.json_response({"code": 401}, status=401)
        )


@pytest.fixture
async def server():
    guarded = Guarded()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", guarded.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    serving = pki.issue(CA, "api", hosts=["127.0.0.1", "kubernetes.default"])
    site = web.TCPSite(
        runner, "127.0.0.1", 0, ssl_context=pki.server_context(serving, client_ca=CA.certificate)
    )
    await site.start()
    guarded.port = runner.addresses[0][1]
    yield guarded
    await runner.cleanup()


def b64(data):
    return base64.b64encode(data).decode()


@pytest.fixture
def kubeconfig(tmp_path, server):
    def write(user, name="config", **cluster):
        body = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [
                {
                    "name": "c",
                    "cluster": {"server": server.url, "certificate-authority-data": b64(CA.certificate)}
                    | cluster,
                }
            ],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": user}],
        }
        path = tmp_path / name
        path.write_text(yaml.safe_dump(body))
        return path

    return write


async def reads(path, environ=None):
    """Whether a client made from the kubeconfig can read."""
    reach = await access.load(path, CLOCK, environ=environ or {})
    async with Kube(reach, CLOCK) as kube:
        return (await kube.get(CONFIG_MAPS, "x", "shop"))["metadata"]["name"] == "x"


async def test_a_token(kubeconfig):
    assert await reads(kubeconfig({"token": "good"}))


async def test_a_wrong_token_is_unauthenticated(kubeconfig, server):
    with pytest.raises(errors.Unauthenticated):
        await reads(kubeconfig({"token": "bad"}))


async def test_kubeconfig_from_the_environment(kubeconfig, tmp_path):
    path = kubeconfig({"token": "good"})
    assert await reads(None, {"KUBECONFIG": f"{tmp_path / 'absent'}{os.pathsep}{path}"})


async def test_a_client_certificate_whose_key_does_not_stay_on_disk(
    kubeconfig, server, tmp_path, monkeypatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    server.accepted = {"jane"}
    pair = pki.issue(CA, "jane", organizations=["dev"], client=True)
    user = {"client-certificate-data": b64(pair.certificate), "client-key-data": b64(pair.key)}
    assert await reads(kubeconfig(user))
    assert list((tmp_path / "tmp").iterdir()) == []


async def test_a_foreign_ca_is_refused(kubeconfig):
    other = pki.make_ca("other-ca")
    path = kubeconfig({"token": "good"}, **{"certificate-authority-data": b64(other.certificate)})
    with pytest.raises(errors.Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        await reads(path)


async def test_the_servers_name_may_be_given(kubeconfig):
    assert await reads(kubeconfig({"token": "good"}, **{"tls-server-name": "kubernetes.default"}))
    with pytest.raises(errors.Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        await reads(kubeconfig({"token": "good"}, **{"tls-server-name": "elsewhere"}))


async def test_verification_may_be_skipped(kubeconfig, server):
    path = kubeconfig({"token": "good"}, **{"insecure-skip-tls-verify": True})
    text = yaml.safe_load(path.read_text())
    del text["clusters"][0]["cluster"]["certificate-authority-data"]
    path.write_text(yaml.safe_dump(text))
    assert await reads(path)


def plugin(tmp_path, token_file, expires=None):
    """An exec plugin that says what is in `token_file` and counts its runs."""
    status = {"expirationTimestamp": expires} if expires else {}
    script = tmp_path / "plugin.py"
    script.write_text(
        "import json, pathlib\n"
        f"token = pathlib.Path({str(token_file)!r}).read_text()\n"
        f"pathlib.Path({str(tmp_path / 'runs')!r}).open('a').write('x')\n"
        "if token == 'fail': raise SystemExit('no login')\n"
        f"status = {status!r} | {{'token': token}}\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential', 'status': status}))\n"
    )
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [str(script)],
            "interactiveMode": "Never",
        }
    }


async def test_an_exec_plugin_is_asked_again_after_401(kubeconfig, server, tmp_path, fake_clock):
    token = tmp_path / "token"
    token.write_text("good")
    reach = await access.load(kubeconfig(plugin(tmp_path, token)), fake_clock, environ={})
    async with Kube(reach, fake_clock) as kube:
        await kube.get(CONFIG_MAPS, "x", "shop")
        await fake_clock.advance(3600)
        await kube.get(CONFIG_MAPS, "x", "shop")
        assert (tmp_path / "runs").read_text() == "x", "without an expiry it is good until refused"
        token.write_text("better")
        server.accepted = {"Bearer better"}
        await kube.get(CONFIG_MAPS, "x", "shop")
        assert server.requests[-2:] == ["Bearer good", "Bearer better"]
        server.accepted = set()
        for _ in range(3):
            with pytest.raises(errors.Unauthenticated):
                await kube.get(CONFIG_MAPS, "x", "shop")
        assert (tmp_path / "runs").read_text() == "xx", "not more often than every ten seconds"


async def test_an_exec_plugins_token_is_replaced_near_its_expiry(kubeconfig, server, tmp_path, fake_clock):
    token = tmp_path / "token"
    token.write_text("good")
    path = kubeconfig(plugin(tmp_path, token, expires="2026-01-01T00:00:00Z"))  # Long ago.
    reach = await access.load(path, fake_clock, environ={})
    async with Kube(reach, fake_clock) as kube:
        for _ in range(5):
            await kube.get(CONFIG_MAPS, "x", "shop")
        assert (tmp_path / "runs").read_text() == "x"
        token.write_text("better")
        server.accepted = {"Bearer better"}
        await fake_clock.advance(61)
        await kube.get(CONFIG_MAPS, "x", "shop")
        assert server.requests[-1] == "Bearer better"
        assert (tmp_path / "runs").read_text() == "xx"
        token.write_text("fail")
        await fake_clock.advance(61)
        await kube.get(CONFIG_MAPS, "x", "shop")
        assert server.requests[-1] == "Bearer better", "the last credentials are shown when the plugin fails"


async def test_an_exec_plugin_that_fails_is_named(kubeconfig, tmp_path):
    token = tmp_path / "token"
    token.write_text("fail")
    with pytest.raises(errors.ConfigError, match=r"the exec plugin .* gave no credentials"):
        await access.load(kubeconfig(plugin(tmp_path, token)), CLOCK, environ={})


async def test_a_token_file_is_read_again(kubeconfig, server, tmp_path, fake_clock):
    (tmp_path / "token").write_text("good\n")
    reach = await access.load(kubeconfig({"tokenFile": "token"}), fake_clock, environ={})
    async with Kube(reach, fake_clock) as kube:
        await kube.get(CONFIG_MAPS, "x", "shop")
        (tmp_path / "token").write_text("better\n")
        server.accepted = {"Bearer better"}
        await fake_clock.advance(61)
        await kube.get(CONFIG_MAPS, "x", "shop")
        assert server.requests == ["Bearer good", "Bearer better"]


async def test_a_pods_service_account(server, tmp_path, monkeypatch):
    (tmp_path / "token").write_text("good\n")
    (tmp_path / "ca.crt").write_bytes(CA.certificate)
    monkeypatch.setattr(access, "SERVICE_ACCOUNT", tmp_path)
    server.accepted = {"bearer good"}
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
    assert await reads(None, environ)
    (tmp_path / "token").write_text("")
    with pytest.raises(errors.ConfigError, match=r"service account in .* empty"):
        await access.load(None, CLOCK, environ=environ)


async def test_a_service_accounts_token_is_read_again_when_refused(server, tmp_path, monkeypatch, fake_clock):
    (tmp_path / "token").write_text("good")
    (tmp_path / "ca.crt").write_bytes(CA.certificate)
    monkeypatch.setattr(access, "SERVICE_ACCOUNT", tmp_path)
    server.accepted = {"bearer good"}
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
    reach = await access.load(None, fake_clock, environ=environ)
    assert reach.in_cluster
    async with Kube(reach, fake_clock) as kube:
        await kube.get(CONFIG_MAPS, "x", "shop")
        (tmp_path / "token").write_text("rotated")
        server.accepted = {"bearer rotated"}
        await fake_clock.advance(11)
        await kube.get(CONFIG_MAPS, "x", "shop")
        assert server.requests[-1] == "bearer rotated"


async def test_nothing_to_go_by():
    with pytest.raises(errors.ConfigError, match="give --kubeconfig"):
        await access.load(None, CLOCK, environ={})


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (None, "no such file"),
        ("a: [", "kubeconfig"),
        ("{}", "kubeconfig"),
        ("", "not a kubeconfig's shape"),
        ("- a", "not a kubeconfig's shape"),
        (json.dumps({"current-context": "x", "contexts": [], "clusters": [], "users": []}), "contexts"),
    ],
)
async def test_broken_kubeconfigs_are_named(tmp_path, text, match):
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(errors.ConfigError, match=match) as caught:
        await access.load(path, CLOCK, environ={})
    assert str(path) in str(caught.value)


async def test_certificates_that_cannot_be_used_are_named(kubeconfig):
    path = kubeconfig({"token": "good"}, **{"certificate-authority-data": b64(b"rubbish")})
    with pytest.raises(errors.ConfigError, match="its certificates cannot be used"):
        await access.load(path, CLOCK, environ={})


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ({"HTTPS_PROXY": "proxy:3128", "https_proxy": "http://other:3128"}, "http://proxy:3128"),
        ({"https_proxy": "http://proxy:3128", "no_proxy": "10.0.0.0/8"}, None),
        ({"http_proxy": "http://proxy:3128"}, None),
        ({"all_proxy": "socks5://proxy:1080"}, None),
    ],
)
async def test_proxies_from_the_environment(kubeconfig, monkeypatch, environ, proxy):
    for name in ("https_proxy", "http_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    path = kubeconfig({"token": "good"}, server="https://10.1.2.3:6443")
    reach = await access.load(path, CLOCK, environ={})
    assert reach.proxy == proxy
    assert isinstance(reach.tls, ssl.SSLContext)


async def test_a_cluster_on_this_machine_is_asked_without_the_environments_proxy(kubeconfig, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert await reads(kubeconfig({"token": "good"}))


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1:6443", "ftp://a", "https://", "https://a:99999", "https://a:b", "https://u:hush@a:1"],
)
async def test_a_server_that_cannot_be_asked_is_named(kubeconfig, address):
    path = kubeconfig({"token": "good"}, server=address)
    with pytest.raises(errors.ConfigError, match=r"server.*is no address to ask; write https://") as caught:
        await access.load(path, CLOCK, environ={})
    assert str(path) in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://proxy:1080", "proxy", "http://proxy:x"])
async def test_a_proxy_that_cannot_be_used_is_named(kubeconfig, proxy):
    path = kubeconfig({"token": "good"}, **{"proxy-url": proxy})
    with pytest.raises(errors.ConfigError, match=r"proxy.*is no address to ask; write http://"):
        await access.load(path, CLOCK, environ={})


async def test_a_token_that_fits_in_no_header_is_said_and_not_shown(kubeconfig, server):
    with pytest.raises(errors.ConfigError, match="control character") as caught:
        await reads(kubeconfig({"token": "good\nX-Remote-User: hush"}))
    assert "hush" not in str(caught.value)
    assert server.requests == []


async def test_an_empty_file_among_kubeconfigs_is_no_matter(kubeconfig, tmp_path):
    (tmp_path / "empty").write_text("\n")
    path = kubeconfig({"token": "good"})
    assert await reads(None, {"KUBECONFIG": f"{tmp_path / 'empty'}{os.pathsep}{path}"})


async def test_an_exec_of_null_is_none(kubeconfig):
    assert await reads(kubeconfig({"token": "good", "exec": None}))
