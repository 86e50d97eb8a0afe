"""botocore's HTTP, made fit for endpoints that a stranger chose and for readers that give up.

- An address policy, kept where the socket is made: what a name resolves to is what is judged and connected
  to (scalers._lib.addresses).
- An answer has a greatest length, and is refused when it is cut off.
- A thread that waits for the network can be interrupted from outside (scalers.aws.threads), so even a server
  that answers one byte a second cannot keep it.

Redirects are not followed: botocore never does. Proxies of the environment are used, as in KEDA; a proxy's
own address is the operator's choice and not judged.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.config import Config
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError, ProtocolError
from urllib3.util import parse_url

from scalers._lib.addresses import refusal
from scalers.aws.threads import Abandoned, current

__all__ = ["AddressRefused", "AnswerTooLong", "Transport", "config", "judge_of"]

_CONNECT_SECONDS = 1.0
_READ_SECONDS = 1.5
_ATTEMPTS = 2
_ADDRESSES = 8
_LONGEST = 1 << 20
"""Bytes of an answer: a thousand times what SQS or STS ever answer."""


class AddressRefused(Exception):
    """A trigger may not reach this address. No OSError, or urllib3 would take it for a connection's."""


class AnswerTooLong(Exception):
    """The answer is no answer of AWS."""


_OURS = (Abandoned, AddressRefused, AnswerTooLong)
Judge = Callable[[str], str | None]
"""Why an IP address may not be reached, or None."""


def config(**more: Any) -> Config:
    """How clients call: botocore's standard retries, few and short enough for a read's deadline of 5 s.

    Two attempts of 1.5 s with up to a second between them; a connection is given up after 1 s.
    """
    return Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        user_agent_extra="tidegate",
        **more,
    )


class Transport(URLLib3Session):  # type: ignore[misc] # botocore has no types
    """See the module. `attach` it to a client."""

    def __init__(self, url: str, *, connections: int, ca_bundle: str | None, judge: Judge | None) -> None:
        super().__init__(
            verify=ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or True,
            proxies=get_environ_proxies(url),
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),
            max_pool_connections=connections,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        self._judge = judge
        pools = {"http": _http_pool(judge), "https": _https_pool(judge)}
        self._pool_classes_by_scheme = self._manager.pool_classes_by_scheme = pools

    def attach(self, client: Any) -> None:
        """Let this botocore client send everything with it."""
        service = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"before-send.{service}", lambda request, **_: self.send(request))

    def close(self) -> None:
        """Close every connection that nobody uses now, and the others when they are no longer used."""
        for manager in (self._manager, *self._proxy_managers.values()):
            for key in manager.pools.keys():  # noqa: SIM118 - the container's own, which takes its lock
                # Forgetting them, as botocore does, leaves it to the garbage collector.
                manager.pools[key].close()
        super().close()

    def send(self, request: Any) -> Any:
        """See URLLib3Session. Our own refusals come as themselves, so that they are not tried again."""
        job = current()
        if job is not None:
            job.check()
        try:
            if self._judge is not None and self._proxy_config.proxy_url_for(request.url):
                # The proxy looks the name up; what we can judge is an address.
                _allow(parse_url(request.url).host or "", self._judge)
            return super().send(request)
        except HTTPClientError as error:
            cause = error.kwargs.get("error")
            if isinstance(cause, _OURS):
                raise cause from None
            raise
        finally:
            if job is not None:
                job.interruptible(None)


class _Connection:
    """Mixed into botocore's connections."""

    sock: socket.socket | None
    proxy: Any
    port: int | None
    _dns_host: str

    def __init__(self, *args: Any, judge: Judge | None, **options: Any) -> None:
        super().__init__(*args, **options)
        self._judge = judge

    def _new_conn(self) -> socket.socket:
        if self._judge is None or self.proxy is not None:
            return super()._new_conn()  # type: ignore[misc,no-any-return] # of the class it is mixed into
        name, job = self._dns_host, current()
        refused = failed = None
        try:
            # A name may have any number of addresses, each of which may take a second.
            for address in self._addresses(name)[:_ADDRESSES]:
                try:
                    if job is not None:
                        job.check()
                    # What urllib3 connects to; the certificate is still checked against the name.
                    self._dns_host = _allow(address, self._judge)
                    return super()._new_conn()  # type: ignore[misc,no-any-return]
                except AddressRefused as error:
                    refused = refused or _named(error, name)
                except (NewConnectionError, ConnectTimeoutError) as error:
                    failed = error
        finally:
            self._dns_host = name
        raise failed or refused or NewConnectionError(cast("Any", self), "the name has no address")

    def _addresses(self, name: str) -> list[str]:
        try:
            found = socket.getaddrinfo(name.strip("[]"), self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(name, cast("Any", self), error) from None
        except UnicodeError:
            raise NewConnectionError(cast("Any", self), "that is no host name") from None
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def getresponse(self) -> Any:
        # Connecting, and TLS's handshake, have an end of their own; an answer could go on for ever.
        job = current()
        if job is not None and self.sock is not None:
            job.interruptible(partial(_cut, self.sock))
        response = super().getresponse()  # type: ignore[misc]
        response.enforce_content_length = True  # botocore asks for the contrary, for other services' sake.
        response.stream = partial(_whole, response, response.stream)
        return response


class _Http(_Connection, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _Https(_Connection, AWSHTTPSConnection):  # type: ignore[misc]
    pass


def _http_pool(judge: Judge | None) -> type:
    class Pool(AWSHTTPConnectionPool):  # type: ignore[misc]
        ConnectionCls = partial(_Http, judge=judge)

    return Pool


def _https_pool(judge: Judge | None) -> type:
    class Pool(AWSHTTPSConnectionPool):  # type: ignore[misc]
        ConnectionCls = partial(_Https, judge=judge)

    return Pool


def _cut(sock: socket.socket) -> None:
    """In another thread: whoever waits for this socket gets its end."""
    with suppress(OSError):  # It may have ended by itself.
        # Not SSLSocket's, which takes the TLS state from under the waiting thread.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _allow(host: str, judge: Judge) -> str:
    """The host, unless it is an address that is refused."""
    try:
        reason = judge(host.strip("[]"))
    except ValueError:
        return host
    if reason is not None:
        raise AddressRefused(f"{host} {reason}")
    return host


def _named(error: AddressRefused, name: str) -> AddressRefused:
    return error if str(error).startswith(name) else AddressRefused(f"{name} resolves to {error}")


def _whole(response: Any, stream: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The body in chunks, if it is neither endless nor missing. botocore would take a missing one for {}."""
    length = 0
    for chunk in stream(*args, **options):
        length += len(chunk)
        if length > _LONGEST:
            response.close()
            raise AnswerTooLong
        yield chunk
    if response.status == 200 and not length:
        raise ProtocolError("the answer breaks off")


def judge_of(*, allow_loopback: bool) -> Judge:
    """The address policy of triggers' URLs."""
    return partial(refusal, allow_loopback=allow_loopback)
