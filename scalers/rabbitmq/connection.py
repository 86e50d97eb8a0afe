"""The keys that connect a trigger to RabbitMQ (KEDA's, facts 3.1), and the rules among them."""

import functools
import urllib.parse
from collections.abc import Hashable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from scalers.http import Credentials, OAuth, Tls, basic
from scalers.rabbitmq import address, amqp, management
from scalers.rabbitmq.address import Address
from scalers.rabbitmq.transport import Target
from scalers.sdk import AUTH, ENV, METADATA, Connection, Host, Problem, Seconds, check, key

__all__ = ["AMQP", "HTTP", "RabbitMqConnection"]

AMQP, HTTP, AUTO = "amqp", "http", "auto"
_SCHEMES = {"amqp": AMQP, "amqps": AMQP, "http": HTTP, "https": HTTP}
_BOTH = (METADATA, AUTH)
_LOGIN = (AUTH, ENV)
_AUTH = (AUTH,)
_LARGEST_PORT = 65535


class RabbitMqConnection(Connection):
    """One broker: over AMQP one virtual host of it, over the management API all of them."""

    host: str = key(
        order=(METADATA, AUTH, ENV),
        secret=True,
        help="amqp[s]://user:password@host:port/vhost, or http[s]://... of the management API",
    )
    protocol: str = key(
        default=AUTO,
        order=_BOTH,
        choices=(AUTO, HTTP, AMQP),
        help="amqp, http, or auto: what host begins with",
    )
    vhost_name: str = key(default="", order=_BOTH, help="the virtual host, instead of the one in host")
    username: str = key(default="", order=_LOGIN, help="the user, instead of the one in host")
    password: str = key(default="", order=_LOGIN, secret=True, help="that user's password")
    timeout: Seconds = key(
        default=Seconds(0.0), help="http: deadline of a read, a duration or milliseconds; 3 s if not given"
    )
    tls: str = key(
        default="disable",
        order=_AUTH,
        choices=("enable", "disable"),
        help="amqps: enable, with cert and key and no login anywhere, logs in by the certificate (SASL EXTERNAL)",
    )
    ca: str = key(default="", order=_AUTH, help="PEM certificates to trust besides the system's")
    cert: str = key(default="", order=_AUTH, help="PEM client certificate; needs key")
    key_: str = key("key", default="", order=_AUTH, secret=True, help="PEM key of the certificate")
    key_password: str = key(default="", order=_AUTH, secret=True, help="password of the key")
    unsafe_ssl: bool = key(default=False, help="do not verify the server's certificate")
    workload_identity_resource: str = key(
        default="", order=_AUTH, help="Azure workload identity; not supported"
    )
    oauth_token_uri: str = key(
        "oauthTokenURI", default="", order=_AUTH, secret=True, help="http: the URL that gives OAuth 2 tokens"
    )
    client_id: str = key("clientID", default="", order=_AUTH, help="OAuth 2: the client")
    client_secret: str = key(default="", order=_AUTH, secret=True, help="OAuth 2: the client's secret")
    scopes: tuple[str, ...] = key(
        "scopes", "scope", default=(), order=_AUTH, help="OAuth 2: what the token is asked for, a list"
    )
    endpoint_params: str = key(
        default="",
        order=_AUTH,
        secret=True,
        help="OAuth 2: more to send for a token, as name=value&name=value",
    )

    # The rules, in KEDA's order (facts 3.2).

    @check("protocol")
    def _protocol_is_one(self) -> str | None:
        return None if self.protocol in {AMQP, HTTP, AUTO} else f"must be one of {AMQP}, {HTTP}, {AUTO}"

    @check("tls")
    def _tls_is_one(self) -> str | None:
        return None if self.tls in {"enable", "disable"} else "must be enable or disable"

    @check("cert", "key_")
    def _certificate_has_its_key(self) -> str | None:
        if bool(self.cert) != bool(self.key_):
            return "cert and key must be given together"
        return None

    @check("username", "password")
    def _login_is_whole(self) -> str | None:
        if bool(self.username) != bool(self.password):
            return "username and password must be given together"
        return None

    @check("host", "protocol")
    def _scheme_is_known(self) -> Problem | None:
        if self.protocol != AUTO or self._spoken:
            return None
        text = self._parsed[1] or "does not begin with amqp://, amqps://, http:// or https://"
        return Problem("metadata.host", f"the value {text}", "write it like amqp://rabbitmq.shop:5672/")

    @check("workload_identity_resource", "host", "protocol")
    def _no_workload_identity_over_amqp(self) -> str | None:
        if self.workload_identity_resource and self._spoken == AMQP:
            return "workload identity is not supported over AMQP"
        return None

    @check("oauth_token_uri", "client_id", "client_secret")
    def _oauth_is_whole(self) -> str | None:
        given = [bool(one) for one in (self.oauth_token_uri, self.client_id, self.client_secret)]
        if any(given) and not all(given):
            return "OAuth 2 needs oauthTokenURI, clientID and clientSecret together"
        return None

    @check("oauth_token_uri", "client_id", "client_secret", "host", "protocol")
    def _no_oauth_over_amqp(self) -> str | None:
        if self._oauth_is_given and self._spoken == AMQP:
            return "OAuth 2 is not supported over AMQP"
        return None

    @check(
        "oauth_token_uri", "client_id", "client_secret", "username", "password", "workload_identity_resource"
    )
    def _one_way_to_log_in(self) -> str | None:
        others = self.username or self.password or self.workload_identity_resource
        if self._oauth_is_given and others:
            return "OAuth 2 excludes username and password, and workload identity: remove one of them"
        return None

    @check("endpoint_params")
    def _endpoint_params_are_a_query(self) -> str | None:
        if ";" in self.endpoint_params or address.badly_escaped(self.endpoint_params):
            return "must be name=value&name=value, escaped as in a URL"
        return None

    def settled(self) -> Mapping[str, Any]:
        """See Declared: the protocol that was chosen."""
        return {"protocol": self._spoken} if self._spoken else {}

    @property
    def _spoken(self) -> str:
        """AMQP or HTTP; "" where `auto` cannot tell."""
        return self.protocol if self.protocol != AUTO else _SCHEMES.get(self.address.scheme, "")

    @property
    def _oauth_is_given(self) -> bool:
        return bool(self.oauth_token_uri or self.client_id or self.client_secret)

    # What is made of them.

    @functools.cached_property
    def _parsed(self) -> tuple[Address, str]:
        try:
            return address.parse(self.host), ""
        except ValueError as error:
            return Address(scheme=""), str(error)

    @property
    def address(self) -> Address:
        """The parts of `host`; an empty one where it cannot be used, see `refusals`."""
        return self._parsed[0]

    @functools.cached_property
    def vhost(self) -> str:
        """The virtual host whose queues are read."""
        if self.vhost_name:
            return self.vhost_name
        return self.address.amqp_vhost if self.protocol == AMQP else self.address.http_vhost

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password. Those of `host` do not count beside the keys."""
        if self.username and self.password:
            return self.username, self.password
        found = self.address
        return None if found.user is None else (found.user, found.password)

    @property
    def secure(self) -> bool:
        """Is TLS spoken?"""
        return self.address.scheme in {"amqps", "https"}

    @property
    def certificates(self) -> Tls:
        """Whom we trust and who we are."""
        return Tls(
            ca=self.ca,
            cert=self.cert,
            key=self.key_,
            key_password=self.key_password,
            verify=not self.unsafe_ssl,
        )

    @property
    def external(self) -> bool:
        """Is the certificate our login?"""
        return self.tls == "enable" and bool(self.cert) and self.login is None

    @property
    def credentials(self) -> Credentials:
        """What the management API is shown. An access token comes before a login in `host`."""
        if self._oauth_is_given:
            params = tuple(urllib.parse.parse_qsl(self.endpoint_params, keep_blank_values=True))
            oauth = OAuth(
                token_url=self.oauth_token_uri,
                client_id=self.client_id,
                client_secret=self.client_secret,
                scopes=tuple(scope for scope in self.scopes if scope),
                params=params,
            )
            return Credentials(oauth=oauth)
        return Credentials(headers=(basic(*self.login),) if self.login is not None else ())

    @property
    def base(self) -> str:
        """Where the management API is, without /api."""
        return f"{self.address.scheme}://{self.address.place}{self.address.folder}"

    def refusals(self) -> Iterator[Problem]:
        """What KEDA accepts and we cannot connect with."""
        if self.workload_identity_resource:
            path = "authenticationRef (workloadIdentityResource)"
            mend = "use username and password, or OAuth 2"
            yield Problem(path, "Azure workload identity is not supported", mend)
        found, wrong = self._parsed
        if wrong:
            yield Problem("metadata.host", f"the value {wrong}")
            return
        if _SCHEMES.get(found.scheme) != self.protocol:
            schemes = " or ".join(f"{s}://" for s, protocol in _SCHEMES.items() if protocol == self.protocol)
            yield Problem("metadata.host", f"the value does not begin with {schemes}")
        elif not found.host or not 0 < (found.port or 1) <= _LARGEST_PORT:
            yield Problem("metadata.host", "the value names no host, or a port that none has")

    def warnings(self) -> Iterator[Problem]:
        """What is accepted and does not do what it may seem to do."""
        if self.address.parameters:
            yield Problem(
                "metadata.host",
                "the part after ? is not used",
                "remove it; certificates belong into a TriggerAuthentication",
            )
        if self.tls == "enable" and not self.secure:
            yield Problem(
                "authenticationRef (tls)",
                "has no effect on a host without TLS",
                "write amqps:// or https:// in host",
            )

    def identity(self) -> Hashable:
        """See Connection: only what is used. One management API serves all virtual hosts."""
        found = self.address
        place = (found.scheme, found.host.lower(), found.port) if found.host else self.host
        tls = self.certificates if self.secure else None
        refused = bool(self.workload_identity_resource)
        if self.protocol == AMQP:
            return (AMQP, place, self.vhost, self.login, self.external, tls)
        return (HTTP, place, found.folder, self.credentials, tls, self.timeout, refused)

    def describe(self) -> str:
        """See Connection."""
        found = self.address
        where = f"{found.scheme}://{found.place}" if found.host else self.protocol
        return f"rabbitmq {where}" + (f" vhost {self.vhost}" if self.protocol == AMQP else found.folder)

    def open(self, host: Host) -> AbstractAsyncContextManager[Any]:
        """See Connection. The broker is first connected to when it is first asked."""
        if self.protocol == AMQP:
            return amqp.open_client(
                host,
                Target(
                    secure=self.secure,
                    host=self.address.host,
                    port=self.address.port,
                    vhost=self.vhost,
                    login=self.login,
                    external=self.external,
                    tls=self.certificates,
                ),
            )
        return management.open_client(
            host, self.base, credentials=self.credentials, tls=self.certificates, patience=self.timeout
        )
