"""What a trigger's author, a hostile server or a hostile name server may try on the HTTP client, and must not get."""

import asyncio
import gzip
import socket
import traceback
import zlib

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from http_pages import Pages, moved

from scaler import pki
from scalers._lib import addresses
from scalers.http import Credentials, Tls, basic, gate, open_client
from scalers.sdk import InvalidMetadata, ScalerError, Unauthorized, Unavailable
from scalers.testing import ContractHost

SECRET = "s3cret/of&the test"


class Names(AbstractResolver):
    """A name server: each name has a list of answers, the last of which is given for ever."""

    def __init__(self, **names):
        self.names = {name.replace("_", "."): answers for name, answers in names.items()}
        self.asked = []

    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):  # noqa: ARG002 - as its base class has it
        self.asked.append(host)
        answers = self.names.get(host)
        if answers is None:
            raise OSError("no such name")
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
            for address in ([found] if isinstance(found, str) else found)
        ]

    async def close(self):
        pass


def outside():
    """A Host as in a cluster: loopback is not allowed."""
    host = ContractHost()
    host.allow_loopback = False
    return host


@pytest.fixture
def elsewhere(monkeypatch):
    """127.0.0.2 stands for a server elsewhere, whose address is nobody's business."""
    real = addresses.refusal

    def refusal(address, *, allow_loopback):
        return None if address == "127.0.0.2" else real(address, allow_loopback=allow_loopback)

    monkeypatch.setattr(gate, "refusal", refusal)


async def get(url, *, host=None, names=None, credentials=None, tls=None, **options):
    async with open_client(
        host or ContractHost(), url, names=names, credentials=credentials, tls=tls
    ) as client:
        return await client.get(url, **options)


async def refused(error, words, url, **options):
    with pytest.raises(error, match=words) as caught:
        await get(url, **options)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


class TestAddresses:
    @pytest.mark.parametrize(
        "host",
        [
            "169.254.169.254",
            "169.254.170.2",
            "[fe80::1]",
            "[fe80::1%25eth0]",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[fd00:ec2::254]",
            "①⑥⑨.②⑤④.169.254",
            "169。254。169。254",
        ],
    )
    async def test_link_local_and_metadata_literals_always(self, host):
        await refused(InvalidMetadata, "no trigger may reach", f"http://{host}/latest/meta-data")

    @pytest.mark.parametrize(
        "host",
        [
            "2852039166",
            "0xa9fea9fe",
            "0xa9.0xfe.0xa9.0xfe",
            "0251.0376.0251.0376",
            "169.16689662",
            "169.254.43518",
        ],
    )
    async def test_other_ways_of_writing_an_address(self, host):
        await refused(InvalidMetadata, "no trigger may reach|canonical", f"http://{host}/latest/meta-data")

    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
            "[::]",
            "127.1",
            "2130706433",
            "0x7f.1",
            "127.0.0.1.",
            "LOCALHOST",
        ],
    )
    async def test_loopback_in_a_cluster(self, host):
        async with Pages() as pages:
            await refused(
                ScalerError, "loopback|canonical|not found", f"http://{host}:{pages.port}/", host=outside()
            )
            assert pages.requests == []

    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "::1", "169.254.169.254", "fe80::1", "::ffff:169.254.169.254"]
    )
    async def test_a_name_that_resolves_to_it(self, address):
        names = Names(inner_example=[address])
        async with Pages() as pages:
            url = f"http://inner.example:{pages.port}/"
            await refused(InvalidMetadata, "inner.example resolves to", url, host=outside(), names=names)
            assert pages.requests == []

    @pytest.mark.usefixtures("elsewhere")
    async def test_of_several_addresses_only_the_permitted_are_tried(self):
        async with Pages("127.0.0.2") as pages:
            pages["/"] = "7"
            names = Names(mixed_example=[["127.0.0.1", "169.254.169.254", "127.0.0.2"]])
            answer = await get(f"http://mixed.example:{pages.port}/", host=outside(), names=names)
            assert answer.body == b"7"

    @pytest.mark.usefixtures("elsewhere")
    async def test_a_name_that_resolves_to_something_else_the_next_time(self):
        async with Pages("127.0.0.2") as pages:
            pages["/"] = lambda _request: web.Response(text="7", headers={"Connection": "close"})
            names = Names(moving_example=["127.0.0.2", "127.0.0.1"])
            url = f"http://moving.example:{pages.port}/"
            async with open_client(outside(), url, names=names) as client:
                await client.get(url)
                client._transport._direct.connector.clear_dns_cache()
                with pytest.raises(InvalidMetadata, match=r"resolves to 127\.0\.0\.1"):
                    await client.get(url)

    @pytest.mark.usefixtures("elsewhere")
    async def test_the_address_that_is_connected_to_is_looked_at_last(self, monkeypatch):
        """Even where the resolver lets something pass."""
        async with Pages() as pages:
            names = Names(sly_example=["127.0.0.1"])
            monkeypatch.setattr(
                gate.Gate, "resolve", lambda self, host, port, family: self._names.resolve(host, port, family)
            )
            url = f"http://sly.example:{pages.port}/"
            await refused(
                InvalidMetadata, "127.0.0.1 is a loopback address", url, host=outside(), names=names
            )
            assert pages.requests == []

    async def test_a_name_that_nobody_knows(self):
        error = await refused(
            Unavailable, "nobody.example is not found", "http://nobody.example/", names=Names()
        )
        assert error.connection

    async def test_a_name_server_that_does_not_answer(self, monkeypatch):
        class Silent(Names):
            async def resolve(self, *_):
                await asyncio.sleep(60)

        monkeypatch.setattr(gate, "_LOOKUP_SECONDS", 0.05)
        error = await refused(Unavailable, "name server does not answer", "http://x.example/", names=Silent())
        assert error.connection


