"""`tidegate demo`: run the story, show it, sum it up."""

import sys
from dataclasses import asdict
from pathlib import Path

import msgspec
import typer

from scaler.commands import flags, logs, process
from scaler.demo import plot as picture
from scaler.demo.redis import NoRedisError
from scaler.demo.screen import Screen
from scaler.demo.story import DemoError, Told, tell

__all__ = ["demo"]


def demo(*, json: bool, jobs: int, plot: Path | None) -> None:
    """Exit 0 only if every job was processed once and nothing is left running."""
    logs.configure("error")
    if plot is not None:
        flags.writable(plot, "--plot")
    clock = flags.clock()
    try:
        if plot is not None:
            picture.require()
        with Screen() as screen:
            told = process.run(tell(clock, jobs, screen))
        if plot is not None:
            picture.draw(told.samples, told.pushed, plot)
    except process.Stopped as stopped:
        raise process.fail(f"stopped by {stopped}; nothing is left running", stopped.code) from stopped
    except (NoRedisError, DemoError, picture.PlotError, OSError) as error:
        raise process.fail(error) from error
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
    first = f"{summary.first_write} replica{'' if summary.first_write == 1 else 's'}"
    never = summary.push_to_scale_ms < 0
    scaled = "never" if never else f"{summary.push_to_scale_ms:.1f} ms, straight to {first} ({how})"
    return "\n".join(
        [
            "",
            f"  {summary.jobs} jobs pushed, {summary.processed} processed, {summary.processed_twice} twice",
            f"  first push to first scale write: {scaled}",
            f"  at most {summary.peak_replicas} replicas, {summary.final_replicas} at the end, after {summary.seconds:.1f} s",
            f"  {_verdict(told)}",
        ]
    )


def _verdict(told: Told) -> str:
    if told.summary.ok:
        return "all of it went well"
    if not told.finished:
        return "NOT FINISHED: the time was up; try fewer --jobs"
    return "SOMETHING WENT WRONG: the numbers above say what"
