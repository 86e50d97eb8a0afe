"""The `prometheus` trigger: one GET per query. See the package."""

from collections.abc import Sequence
from typing import ClassVar

from scalers.http import TIMEOUT, HttpClient
from scalers.prometheus import answer
from scalers.prometheus.metadata import PrometheusMetadata
from scalers.sdk import Problem, Reading, Scaler

__all__ = ["Prometheus"]


class Prometheus(Scaler[HttpClient, PrometheusMetadata]):
    """See the module."""

    metadata = PrometheusMetadata
    freshness = 5.0
    timeout: ClassVar[float] = 3600.0
    """Each trigger has a deadline of its own, which the client keeps."""

    async def measure(self, client: HttpClient, metadata: PrometheusMetadata) -> Reading:
        """See Scaler."""
        found = await client.get(
            metadata.url,
            headers=metadata.custom_headers,
            secrets=metadata.secrets,
            timeout=metadata.timeout or TIMEOUT,
        )
        if not 200 <= found.status < 300:
            raise answer.refused(found.status, found.body, str(found.refusal()))
        return Reading(answer.number(found.body, found.where, ignore_null=metadata.ignore_null_values))

    def warnings(self, metadata: PrometheusMetadata) -> Sequence[Problem]:
        """See Scaler."""
        return tuple(metadata.refusals())
