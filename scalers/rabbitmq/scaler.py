"""The `rabbitmq` trigger: how much a queue holds, or how fast it moves. See the package."""

from collections.abc import Sequence

from scalers.rabbitmq.amqp import AmqpClient
from scalers.rabbitmq.connection import AMQP
from scalers.rabbitmq.figures import Figures, reading
from scalers.rabbitmq.management import Ask, ManagementClient
from scalers.rabbitmq.metadata import RabbitMqMetadata
from scalers.sdk import InvalidMetadata, Problem, Reading, Scaler, ScalerError

__all__ = ["RabbitMq"]


class RabbitMq(Scaler[AmqpClient | ManagementClient, RabbitMqMetadata]):
    """See the module."""

    metadata = RabbitMqMetadata
    freshness = 5.0
    timeout = 3600.0
    """Both clients keep deadlines of their own: one is the trigger's."""
    connects_first = True

    def tried_first(self, metadata: RabbitMqMetadata) -> bool:
        """See Scaler: over HTTP KEDA asks nothing while it builds."""
        return metadata.connection.protocol == AMQP

    def reads_together(self, metadata: RabbitMqMetadata) -> bool:
        """See Scaler: over HTTP a page answers for hundreds of queues."""
        return metadata.connection.protocol != AMQP

    async def measure(self, client: AmqpClient | ManagementClient, metadata: RabbitMqMetadata) -> Reading:
        """See Scaler."""
        (answer,) = await self.measure_many(client, [metadata])
        if isinstance(answer, ScalerError):
            raise answer
        return answer

    async def measure_many(
        self, client: AmqpClient | ManagementClient, batch: Sequence[RabbitMqMetadata]
    ) -> list[Reading | ScalerError]:
        """See Batches."""
        refused = next(batch[0].connection.refusals(), None)
        if refused is not None:
            raise InvalidMetadata(str(refused))
        if isinstance(client, AmqpClient):
            depths = await client.depths([metadata.queue_name for metadata in batch])
            return [depth if isinstance(depth, ScalerError) else Reading(depth) for depth in depths]
        found = await client.figures([_ask(metadata) for metadata in batch])
        return [_reading(figures, metadata) for figures, metadata in zip(found, batch, strict=True)]

    def warnings(self, metadata: RabbitMqMetadata) -> Sequence[Problem]:
        """See Scaler."""
        return metadata.warnings()


def _ask(metadata: RabbitMqMetadata) -> Ask:
    return Ask(
        vhost=metadata.connection.vhost,
        name=metadata.queue_name,
        rates=metadata.mode != "QueueLength",
        ready_only=metadata.exclude_unacknowledged,
        operation=metadata.operation if metadata.use_regex else None,
        page_size=metadata.page_size,
    )


def _reading(figures: Figures | ScalerError, metadata: RabbitMqMetadata) -> Reading | ScalerError:
    if isinstance(figures, ScalerError):
        return figures
    return reading(metadata.mode, figures, metadata.activation_value)
