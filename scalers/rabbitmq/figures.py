"""What is read of a queue, several queues as one, and the number that each mode makes of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from scalers.sdk import Reading

__all__ = ["MODES", "OPERATIONS", "Figures", "compose", "reading"]

MODES = (
    "QueueLength",
    "MessageRate",
    "DeliverGetRate",
    "PublishedToDeliveredRatio",
    "ExpectedQueueConsumptionTime",
)
OPERATIONS = ("sum", "avg", "max")


@dataclass(frozen=True, slots=True)
class Figures:
    """Messages in a queue, and how many a second are published to it and taken from it."""

    messages: float
    published: float = 0.0
    delivered: float = 0.0


def compose(queues: Sequence[Figures], operation: str) -> Figures:
    """Several queues as one, by one of OPERATIONS. No queue at all is an empty one (KEDA's rule)."""
    if not queues:
        return Figures(0)
    messages = [one.messages for one in queues]
    published = [one.published for one in queues]
    delivered = [one.delivered for one in queues]
    if operation == "max":
        return Figures(max(messages), max(published), max(delivered))
    if operation == "avg":
        count = len(queues)
        return Figures(sum(messages) // count, sum(published) / count, sum(delivered) / count)
    return Figures(sum(messages), sum(published), sum(delivered))


def reading(mode: str, figures: Figures, activation: float) -> Reading:
    """The number of one of MODES. Where KEDA's activity is not "above the activation", it says so."""
    match mode:
        case "MessageRate":
            # A backlog is work even when nothing is published any more.
            active = max(figures.published, figures.messages) > activation
            return Reading(figures.published, active=active)
        case "DeliverGetRate":
            return Reading(figures.delivered)
        case "PublishedToDeliveredRatio":
            return _ratio(figures, activation)
        case "ExpectedQueueConsumptionTime":
            return _consumption_time(figures, activation)
    return Reading(figures.messages)


def _ratio(figures: Figures, activation: float) -> Reading:
    """How many times as fast the queue fills as it is emptied."""
    published, delivered = figures.published, figures.delivered
    if published > 0 and delivered == 0:
        return Reading(activation, active=True)
    value = published / delivered if published > 0 else 0.0
    return Reading(value, active=value > activation)


def _consumption_time(figures: Figures, activation: float) -> Reading:
    """Seconds until the queue is empty at its present rates. Where nothing is taken, that is work to do."""
    messages, published, delivered = figures.messages, figures.published, figures.delivered
    if delivered == 0:
        return Reading(activation, active=True)
    value = (published - delivered) / delivered + messages / delivered
    return Reading(value, active=value > activation)
