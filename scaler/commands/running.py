"""`tidegate run`: controller, adapter or both against a cluster, until told to stop."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog

from metrics_adapter.register import ForeignError, Registration
from scaler.app import Tidegate
from scaler.clock import Clock
from scaler.commands import flags, logs, process
from scaler.commands.keda_flags import UnknownFlagError, ignored
from scaler.commands.leading import Role, leading
from scaler.commands.setting import overrides
from scaler.kube.errors import KubeError
from scaler.settings import AdapterSettings, ControllerSettings, RunSettings

__all__ = ["command"]

_log = structlog.get_logger(__name__)

Leader = tuple[str, tuple[str, str, str], tuple[str, int, str | None], Path | None]
"""The flags about the Lease and the feed, as `leading` takes them."""


def command(
    kubeconfig: str | None,
    role: Role,
    namespaces: list[str],
    listen: tuple[str, int, str, int],
    tls: tuple[Path | None, Path | None],
    authentication: tuple[str, Path | None],
    log_level: logs.Level,
    *,
    leader: Leader,
    mode: Literal["act", "observe"],
    register: bool,
    advertise: str | None,
    force: bool,
    settings: Sequence[str] = (),
    more: Sequence[str] = (),
) -> None:
    """Run until told to stop (exit 0). Exit 2 for flags that cannot be, 1 for what goes wrong."""
    keda = _of_keda(more)
    certificate, key = tls
    if (certificate is None) != (key is None):
        raise process.fail("--tls-cert-file and --tls-private-key-file go together", process.USAGE)
    if register and mode == "observe":
        raise process.fail(
            "--register writes to the cluster, --mode observe never does: give one", process.USAGE
        )
    address, secure_port, metrics_address, metrics_port = listen
    address = flags.address(address, "--bind-address")
    run_settings = RunSettings(
        controller=replace(_controller(namespaces, *authentication), mode=mode, **overrides(settings)),
        adapter=AdapterSettings(
            bind_address=address,
            secure_port=secure_port,
            certificate_file=str(certificate) if certificate is not None else None,
            key_file=str(key) if key is not None else None,
        ),
        leader=leading(role, *leader, register=register),
        metrics_address=flags.address(metrics_address, "--metrics-address"),
        metrics_port=metrics_port,
        register=register,
        advertise=_advertised(advertise, address, register=register),
        force=force,
    )
    clock = flags.clock()
    logs.configure(log_level)
    for name in keda:
        _log.warning("a flag of KEDA's that has no effect here", flag=name)
    with suppress(process.Stopped):
        try:
            process.run(_run(role, run_settings, clock, kubeconfig))
        except (KubeError, ForeignError, OSError, ValueError) as error:
            raise process.fail(error) from error


async def _run(role: Role, settings: RunSettings, clock: Clock, kubeconfig: str | None) -> None:
    if role == "all":
        async with Tidegate(settings, clock, kubeconfig=kubeconfig) as tidegate:
            _log.info(
                "running",
                mode=settings.controller.mode,
                metrics_api=f"{settings.adapter.bind_address}:{tidegate.adapter.port}",
                metrics=f"{settings.metrics_address}:{tidegate.listener.port}",
            )
            await _until_told(clock, tidegate, asyncio.Event().wait())
    elif role == "controller":
        from scaler.roles.controller import ControllerRole  # noqa: PLC0415 - gRPC, which one process needs not.

        async with ControllerRole(settings, clock, kubeconfig=kubeconfig) as controller:
            _log.info(
                "running",
                role=role,
                mode=settings.controller.mode,
                identity=controller.identity,
                feed=f"{settings.leader.feed_address}:{controller.feed.port}",
                metrics=f"{settings.metrics_address}:{controller.listener.port}",
            )
            await _until_told(clock, controller, controller.serve())
    else:
        from scaler.roles.adapter import AdapterRole  # noqa: PLC0415 - as above.

        async with AdapterRole(settings, clock, kubeconfig=kubeconfig) as adapter:
            _log.info(
                "running",
                role=role,
                metrics_api=f"{settings.adapter.bind_address}:{adapter.adapter.port}",
                metrics=f"{settings.metrics_address}:{adapter.listener.port}",
            )
            await _until_told(clock, adapter, adapter.serve())


class _Part(Protocol):
    def ready(self) -> bool: ...


async def _until_told(clock: Clock, part: _Part, work: Coroutine[Any, Any, Any]) -> None:
    """Have the work done until cancelled; say when its watches are synced."""
    working = asyncio.create_task(work, name="work")
    try:
        while not part.ready() and not working.done():
            await clock.pause(0.01)
        if part.ready():
            process.calm_gc()
            _log.info("ready", why="the watches are synced")
        await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        _log.info("stopping")


def _controller(namespaces: list[str], cluster_namespace: str, auth_root: Path | None) -> ControllerSettings:
    """The namespaces, and where ClusterTriggerAuthentications find what they refer to."""
    if auth_root is not None and not auth_root.is_dir():
        raise flags.refuse("--filepath-auth-root", auth_root, "is no directory")
    (home,) = flags.namespaces([cluster_namespace], "--cluster-namespace")
    return ControllerSettings(
        namespaces=flags.namespaces(namespaces),
        cluster_namespace=home,
        filepath_auth_root=str(auth_root) if auth_root is not None else None,
    )


def _of_keda(words: Sequence[str]) -> tuple[str, ...]:
    """KEDA's flags among what is left of the command line. Refuses anything else."""
    try:
        return tuple(dict.fromkeys(ignored(words)))
    except UnknownFlagError as error:
        raise process.fail(error, process.USAGE) from error


def _advertised(text: str | None, address: str, *, register: bool) -> tuple[str, int] | None:
    """HOST and PORT of --advertise; None without it. Refuses what an API server cannot be sent to."""
    if text is not None and not register:
        raise process.fail("--advertise says what to register: give --register too", process.USAGE)
    advertised = None
    if text is not None:
        host, _, port = text.rpartition(":")
        if not host or not (port.isascii() and port.isdigit()):
            raise flags.refuse("--advertise", text, "write HOST:PORT")
        advertised = host, int(port)
    if register:
        _try(*(advertised or (address, 1)))
    return advertised


def _try(host: str, port: int) -> None:
    try:
        Registration(service="-", namespace="-", host=host, port=port, ca=b"")
    except ValueError as error:
        raise process.fail(error, process.USAGE) from error
