"""The serving certificate for who brings none: a CA and what it signs, made at start, kept in memory.

The API server verifies the name `<service>.<namespace>.svc` against the `caBundle` in the APIService,
whatever the address it dials; the other names are for people and probes.
"""

from collections.abc import Iterable

from scaler.pki import KeyPair, issue, make_ca

__all__ = ["self_signed", "serving_names"]

_DAYS = 3650
"""The key dies with the process; the certificate must only not die before it."""


def serving_names(service: str, namespace: str, hosts: Iterable[str] = ()) -> tuple[str, ...]:
    """Every name the adapter is asked by: those of its Service, `hosts`, and this machine's."""
    qualified = f"{service}.{namespace}"
    names = (
        f"{qualified}.svc",
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
