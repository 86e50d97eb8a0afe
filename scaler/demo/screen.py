"""The demo's live table, on standard error."""

from collections.abc import Sequence
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scaler.demo.samples import Sample

__all__ = ["Screen"]

_BAR = 30


class Screen:
    """A table that is drawn again with every sample; where standard error is no (clever) terminal, a line a change."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._drawn = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live = Live(console=self._console, refresh_per_second=8, transient=False)
        self._notes: list[str] = []
        self._last: tuple[object, ...] = ()

    def __enter__(self) -> Self:
        if self._drawn:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            self._live.stop()

    def note(self, text: str) -> None:
        """Something happened that a person would want to know."""
        if self._drawn:
            self._notes = [*self._notes[-5:], text]
        else:
            self._console.print(text, highlight=False, soft_wrap=True)

    def show(self, samples: Sequence[Sample], jobs: int, began: float) -> None:
        """Draw the newest sample."""
        sample = samples[-1]
        if self._drawn:
            peak = max(1, *(s.desired for s in samples))
            notes = [Text(f"  {note}", style="dim") for note in self._notes]
            self._live.update(Group(_table(sample, jobs, peak, sample.at - began), *notes))
            return
        state = (sample.desired, sample.ready, sample.decision)
        if state != self._last:
            self._last = state
            self.note(
                f"{sample.at - began:5.1f} s  queue {sample.queue:4d}  desired {sample.desired:2d}  "
                f"ready {sample.ready:2d}  done {sample.done:4d}  {sample.decision}  hpa: {sample.hpa}"
            )


def _table(sample: Sample, jobs: int, peak: int, seconds: float) -> Table:
    table = Table(title="tidegate demo", title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_row("time", f"{seconds:.1f} s", "")
    table.add_row("queue", str(sample.queue), _bar(sample.queue, jobs, "grey58"))
    table.add_row("done", f"{sample.done}/{jobs}", _bar(sample.done, jobs, "green"))
    table.add_row("desired", str(sample.desired), _bar(sample.desired, peak, "cyan"))
    table.add_row("ready", str(sample.ready), _bar(sample.ready, peak, "yellow"))
    table.add_row("decision", "", sample.decision)
    table.add_row("HPA", "", sample.hpa)
    return table


def _bar(value: int, whole: int, style: str) -> Text:
    filled = round(_BAR * min(value, whole) / max(1, whole))
    return Text("█" * filled + "·" * (_BAR - filled), style=style)
