"""The HTTP client against servers that behave, or fail in ordinary ways: TLS, access tokens, deadlines, connections."""

import asyncio
import json
import urllib.parse

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from http_pages import Pages

from scaler import pki
from scalers.http import Credentials, OAuth, Tls, oauth, open_client
from scalers.sdk import InvalidMetadata, ScalerError, Unauthorized, Unavailable
from scalers.testing import ContractHost, Fault, FaultProxy, free_port

SECRET = "s3cret of the client"


async def get(url, **options):
    async with open_client(ContractHost(), url, **options) as client:
        return (await client.get(url)).body


async def refused(error, words, url, **options):
    with pytest.raises(error, match=words) as caught:
        await get(url, **options)
    assert SECRET not in str(caught.value)
    return caught.value


class TestConnections:
    async def test_few_and_kept_alive(self):
        async with Pages() as pages, FaultProxy(pages.host, pages.port) as proxy:
            pages["/"] = "7"
            url = f"http://{proxy.host}:{proxy.port}/"
            async with open_client(ContractHost(), url, connections=4) as client:
                for _ in range(3):
                    await asyncio.gather(*(client.get(url) for _ in range(50)))
                assert proxy.total <= 4

    async def test_the_deadline_starts_when_a_connection_is_free(self):
        async def slow(_request):
            await asyncio.sleep(0.1)
            return web.Response(text="7")

        async with Pages() as pages:
            pages["/"] = slow
            async with open_client(ContractHost(), pages.base, connections=1) as client:
                asks = [client.get(pages.url("/"), timeout=0.3) for _ in range(6)]
                assert [answer.body for answer in await asyncio.gather(*asks)] == [b"7"] * 6

    async def test_a_connection_that_the_server_closed_meanwhile_is_replaced(self):
        async with Pages() as pages, FaultProxy(pages.host, pages.port) as proxy:
            pages["/"] = "7"
            url = f"http://{proxy.host}:{proxy.port}/"
            async with open_client(ContractHost(), url) as client:
                await client.get(url)
                await proxy.reset()
                assert (await client.get(url)).body == b"7"

    async def test_refused(self):
        error = await refused(
            Unavailable, "cannot connect: Connection refused", f"http://127.0.0.1:{free_port()}/"
        )
        assert error.connection

    async def test_a_handshake_that_is_never_answered_is_the_connections_fault(self):
        async with Pages() as pages, FaultProxy(pages.host, pages.port) as proxy:
            await proxy.set(Fault.HANG)
            url = f"https://{proxy.host}:{proxy.port}/"
            async with open_client(ContractHost(), url) as client:
                with pytest.raises(Unavailable, match="cannot connect in time") as caught:
                    await client.get(url, timeout=0.4)
            assert caught.value.connection

    async def test_a_cancelled_read_leaves_nothing(self):
        async with Pages() as pages, FaultProxy(pages.host, pages.port) as proxy:
            pages["/"] = "7"
            url = f"http://{proxy.host}:{proxy.port}/"
            async with open_client(ContractHost(), url, connections=1) as client:
                await proxy.set(Fault.HANG)
                read = asyncio.ensure_future(client.get(url))
                await asyncio.sleep(0.05)
                read.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await read
                await proxy.set(Fault.NONE)
                assert (await client.get(url)).body == b"7"


@pytest.fixture(scope="module")
def authority():
    return pki.make_ca("test CA")


@pytest.fixture
async def tls_pages(authority):
    """A server that wants to see a certificate of the authority."""
    pair = pki.issue(authority, "server", hosts=["127.0.0.1"])
    async with Pages(tls=pki.server_context(pair, client_ca=authority.certificate)) as pages:
        pages["/"] = lambda request: web.Response(text=str(request.transport.get_extra_info("peercert")))
        yield pages


