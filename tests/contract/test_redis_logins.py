"""The `redis` trigger against servers that want credentials or TLS, and against those that can less than Redis 7."""

import socket
import threading
import traceback

import hiredis
import pytest
from cryptography.hazmat.primitives import serialization
from fakeredis import TcpFakeServer
from redis_server import RedisServer

from scaler import pki
from scalers.redis import errors
from scalers.redis.targets import split
from scalers.registry import Registry
from scalers.sdk import Inputs, InvalidMetadata, ScalerError, Unauthorized, Unavailable, parse
from scalers.testing import ContractHost, free_port

SECRET = "s3cret-of-the-test"


async def read(server, *, host=None, auth=None, wake_ups=True, **metadata):
    """One read of the list q, as a trigger with this metadata would do it."""
    scaler = Registry().get("redis")
    written = {"address": f"{host or server.host}:{server.port}", "listName": "q", **metadata}
    trigger = parse(scaler.metadata, Inputs(metadata=written, auth=auth or {})).value
    async with trigger.connection.open(ContractHost(wake_ups=wake_ups)) as client:
        return (await scaler.measure(client, trigger)).value


async def refused(server, error, words, **options):
    """The error, whose sentence matches `words` and nothing of which holds the secret."""
    with pytest.raises(error, match=words) as caught:
        await read(server, **options)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return caught.value


@pytest.fixture(scope="class")
def with_password():
    with RedisServer("--requirepass", SECRET, password=SECRET) as server:
        server.cli("RPUSH", "q", "a", "b", "c")
        users = (
            "reader on >r3ader ~q +llen +type +client",
            "shy on >shy ~other +llen",
            "blind on >blind ~* +get",
        )
        for user in users:
            server.cli("ACL", "SETUSER", *user.split())
        yield server


class TestLogins:
    async def test_the_servers_password(self, with_password):
        assert await read(with_password, auth={"password": SECRET}) == 3

    async def test_no_password(self, with_password):
        await refused(with_password, Unauthorized, "wants a password")

    @pytest.mark.parametrize("username", ["", "default", "reader", "nobody"])
    async def test_a_wrong_one(self, with_password, username):
        await refused(
            with_password, Unauthorized, "refused the username", username=username, password=f"not-{SECRET}"
        )

    async def test_a_user_with_few_rights(self, with_password):
        assert await read(with_password, username="reader", password="r3ader") == 3

    async def test_a_username_without_a_password_does_not_count(self, with_password):
        await refused(with_password, Unauthorized, "wants a password", username="reader")

    @pytest.mark.parametrize("user", ["shy", "blind"])
    async def test_a_user_that_may_not_read_the_key(self, with_password, user):
        await refused(with_password, Unauthorized, "counting 'q'", username=user, password=user)

    async def test_a_password_where_none_is_wanted(self):
        with RedisServer("--rename-command", "HELLO", "") as server:
            await refused(server, Unauthorized, "did not accept the login", password=SECRET)


class TestLesserServers:
    async def test_no_hello(self):
        with RedisServer("--rename-command", "HELLO", "", "--requirepass", SECRET, password=SECRET) as server:
            server.cli("RPUSH", "q", "a")
            assert await read(server, password=SECRET) == 1
            await refused(server, Unauthorized, "refused the username or the password", password="wrong")
            await refused(server, Unauthorized, "counting 'q'")

    async def test_no_client_command_at_all(self):
        with RedisServer("--rename-command", "CLIENT", "") as server:
            server.cli("RPUSH", "q", "a")
            assert await read(server) == 1

    async def test_full(self):
        with RedisServer("--maxclients", "1") as server:
            scaler = Registry().get("redis")
            inputs = Inputs(metadata={"address": f"{server.host}:{server.port}", "listName": "q"})
            trigger = parse(scaler.metadata, inputs).value
            async with trigger.connection.open(ContractHost()) as client:
                await scaler.measure(client, trigger)
                assert (await refused(server, Unavailable, "as many clients as it allows")).connection

    async def test_fakeredis_which_hangs_up_after_every_error(self):
        server = TcpFakeServer(("127.0.0.1", 0))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        server.host, server.port = server.server_address
        try:
            assert await read(server) == 0
            assert await read(server, wake_ups=False, databaseIndex="1") == 0
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class Tls:
    """A redis-server with a TLS port that wants client certificates, and the texts that go with it."""

    def __init__(self, folder):
        self.ca = pki.make_ca("test")
        self.client = pki.issue(self.ca, "client", client=True)
        serving = pki.issue(self.ca, "redis", hosts=["127.0.0.1"])
        files = {"ca": self.ca.certificate, "cert": serving.certificate, "key": serving.key}
        for name, text in files.items():
            (folder / name).write_bytes(text)
        self.host, self.port = "127.0.0.1", free_port()
        self.args = ("--tls-port", str(self.port), "--tls-ca-cert-file", str(folder / "ca"))
        self.args += ("--tls-cert-file", str(folder / "cert"), "--tls-key-file", str(folder / "key"))

    def auth(self, **changed):
        texts = {"ca": self.ca.certificate, "cert": self.client.certificate, "key": self.client.key}
        return {name: text.decode() for name, text in texts.items()} | {"tls": "enable"} | changed


