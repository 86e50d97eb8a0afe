"""`tidegate up`: the embedded cluster, with Tidegate in it unless told otherwise, until told to stop."""

import os
import tempfile
from pathlib import Path
from typing import Literal

import typer
import yaml

from scaler.app import Embedded
from scaler.clock import SystemClock
from scaler.commands import process
from scalers._lib.text import parse_seconds

__all__ = ["up"]


def up(
    port: int,
    hpa_sync: str,
    pods: Literal["process", "ready", "none"],
    log_level: str,
    *,
    kubeconfig_out: Path | None,
    cluster_only: bool,
) -> None:
    """Exit 2 for flags that cannot be, 1 for what goes wrong."""
    process.logs(log_level)
    try:
        sync = parse_seconds(hpa_sync)
    except ValueError as error:
        raise process.fail(f"--hpa-sync {hpa_sync}: {error}", process.USAGE) from error
    if sync <= 0 or hpa_sync.isdigit():
        raise process.fail(
            f"--hpa-sync {hpa_sync}: write a duration above 0 with its unit, such as 15s", process.USAGE
        )
    embedded = Embedded(
        SystemClock.from_env(), port=port, hpa_sync=sync, pods=pods, tidegate=not cluster_only
    )
    try:
        process.run(_up(embedded, kubeconfig_out))
    except OSError as error:
        raise process.fail(str(error)) from error


async def _up(embedded: Embedded, kubeconfig_out: Path | None) -> None:
    stop = process.stop_signal()
    async with embedded:
        if kubeconfig_out is not None:
            write_private(kubeconfig_out, yaml.safe_dump(embedded.cluster.kubeconfig(), sort_keys=False))
        typer.echo(f"ready {embedded.cluster.url}")
        await stop.wait()


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
