"""The serving certificate: made at start and kept in memory, or brought in files.

The API server verifies the name `<service>.<namespace>.svc` against the `caBundle` in the APIService,
whatever the address it dials; the other names are for people and probes. Of what is brought the bundle is the
certificate file itself, whoever signed it: Go takes any certificate in a bundle for an anchor, be it the CA's,
an intermediate's or the server's own, so no root needs to be found.
"""

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from scaler.pki import KeyPair, issue, make_ca

__all__ = ["brought", "self_signed", "serving_name", "serving_names"]

_DAYS = 3650
"""The key dies with the process; the certificate must only not die before it."""


def serving_name(service: str, namespace: str) -> str:
    """The one name the API server verifies."""
    return f"{service}.{namespace}.svc"


def serving_names(service: str, namespace: str, hosts: Iterable[str] = ()) -> tuple[str, ...]:
    """Every name the adapter is asked by: those of its Service, `hosts`, and this machine's."""
    qualified = f"{service}.{namespace}"
    names = (
        serving_name(service, namespace),
        f"{qualified}.svc.cluster.local",
        qualified,
        service,
        *hosts,
        "localhost",
        "127.0.0.1",
    )
    return tuple(dict.fromkeys(names))


def self_signed(service: str, namespace: str, hosts: Iterable[str] = ()) -> tuple[bytes, KeyPair]:
    """A new CA's certificate (PEM, the `caBundle`) and what it signed to serve with; its key is dropped."""
    ca = make_ca(f"{service} CA")
    return ca.certificate, issue(ca, service, hosts=serving_names(service, namespace, hosts), days=_DAYS)


def brought(certificate_file: Path, key_file: Path, name: str | None) -> tuple[bytes, KeyPair]:
    """The `caBundle` and what to serve with, of PEM files; `name` None: nobody verifies a name by our doing.

    Raises OSError, and ValueError with a sentence naming the file, where the two cannot be served with.
    """
    chain, key = certificate_file.read_bytes(), key_file.read_bytes()
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise ValueError(f"{certificate_file}: no PEM certificate in it") from None
    try:
        private = load_pem_private_key(key, None)
    except TypeError:
        raise ValueError(f"{key_file}: the key is encrypted; give it without a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{key_file}: no PEM private key in it") from None
    own = certificates[0]
    if private.public_key() != own.public_key():
        raise ValueError(
            f"{key_file} is not the key of the first certificate in {certificate_file}; "
            "put the server's own certificate first, then those that sign it"
        )
    names = _dns_names(own)
    if name is not None and not {name, "*." + name.partition(".")[2]}.intersection(names):
        raise ValueError(
            f"{certificate_file}: the certificate is for {', '.join(names) or 'no DNS name'}, not for {name}, "
            "by which the API server calls this server; have that name added to it"
        )
    # Of the certificates alone: the file may hold the key as well.
    bundle = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
    return bundle, KeyPair(bundle, key)


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)
