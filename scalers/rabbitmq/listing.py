"""What the management API answers, from bytes to figures. Pure.

A broker that has no statistics of a queue leaves their fields out (or writes null): that is no zero. It has
none of a new queue for some seconds, and none at all where its statistics are switched off.
"""

from typing import Any, TypeVar

import msgspec

from scalers.http import Answer
from scalers.rabbitmq.figures import Figures
from scalers.sdk import NoData, Unavailable

__all__ = ["Page", "Queue", "columns", "figures", "is_api", "is_out_of_range", "page", "queue", "total"]

_COLUMNS = "name,messages,messages_ready"
_RATES = (
    ",message_stats.publish,message_stats.publish_details.rate"
    ",message_stats.deliver_get,message_stats.deliver_get_details.rate"
)


class _Rate(msgspec.Struct):
    rate: float = 0.0


class _Stats(msgspec.Struct):
    publish: float | None = None
    publish_details: _Rate | None = None
    deliver_get: float | None = None
    deliver_get_details: _Rate | None = None


class Queue(msgspec.Struct):
    """One queue. Some brokers write `[]` for an empty object."""

    name: str
    messages: int | float | None = None
    messages_ready: int | float | None = None
    message_stats: _Stats | list[Any] | None = None


class Page(msgspec.Struct):
    """One page of queues, and how many pages and queues there are."""

    items: list[Queue]
    page_count: int = 1
    total_count: int = 0


class _Totals(msgspec.Struct):
    queues: int | None = None


class _Overview(msgspec.Struct):
    object_totals: _Totals | list[Any] | None = None


T = TypeVar("T")
_QUEUE = msgspec.json.Decoder(Queue)
_PAGE = msgspec.json.Decoder(Page)
_OVERVIEW = msgspec.json.Decoder(_Overview)


def columns(*, rates: bool) -> str:
    """What to ask of each queue."""
    return _COLUMNS + _RATES if rates else _COLUMNS


def queue(answer: Answer) -> Queue:
    """One queue. Raises Unavailable for what is none."""
    return _decoded(_QUEUE, answer)


def page(answer: Answer) -> Page:
    """One page. Raises Unavailable for what is none."""
    return _decoded(_PAGE, answer)


def total(answer: Answer) -> int | None:
    """How many queues an overview counts, if it does."""
    if answer.status != 200:
        return None
    totals = _decoded(_OVERVIEW, answer).object_totals
    return totals.queues if isinstance(totals, _Totals) else None


def is_api(answer: Answer) -> bool:
    """Is this refusal in the words of the API, not those of a proxy or of another server?"""
    return "Object Not Found" in answer.said


def is_out_of_range(answer: Answer) -> bool:
    """Is there no such page?"""
    return "page_out_of_range" in answer.said


def figures(found: Queue, *, rates: bool, ready_only: bool) -> Figures:
    """What was read of a queue. Raises NoData where the broker does not know it."""
    messages = found.messages_ready if ready_only else found.messages
    if messages is None:
        raise NoData(
            f"the broker has no statistics of the queue {found.name!r}:"
            " it is new, or its management statistics are switched off"
        )
    if not rates:
        return Figures(messages)
    stats = found.message_stats if isinstance(found.message_stats, _Stats) else _Stats()
    return Figures(
        messages,
        _rate(stats.publish, stats.publish_details, found.name),
        _rate(stats.deliver_get, stats.deliver_get_details, found.name),
    )


def _rate(count: float | None, rate: _Rate | None, name: str) -> float:
    """What has never happened has no count, and the rate 0."""
    if rate is not None:
        return rate.rate
    if count is not None:
        raise NoData(f"the broker keeps no rates of the queue {name!r} (management.rates_mode is none)")
    return 0.0


def _decoded(decoder: msgspec.json.Decoder[T], answer: Answer) -> T:
    try:
        return decoder.decode(answer.body)
    except (msgspec.DecodeError, RecursionError):
        raise Unavailable(f"{answer.where} does not answer as RabbitMQ's management API does") from None
