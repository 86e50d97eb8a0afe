"""`tidegate run`: controller and adapter against a cluster, until told to stop."""

from pathlib import Path

import structlog

from metrics_adapter.register import ForeignError
from scaler.app import Tidegate
from scaler.clock import Clock, SystemClock
from scaler.commands import process
from scaler.kube.errors import KubeError
from scaler.settings import AdapterSettings, ControllerSettings, RunSettings

__all__ = ["command"]

_log = structlog.get_logger(__name__)


def command(
    kubeconfig: str | None,
    role: str,
    namespaces: tuple[str, ...],
    listen: tuple[str, int, int],
    tls: tuple[Path | None, Path | None],
    log_level: str,
    *,
    register: bool,
    advertise: str | None,
    force: bool,
) -> None:
    """Check the flags, run until SIGINT or SIGTERM. Exit 2 for flags that cannot be, 1 for what goes wrong."""
    if role in {"controller", "adapter"}:
        raise process.fail(
            f"--role {role} is not there yet: only --role all, both in one process", process.USAGE
        )
    if role != "all":
        raise process.fail(f"--role {role}: the only role is all", process.USAGE)
    certificate, key = tls
    if (certificate is None) != (key is None):
        raise process.fail("--tls-cert-file and --tls-private-key-file go together", process.USAGE)
    if (advertise or force) and not register:
        raise process.fail("--advertise and --force only mean something with --register", process.USAGE)
    process.logs(log_level)
    address, secure_port, metrics_port = listen
    settings = RunSettings(
        controller=ControllerSettings(namespaces=namespaces),
        adapter=AdapterSettings(
            bind_address=address,
            secure_port=secure_port,
            certificate_file=str(certificate) if certificate is not None else None,
            key_file=str(key) if key is not None else None,
        ),
        metrics_port=metrics_port,
        register=register,
        advertise=advertise,
        force=force,
    )
    try:
        process.run(_run(settings, SystemClock.from_env(), kubeconfig))
    except (KubeError, ForeignError, OSError, ValueError) as error:
        raise process.fail(str(error)) from error


async def _run(settings: RunSettings, clock: Clock, kubeconfig: str | None) -> None:
    stop = process.stop_signal()
    async with Tidegate(settings, clock, kubeconfig=kubeconfig) as tidegate:
        _log.info(
            "running",
            metrics_api=f"{settings.adapter.bind_address}:{tidegate.adapter.port}",
            metrics=f"{settings.metrics_address}:{tidegate.listener.port}",
        )
        await stop.wait()
        _log.info("stopping")
