"""How to reach one API server, and as whom.

`Access` is the plain case: an address, a TLS context, a fixed token (the embedded cluster, tests). `load`
reads a kubeconfig or a pod's service account with the official client's loaders, which know all the ways to
log in (tokens, token files, client certificates, exec plugins, OIDC), and keeps their credentials fresh:

- the loaders' own rules are asked again once a minute (service-account tokens, exec tokens near their expiry,
  OIDC);
- after a 401 or a TLS failure everything is loaded anew, at most every ten seconds.

The official client costs 0.8 s to import, so nothing here imports it before it is needed.
"""

import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from scaler.clock import Clock
from scaler.kube.errors import ConfigError
from scalers._lib.proxies import Proxies

__all__ = ["Access", "load"]

_log = structlog.get_logger(__name__)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_REFRESH = 60.0  # How often token files are read again, as client-go does.
_RENEW = 10.0  # The shortest time between two complete loads.
_LOGIN = 30.0  # The deadline of an exec plugin or OIDC provider.


@dataclass(slots=True, eq=False)
class Access:
    """One API server, one identity. `server` is a URL without a trailing slash; `tls` None means plain HTTP.

    `tls_server_name` is the name to verify where it is not the server's; `proxy` an HTTP proxy's URL.
    """

    server: str
    tls: ssl.SSLContext | None = None
    token: str | None = field(default=None, repr=False)
    tls_server_name: str | None = None
    proxy: str | None = None

    @property
    def in_cluster(self) -> bool:
        """Are we a pod of that cluster, with its own service account?"""
        return False

    async def authorization(self) -> str | None:
        """The value of the Authorization header, fresh; None without one."""
        return f"Bearer {self.token}" if self.token else None

    async def renew(self) -> "Access | None":
        """After the API server refused us: the access to go on with, or None when there is no other."""
        return None


@dataclass(slots=True)
class _Loaded:
    """What the official client's loaders made: its Configuration, the kubeconfig loader (None in a pod)."""

    configuration: Any
    loader: Any


@dataclass(slots=True, eq=False)
class _Configured(Access):
    """An Access that follows the files and plugins it came from."""

    clock: Clock = field(kw_only=True)
    loaded: _Loaded = field(kw_only=True, repr=False)
    source: Callable[[], Awaitable[_Loaded]] = field(kw_only=True, repr=False)
    refreshed: float = field(kw_only=True)
    made: float = field(kw_only=True)

    @property
    def in_cluster(self) -> bool:
        """See Access."""
        return self.loaded.loader is None

    async def authorization(self) -> str | None:
        """See Access. When refreshing fails, the last credentials are shown: the API server judges them."""
        configuration = self.loaded.configuration
        now = self.clock.monotonic()
        if now - self.refreshed >= _REFRESH:
            self.refreshed = now
            try:
                async with self.clock.deadline(_LOGIN):
                    await _refresh(self.loaded)
            except Exception as error:  # noqa: BLE001 - plugins and providers fail in their own ways.
                _log.warning("credentials_not_refreshed", server=self.server, error=str(error))
        key = configuration.api_key.get("BearerToken") or configuration.api_key.get("authorization")
        shown = str(key).strip() if key else None
        if shown and not shown.isprintable():
            raise ConfigError(
                f"{self.server}: the token has a line break or control character in it; log in anew"
            )
        return shown

    async def renew(self) -> Access | None:
        """See Access: loads everything again."""
        if self.clock.monotonic() - self.made < _RENEW:
            return None
        self.made = self.clock.monotonic()
        try:
            return await _assemble(self.source, self.clock, f"{self.server}: ")
        except ConfigError as error:
            _log.warning("credentials_not_renewed", server=self.server, error=str(error))
            return None


async def load(
    kubeconfig: str | os.PathLike[str] | None, clock: Clock, *, environ: Mapping[str, str] = os.environ
) -> Access:
    """The access that `kubeconfig` describes (current context); without it KUBECONFIG, else the pod's own.

    Raises ConfigError when nothing usable is found.
    """
    paths = os.fspath(kubeconfig) if kubeconfig is not None else environ.get("KUBECONFIG")
    if paths:
        if not any(map(_is_file, paths.split(os.pathsep))):
            raise ConfigError(f"kubeconfig {paths}: no such file")
        return await _assemble(lambda: _from_kubeconfig(paths, clock), clock, f"kubeconfig {paths}: ")
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return await _assemble(lambda: _from_pod(environ), clock)
    raise ConfigError(
        "no cluster: no kubeconfig was given, KUBECONFIG is not set, and this is no pod; "
        "give --kubeconfig, or set KUBECONFIG (for instance to ~/.kube/config)"
    )


