"""The keys by which KEDA's HTTP triggers authenticate (facts 1.9), as a Connection to inherit.

Equal are connections to the same server with the same credentials: only what the chosen modes use counts.
"""

import functools
import urllib.parse
from collections.abc import Hashable
from contextlib import AbstractAsyncContextManager

from scalers.http import urls
from scalers.http.client import HttpClient, open_client
from scalers.http.credentials import Credentials, OAuth, Pairs, basic
from scalers.http.tls import Tls
from scalers.sdk import AUTH, METADATA, Connection, Host, InvalidMetadata, Problem, check, key

__all__ = ["HttpConnection"]

_MODES = ("apiKey", "basic", "tls", "bearer", "custom", "oauth")
_EXCLUSIVE = frozenset({"bearer", "basic", "oauth"})
_AUTHORIZATION = "authorization"
_BOTH = (METADATA, AUTH)
_AUTH = (AUTH,)


class HttpConnection(Connection):
    """A server, and how to authenticate to it. A subclass has the key with the URL, and says so in `base`."""

    auth_modes: tuple[str, ...] = key(
        "authModes",
        "authMode",
        default=(),
        order=_BOTH,
        choices=_MODES,
        help="how to authenticate, a list of " + ", ".join(_MODES) + "; without it no credentials are sent",
    )
    bearer_token: str = key(
        "bearerToken", "token", default="", order=_AUTH, secret=True, help="bearer: the token"
    )
    username: str = key(default="", order=_AUTH, help="basic: the user")
    password: str = key(default="", order=_AUTH, secret=True, help="basic: the password; may be empty")
    ca: str = key(default="", order=_AUTH, help="PEM certificates to trust besides the system's")
    cert: str = key(default="", order=_AUTH, help="tls: the client certificate, PEM")
    key_: str = key("key", default="", order=_AUTH, secret=True, help="tls: the certificate's key, PEM")
    key_password: str = key(default="", order=_AUTH, secret=True, help="tls: the password of the key")
    oauth_token_uri: str = key(
        "oauthTokenURI", default="", order=_AUTH, secret=True, help="oauth: the URL that gives tokens"
    )
    client_id: str = key("clientID", default="", order=_AUTH, help="oauth: the client")
    client_secret: str = key(default="", order=_AUTH, secret=True, help="oauth: the client's secret")
    scopes: tuple[str, ...] = key(
        "scopes", "scope", default=(), order=_AUTH, help="oauth: what the token is asked for, a list"
    )
    endpoint_params: str = key(
        default="", order=_AUTH, secret=True, help="oauth: more to send for a token, as name=value&name=value"
    )
    custom_auth_header: str = key(default="", order=_AUTH, help="custom: the name of the header")
    custom_auth_value: str = key(default="", order=_AUTH, secret=True, help="custom: the header's value")
    api_key: str = key(default="", order=_BOTH, secret=True, help="apiKey: the key")
    method: str = key(
        default="header",
        order=_BOTH,
        choices=("header", "query"),
        help="apiKey: where the key goes, header or query",
    )
    key_param_name: str = key(
        default="",
        order=_BOTH,
        help="apiKey: the name it goes by; X-API-KEY in a header, api_key in a query",
    )
    unsafe_ssl: bool = key(default=False, help="do not verify the server's certificate")

    @property
    def base(self) -> str:
        """The server's URL as the user wrote it."""
        raise NotImplementedError

    @check("auth_modes")
    def _modes_go_together(self) -> str | None:
        chosen = [mode for mode in self.auth_modes if mode in _EXCLUSIVE]
        return f"{' and '.join(chosen)} exclude each other: choose one of them" if len(chosen) > 1 else None

    @check("auth_modes", "api_key")
    def _api_key_is_given(self) -> Problem | None:
        return self._wants("apiKey", apiKey=self.api_key)

    @check("auth_modes", "username")
    def _username_is_given(self) -> Problem | None:
        return self._wants("basic", username=self.username)

    @check("auth_modes", "cert", "key_")
    def _certificate_is_given(self) -> Problem | None:
        return self._wants("tls", cert=self.cert, key=self.key_)

    @check("auth_modes", "bearer_token")
    def _bearer_token_is_given(self) -> Problem | None:
        return self._wants("bearer", bearerToken=self.bearer_token)

    @check("auth_modes", "custom_auth_header", "custom_auth_value")
    def _custom_header_is_given(self) -> Problem | None:
        return self._wants(
            "custom", customAuthHeader=self.custom_auth_header, customAuthValue=self.custom_auth_value
        )

    @check("auth_modes", "oauth_token_uri", "client_id")
    def _oauth_client_is_given(self) -> Problem | None:
        return self._wants("oauth", oauthTokenURI=self.oauth_token_uri, clientID=self.client_id)

    def _wants(self, mode: str, **keys: str) -> Problem | None:
        missing = [name for name, value in keys.items() if not value]
        if mode not in self.auth_modes or not missing:
            return None
        names = " and ".join(missing)
        where = "metadata or a TriggerAuthentication" if mode == "apiKey" else "a TriggerAuthentication"
        return Problem(
            f"authenticationRef ({missing[0]})",
            f"authModes has {mode}, which needs {names}",
            f"give {names} in {where}",
        )

    @property
    def credentials(self) -> Credentials:
        """What the chosen modes send. A bearer token or a login come before a custom Authorization header."""
        modes = frozenset(self.auth_modes)
        headers: list[tuple[str, str]] = []
        params: Pairs = ()
        if "bearer" in modes:
            headers.append(("Authorization", f"Bearer {self.bearer_token}"))
        elif "basic" in modes:
            headers.append(basic(self.username, self.password))
        if "custom" in modes and not (
            modes & _EXCLUSIVE and self.custom_auth_header.lower() == _AUTHORIZATION
        ):
            headers.append((self.custom_auth_header, self.custom_auth_value))
        if "apiKey" in modes and self.method != "query":
            headers.append((self.key_param_name or "X-API-KEY", self.api_key))
        elif "apiKey" in modes:
            params = ((self.key_param_name or "api_key", self.api_key),)
        oauth = self._oauth if "oauth" in modes else None
        return Credentials(headers=tuple(headers), params=params, oauth=oauth)

    @property
    def _oauth(self) -> OAuth:
        return OAuth(
            token_url=self.oauth_token_uri,
            client_id=self.client_id,
            client_secret=self.client_secret,
            scopes=tuple(scope for scope in self.scopes if scope),
            params=tuple(urllib.parse.parse_qsl(self.endpoint_params, keep_blank_values=True)),
        )

    @property
    def tls(self) -> Tls:
        """Whom we trust, and, with the mode tls, our certificate."""
        ours = "tls" in self.auth_modes
        return Tls(
            ca=self.ca,
            cert=self.cert if ours else "",
            key=self.key_ if ours else "",
            key_password=self.key_password if ours else "",
            verify=not self.unsafe_ssl,
        )

    def identity(self) -> Hashable:
        """See Connection."""
        return self._identity

    @functools.cached_property
    def _identity(self) -> Hashable:
        try:
            url = urls.absolute(self.base)
        except InvalidMetadata:
            return (self.base,)
        return (urls.origin(url), urls.login(url), self.credentials, self.tls)

    def describe(self) -> str:
        """See Connection."""
        try:
            return urls.shown(urls.absolute(self.base).origin())
        except InvalidMetadata:
            return urls.redacted(self.base)

    def __repr__(self) -> str:
        return urls.redacted(super().__repr__())

    def open(self, host: Host) -> AbstractAsyncContextManager[HttpClient]:
        """See Connection."""
        return open_client(host, self.base, credentials=self.credentials, tls=self.tls)
