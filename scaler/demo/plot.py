"""Queue, desired and ready replicas over time, as an SVG. Needs the extra `plot` (matplotlib)."""

from collections.abc import Sequence
from pathlib import Path

from scaler.demo.samples import Sample

__all__ = ["PlotError", "draw", "require"]

_QUEUE, _DESIRED, _READY = "#94a3b8", "#0f766e", "#f59e0b"


class PlotError(Exception):
    """The picture cannot be drawn. The message says why and how to mend it."""


def require() -> None:
    """Raise PlotError when matplotlib is missing, before anything has run."""
    try:
        import matplotlib  # noqa: F401, ICN001, PLC0415 - 1.2 s; optional
    except ImportError as error:
        raise PlotError("--plot needs matplotlib: pip install 'tidegate[plot]'") from error


def draw(samples: Sequence[Sample], pushed: float, path: Path) -> None:
    """Write the picture. `pushed` is the moment of the first push, in the samples' seconds. Raises OSError."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - 1.2 s; optional
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    seconds = [sample.at - pushed for sample in samples]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    queue = figure.subplots()
    queue.fill_between(
        seconds, [s.queue for s in samples], step="post", color=_QUEUE, alpha=0.45, linewidth=0
    )
    queue.set_ylabel("jobs waiting", color="#475569")
    queue.set_xlabel("seconds after the first push")
    queue.set_ylim(bottom=0)
    replicas = queue.twinx()
    replicas.step(
        seconds, [s.desired for s in samples], where="post", color=_DESIRED, label="desired replicas", lw=2
    )
    replicas.step(
        seconds, [s.ready for s in samples], where="post", color=_READY, label="ready replicas", lw=1.6
    )
    replicas.set_ylabel("replicas")
    replicas.set_ylim(bottom=0)
    replicas.yaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (queue, replicas):
        axes.spines["top"].set_visible(False)
    replicas.legend(loc="upper right", frameon=False)
    figure.suptitle("From zero, to N, and back to zero", fontsize=11, x=0.01, ha="left")
    figure.savefig(path, format="svg", metadata={"Date": None})
