"""The keys of the `metrics-api` trigger (KEDA's, facts 9)."""

import functools
from collections.abc import Hashable, Iterator

from yarl import URL

from scalers.http import HttpConnection, absolute
from scalers.metrics_api import formats
from scalers.sdk import InvalidMetadata, Metadata, Problem, Role, Seconds, key

__all__ = ["MetricsApiConnection", "MetricsApiMetadata"]


class MetricsApiConnection(HttpConnection):
    """A server with metrics on it, at any of its URLs."""

    url: str = key(help="the URL to GET")

    @property
    def base(self) -> str:
        """See HttpConnection."""
        return self.url


class MetricsApiMetadata(Metadata):
    """KEDA's keys."""

    connection: MetricsApiConnection
    value_location: str = key(
        help="where the number is: a GJSON path (json), names and indexes between dots (yaml, xml), or a"
        ' selector like name{label="value"} (prometheus)'
    )
    format: str = key(
        default="json", choices=tuple(formats.FORMATS), help="of the answer: json, yaml, xml or prometheus"
    )
    target_value: float = key(
        default=0.0, formula=True, role=Role.TARGET, help="the value that one replica should carry"
    )
    activation_target_value: float = key(
        default=0.0, role=Role.ACTIVATION, help="active means strictly above this"
    )
    timeout: Seconds = key(
        default=Seconds(0.0), help="deadline of a request, a duration or milliseconds; 3 s if not given"
    )
    aggregate_from_kube_service_endpoints: bool = key(
        default=False, help="read every endpoint of the Service in url; not supported"
    )
    aggregation_type: str = key(
        default="average",
        choices=("average", "sum", "max", "min"),
        help="what is made of the endpoints' numbers; goes with aggregateFromKubeServiceEndpoints",
    )

    def metric_name(self) -> str:
        """See Metadata."""
        return f"metric-api-{self.value_location}"

    def query(self) -> Hashable:
        """See Metadata."""
        return (super().query(), self.connection.url)

    @functools.cached_property
    def url(self) -> URL:
        """What is asked. Raises InvalidMetadata."""
        for problem in self.refusals():
            raise InvalidMetadata(str(problem))
        return absolute(self.connection.url)

    def refusals(self) -> Iterator[Problem]:
        """What is accepted as KEDA accepts it, but cannot be read. Works offline."""
        try:
            absolute(self.connection.url)
        except InvalidMetadata as error:
            yield Problem("metadata.url", str(error))
        if self.format not in formats.FORMATS:  # KEDA, too, takes several with commas, and then reads none.
            yield Problem(
                "metadata.format", f"{self.format!r} is several formats", "write the one of the answer"
            )
        wrong = formats.problem(self.format, self.value_location)
        if wrong is not None:
            yield Problem("metadata.valueLocation", wrong)
        if self.aggregate_from_kube_service_endpoints:
            yield Problem(
                "metadata.aggregateFromKubeServiceEndpoints",
                "reading the endpoints of a Service one by one is not supported yet",
                "let the Service answer for all of them, or use the prometheus trigger",
            )