class TestProxies:
    """A proxy looks names up itself: what is plainly forbidden is refused before it is asked."""

    @pytest.fixture
    async def proxy(self, monkeypatch):
        async with Pages() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.base)
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            yield proxy

    async def test_it_is_used(self, proxy):
        proxy["/x"] = "7"
        assert (await get("http://far.example/x", host=outside(), names=Names())).body == b"7"
        assert proxy.requests[0].target == "http://far.example/x"

    async def test_it_is_not_asked_for_what_is_refused(self, proxy):
        names = Names(inner_example=["169.254.169.254"])
        await refused(InvalidMetadata, "link-local", "http://169.254.169.254/x", host=outside())
        await refused(InvalidMetadata, "link-local", "http://inner.example/x", host=outside(), names=names)
        assert proxy.requests == []

    async def test_not_for_exceptions(self, proxy, monkeypatch):
        monkeypatch.setenv("NO_PROXY", ".example")
        await refused(Unavailable, "not found", "http://far.example/x", names=Names())
        assert proxy.requests == []


class TestRedirects:
    @pytest.mark.parametrize(
        "target",
        [
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
            "http://[::ffff:a9fe:a9fe]/",
            "//169.254.169.254/x",
        ],
    )
    async def test_to_link_local(self, target):
        async with Pages() as pages:
            pages["/"] = moved(target)
            await refused(InvalidMetadata, "link-local", pages.url("/"))

    @pytest.mark.usefixtures("elsewhere")
    async def test_to_loopback_in_a_cluster(self):
        async with Pages("127.0.0.2") as pages, Pages() as own:
            pages["/"] = moved(own.url("/metrics"))
            await refused(InvalidMetadata, "loopback", pages.url("/"), host=outside())
            assert own.requests == []

    @pytest.mark.usefixtures("elsewhere")
    async def test_to_a_name_that_resolves_to_loopback(self):
        async with Pages("127.0.0.2") as pages, Pages() as own:
            pages["/"] = moved(f"http://own.example:{own.port}/")
            names = Names(own_example=["127.0.0.1"])
            await refused(
                InvalidMetadata, "resolves to 127.0.0.1", pages.url("/"), host=outside(), names=names
            )
            assert own.requests == []

    @pytest.mark.parametrize(
        "target",
        [
            "file:///etc/passwd",
            "ftp://x/",
            "gopher://x/",
            "javascript:1",
            "http://x:99999/",
            "http://a b/",
        ],
    )
    async def test_to_what_is_no_http(self, target):
        async with Pages() as pages:
            pages["/"] = moved(target)
            await refused(Unavailable, "redirects to what is no http", pages.url("/"))

    async def test_in_circles(self):
        async with Pages() as pages:
            pages["/"] = moved("/")
            await refused(Unavailable, "redirects more than 5 times", pages.url("/"))
            assert len(pages.requests) == 6

    async def test_from_https_to_http(self):
        authority = pki.make_ca("CA")
        context = pki.server_context(pki.issue(authority, "x", hosts=["127.0.0.1"]))
        async with Pages(tls=context) as pages, Pages() as plain:
            pages["/"] = moved(plain.url("/"))
            tls = Tls(ca=authority.certificate.decode())
            await refused(Unavailable, "from https to http", pages.url("/"), tls=tls)
            assert plain.requests == []

    async def test_credentials_stay_at_home(self):
        async with Pages() as pages, Pages() as other:
            pages["/"] = moved(other.url("/x?given=1"))
            other["/x"] = moved(pages.url("/back"))
            pages["/back"] = "7"
            credentials = Credentials(
                headers=(basic("u", SECRET), ("X-Key", SECRET)), params=(("key", SECRET),)
            )
            answer = await get(pages.url("/"), credentials=credentials, headers=(("X-Scope-OrgID", "a"),))
        assert answer.body == b"7"
        (there,) = other.requests
        assert there.target == "/x?given=1"
        assert not {"Authorization", "X-Key", "X-Scope-OrgID", "Cookie", "Referer"}.intersection(
            there.headers
        )
        for home in pages.requests:
            assert home.headers["X-Key"] == SECRET
            assert "key=" in home.target

    async def test_another_port_is_another_server_and_a_login_in_a_location_is_dropped(self):
        async with Pages() as pages, Pages() as other:
            pages["/"] = moved(other.url("/").replace("://", "://user:pass@"))
            other["/"] = "7"
            assert (
                await get(pages.url("/"), credentials=Credentials(headers=(basic("u", "p"),)))
            ).body == b"7"
            assert "Authorization" not in other.requests[0].headers

    async def test_a_client_certificate_stays_at_home(self):
        authority = pki.make_ca("CA")
        ours = pki.issue(authority, "us", client=True)
        tls = Tls(cert=ours.certificate.decode(), key=ours.key.decode())
        async with Pages() as pages, Pages() as other:
            pages["/"] = moved(other.url("/"))
            await refused(Unavailable, "not to see our client certificate", pages.url("/"), tls=tls)
            assert other.requests == []

    async def test_cookies_are_not_kept(self):
        async with Pages() as pages:
            pages["/"] = lambda _request: web.Response(text="7", headers={"Set-Cookie": "a=b; Path=/"})
            async with open_client(ContractHost(), pages.base) as client:
                await client.get(pages.url("/"))
                await client.get(pages.url("/"))
            assert "Cookie" not in pages.requests[1].headers


