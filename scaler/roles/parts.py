"""What every role is built of: listeners that say where they cannot listen, and whom the metrics API answers."""

import ipaddress
import os
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from prometheus_client import CollectorRegistry, Gauge

from metrics_adapter.certificates import brought, self_signed, serving_name
from metrics_adapter.guard import Guard
from metrics_adapter.register import Registration, register
from metrics_adapter.reviews import Reviews
from metrics_adapter.trust import Published
from scaler.clock import Clock
from scaler.kube.access import Access
from scaler.kube.client import Kube
from scaler.kube.lease import Terms
from scaler.kube.transport import Observer
from scaler.pki import KeyPair
from scaler.settings import LeaderSettings, RunSettings

__all__ = [
    "VERSION",
    "announce",
    "certificate",
    "fed_gauge",
    "guarded",
    "is_loopback",
    "leading_gauge",
    "lease_terms",
    "listening",
    "observers",
]

_log = structlog.get_logger(__name__)

VERSION = version("tidegate")


async def listening(start: Awaitable[None], host: str, port: int) -> None:
    """Await a listener's start; its OSError says where, in words."""
    try:
        await start
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        mend = "stop what listens there, or choose another port"
        raise OSError(f"cannot listen on {host}:{port}: {why}; {mend}") from error


def observers(*told: Observer | None) -> Observer:
    """One observer that tells those of `told` that there are."""
    present = [each for each in told if each is not None]

    def all_of_them(verb: str, resource: str, status: int, seconds: float) -> None:
        for each in present:
            each(verb, resource, status, seconds)

    return present[0] if len(present) == 1 else all_of_them


async def guarded(access: Access, clock: Clock, observer: Observer, stack: AsyncExitStack) -> Guard:
    """Who may ask the adapter, found out over connections of its own: reviews change nothing, and hold up no write."""
    kube = Kube(access, clock, observer=observer)
    stack.push_async_callback(kube.close)
    published = Published(kube, clock)
    stack.push_async_callback(published.close)
    await published.start()
    reviews = Reviews(clock, kube)
    stack.push_async_callback(reviews.close)
    return Guard(lambda: published.trust, reviews)


def certificate(settings: RunSettings) -> tuple[bytes, KeyPair]:
    """What to verify the metrics API by (the caBundle), and what to serve it with: given files, or made here."""
    adapter = settings.adapter
    if adapter.certificate_file is None or adapter.key_file is None:
        host = settings.advertise[0] if settings.advertise else adapter.bind_address
        return self_signed(adapter.service, adapter.service_namespace, [host, adapter.bind_address])
    name = serving_name(adapter.service, adapter.service_namespace) if settings.register else None
    return brought(Path(adapter.certificate_file), Path(adapter.key_file), name)


async def announce(kube: Kube, settings: RunSettings, port: int, ca: bytes, server: str) -> None:
    """Tell the cluster that external metrics are served here, at `port` unless something else is advertised."""
    adapter = settings.adapter
    host, port = settings.advertise or (adapter.bind_address, port)
    registration = Registration(
        service=adapter.service, namespace=adapter.service_namespace, host=host, port=port, ca=ca
    )
    if is_loopback(host) and not is_loopback(urlsplit(server).hostname or ""):
        _log.warning("the API server is elsewhere and cannot reach this address", advertised=host)
    for change in await register(kube, registration, force=settings.force):
        _log.info("registered", change=change)


def is_loopback(host: str) -> bool:
    """Is the host this machine itself?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def lease_terms(leader: LeaderSettings) -> Terms:
    """The Lease's terms. Raises ValueError for such that leave no room for a renewal."""
    return Terms(
        duration=leader.lease_duration,
        renew_deadline=leader.renew_deadline,
        retry=leader.retry_period,
        timeout=leader.renew_deadline / 2,
        margin=(leader.lease_duration - leader.renew_deadline) / 4,
    )


def leading_gauge(registry: CollectorRegistry) -> Gauge:
    """A controller's sign that it leads."""
    return Gauge("tidegate_leading", "1 while this controller leads.", registry=registry)


def fed_gauge(registry: CollectorRegistry) -> Gauge:
    """An adapter's sign that it is told everything."""
    return Gauge(
        "tidegate_adapter_fed", "1 while a leading controller feeds this adapter.", registry=registry
    )
