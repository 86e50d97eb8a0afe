"""Whom the adapter believes, and what of: the cluster's published trust, a TLS peer, a request's headers. No IO.

Every API server publishes in one ConfigMap whose certificates mean what. One of the front-proxy CA, with an allowed
name, speaks for the user in the headers: the aggregation layer has authenticated a person and asks us for them. One of
the client CA speaks for itself. The TLS layer has verified a chain against both CAs together before this module sees
it; which of the two it leads to is told here, so that a certificate of the one never passes for one of the other.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from multidict import CIMultiDictProxy

__all__ = [
    "ANONYMOUS",
    "CONFIG_MAP",
    "MASTERS",
    "FrontProxy",
    "Headers",
    "Peer",
    "Trust",
    "User",
    "chain_of",
    "client",
    "named",
]

CONFIG_MAP: Final = ("kube-system", "extension-apiserver-authentication")
"""Namespace and name of the ConfigMap."""

MASTERS: Final = "system:masters"
"""Whoever is in this group may do everything, as everywhere in Kubernetes."""

Headers = CIMultiDictProxy[str]

_DER: Final = 2  # The ssl module's own number.
_AUTHENTICATED: Final = "system:authenticated"
_CLIENT_CA: Final = "client-ca-file"
_CA: Final = "requestheader-client-ca-file"
_NAMES: Final = "requestheader-allowed-names"
_USERS: Final = "requestheader-username-headers"
_UIDS: Final = "requestheader-uid-headers"
_GROUPS: Final = "requestheader-group-headers"
_EXTRAS: Final = "requestheader-extra-headers-prefix"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, as Kubernetes describes people and programs: also what a SubjectAccessReview is about."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


ANONYMOUS: Final = User("system:anonymous", ("system:unauthenticated",))
"""Whoever says nothing about themselves; RBAC decides what they may do, as about everyone."""


def named(user: User) -> User:
    """The user as one who was authenticated, whichever way."""
    if user.name == ANONYMOUS.name or _AUTHENTICATED in user.groups:
        return user
    return replace(user, groups=(*user.groups, _AUTHENTICATED))


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a TLS connection. `chain` is its verified certificate chain (DER, its own first); empty: none shown."""

    address: str = ""
    chain: tuple[bytes, ...] = ()

    @property
    def certificate(self) -> x509.Certificate:
        """The peer's own. ValueError for one that OpenSSL took and cryptography cannot read."""
        return x509.load_der_x509_certificate(self.chain[0])


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """Which client certificates stand for the front proxy, and where it names the person it asks for."""

    ca: bytes
    """CA certificates (PEM) that sign its client certificate."""

    names: frozenset[str]
    """Common names it may bear; empty: any that the CA signed."""

    user_headers: tuple[str, ...] = ("X-Remote-User",)
    """Headers that may hold the person's name; the first that does, counts."""

    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    """Headers that hold a group each."""

    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)
    """Beginnings of headers with what else is known of the person; the rest is its key, percent-escaped."""

    uid_headers: tuple[str, ...] = ("X-Remote-Uid",)
    """Headers that may hold the person's uid."""

    def allows(self, certificate: x509.Certificate) -> bool:
        """Is this a name the front proxy may bear? The chain is the caller's to check."""
        return not self.names or _common_name(certificate) in self.names

    def user(self, headers: Headers) -> User | None:
        """The person asked for; None when no header names one."""
        name = _first(headers, self.user_headers)
        if not name:
            return None
        groups = tuple(value for header in self.group_headers for value in headers.getall(header, ()))
        return User(name, groups, _first(headers, self.uid_headers), self._extra(headers))

    def speaks(self, headers: Headers) -> bool:
        """Does a request bear headers that only the front proxy may set?"""
        return any(header in headers for header in (*self.user_headers, *self.group_headers))

    def _extra(self, headers: Headers) -> tuple[tuple[str, tuple[str, ...]], ...]:
        found: dict[str, tuple[str, ...]] = {}
        for header, value in headers.items():
            for prefix in self.extra_prefixes:
                if header.lower().startswith(prefix.lower()):
                    key = unquote(header[len(prefix) :].lower())
                    found[key] = (*found.get(key, ()), value)
        return tuple(sorted(found.items()))


