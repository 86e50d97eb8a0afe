"""Whom the adapter believes: the API server's front proxy, by its client certificate.

The aggregation layer authenticates and authorises people, then asks us with a certificate of the
front-proxy CA and the person's name in a header. That CA, the names it may bear and the headers stand
in a ConfigMap that every API server publishes. The TLS layer has verified the chain before this module
sees a certificate; headers of anyone without one mean nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from cryptography import x509

__all__ = ["CONFIG_MAP", "FrontProxy"]

CONFIG_MAP: Final = ("kube-system", "extension-apiserver-authentication")
"""Namespace and name of the ConfigMap."""

_CA: Final = "requestheader-client-ca-file"
_NAMES: Final = "requestheader-allowed-names"
_USER_HEADERS: Final = "requestheader-username-headers"
_USER_HEADERS_DEFAULT: Final = ("X-Remote-User",)


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """Which client certificates stand for the front proxy, and where it names the person it asks for."""

    ca: bytes
    """CA certificates (PEM) that sign its client certificate."""

    names: frozenset[str]
    """Common names it may bear; empty: any that the CA signed."""

    user_headers: tuple[str, ...] = _USER_HEADERS_DEFAULT
    """Headers that may hold the person's name; the first that does, counts."""

    @classmethod
    def from_config_map(cls, data: Mapping[str, str]) -> "FrontProxy":
        """Read the `data` of `CONFIG_MAP`. Raises ValueError naming the key and the mend."""
        ca = data.get(_CA, "").encode()
        try:
            x509.load_pem_x509_certificates(ca)
        except ValueError:
            raise ValueError(
                f"ConfigMap {'/'.join(CONFIG_MAP)}: {_CA} holds no certificate; run the API server with its "
                "aggregation layer configured (--requestheader-client-ca-file)"
            ) from None
        headers = _texts(data, _USER_HEADERS)
        return cls(ca, frozenset(_texts(data, _NAMES)), headers or _USER_HEADERS_DEFAULT)

    def user(self, certificate: Mapping[str, Any] | None, headers: Mapping[str, str]) -> str | None:
        """The person asking, or None when the request did not come through the front proxy.

        `certificate` is the verified peer certificate as the ssl module shows it; `headers` ignores case.
        """
        if not certificate or not self._allows(certificate):
            return None
        return next((user for header in self.user_headers if (user := headers.get(header))), None)

    def _allows(self, certificate: Mapping[str, Any]) -> bool:
        if not self.names:
            return True
        return any(
            key == "commonName" and value in self.names
            for part in certificate.get("subject", ())
            for key, value in part
        )


def _texts(data: Mapping[str, str], key: str) -> tuple[str, ...]:
    try:
        return tuple(msgspec.json.decode(data.get(key) or "[]", type=list[str]))
    except msgspec.DecodeError as error:
        raise ValueError(
            f"ConfigMap {'/'.join(CONFIG_MAP)}: {key} is no JSON list of strings ({error}); "
            "let the API server write it"
        ) from None