class TestHeaders:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("X-A", "1\r\nX-Evil: 2"),
            ("X-A", "1\nX-Evil: 2"),
            ("X-A\r\nX-Evil", "1"),
            ("X-A", "a\x00b"),
            ("", "1"),
            ("X A", "1"),
            ("Host", "evil"),
            ("Content-Length", "5"),
            ("Transfer-Encoding", "chunked"),
        ],
    )
    async def test_injection(self, name, value):
        async with Pages() as pages:
            pages["/"] = "7"
            await refused(InvalidMetadata, "header", pages.url("/"), headers=((name, value),))
            credentials = Credentials(headers=((name, value),))
            await refused(InvalidMetadata, "header", pages.url("/"), credentials=credentials)
            assert pages.requests == []

    async def test_a_line_break_in_a_url(self):
        async with Pages() as pages:
            for url in ("/x\r\nX-Evil: 1", "/x?a=\n"):
                await refused(InvalidMetadata, "line break", pages.url(url))
            assert pages.requests == []

    async def test_a_parameter_is_escaped(self):
        async with Pages() as pages:
            pages["/"] = "7"
            await get(pages.url("/?a=1"), credentials=Credentials(params=(("k", "x&y=z\r\nX-Evil: 1"),)))
            assert pages.requests[0].target == "/?a=1&k=x%26y%3Dz%0D%0AX-Evil%3A+1"


