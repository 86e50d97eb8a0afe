"""The feed's certificates: a folder as Kubernetes mounts a TLS Secret, read again whenever it changes.

Both sides show a certificate of the same CA that is for the name `NAME`, and both ask for one: a certificate of that CA for
something else (a web hook's, the metrics API's) opens nothing here.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from scaler.pki import KeyPair

__all__ = ["NAME", "Credentials", "Folder", "is_member"]

_log = structlog.get_logger(__name__)

NAME = "tidegate-feed"
"""The DNS name in the certificates of both sides, whatever address they are reached at."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one side shows, and the CA (PEM) of what it believes."""

    ca: bytes
    pair: KeyPair

    def channel(self) -> grpc.ChannelCredentials:
        """For a client."""
        return grpc.ssl_channel_credentials(self.ca, self.pair.key, self.pair.certificate)


class Folder:
    """`ca.crt`, `tls.crt` and `tls.key` in a folder. A reading that fails later leaves what was read before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._mark: tuple[int, ...] = ()
        self._read: Credentials = self._load()

    def read(self) -> Credentials:
        """What is there now; called from any thread."""
        with self._lock:
            try:
                if self._marks() != self._mark:
                    self._read = self._load()
                    _log.info("feed_certificate_read", folder=str(self._path))
            except (OSError, ValueError) as error:
                _log.warning("feed_certificate_not_read", error=str(error))
            return self._read

    def server(self) -> grpc.ServerCredentials:
        """For a server: each handshake shows what is there then, and takes none without a certificate."""
        shown = self.read()
        configuration = _configuration(shown)

        def fetch() -> grpc.ServerCertificateConfiguration:
            nonlocal shown, configuration
            found = self.read()
            if found is not shown:
                shown, configuration = found, _configuration(found)
            return configuration

        return grpc.dynamic_ssl_server_credentials(configuration, fetch, require_client_authentication=True)

    def _marks(self) -> tuple[int, ...]:
        return tuple(self._file(name).stat().st_mtime_ns for name in _FILES)

    def _file(self, name: str) -> Path:
        return self._path / name

    def _load(self) -> Credentials:
        """Raises OSError, or ValueError with a sentence that names the file."""
        mark = self._marks()
        ca, certificate, key = (self._file(name).read_bytes() for name in _FILES)
        _check(self._path, ca, certificate, key)
        self._mark = mark
        return Credentials(ca, KeyPair(certificate, key))


_FILES = ("ca.crt", "tls.crt", "tls.key")


def is_member(context: Mapping[str, Iterable[bytes]]) -> bool:
    """Is the peer of a verified certificate for `NAME`? `context` is gRPC's `auth_context`."""
    return NAME.encode() in context.get("x509_subject_alternative_name", ())


def _configuration(found: Credentials) -> grpc.ServerCertificateConfiguration:
    pair = found.pair
    return grpc.ssl_server_certificate_configuration([(pair.key, pair.certificate)], found.ca)


def _check(folder: Path, ca: bytes, certificate: bytes, key: bytes) -> None:
    for name, text in (("ca.crt", ca), ("tls.crt", certificate)):
        try:
            x509.load_pem_x509_certificates(text)
        except ValueError:
            raise ValueError(f"{folder / name}: no PEM certificate in it") from None
    try:
        private = load_pem_private_key(key, None)
    except (TypeError, ValueError):
        raise ValueError(f"{folder / 'tls.key'}: no PEM private key without a passphrase in it") from None
    own = x509.load_pem_x509_certificates(certificate)[0]
    if private.public_key() != own.public_key():
        raise ValueError(f"{folder / 'tls.key'} is not the key of the certificate in {folder / 'tls.crt'}")
    names = _dns_names(own)
    if NAME not in names:
        raise ValueError(
            f"{folder / 'tls.crt'}: the certificate is for {', '.join(names) or 'no DNS name'}, not for {NAME}, "
            "by which controllers and adapters know each other; have that name added to it"
        )


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)