class TestTls:
    async def test_our_certificate(self, authority, tls_pages):
        ours = pki.issue(authority, "scaler-of-the-test", client=True)
        tls = Tls(ca=authority.certificate.decode(), cert=ours.certificate.decode(), key=ours.key.decode())
        assert b"scaler-of-the-test" in await get(tls_pages.url("/"), tls=tls)

    async def test_a_key_with_a_password(self, authority, tls_pages):
        ours = pki.issue(authority, "scaler-of-the-test", client=True)
        locked = serialization.load_pem_private_key(ours.key, None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(SECRET.encode()),
        )
        ca, cert = authority.certificate.decode(), ours.certificate.decode()
        for password, works in ((SECRET, True), ("wrong", False), ("", False)):
            tls = Tls(ca=ca, cert=cert, key=locked.decode(), key_password=password)
            if works:
                assert b"scaler-of-the-test" in await get(tls_pages.url("/"), tls=tls)
            else:
                await refused(
                    InvalidMetadata, "do not make a client certificate", tls_pages.url("/"), tls=tls
                )

    async def test_a_key_without_its_certificate(self, authority, tls_pages):
        tls = Tls(ca=authority.certificate.decode(), key="-----BEGIN x")
        await refused(InvalidMetadata, "do not make a client certificate", tls_pages.url("/"), tls=tls)

    async def test_a_server_that_nobody_vouches_for(self, tls_pages):
        error = await refused(Unavailable, "its certificate is not trusted", tls_pages.url("/"))
        assert error.connection
        await get(tls_pages.url("/"), tls=Tls(verify=False))

    async def test_a_certificate_for_another_host(self, authority):
        context = pki.server_context(pki.issue(authority, "server", hosts=["other.example"]))
        async with Pages(tls=context) as pages:
            tls = Tls(ca=authority.certificate.decode())
            await refused(Unavailable, "its certificate is not trusted.*127.0.0.1", pages.url("/"), tls=tls)

    async def test_https_to_a_server_without_tls(self):
        async with Pages() as pages:
            url = pages.url("/").replace("http:", "https:")
            error = await refused(Unavailable, "TLS fails|cannot connect", url)
            assert error.connection


class TokenServer:
    """Gives tokens t1, t2... and a page that wants the last of them."""

    def __init__(self, pages, *, life=3600, wants="header"):
        self.pages, self.life, self.wants = pages, life, wants
        self.given, self.status = 0, 200
        pages["/token"], pages["/"] = self._token, self._page

    @property
    def oauth(self):
        return OAuth(
            token_url=self.pages.url("/token"),
            client_id="client:1",
            client_secret=SECRET,
            scopes=("read", "metrics"),
            params=(("audience", "a&b"),),
        )

    def client(self):
        return open_client(ContractHost(), self.pages.base, credentials=Credentials(oauth=self.oauth))

    def asked(self):
        return len(self.pages.asked("/token"))

    async def _token(self, request):
        form = dict(urllib.parse.parse_qsl((await request.read()).decode()))
        assert form.pop("grant_type") == "client_credentials"
        assert (form.pop("scope"), form.pop("audience")) == ("read metrics", "a&b")
        way = "header" if "Authorization" in request.headers else "body"
        if self.status != 200:
            return web.json_response(
                {"error": "invalid_client", "error_description": SECRET}, status=self.status
            )
        if way != self.wants:
            return web.json_response({"error": "invalid_client"}, status=401)
        if way == "body":
            assert (form["client_id"], form["client_secret"]) == ("client:1", SECRET)
        self.given += 1
        life = {} if self.life is None else {"expires_in": self.life}
        return web.json_response({"access_token": f"t{self.given}", "token_type": "bearer", **life})

    def _page(self, request):
        good = request.headers.get("Authorization") == f"Bearer t{self.given}"
        return web.Response(status=200 if good else 401, text="7" if good else "who are you?")