class TestBombs:
    async def test_a_large_answer_that_says_so_is_not_read(self):
        sent = []

        async def large(request):
            response = web.StreamResponse(headers={"Content-Length": str(100 * 1024 * 1024)})
            await response.prepare(request)
            for _ in range(100):
                await response.write(b"x" * 1024 * 1024)
                sent.append(1)
            return response

        async with Pages() as pages:
            pages["/"] = large
            await refused(Unavailable, "more than 10 MiB", pages.url("/"))
        assert len(sent) < 50

    async def test_an_endless_answer_is_read_to_the_bound_only(self):
        sent = []

        async def endless(request):
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"x" * 65536)
                sent.append(1)

        async with Pages() as pages:
            pages["/"] = endless
            await refused(Unavailable, "more than 1 MiB", pages.url("/"), limit=1024 * 1024)
        assert len(sent) < 200

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    async def test_a_small_answer_that_unpacks_to_gigabytes(self, coding):
        # Zeros by the mebibyte: 1 GiB packs to 1 MiB.
        packer = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
        block = b"\0" * (1 << 20)
        packed = b"".join(packer.compress(block) for _ in range(256)) + packer.flush()
        async with Pages() as pages:
            pages["/"] = lambda _request: web.Response(body=packed, headers={"Content-Encoding": coding})
            await refused(Unavailable, "more than 10 MiB", pages.url("/"))

    async def test_what_is_packed_honestly_is_unpacked(self):
        async with Pages() as pages:
            for coding, body in (
                ("gzip", gzip.compress(b"7" * 100, mtime=0)),
                ("deflate", zlib.compress(b"7" * 100)),
            ):
                page = web.Response(body=body, headers={"Content-Encoding": coding})
                pages["/"] = lambda _request, page=page: page
                assert (await get(pages.url("/"))).body == b"7" * 100
            assert pages.requests[0].headers["Accept-Encoding"] == "identity"

    @pytest.mark.parametrize(
        ("coding", "body", "words"),
        [
            ("gzip", b"no gzip", "damaged"),
            ("gzip", gzip.compress(b"7" * 100, mtime=0)[:-9], "breaks off"),
            ("br", b"x", "encoding 'br'"),
            ("gzip, gzip", b"x", "encoding 'gzip, gzip'"),
        ],
    )
    async def test_what_is_packed_badly(self, coding, body, words):
        async with Pages() as pages:
            pages["/"] = lambda _request: web.Response(body=body, headers={"Content-Encoding": coding})
            await refused(Unavailable, words, pages.url("/"))

    async def test_a_body_that_comes_by_the_drop(self):
        async def dripping(request):
            response = web.StreamResponse()
            await response.prepare(request)
            while True:
                await response.write(b"x")
                await asyncio.sleep(0.02)

        async with Pages() as pages:
            pages["/"] = dripping
            error = await refused(Unavailable, "does not answer within 0.3 s", pages.url("/"), timeout=0.3)
            assert not error.connection

    async def test_headers_without_end(self):
        async with Pages() as pages:
            pages["/"] = lambda _request: web.Response(text="7", headers={"X-A": "x" * 100_000})
            await refused(Unavailable, "does not answer as HTTP does", pages.url("/"))

    async def test_it_costs_only_itself(self):
        """While one is read slowly and another without end, a third is answered."""
        release = asyncio.Event()

        async def hanging(_request):
            await release.wait()
            return web.Response(text="late")

        async with Pages() as pages:
            pages["/slow"], pages["/fast"] = hanging, "7"
            async with open_client(ContractHost(), pages.base, connections=2) as client:
                slow = asyncio.ensure_future(client.get(pages.url("/slow"), timeout=30))
                for _ in range(20):
                    assert (await client.get(pages.url("/fast"))).body == b"7"
                assert not slow.done()
                release.set()
                assert (await slow).body == b"late"


