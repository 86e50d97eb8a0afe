"""Keys and certificates: a CA, what it signs, and the TLS contexts made of them.

Used by the embedded cluster (serving, front proxy), the metrics adapter (self-signed serving certificate) and tests.
Validity is real time: a factor on the Clock never reaches certificates.
"""

import ipaddress
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["KeyPair", "client_context", "in_force", "issue", "make_ca", "server_context"]

_BACKDATE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM. A serving chain may follow the certificate."""

    certificate: bytes
    key: bytes = field(repr=False)


def make_ca(common_name: str, *, days: int = 3650) -> KeyPair:
    """A self-signed certificate authority (ECDSA P-256)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name, ())
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def issue(
    ca: KeyPair,
    common_name: str,
    *,
    hosts: Iterable[str] = (),
    organizations: Iterable[str] = (),
    client: bool = False,
    peer: bool = False,
    days: int = 365,
) -> KeyPair:
    """A certificate signed by `ca`: for serving `hosts` (DNS names and IP addresses), for a client when `client`.

    With `peer` it is for both, as equals show each other.
    """
    issuer = x509.load_pem_x509_certificate(ca.certificate)
    issuer_key = serialization.load_pem_private_key(ca.key, None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError("the CA's key is not an elliptic-curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    purposes = [ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH]
    if peer:
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = (
        _builder(_name(common_name, organizations), issuer.subject, key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    names = [_general_name(host) for host in hosts]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _pair(builder.sign(issuer_key, hashes.SHA256()), key)


def server_context(pair: KeyPair, *, client_ca: bytes | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer for a listener. With `client_ca`, a client certificate is optional but must be signed by it.

    As in `client_context`, any certificate in `client_ca` is an anchor: a front proxy's CA may be an intermediate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, pair)
    if client_ca is not None:
        # A resumed session would bring a client certificate along that nobody looks at again.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=client_ca.decode())
    return context


def client_context(ca: bytes, pair: KeyPair | None = None) -> ssl.SSLContext:
    """TLS that trusts only `ca`, checks the host's name, and shows `pair` when given.

    As in Go, whose bundles we read and write, any certificate in `ca` is an anchor, not only a root.
    """
    context = ssl.create_default_context(cadata=ca.decode())
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # Python 3.13's default, which Go does not know.
    if pair is not None:
        _load(context, pair)
    return context


def in_force(certificate: x509.Certificate) -> bool:
    """Is it now (in real time) within the certificate's validity?"""
    return certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc


def _load(context: ssl.SSLContext, pair: KeyPair) -> None:
    # The ssl module reads chains from files only; the directory is private (0700) and gone at once.
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        path = Path(folder, "pair.pem")
        path.touch(mode=0o600)
        path.write_bytes(pair.certificate + b"\n" + pair.key)
        # An empty password: an encrypted key is an error, not a question at the terminal.
        context.load_cert_chain(path, password="")


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(common_name: str, organizations: Iterable[str]) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return KeyPair(certificate.public_bytes(encoding), private)
