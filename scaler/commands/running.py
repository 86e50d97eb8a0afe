"""`tidegate run`: controller and adapter against a cluster, until told to stop."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

import structlog

from metrics_adapter.register import ForeignError, Registration
from scaler.app import Tidegate
from scaler.clock import Clock
from scaler.commands import flags, logs, process
from scaler.commands.keda_flags import UnknownFlagError, ignored
from scaler.commands.setting import overrides
from scaler.kube.errors import KubeError
from scaler.settings import AdapterSettings, ControllerSettings, RunSettings

__all__ = ["command"]

_log = structlog.get_logger(__name__)
_LATER = (
    "not there yet: it comes with the feed between the two, in a later release; until then run one process "
    "with --role all (the default)"
)


def command(
    kubeconfig: str | None,
    role: str,
    namespaces: list[str],
    listen: tuple[str, int, str, int],
    tls: tuple[Path | None, Path | None],
    authentication: tuple[str, Path | None],
    log_level: logs.Level,
    *,
    mode: Literal["act", "observe"],
    register: bool,
    advertise: str | None,
    force: bool,
    settings: Sequence[str] = (),
    more: Sequence[str] = (),
) -> None:
    """Run until told to stop (exit 0). Exit 2 for flags that cannot be, 1 for what goes wrong."""
    _check_role(role)
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
            process.run(_run(run_settings, clock, kubeconfig))
        except (KubeError, ForeignError, OSError, ValueError) as error:
            raise process.fail(error) from error


async def _run(settings: RunSettings, clock: Clock, kubeconfig: str | None) -> None:
    async with Tidegate(settings, clock, kubeconfig=kubeconfig) as tidegate:
        _log.info(
            "running",
            mode=settings.controller.mode,
            metrics_api=f"{settings.adapter.bind_address}:{tidegate.adapter.port}",
            metrics=f"{settings.metrics_address}:{tidegate.listener.port}",
        )
        try:
            await tidegate.wait_ready()
            process.calm_gc()
            _log.info("ready", why="the watches are synced")
            await asyncio.Event().wait()
        finally:
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


def _check_role(role: str) -> None:
    if role in {"controller", "adapter"}:
        raise flags.refuse("--role", role, _LATER)
    if role != "all":
        raise flags.refuse("--role", role, "write all")


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
