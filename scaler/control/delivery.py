"""How results leave a Source: one per trigger, to a sink that must not be able to hurt the reading."""

from collections.abc import Iterable
from dataclasses import replace

import structlog

from scaler.clock import Clock
from scaler.control.query import Query
from scaler.control.results import Cause, Result, Sink, TriggerKey
from scalers.sdk import ScalerError

__all__ = ["Delivery"]

_log = structlog.get_logger(__name__)


class Delivery:
    """Gives results to the sink until `closed`."""

    def __init__(self, sink: Sink, clock: Clock) -> None:
        self.closed = False
        self._sink = sink
        self._clock = clock

    def failure(self, error: ScalerError) -> Result:
        """The result of a read that was not even sent."""
        return Result(error=error, at=self._clock.monotonic(), moment=self._clock.now(), cause="poll")

    def give(self, query: Query, receivers: Iterable[tuple[TriggerKey, Cause]], result: Result) -> None:
        """To each receiver that is still a member, with its own cause. The sink may change who is."""
        variants = {result.cause: result}
        for key, cause in list(receivers):
            if self.closed or key not in query.members:
                continue
            if cause not in variants:
                variants[cause] = replace(result, cause=cause)
            try:
                self._sink(key, variants[cause])
            except Exception:  # noqa: BLE001 - our consumer's bug must not end the reading
                _log.exception("result_not_taken", uid=key.uid, trigger=key.index)
