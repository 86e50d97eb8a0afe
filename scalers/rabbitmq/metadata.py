"""The keys of the `rabbitmq` trigger (KEDA's, facts 3.1), and the rules of its modes."""

from collections.abc import Hashable, Mapping
from typing import Any
from urllib.parse import quote_plus

from scalers.rabbitmq.connection import AMQP, RabbitMqConnection
from scalers.rabbitmq.figures import MODES, OPERATIONS
from scalers.sdk import Metadata, Problem, Role, check, key

__all__ = ["RabbitMqMetadata"]

_LENGTH = "QueueLength"
_NO_MODE = "Unknown"
_DEFAULT_TARGET = 20.0
_PLAIN = frozenset({_LENGTH, "DeliverGetRate"})
"""Modes whose number and activity follow from what was read alone; in others the activation has a part."""


class RabbitMqMetadata(Metadata):
    """See the module. `mode` and `value` are what the three keys that say it come to."""

    connection: RabbitMqConnection
    queue_name: str = key(help="the queue, or with useRegex a regular expression of names")
    mode: str = key(
        default=_NO_MODE, help="what is read: " + ", ".join(MODES) + "; all but the first need http"
    )
    value: float = key(
        default=0.0, role=Role.TARGET, help="the number that one replica should carry; needs mode"
    )
    activation_value: float = key(default=0.0, role=Role.ACTIVATION, help="active means strictly above this")
    queue_length: float = key(
        default=0.0, help="short for mode QueueLength and this value; without any of the three it is 20"
    )
    use_regex: bool = key(default=False, help="http: queueName is a regular expression")
    operation: str = key(default="sum", help="useRegex: what is made of the queues, sum, avg or max")
    page_size: int = key(default=100, help="useRegex: queues that are fetched at once, at most 500")
    exclude_unacknowledged: bool = key(
        default=False,
        help="http: do not count messages that consumers have not acknowledged yet (amqp never does)",
    )

    def metric_name(self) -> str:
        """See Metadata."""
        return f"rabbitmq-{quote_plus(self.queue_name, safe='')}"

    # The rules, in KEDA's order (facts 3.2). 0 is not given, for them.

    @check("page_size")
    def _pages_hold_something(self) -> str | None:
        return "must be 1 or greater" if self.page_size < 1 else None

    @check("use_regex", "connection.host", "connection.protocol")
    def _regex_needs_http(self) -> str | None:
        return self._needs_http(given=self.use_regex)

    @check("exclude_unacknowledged", "connection.host", "connection.protocol")
    def _excluding_needs_http(self) -> str | None:
        return self._needs_http(given=self.exclude_unacknowledged)

    @check("queue_length", "mode", "value")
    def _length_or_mode(self) -> str | None:
        if self.queue_length and (self.mode != _NO_MODE or self.value):
            return "is deprecated and excludes mode and value: write only those"
        return None

    @check("mode", "value", "queue_length")
    def _mode_is_given(self) -> Problem | None:
        if self.queue_length or not self.value or self.mode != _NO_MODE:
            return None
        return Problem("metadata.mode", "is required beside value", f"write one of {', '.join(MODES)}")

    @check("value", "mode", "queue_length")
    def _value_is_given(self) -> str | None:
        if self.queue_length or self.mode == _NO_MODE or self.value:
            return None
        return "is required beside mode, and not 0"

    @check("mode")
    def _mode_is_known(self) -> str | None:
        return None if self.mode in {*MODES, _NO_MODE} else f"{self.mode!r} must be one of {', '.join(MODES)}"

    @check("mode", "connection.host", "connection.protocol")
    def _rates_need_http(self) -> str | None:
        return self._needs_http(given=self.mode in MODES and self.mode != _LENGTH)

    @check("mode", "value", "queue_length", "connection.host", "connection.protocol", "connection.timeout")
    def _no_timeout_over_amqp(self) -> Problem | None:
        # Where no mode is written KEDA does not look at the timeout.
        if self.mode == _NO_MODE or self.connection.protocol != AMQP or not self.connection.timeout:
            return None
        return Problem("metadata.timeout", "cannot be set over AMQP", "remove it, or use an http:// host")

    def _needs_http(self, *, given: bool) -> str | None:
        if given and self.connection.protocol == AMQP:
            return "needs the management API: write its http:// or https:// URL in host"
        return None

    def settled(self) -> Mapping[str, Any]:
        """See Declared: mode and value, whichever keys said it."""
        if self.queue_length:
            return {"mode": _LENGTH, "value": self.queue_length}
        if self.mode == _NO_MODE and not self.value:
            return {"mode": _LENGTH, "value": _DEFAULT_TARGET}
        return {}

    def query(self) -> Hashable:
        """See Metadata: whatever may change the answer. The connection holds the virtual host for AMQP only."""
        if self.connection.protocol == AMQP:
            return (type(self), self.queue_name)
        which = (self.connection.vhost, self.queue_name, self.exclude_unacknowledged)
        activation = None if self.mode in _PLAIN else self.activation_value
        regex = (self.operation, self.page_size) if self.use_regex else None
        return (type(self), *which, self.mode, activation, regex)

    def warnings(self) -> list[Problem]:
        """What is accepted and fails when it is read, or does not do what it may seem to do."""
        found = [*self.connection.refusals(), *self.connection.warnings()]
        if self.use_regex and self.operation not in OPERATIONS:
            found.append(
                Problem("metadata.operation", f"{self.operation!r} must be one of {', '.join(OPERATIONS)}")
            )
        if self.connection.protocol == AMQP and self.connection.timeout:
            found.append(Problem("metadata.timeout", "has no effect over AMQP"))
        return found
