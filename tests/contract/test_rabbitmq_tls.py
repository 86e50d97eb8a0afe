"""The `rabbitmq` trigger and TLS: a CA of one's own, certificates as a login, both protocols."""

import asyncio
import traceback

import pytest
from cryptography.hazmat.primitives import serialization
from rabbitmq_server import RabbitMqServer

from scaler import pki
from scalers.rabbitmq.session import Session
from scalers.rabbitmq.transport import Target
from scalers.registry import Registry
from scalers.sdk import Inputs, InvalidMetadata, Unauthorized, Unavailable, parse
from scalers.testing import ContractHost, free_port

SECRET = "s3cret-of-the-test"


class Secured:
    """A rabbitmq-server with TLS on both its ports, and the texts that go with it."""

    def __init__(self, folder):
        self.ca = pki.make_ca("test")
        self.client = pki.issue(self.ca, "worker", client=True)
        serving = pki.issue(self.ca, "rabbit", hosts=["127.0.0.1"])
        files = {"ca": self.ca.certificate, "cert": serving.certificate, "key": serving.key}
        for name, text in files.items():
            (folder / name).write_bytes(text)
        self.amqps, self.https = free_port(), free_port()
        paths = {"cacertfile": "ca", "certfile": "cert", "keyfile": "key"}
        lines = [f"listeners.ssl.1 = 127.0.0.1:{self.amqps}"]
        lines += [f"ssl_options.{name} = {folder / file}" for name, file in paths.items()]
        lines += [
            "ssl_options.verify = verify_peer",
            "ssl_options.fail_if_no_peer_cert = false",
            "ssl_cert_login_from = common_name",
            "auth_mechanisms.1 = EXTERNAL",
            "auth_mechanisms.2 = PLAIN",
            "management.ssl.ip = 127.0.0.1",
            f"management.ssl.port = {self.https}",
        ]
        lines += [f"management.ssl.{name} = {folder / file}" for name, file in paths.items()]
        self.config = "\n".join(lines)

    def auth(self, **changed):
        return {"ca": self.ca.certificate.decode(), "tls": "enable"} | changed

    def certificate(self, **changed):
        pair = {"cert": self.client.certificate.decode(), "key": self.client.key.decode()}
        return self.auth(**(pair | changed))

    async def read(self, scheme, *, host="127.0.0.1", login="guest:guest@", auth=None, **metadata):
        port = {"amqps": self.amqps, "https": self.https}[scheme]
        written = {"host": f"{scheme}://{login}{host}:{port}/", "queueName": "q", **metadata}
        scaler = Registry().get("rabbitmq")
        trigger = parse(scaler.metadata, Inputs(metadata=written, auth=auth or {})).value
        async with trigger.connection.open(ContractHost()) as client:
            return (await scaler.measure(client, trigger)).value

    async def refused(self, error, words, scheme, **options):
        with pytest.raises(error, match=words) as caught:
            await self.read(scheme, **options)
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        return caught.value


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    made = Secured(tmp_path_factory.mktemp("tls"))
    with RabbitMqServer(config=made.config, plugins=("rabbitmq_auth_mechanism_ssl",)) as server:
        made.server = server
        server.user("worker")
        server.put("q", 2)
        yield made


@pytest.mark.parametrize("scheme", ["amqps", "https"])
class TestTls:
    async def test_a_ca_of_ones_own(self, secured, scheme):
        assert await secured.read(scheme, auth=secured.auth()) == 2

    async def test_a_server_that_nobody_vouches_for(self, secured, scheme):
        assert (await secured.refused(Unavailable, "certificate|self.signed|issuer", scheme)).connection

    async def test_a_name_that_the_certificate_does_not_hold(self, secured, scheme):
        error = await secured.refused(
            Unavailable, "certificate|[Hh]ostname", scheme, host="localhost", auth=secured.auth()
        )
        assert error.connection
        assert await secured.read(scheme, host="localhost", unsafeSsl="true") == 2

    async def test_a_wrong_password(self, secured, scheme):
        auth = secured.auth(username="guest", password=SECRET)
        await secured.refused(Unauthorized, ".", scheme, auth=auth)

    @pytest.mark.parametrize("key", ["ca", "cert", "key"])
    async def test_texts_that_are_no_certificates(self, secured, scheme, key):
        auth = secured.certificate(**{key: "-----BEGIN NOTHING-----"})
        await secured.refused(InvalidMetadata, key, scheme, auth=auth)

    async def test_a_key_with_a_password(self, secured, scheme):
        key = serialization.load_pem_private_key(secured.client.key, None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(SECRET.encode()),
        )
        auth = secured.certificate(key=key.decode(), keyPassword=SECRET)
        assert await secured.read(scheme, auth=auth) == 2
        for password in ("", f"not-{SECRET}"):
            auth = secured.certificate(key=key.decode(), keyPassword=password)
            await secured.refused(InvalidMetadata, "keyPassword", scheme, auth=auth)


class TestExternal:
    async def test_the_certificate_is_the_login(self, secured):
        assert await secured.read("amqps", login="", auth=secured.certificate()) == 2

    async def test_without_tls_enable_it_is_not(self, secured):
        # Then the broker's default user logs in, which it lets do so from its own machine.
        assert await secured.read("amqps", login="", auth=secured.certificate(tls="disable")) == 2
        secured.server.api("DELETE", "permissions", "/", "worker")
        try:
            assert await secured.read("amqps", login="", auth=secured.certificate(tls="disable")) == 2
            await secured.refused(
                Unauthorized, "into the virtual host", "amqps", login="", auth=secured.certificate()
            )
        finally:
            secured.server.permit("worker", "/")

    async def test_a_certificate_of_nobody(self, secured):
        stranger = pki.issue(secured.ca, "stranger", client=True)
        auth = secured.certificate(cert=stranger.certificate.decode(), key=stranger.key.decode())
        await secured.refused(Unauthorized, "refused the login", "amqps", login="", auth=auth)


async def test_a_broker_that_takes_no_certificates_for_logins(rabbitmq_server):
    """It offers PLAIN only; over TLS or not makes no difference to what it offers."""
    target = Target(
        secure=False, host=rabbitmq_server.host, port=rabbitmq_server.port, vhost="/", external=True
    )
    with pytest.raises(Unauthorized, match=r"takes no login by a certificate; it offers: .*PLAIN"):
        await Session.open(target, ContractHost())


async def test_plain_amqp_to_a_tls_port_and_the_other_way_round(secured):
    scaler = Registry().get("rabbitmq")
    for scheme, port in (("amqp", secured.amqps), ("amqps", secured.server.port)):
        inputs = Inputs(metadata={"host": f"{scheme}://guest:guest@127.0.0.1:{port}", "queueName": "q"})
        trigger = parse(scaler.metadata, inputs).value
        async with trigger.connection.open(ContractHost()) as client:
            async with asyncio.timeout(10):
                with pytest.raises(Unavailable) as caught:
                    await scaler.measure(client, trigger)
        assert caught.value.connection