@pytest.fixture(scope="class")
def tls(tmp_path_factory):
    made = Tls(tmp_path_factory.mktemp("tls"))
    with RedisServer(*made.args) as server:
        server.cli("RPUSH", "q", "a", "b")
        yield made


class TestTls:
    async def test_a_client_certificate(self, tls):
        assert await read(tls, auth=tls.auth()) == 2

    async def test_enable_tls_and_a_localhost_that_the_certificate_does_not_name(self, tls):
        auth = tls.auth(tls="")
        assert await read(tls, auth=auth, enableTLS="true") == 2
        assert (
            await refused(tls, Unavailable, "certificate", host="localhost", auth=auth, enableTLS="true")
        ).connection
        assert await read(tls, host="localhost", auth=auth, enableTLS="true", unsafeSsl="true") == 2

    async def test_a_server_that_nobody_vouches_for(self, tls):
        error = await refused(tls, Unavailable, "certificate verify failed", auth=tls.auth(ca=""))
        assert error.connection

    async def test_no_client_certificate(self, tls):
        assert (await refused(tls, Unavailable, ".", auth=tls.auth(cert="", key=""))).connection

    async def test_a_key_with_a_password(self, tls):
        key = serialization.load_pem_private_key(tls.client.key, None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(SECRET.encode()),
        )
        assert await read(tls, auth=tls.auth(key=key.decode(), keyPassword=SECRET)) == 2
        for password in ("", f"not-{SECRET}"):
            auth = tls.auth(key=key.decode(), keyPassword=password)
            await refused(tls, InvalidMetadata, "keyPassword", auth=auth)

    @pytest.mark.parametrize("key", ["ca", "cert", "key"])
    async def test_texts_that_are_no_certificates(self, tls, key):
        await refused(tls, InvalidMetadata, key, auth=tls.auth(**{key: "-----BEGIN NOTHING-----"}))

    async def test_tls_to_a_server_without_it(self, redis_server):
        assert (await refused(redis_server, Unavailable, ".", auth={"tls": "enable"})).connection

    async def test_no_tls_to_a_server_with_it(self, tls):
        assert (await refused(tls, Unavailable, ".")).connection


async def test_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with RedisServer(host="::1") as server:
        server.cli("RPUSH", "q", "a")
        assert await read(server, address="", hosts="::1", ports=str(server.port)) == 1


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        ("NOAUTH Authentication required.", Unauthorized, "does not allow"),
        ("NOPERM this user has no permissions", Unauthorized, "does not allow"),
        ("LOADING Redis is loading the dataset in memory", Unavailable, "loading"),
        ("MASTERDOWN Link with MASTER is down", Unavailable, "MASTER"),
        ("READONLY You can't write against a read only replica.", Unavailable, "read only"),
        ("MOVED 3999 127.0.0.1:6381", InvalidMetadata, "redis-cluster"),
        ("ERR DB index is out of range", InvalidMetadata, "databaseIndex"),
        ("ERR something else", Unavailable, "something else"),
    ],
)
def test_what_error_replies_mean(reply, kind, words):
    error = errors.meaning(hiredis.ReplyError(reply), "counting 'q'")
    assert type(error) is kind
    assert words in str(error)
    assert "counting 'q'" in str(error)
    assert not error.connection


@pytest.mark.parametrize("word", ["LOADING", "MASTERDOWN"])
def test_a_server_that_is_not_ready_for_logins_is_not_reached(word):
    error = errors.refused_login(hiredis.ReplyError(f"{word} x"))
    assert type(error) is Unavailable
    assert error.connection


def test_protected_mode_is_said():
    error = errors.refused_login(hiredis.ReplyError("DENIED Redis is running in protected mode"))
    assert isinstance(error, ScalerError)
    assert "protected mode" in str(error)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("cache.shop:6379", ("cache.shop", 6379)),
        ("[::1]:7000", ("::1", 7000)),
        (":6379", ("localhost", 6379)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
    ],
)
def test_addresses(address, expected):
    assert split(address) == expected