async def _from_kubeconfig(paths: str, clock: Clock) -> _Loaded:
    configuration = import_module("kubernetes.aio.client").Configuration()
    config = import_module("kubernetes.aio.config")
    try:
        async with clock.deadline(_LOGIN):
            loader = await config.load_kube_config(
                _filled(paths), client_configuration=configuration, persist_config=False
            )
    except (
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
    ) as error:  # What the loaders make of another shape.
        raise ConfigError(f"kubeconfig {paths}: it has not a kubeconfig's shape: {error}") from error
    except Exception as error:  # The loaders raise whatever YAML, files and plugins raise.
        raise ConfigError(f"kubeconfig {paths}: {str(error) or type(error).__name__}") from error
    plugin = _user(loader).get("exec")
    if plugin is not None and not configuration.api_key and not configuration.cert_file:
        raise ConfigError(f"kubeconfig {paths}: the exec plugin {plugin.get('command')} gave no credentials")
    return _Loaded(configuration, loader)


async def _from_pod(environ: Mapping[str, str]) -> _Loaded:
    configuration = import_module("kubernetes.aio.client").Configuration()
    config = import_module("kubernetes.aio.config.incluster_config")
    try:
        config.InClusterConfigLoader(
            token_filename=str(SERVICE_ACCOUNT / "token"),
            cert_filename=str(SERVICE_ACCOUNT / "ca.crt"),
            environ=environ,
        ).load_and_set(configuration)
    except Exception as error:
        raise ConfigError(f"service account in {SERVICE_ACCOUNT}: {error}") from error
    return _Loaded(configuration, None)


async def _assemble(
    source: Callable[[], Awaitable[_Loaded]], clock: Clock, whose: str = "service account: "
) -> Access:
    """The access to `source`'s cluster. Raises ConfigError, which begins with `whose`."""
    loaded = await source()
    configuration = loaded.configuration
    server = _url(f"{whose}server", configuration.host, ("https", "http"))
    proxy = configuration.proxy or _proxy_from_environment(server, os.environ)
    if proxy is not None:
        proxy = _url(f"{whose}proxy", proxy, ("http", "https"), credentials=True)
    try:
        tls = _tls(configuration) if server.startswith("https:") else None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{server}: its certificates cannot be used: {error}") from error
    now = clock.monotonic()
    return _Configured(
        server,
        tls,
        tls_server_name=configuration.tls_server_name or None,
        proxy=proxy,
        clock=clock,
        loaded=loaded,
        source=source,
        refreshed=now,
        made=now,
    )


def _url(what: str, given: object, schemes: tuple[str, ...], *, credentials: bool = False) -> str:
    """A URL that can be asked, its scheme in lower case. Raises ConfigError; what may be a password is not repeated."""
    try:
        parts = urlsplit(str(given or ""))
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # The port, or brackets of an IPv6 address.
        usable = False
    if not usable or (parts.username is not None and not credentials):
        mend = f"write {schemes[0]}://HOST:PORT" + ("" if credentials else ", and credentials under `users`")
        shown = "" if "@" in str(given) else f" {str(given or '')!r}"
        raise ConfigError(f"{what}{shown}: is no address to ask; {mend}")
    return parts.geturl().rstrip("/")


def _tls(configuration: Any) -> ssl.SSLContext:
    # Go does not know Python 3.13's strict mode, so clusters have CAs that do not pass it.
    configuration.disable_strict_ssl_verification = True
    context: ssl.SSLContext = (
        import_module("kubernetes.aio.client.rest").RESTClientObject(configuration).ssl_context
    )
    # The loader writes inline keys to files, the only thing the ssl module reads; they have done their duty.
    import_module("kubernetes.aio.config.kube_config")._cleanup_temp_files()  # noqa: SLF001 - private keys.
    return context


async def _refresh(loaded: _Loaded) -> None:
    """Let the loaders look whether the credentials are still good, by their own rules."""
    loader, configuration = loaded.loader, loaded.configuration
    if loader is None:
        configuration.refresh_api_key_hook(configuration)
        return
    user = _user(loader)
    if loader.provider:
        await loader._load_authentication()  # noqa: SLF001 - there is no public way to refresh OIDC.
    elif user.get("exec") is not None:
        if not hasattr(loader, "exec_plugin_expiry"):
            return  # Good until refused, as in client-go.
        await loader.load_from_exec_plugin()
    elif "tokenFile" in user:
        base = Path(loader._get_base_path(loader._user.path))  # noqa: SLF001 - where relative paths start.
        loader.token = f"Bearer {(base / user['tokenFile']).read_text().strip()}"
    else:
        return
    configuration.api_key["BearerToken"] = loader.token


def _filled(paths: str) -> str:
    """The files that hold something, as kubectl merges them; all of them when none does."""
    filled = [path for path in paths.split(os.pathsep) if _is_file(path) and _read(path).strip()]
    return os.pathsep.join(filled) or paths


def _read(path: str) -> bytes:
    return Path(path).expanduser().read_bytes()


def _is_file(path: str) -> bool:
    return Path(path).expanduser().is_file()


def _user(loader: Any) -> Mapping[str, Any]:
    """The `user` entry of the current context; empty when there is none."""
    user = getattr(loader, "_user", None)
    return user.value or {} if user is not None else {}


def _proxy_from_environment(server: str, environ: Mapping[str, str]) -> str | None:
    """HTTPS_PROXY and the like, by Go's rules as kubectl has them. Asked once: aiohttp asks per request."""
    parts = urlsplit(server)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Proxies.of(environ).choose(parts.scheme, parts.hostname or "", port) or None