class TestAccessTokens:
    @pytest.fixture
    def time(self, monkeypatch):
        """The time that tokens go by, in a list of one."""
        now = [0.0]
        monkeypatch.setattr(oauth.Tokens, "_now", staticmethod(lambda: now[0] + 1000))
        return now

    @pytest.mark.parametrize("wants", ["header", "body"])
    async def test_one_token_for_all_reads(self, wants):
        async with Pages() as pages:
            server = TokenServer(pages, wants=wants)
            async with server.client() as client:
                asks = [client.get(pages.url("/")) for _ in range(20)]
                assert [answer.body for answer in await asyncio.gather(*asks)] == [b"7"] * 20
                assert server.given == 1
                assert (await client.get(pages.url("/"))).body == b"7"
            assert server.given == 1

    @pytest.mark.parametrize(
        ("life", "given"), [(100, 3), ("100", 3), (90_000, 1), (None, 1), ("soon", 1), (0, 1)]
    )
    async def test_a_token_is_replaced_before_it_ends(self, life, given, time):
        async with Pages() as pages:
            server = TokenServer(pages, life=life)
            async with server.client() as client:
                for now in (0, 89, 91, 180, 182):  # In its last tenth.
                    time[0] = now
                    assert (await client.get(pages.url("/"))).body == b"7"
            assert server.given == given

    async def test_a_token_that_is_refused_is_replaced_once(self):
        async with Pages() as pages:
            server = TokenServer(pages)
            async with server.client() as client:
                await client.get(pages.url("/"))
                server.given += 1  # Somebody revoked it.
                assert (await client.get(pages.url("/"))).body == b"7"
                pages["/"] = 401
                with pytest.raises(Unauthorized):
                    await client.get(pages.url("/"))
            assert server.asked() == 3

    async def test_a_good_token_outlives_its_server(self, time):
        async with Pages() as pages:
            server = TokenServer(pages, life=100)
            async with server.client() as client:
                await client.get(pages.url("/"))
                server.status, time[0] = 503, 95
                assert (await client.get(pages.url("/"))).body == b"7"
                assert server.asked() == 2
                time[0] = 101
                with pytest.raises(Unavailable, match="token server answers 503"):
                    await client.get(pages.url("/"))
                server.status = 200
                assert (await client.get(pages.url("/"))).body == b"7"

    @pytest.mark.parametrize(
        ("status", "error"), [(400, Unauthorized), (401, Unauthorized), (500, Unavailable)]
    )
    async def test_a_token_server_that_refuses(self, status, error):
        async with Pages() as pages:
            server = TokenServer(pages)
            server.status = status
            found = await refused(
                error,
                f"token server answers {status} .invalid_client",
                pages.url("/"),
                credentials=Credentials(oauth=server.oauth),
            )
            assert not found.connection
            assert pages.asked("/") == []

    @pytest.mark.parametrize(
        "answer",
        [
            "",
            "no JSON",
            "[]",
            "{}",
            '{"access_token": 5}',
            '{"access_token": "a\\nX-Evil: 1"}',
            '{"access_token": ""}',
        ],
    )
    async def test_a_token_server_that_answers_nonsense(self, answer):
        async with Pages() as pages:
            server = TokenServer(pages)
            pages["/token"] = answer
            await refused(
                Unavailable,
                "without an access_token",
                pages.url("/"),
                credentials=Credentials(oauth=server.oauth),
            )

    async def test_a_wrong_scope_is_the_manifests_fault(self):
        async with Pages() as pages:
            server = TokenServer(pages)
            said = json.dumps({"error": "invalid_scope"})
            pages["/token"] = lambda _request: web.Response(status=400, text=said)
            await refused(
                InvalidMetadata, "check scopes", pages.url("/"), credentials=Credentials(oauth=server.oauth)
            )

    @pytest.mark.parametrize("status", [302, 307])
    async def test_the_secret_follows_no_redirect(self, status):
        async with Pages() as pages, Pages() as other:
            server = TokenServer(pages)
            pages["/token"] = lambda _request: web.Response(status=status, headers={"Location": other.base})
            await refused(
                Unavailable,
                f"token server answers {status}",
                pages.url("/"),
                credentials=Credentials(oauth=server.oauth),
            )
            assert other.requests == []

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("http://169.254.169.254/token", "link-local"),
            ("file:///token", "oauthTokenURI"),
            ("token", "oauthTokenURI"),
        ],
    )
    async def test_a_token_url_is_a_trigger_url(self, url, words):
        credentials = Credentials(oauth=OAuth(token_url=url, client_id="c", client_secret=SECRET))
        await refused(ScalerError, words, "http://127.0.0.1/", credentials=credentials)