class Trust:
    """What the ConfigMap says: whose certificates mean what. Immutable."""

    def __init__(self, front_proxy: FrontProxy | None, client_ca: bytes = b"") -> None:
        self.front_proxy = front_proxy
        self.client_ca = client_ca
        front = front_proxy.ca if front_proxy is not None else b""
        self._front = _anchors(front)
        self._client = _anchors(client_ca)
        self.bundle = b"\n".join(part for part in (front, client_ca) if part)
        """All CA certificates (PEM), for the TLS layer; empty: nobody is asked for a certificate."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trust):
            return NotImplemented
        return (self.front_proxy, self.client_ca) == (other.front_proxy, other.client_ca)

    def __hash__(self) -> int:
        return hash((self.front_proxy, self.client_ca))

    @classmethod
    def from_config_map(cls, data: Mapping[str, str]) -> "Trust":
        """Read the `data` of `CONFIG_MAP`. A CA that is not there is nobody's; ValueError names a bad key and the mend."""
        front = None
        if data.get(_CA):
            ca = _pem(data, _CA)
            names, users, uids, groups, extras = (
                _texts(data, key) for key in (_NAMES, _USERS, _UIDS, _GROUPS, _EXTRAS)
            )
            given = {
                "user_headers": users,
                "uid_headers": uids,
                "group_headers": groups,
                "extra_prefixes": extras,
            }
            front = FrontProxy(ca, frozenset(names), **{key: value for key, value in given.items() if value})
        return cls(front, _pem(data, _CLIENT_CA) if data.get(_CLIENT_CA) else b"")

    @property
    def open_to_all(self) -> bool:
        """May every client of the cluster pass for the front proxy: one CA for both, and no name asked for?"""
        front = self.front_proxy
        return front is not None and not front.names and not self._front.isdisjoint(self._client)

    def proxied(self, peer: Peer) -> FrontProxy | None:
        """The front proxy's terms, when the peer's chain leads to its CA; its name is not looked at."""
        return self.front_proxy if not self._front.isdisjoint(peer.chain) else None

    def is_front_proxy(self, peer: Peer) -> bool:
        """Is the peer the front proxy, by chain and name?"""
        front = self.proxied(peer)
        try:
            return front is not None and front.allows(peer.certificate)
        except ValueError:
            return False

    def knows(self, peer: Peer) -> bool:
        """Does the peer's chain lead to the client CA?"""
        return not self._client.isdisjoint(peer.chain)


def client(certificate: x509.Certificate) -> User | None:
    """The user that a certificate of the client CA names: CN, and its groups: O. None without a name."""
    name = _common_name(certificate)
    if not name:
        return None
    organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return User(name, tuple(str(each.value) for each in organizations))


def chain_of(ssl_object: ssl.SSLObject | None) -> tuple[bytes, ...]:
    """The verified chain (DER) of a finished handshake; empty when the peer showed no certificate."""
    inner = getattr(ssl_object, "_sslobj", None)  # SSLObject itself has the method only from Python 3.13 on.
    chain = inner.get_verified_chain() if inner is not None else None
    return tuple(each.public_bytes(_DER) for each in chain or ())


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[-1].value) if found else ""  # Of several, Go takes the last.


def _first(headers: Headers, names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := headers.get(name))), "")


def _anchors(pem: bytes) -> frozenset[bytes]:
    found = x509.load_pem_x509_certificates(pem) if pem else ()
    return frozenset(each.public_bytes(Encoding.DER) for each in found)


def _pem(data: Mapping[str, str], key: str) -> bytes:
    ca = data[key].encode()
    try:
        x509.load_pem_x509_certificates(ca)
    except ValueError:
        raise ValueError(
            f"ConfigMap {'/'.join(CONFIG_MAP)}: {key} holds no certificate; let the API server write it"
        ) from None
    return ca


def _texts(data: Mapping[str, str], key: str) -> tuple[str, ...]:
    try:
        return tuple(msgspec.json.decode(data.get(key) or "[]", type=list[str]))
    except msgspec.DecodeError as error:
        raise ValueError(
            f"ConfigMap {'/'.join(CONFIG_MAP)}: {key} is no JSON list of strings ({error}); "
            "let the API server write it"
        ) from None
