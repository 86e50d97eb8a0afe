"""Kubernetes Events about our objects, for `kubectl describe` and `kubectl events`.

`record` costs nothing but a place in a bounded queue: it never waits and never raises, and neither does a
failure to write. What the API server is spared, as client-go spares it:

- the same thing said again within ten minutes is one Event with a count, written at the second time and then
  at most every six minutes;
- one object cannot say more than 25 different things at once, and one more every five minutes;
- what does not fit into the queue is dropped and counted.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import structlog

from scaler.clock import Clock
from scaler.kube.client import Kube, Object
from scaler.kube.errors import AlreadyExists, KubeError, NotFound, ServerError, TooManyRequests, Unreachable
from scaler.kube.resources import EVENTS

__all__ = ["EventRecorder", "reference"]

_log = structlog.get_logger(__name__)

_LONGEST_NOTE = 1024  # The API's limits, in bytes.
_LONGEST_WORD = 128
_LONGEST_NAME = 220  # Of an object's name in the Event's; leaves room for our suffix below the API's 253.
_ATTEMPTS = 3
_REMEMBERED = 4096  # Series and buckets beyond this number are forgotten, oldest first.


@dataclass(slots=True, eq=False)
class _Series:
    """One thing said about one object. `created` once the API server has it, under `name`."""

    event: Object
    name: str
    last: float
    moment: datetime
    count: int = 1
    written: float = 0.0
    created: bool = False
    queued: bool = True


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float


class EventRecorder:
    """See the module. `run` is one task of the owner's. `controller` and `instance` sign the Events.

    Times are seconds: `window`, how long the same thing counts as a repetition; `refresh`, between two writes
    of a count; `refill`, per further Event of an object that has used up its `burst`.
    """

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        *,
        instance: str,
        controller: str = "keda-operator",
        capacity: int = 5000,
        window: float = 600.0,
        refresh: float = 360.0,
        burst: int = 25,
        refill: float = 300.0,
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._signature = {
            "reportingController": controller,
            "reportingInstance": _cut(instance, _LONGEST_WORD),
        }
        self._capacity = capacity
        self._window = window
        self._refresh = refresh
        self._burst = burst
        self._refill = refill
        self._series: dict[tuple[str, ...], _Series] = {}
        self._buckets: dict[str, _Bucket] = {}
        self._pending: deque[_Series] = deque()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._number = 0
        self.dropped = 0
        """Events not queued: the queue was full, or the object too talkative."""
        self.failed = 0
        """Events that could not be written."""

    def record(
        self,
        regarding: Mapping[str, Any],
        reason: str,
        note: str,
        *,
        type: Literal["Normal", "Warning"] = "Normal",  # noqa: A002 - the field's name.
        action: str | None = None,
    ) -> None:
        """Say `note` about an object, given as a `reference`. `action` is the reason unless given."""
        note = _cut(note, _LONGEST_NOTE)
        about = str(regarding.get("uid") or "/".join(str(regarding.get(key, "")) for key in _REFERENCE))
        key = (about, type, reason, note)
        now = self._clock.monotonic()
        series = self._series.pop(key, None)
        if series is not None and now - series.last <= self._window:
            self._series[key] = series  # Youngest last.
            self._repeat(series, now)
            return
        if len(self._pending) >= self._capacity or not self._allowed(about, now):
            self.dropped += 1
            return
        event: Object = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "type": type,
            "reason": _cut(reason, _LONGEST_WORD),
            "action": _cut(action or reason, _LONGEST_WORD),
            "note": note,
            "regarding": dict(regarding),
            "eventTime": _micro(self._clock.now()),
            **self._signature,
        }
        series = self._series[key] = _Series(event, self._name(regarding), now, self._clock.now())
        _forget_oldest(self._series)
        self._queue(series)

    async def run(self) -> None:
        """Write what is recorded until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Return when everything recorded so far is written (or given up)."""
        async with self._writing:
            while self._pending:
                series = self._pending.popleft()
                series.queued = False
                await self._write(series)

    async def close(self, seconds: float = 5.0) -> None:
        """Flush, for at most so many real seconds; the rest is dropped."""
        try:
            async with self._clock.deadline(seconds):
                await self.flush()
        except TimeoutError:
            self.dropped += len(self._pending)
            self._pending.clear()

    def _repeat(self, series: _Series, now: float) -> None:
        series.count += 1
        series.last, series.moment = now, self._clock.now()
        if not series.queued and (series.count == 2 or now - series.written >= self._refresh):
            self._queue(series)

    def _queue(self, series: _Series) -> None:
        series.queued = True
        self._pending.append(series)
        self._wake.set()

    def _allowed(self, about: str, now: float) -> bool:
        """Take a token from the object's bucket."""
        bucket = self._buckets.pop(about, None) or _Bucket(float(self._burst), now)
        bucket.tokens = min(float(self._burst), bucket.tokens + (now - bucket.filled) / self._refill)
        bucket.filled = now
        self._buckets[about] = bucket
        _forget_oldest(self._buckets)
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True

    def _name(self, regarding: Mapping[str, Any]) -> str:
        self._number += 1
        moment = int(self._clock.now().timestamp() * 1_000_000)
        stem = str(regarding.get("name") or "unnamed")[:_LONGEST_NAME].rstrip(".-")
        return f"{stem}.{moment:x}{self._number % 0x10000:04x}"

    async def _write(self, series: _Series) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                await self._attempt(series)
            except (Unreachable, ServerError, TooManyRequests) as error:
                if attempt + 1 == _ATTEMPTS:
                    self._give_up(series, error)
                else:
                    await self._clock.sleep(2.0**attempt)
            except (KubeError, ValueError) as error:
                self._give_up(series, error)
                return
            else:
                series.written = self._clock.monotonic()
                return

    async def _attempt(self, series: _Series) -> None:
        namespace = series.event["regarding"].get("namespace") or "default"
        repeated = {}
        if series.count > 1:
            repeated = {"series": {"count": series.count, "lastObservedTime": _micro(series.moment)}}
        if series.created:
            try:
                await self._kube.patch(EVENTS, series.name, repeated, namespace)
            except NotFound:
                series.created = False  # The API server forgets Events after an hour.
            else:
                return
        metadata = {"name": series.name, "namespace": namespace}
        with suppress(AlreadyExists):  # An earlier attempt's answer was lost.
            await self._kube.create(EVENTS, series.event | repeated | {"metadata": metadata})
        series.created = True

    def _give_up(self, series: _Series, error: Exception) -> None:
        self.failed += 1
        regarding, reason = series.event["regarding"], series.event["reason"]
        _log.warning("event_not_written", object=regarding.get("name"), reason=reason, error=str(error))


_REFERENCE = ("apiVersion", "kind", "namespace", "name", "uid")


def reference(obj: Mapping[str, Any]) -> Object:
    """The reference to an object that carries apiVersion and kind, as in `regarding` and `involvedObject`."""
    fields = {**obj.get("metadata", {}), "apiVersion": obj.get("apiVersion"), "kind": obj.get("kind")}
    return {key: fields[key] for key in (*_REFERENCE, "resourceVersion") if fields.get(key)}


def _cut(text: str, longest: int) -> str:
    """At most so many bytes of valid UTF-8."""
    return text.encode(errors="replace")[:longest].decode(errors="ignore")


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _forget_oldest(remembered: dict[Any, Any]) -> None:
    while len(remembered) > _REMEMBERED:
        del remembered[next(iter(remembered))]
