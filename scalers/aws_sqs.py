"""The `aws-sqs-queue` trigger: how many messages an SQS queue holds (KEDA's, facts 2).

One read is one GetQueueAttributes, with the queue as it was written (AWS takes a bare name for a URL), so
nothing has to be asked before. It costs money: `requests_a_month` says how many there are.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

from scalers._lib.request_uri import path_of
from scalers.aws.client import Client
from scalers.aws.connection import AwsConnection
from scalers.sdk import ENV, METADATA, Metadata, NoData, Problem, Reading, Role, Scaler, check, key

__all__ = ["AwsSqsQueue", "AwsSqsQueueConnection", "AwsSqsQueueMetadata", "requests_a_month"]

_VISIBLE = "ApproximateNumberOfMessages"
_IN_FLIGHT = "ApproximateNumberOfMessagesNotVisible"
_DELAYED = "ApproximateNumberOfMessagesDelayed"
_MONTH = 30 * 24 * 3600


class AwsSqsQueueConnection(AwsConnection):
    """See AwsConnection."""

    service = "sqs"


class AwsSqsQueueMetadata(Metadata):
    """KEDA's keys."""

    connection: AwsSqsQueueConnection
    queue_url: str = key("queueURL", order=(METADATA, ENV), help="the queue's URL, or its bare name")
    queue_length: int = key(default=5, role=Role.TARGET, help="messages that one replica should have")
    activation_queue_length: int = key(
        default=0, role=Role.ACTIVATION, help="active above this many messages"
    )
    scale_on_in_flight: bool = key(
        default=True, help="count messages that a consumer has received and not yet deleted"
    )
    scale_on_delayed: bool = key(default=False, help="count messages whose delay is not over")

    @check("queue_url")
    def _names_a_queue(self) -> str | None:
        if self.queue_name is None:
            return (
                f"{self.queue_url!r} names no queue: write its URL, which ends in /account/name and no more, "
                "or only its name"
            )
        return None

    @property
    def queue_name(self) -> str | None:
        """The last part of the URL's path, which has two; what is no URL is the name itself (KEDA's rule)."""
        path = path_of(self.queue_url)
        if path is None:
            return self.queue_url
        parts = path.split("/")
        return parts[2] if len(parts) == 3 and parts[2] else None

    @property
    def attributes(self) -> tuple[str, ...]:
        """Which of the queue's numbers are added up."""
        optional = ((_IN_FLIGHT, self.scale_on_in_flight), (_DELAYED, self.scale_on_delayed))
        return (_VISIBLE, *(name for name, counts in optional if counts))

    def metric_name(self) -> str:
        """See Metadata."""
        return f"aws-sqs-{self.queue_name}"


class AwsSqsQueue(Scaler[Client, AwsSqsQueueMetadata]):
    """See the module."""

    metadata = AwsSqsQueueMetadata
    freshness = 10.0
    timeout = 5.0

    async def measure(self, client: Client, metadata: AwsSqsQueueMetadata) -> Reading:
        """See Scaler."""
        names = metadata.attributes
        answer = await client.call(
            "get_queue_attributes", QueueUrl=metadata.queue_url, AttributeNames=list(names)
        )
        found = answer.get("Attributes") or {}
        return Reading(float(sum(_count(metadata, name, found.get(name)) for name in names)))

    def warnings(self, metadata: AwsSqsQueueMetadata) -> Sequence[Problem]:
        """See Scaler."""
        return (*metadata.connection.doubts(), *_elsewhere(metadata))


def requests_a_month(
    polling_interval: float = 30.0, *, hpa_sync: float = 15.0, awake: float = 1.0
) -> tuple[int, int]:
    """GetQueueAttributes calls that one distinct queue costs in 30 days: ours, and KEDA's for one trigger.

    `hpa_sync`: how often the HPA controller asks while there are replicas, which is for the share `awake` of
    the time. KEDA calls for each poll and each of these. We answer the HPA with what was read less than
    `freshness` ago, and a read of any kind puts the next poll off. Triggers on one queue with equal options
    and credentials are read once, however many they are; in KEDA each pays for itself.
    """
    asleep = _MONTH / polling_interval
    keda = asleep + awake * _MONTH / hpa_sync
    stale = hpa_sync * max(1, math.ceil(AwsSqsQueue.freshness / hpa_sync))
    ours = (1 - awake) * asleep + awake * _MONTH / min(polling_interval, stale)
    return math.ceil(ours), math.ceil(keda)


def _count(metadata: AwsSqsQueueMetadata, name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        what = "no" if value is None else "no usable"
        raise NoData(f"the answer for {metadata.queue_url} has {what} {name}") from None


def _elsewhere(metadata: AwsSqsQueueMetadata) -> Iterator[Problem]:
    """The queue's URL is only its name to AWS: requests go to the region or the endpoint."""
    url = getattr(metadata, "queue_url", "")
    region = getattr(metadata.connection, "aws_region", "")
    if "://" not in url or metadata.connection.aws_endpoint:
        return
    host = url.partition("://")[2].partition("/")[0].lower()
    if not host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        yield Problem(
            "metadata.queueURL",
            f"requests do not go to {host}, but to AWS in the region {region}",
            "write the server's URL as awsEndpoint as well",
        )
    elif region and region.lower() not in host.split("."):
        yield Problem(
            "metadata.queueURL", f"is not in the region {region}, where it is asked for", "mend awsRegion"
        )
