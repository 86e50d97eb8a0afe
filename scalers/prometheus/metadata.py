"""The keys of the `prometheus` trigger (KEDA's, facts 6.1), and the URL that they make.

Which server and which credentials is the connection's; query, parameters, headers (and with X-Scope-OrgID the
tenant) are the query's. So what is read once is asked of the same server, as the same tenant, in the same
words.
"""

import functools
import re
from collections.abc import Hashable, Iterator, Sequence
from urllib.parse import quote_plus

from yarl import URL

from scalers.http import HttpConnection, Pairs, absolute, forbidden
from scalers.sdk import (
    AUTH,
    METADATA,
    OBJECT,
    InvalidMetadata,
    Metadata,
    Problem,
    Role,
    Seconds,
    check,
    key,
)

__all__ = ["PrometheusConnection", "PrometheusMetadata"]

_SECRET_NAME = re.compile(r"auth|token|key|secret|passw|cookie|credential|signature", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CLOUDS = {
    "aws": "SigV4 for AWS managed Prometheus",
    "aws-eks": "SigV4 for AWS managed Prometheus",
    "azure-workload": "Azure workload identity",
    "gcp": "Google managed identity",
}


class PrometheusConnection(HttpConnection):
    """A Prometheus server, or what answers like one (Thanos, Mimir, VictoriaMetrics)."""

    server_address: str = key(help="the server's URL; /api/v1/query is appended")

    @property
    def base(self) -> str:
        """See HttpConnection."""
        return self.server_address


class PrometheusMetadata(Metadata):
    """KEDA's keys. Those of the clouds' managed services are known in order to be refused by name."""

    connection: PrometheusConnection
    query_: str = key("query", help="the PromQL query; it answers one number")
    threshold: float = key(role=Role.TARGET, help="the value that one replica should carry")
    activation_threshold: float = key(
        default=0.0, role=Role.ACTIVATION, help="active means strictly above this"
    )
    namespace: str = key(default="", help="sent as the parameter namespace, for multi-tenant proxies")
    custom_headers: Pairs = key(
        default=(), secret=True, help="headers to send, as name=value,name=value; X-Scope-OrgID is the tenant"
    )
    query_parameters: Pairs = key(
        default=(), secret=True, help="parameters to send, as name=value,name=value"
    )
    ignore_null_values: bool = key(
        default=True, help="an empty result, NaN and infinities count as 0; with false they are errors"
    )
    timeout: Seconds = key(
        default=Seconds(0.0), help="deadline of a query, a duration or milliseconds; 3 s if not given"
    )
    pod_identity: str = key(default="", order=(OBJECT,), help="of the TriggerAuthentication; not supported")
    aws_region: str = key(default="", order=(METADATA, AUTH), help="AWS managed Prometheus; not supported")
    identity_owner: str = key(default="", help="AWS managed Prometheus; pod is accepted, else not supported")
    cloud: str = key(default="", help="Azure managed Prometheus; not supported")
    azure_resource: str = key(
        "azureManagedPrometheusResourceURL", default="", help="Azure managed Prometheus; not supported"
    )
    credentials_from_env: str = key(default="", secret=True, help="Google managed Prometheus; not supported")
    credentials_from_env_file: str = key(
        default="", secret=True, help="Google managed Prometheus; not supported"
    )
    google_credentials: str = key(
        "GoogleApplicationCredentials",
        default="",
        order=(AUTH,),
        secret=True,
        help="Google managed Prometheus; not supported",
    )

    def metric_name(self) -> str:
        """See Metadata."""
        return "prometheus"

    @check("custom_headers")
    def _headers_hold_no_line_breaks(self) -> str | None:
        return _line_break(self.custom_headers)

    @check("query_parameters")
    def _parameters_hold_no_line_breaks(self) -> str | None:
        return _line_break(self.query_parameters)

    @check("pod_identity", "connection.auth_modes")
    def _one_way_to_authenticate(self) -> Problem | None:
        if self.pod_identity in {"", "none"} or not self.connection.auth_modes:
            return None
        return Problem(
            "authenticationRef (podIdentity)",
            "pod identity cannot be enabled with other auth types",
            "remove authModes or podIdentity",
        )

    def query(self) -> Hashable:
        """See Metadata: whatever may change the answer."""
        return (super().query(), self.connection.server_address)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values of headers and parameters that are named like secrets."""
        pairs = (*self.custom_headers, *self.query_parameters)
        return tuple(value for name, value in pairs if _SECRET_NAME.search(name))

    @functools.cached_property
    def url(self) -> URL:
        """What is asked. Raises InvalidMetadata."""
        for problem in self.refusals():
            raise InvalidMetadata(str(problem))
        pairs = [("query", self.query_)]
        if self.namespace:
            pairs.append(("namespace", self.namespace))
        asked = "&".join(f"{quote_plus(n)}={quote_plus(v)}" for n, v in (*pairs, *self.query_parameters))
        return absolute(f"{self.connection.server_address.rstrip('/')}/api/v1/query?{asked}")

    def refusals(self) -> Iterator[Problem]:
        """What is accepted as KEDA accepts it, but cannot be read here. Works offline."""
        try:
            absolute(self.connection.server_address)
        except InvalidMetadata as error:
            yield Problem("metadata.serverAddress", str(error))
        for name, value in self.custom_headers:
            problem = forbidden(name, value)
            if problem is not None:
                yield Problem("metadata.customHeaders", problem)
        if not self._auth_modes:  # With them KEDA looks at no cloud either.
            yield from self._clouds()

    @property
    def _auth_modes(self) -> Sequence[str]:
        """Offline they may come from a TriggerAuthentication that cannot be read: then some are assumed."""
        return self.connection.auth_modes if hasattr(self.connection, "auth_modes") else ("unknown",)

    def _clouds(self) -> Iterator[Problem]:
        mend = "use authModes, or a proxy that signs"
        if self.pod_identity in _CLOUDS:
            what = f"{self.pod_identity} ({_CLOUDS[self.pod_identity]}) is not supported by this trigger yet"
            yield Problem("authenticationRef (podIdentity)", what, mend)
        keys = {
            "awsRegion": getattr(self, "aws_region", ""),
            "identityOwner": "" if self.identity_owner == "pod" else self.identity_owner,
            "cloud": self.cloud,
            "azureManagedPrometheusResourceURL": self.azure_resource,
            "credentialsFromEnv": self.credentials_from_env,
            "credentialsFromEnvFile": self.credentials_from_env_file,
            "GoogleApplicationCredentials": getattr(self, "google_credentials", ""),
        }
        for name, value in keys.items():
            if value:
                what = "belongs to a cloud's managed Prometheus, which is not supported yet"
                yield Problem(f"metadata.{name}", what, mend)


def _line_break(pairs: Pairs) -> str | None:
    if any(_CONTROL.search(text) for pair in pairs for text in pair):
        return "holds a line break or another control character"
    return None