class TestSecrets:
    async def test_a_login_in_a_url_is_used_and_never_shown(self):
        async with Pages() as pages:
            pages["/"] = 500
            url = pages.url("/?token=abc").replace("://", "://user:s3cret%2Fof%26the%20test@")
            error = (await get(url)).refusal()
            assert "answers 500" in str(error)
            assert pages.requests[0].headers["Authorization"] == basic("user", SECRET)[1]
            for text in ("user", "abc", "s3cret"):
                assert text not in str(error)

    @pytest.mark.parametrize(
        "url",
        [
            "http://user:s3cret@/x",
            "http://user:s3cret@host:port/",
            "http://user:with/s3cret@host:80/",
            "ftp://user:with?s3cret#in@host/",
            "ftp://host/?api_key=s3cret",
            "http://127.0.0.1:1/s3cret@host/",
            "ftp://user:s3cret@host/",
            "http://user:s3cret@169.254.169.254/",
            "http://user:s3cret@nobody.invalid/",
            "http://user:s3cret@127.0.0.1:1/",
        ],
    )
    async def test_nor_when_the_url_cannot_be_asked(self, url):
        error = await refused(ScalerError, "http|ftp|169", url)
        assert "s3cret" not in str(error)

    async def test_what_the_server_repeats_is_blackened(self):
        def repeat(request):
            text = f"no rights: {request.raw_path} {dict(request.headers)} {SECRET} s3cret%2Fof%26the%20test"
            return web.Response(status=403, text=text)

        async with Pages() as pages:
            pages["/"] = repeat
            credentials = Credentials(
                headers=(basic("u", SECRET), ("X-Key", SECRET)), params=(("key", SECRET),)
            )
            error = await refused(
                Unauthorized, "answers 403: no rights", pages.url("/"), credentials=credentials
            )
            for text in ("s3cret", basic("u", SECRET)[1].split()[1]):
                assert text not in str(error)

    async def test_a_password_that_the_server_repeats_decoded(self):
        async with Pages() as pages:
            pages["/"] = lambda _request: web.Response(status=401, text=f"no user u with {SECRET}")
            credentials = Credentials(headers=(basic("u", SECRET),))
            await refused(Unauthorized, r"no user u with \*\*\*", pages.url("/"), credentials=credentials)
            odd = Credentials(headers=(("Authorization", "Basic no base64"),))
            await refused(Unauthorized, "no user u", pages.url("/"), credentials=odd, secrets=[SECRET])

    async def test_a_page_in_html_or_without_end_is_not_repeated(self):
        async with Pages() as pages:
            page = web.Response(status=502, text="<html><h1>Bad gateway</h1>", content_type="text/html")
            pages["/"] = lambda _request: page
            assert "gateway" not in str((await get(pages.url("/"))).refusal())
            pages["/long"] = lambda _request: web.Response(status=502, text="word\r\n\x1b[31m " * 10_000)
            text = str((await get(pages.url("/long"))).refusal())
            assert len(text) < 500
            assert text.isprintable()

    def test_nothing_secret_in_reprs(self):
        credentials = Credentials(headers=(("A", SECRET),), params=(("b", SECRET),))
        assert SECRET not in f"{credentials!r} {Tls(key=SECRET, key_password=SECRET)!r}"
