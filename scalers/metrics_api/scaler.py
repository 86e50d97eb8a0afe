"""The `metrics-api` trigger: one GET, and the number in the answer. See the package."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from scalers.http import TIMEOUT, HttpClient
from scalers.metrics_api import formats
from scalers.metrics_api.metadata import MetricsApiMetadata
from scalers.sdk import Problem, Reading, Scaler

__all__ = ["MetricsApi"]

_LARGE = 1 << 16
"""From so many bytes on an answer is taken apart in a thread."""


class MetricsApi(Scaler[HttpClient, MetricsApiMetadata]):
    """See the module."""

    metadata = MetricsApiMetadata
    freshness = 5.0
    timeout: ClassVar[float] = 3600.0
    """Each trigger has a deadline of its own, which the client keeps."""

    async def measure(self, client: HttpClient, metadata: MetricsApiMetadata) -> Reading:
        """See Scaler."""
        form, location = metadata.format, metadata.value_location
        answer = await client.get(
            metadata.url, timeout=metadata.timeout or TIMEOUT, limit=formats.LIMITS[form]
        )
        if answer.status != 200:
            raise answer.refusal()
        if len(answer.body) < _LARGE:
            return Reading(formats.number(form, answer.body, location))
        return Reading(await asyncio.to_thread(formats.number, form, answer.body, location))

    def warnings(self, metadata: MetricsApiMetadata) -> Sequence[Problem]:
        """See Scaler."""
        return tuple(metadata.refusals())
