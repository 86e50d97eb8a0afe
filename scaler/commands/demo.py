"""`tidegate demo`: run the story, show it, sum it up."""

import sys
from dataclasses import asdict
from pathlib import Path

import msgspec
import typer

from scaler.clock import SystemClock
from scaler.commands import process
from scaler.demo import plot as picture
from scaler.demo.redis import NoRedisError
from scaler.demo.screen import Screen
from scaler.demo.story import Told, tell

__all__ = ["demo"]


def demo(*, json: bool, jobs: int, plot: Path | None) -> None:
    """Exit 0 only if every job was processed once and nothing is left running."""
    process.logs("error")
    try:
        if plot is not None:
            picture.require()
        with Screen() as screen:
            told = process.run(tell(SystemClock.from_env(), jobs, screen))
        if plot is not None:
            picture.draw(told.samples, told.pushed, plot)
    except (NoRedisError, picture.PlotError, OSError) as error:
        raise process.fail(str(error)) from error
    typer.echo(_sentences(told), err=True)
    if plot is not None:
        typer.echo(f"  drawn in {plot}", err=True)
    if json:
        sys.stdout.write(msgspec.json.encode(asdict(told.summary)).decode() + "\n")
    if not told.summary.ok:
        raise typer.Exit(1)


def _sentences(told: Told) -> str:
    summary = told.summary
    how = "woken by Redis" if told.woken else "found by polling, since this Redis tells of no changes"
    scaled = f"{summary.push_to_scale_ms:.1f} ms" if summary.push_to_scale_ms >= 0 else "never"
    verdict = "all of it went well" if summary.ok else "SOMETHING WENT WRONG"
    return "\n".join(
        [
            "",
            f"  {summary.jobs} jobs pushed, {summary.processed} processed, {summary.processed_twice} twice",
            f"  first push to first scale write: {scaled}, straight to {summary.first_write} replicas ({how})",
            f"  at most {summary.peak_replicas} replicas, {summary.final_replicas} at the end, after {summary.seconds:.1f} s",
            f"  {verdict}",
        ]
    )
