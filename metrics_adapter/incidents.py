"""Who was turned away, and why: counted each time, and said in the log once a minute for each cause.

An attacker must not be able to fill the log, and the first of a kind must not be lost in it.
"""

from collections.abc import Callable
from typing import Final

import structlog

from scaler.clock import Clock

__all__ = ["Incidents"]

_log = structlog.get_logger(__name__)

QUIET: Final = 60.0
"""Real seconds in which a cause is told no second time."""

_LONGEST: Final = 200


class Incidents:
    """What was refused. A cause is one CamelCase word; `counted` is told of each."""

    def __init__(self, clock: Clock, counted: Callable[[str], None]) -> None:
        self._clock = clock
        self._counted = counted
        self._told: dict[str, float] = {}
        self._silent: dict[str, int] = {}

    def note(self, cause: str, **known: object) -> None:
        """Count one, and tell of it unless one of its kind was told of just now. `known` must hold no secret."""
        self._counted(cause)
        now = self._clock.monotonic() / self._clock.factor
        told = self._told.get(cause)
        if told is not None and now - told < QUIET:
            self._silent[cause] = self._silent.get(cause, 0) + 1
            return
        self._told[cause] = now
        since = self._silent.pop(cause, 0)
        shown = {key: _line(str(value)) for key, value in known.items() if value}
        _log.warning("refused", cause=cause, **shown, **({"unreported": since} if since else {}))


def _line(text: str) -> str:
    """What others wrote, so that it cannot pass for a line of the log's own."""
    short = text[:_LONGEST]
    return short if short.isprintable() else ascii(short)
