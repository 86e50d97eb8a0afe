"""`tidegate up`: the embedded cluster, with Tidegate in it unless told otherwise, until told to stop."""

import asyncio
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

import typer

from scaler.app import Embedded
from scaler.commands import logs, process
from scaler.commands.flags import clock, duration, writable
from scaler.settings import ControllerSettings
from scaler.yaml_text import dump

__all__ = ["up"]


def up(
    port: int,
    hpa_sync: str,
    pods: Literal["process", "ready", "none"],
    log_level: logs.Level,
    *,
    mode: Literal["act", "observe"],
    kubeconfig_out: Path | None,
    cluster_only: bool,
) -> None:
    """Exit 0 when told to stop, 2 for flags that cannot be, 1 for what goes wrong."""
    logs.configure(log_level)
    if kubeconfig_out is not None:
        writable(kubeconfig_out, "--kubeconfig-out")
    embedded = Embedded(
        clock(),
        port=port,
        hpa_sync=duration(hpa_sync, "--hpa-sync"),
        pods=pods,
        tidegate=not cluster_only,
        settings=ControllerSettings(mode=mode),
    )
    with suppress(process.Stopped):
        try:
            process.run(_up(embedded, kubeconfig_out))
        except OSError as error:
            raise process.fail(error) from error


async def _up(embedded: Embedded, kubeconfig_out: Path | None) -> None:
    async with embedded:
        process.calm_gc()
        if kubeconfig_out is not None:
            write_private(kubeconfig_out, dump([embedded.cluster.kubeconfig()]))
        typer.echo(f"ready {embedded.cluster.url}")
        if embedded.tidegate is not None:
            server = f"http://127.0.0.1:{embedded.tidegate.listener.port}"
            typer.echo(f"to ask why: tidegate explain NAMESPACE/NAME --server {server}", err=True)
        await asyncio.Event().wait()


def write_private(path: Path, text: str) -> None:
    """Write a file that only we may read (0600), in one step: a reader sees the old one or the whole new one."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
