"""TriggerAuthentication and ClusterTriggerAuthentication: where credentials come from (facts 1.10).

Both kinds have the same spec. It is read and checked in full here; resolving it is the shell's.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from scaler.core.authentication_stores import (
    AwsSecretManager,
    AzureKeyVault,
    GcpSecretManager,
    HashiCorpVault,
    PodIdentity,
    SecretValue,
)
from scaler.core.fields import Model, listed
from scaler.core.problems import validated
from scalers._lib.problem import Problem

__all__ = ["TriggerAuthenticationSpec", "parse_spec", "unsupported"]

_STORES = {
    "hashi_corp_vault": "hashiCorpVault",
    "azure_key_vault": "azureKeyVault",
    "gcp_secret_manager": "gcpSecretManager",
    "aws_secret_manager": "awsSecretManager",
}
_IDENTITIES = frozenset({"none", "aws", "aws-eks"})


class TargetRef(Model):
    """One entry of a Secret or ConfigMap as one parameter."""

    parameter: str
    """The scaler's parameter."""
    name: str
    """The name of the Secret or ConfigMap."""
    key: str
    """The entry's key in it."""


class Environment(Model):
    """One environment variable of the scale target's container as one parameter."""

    parameter: str
    """The scaler's parameter."""
    name: str
    """The variable's name."""
    container_name: str = ""
    """The container; the first one when absent."""


class BoundServiceAccountToken(Model):
    """A service account's short-lived token as one parameter."""

    parameter: str
    """The scaler's parameter."""
    service_account_name: str
    """The service account."""


class OAuth2(Model):
    """A token from an OAuth 2 server."""

    type: Literal["clientCredentials"] = "clientCredentials"
    """The grant: clientCredentials."""
    client_id: str
    """The client's id."""
    client_secret: SecretValue | None = None
    """The client's secret."""
    token_url: str
    """Where tokens are asked for."""
    scopes: tuple[str, ...] | None = listed(default=None)
    """The scopes to ask for."""
    token_url_params: dict[str, str] | None = None
    """Further parameters of the request."""


class TriggerAuthenticationSpec(Model):
    """Where a trigger's credentials come from."""

    pod_identity: PodIdentity | None = None
    """The identity of a workload or of the controller."""
    secret_target_ref: tuple[TargetRef, ...] | None = listed(default=None)
    """Entries of Secrets."""
    config_map_target_ref: tuple[TargetRef, ...] | None = listed(default=None)
    """Entries of ConfigMaps."""
    env: tuple[Environment, ...] | None = listed(default=None)
    """Environment variables of the scale target's containers."""
    file_path: str = ""
    """ClusterTriggerAuthentication only: a JSON file of parameters, below the controller's directory."""
    hashi_corp_vault: HashiCorpVault | None = None
    """Secrets in HashiCorp Vault."""
    azure_key_vault: AzureKeyVault | None = None
    """Secrets in an Azure Key Vault."""
    gcp_secret_manager: GcpSecretManager | None = None
    """Secrets in GCP Secret Manager."""
    aws_secret_manager: AwsSecretManager | None = None
    """Secrets in AWS Secrets Manager."""
    bound_service_account_token: tuple[BoundServiceAccountToken, ...] | None = listed(default=None)
    """Short-lived tokens of service accounts."""
    oauth2: OAuth2 | None = None
    """A token from an OAuth 2 server."""


def parse_spec(raw: Mapping[str, Any]) -> tuple[TriggerAuthenticationSpec | None, list[Problem]]:
    """The spec of either kind, or every problem with its path: schema (facts 1.10) and sense (facts 7.3)."""
    spec, problems = validated(TriggerAuthenticationSpec, raw, "spec")
    if spec is None:
        return None, problems
    problems = [*_identity(spec.pod_identity), *_oauth2(spec.oauth2)]
    return (None if problems else spec), problems


def unsupported(spec: TriggerAuthenticationSpec, *, cluster: bool) -> Iterator[Problem]:
    """What a valid spec asks for that is not there. Triggers that use it are refused, whatever else it gives.

    `cluster`: it is a ClusterTriggerAuthentication's.
    """
    for attribute, field in _STORES.items():
        if getattr(spec, attribute) is not None:
            mend = "put the values into a Secret and name it in secretTargetRef"
            yield Problem(f"spec.{field}", "is not supported", mend)
    if spec.pod_identity is not None and spec.pod_identity.provider not in _IDENTITIES:
        mend = "give credentials from a Secret in secretTargetRef"
        yield Problem("spec.podIdentity.provider", f"{spec.pod_identity.provider} is not supported", mend)
    if spec.file_path and not cluster:
        yield Problem("spec.filePath", "is only for a ClusterTriggerAuthentication", "use secretTargetRef")


def _identity(identity: PodIdentity | None) -> Iterator[Problem]:
    if identity is None:
        return
    path = "spec.podIdentity"
    if identity.provider == "azure-workload":
        if identity.identity_id == "":
            yield Problem(f"{path}.identityId", "is empty", "write the client's id, or remove it")
        if identity.identity_tenant_id == "":
            yield Problem(f"{path}.identityTenantId", "is empty", "write the tenant's id, or remove it")
        if identity.identity_authority_host and not identity.identity_tenant_id:
            yield Problem(f"{path}.identityAuthorityHost", "needs identityTenantId", "give both, or neither")
    if identity.provider == "aws":
        if identity.role_arn and identity.identity_owner == "workload":
            yield Problem(f"{path}.roleArn", "excludes identityOwner workload", "remove one of them")
        if identity.external_id and not identity.role_arn:
            yield Problem(f"{path}.externalID", "needs roleArn", "give both, or neither")


def _oauth2(oauth2: OAuth2 | None) -> Iterator[Problem]:
    if oauth2 is None:
        return
    if not oauth2.client_id:
        yield Problem("spec.oauth2.clientId", "is empty", "write the client's id")
    if not oauth2.token_url:
        yield Problem("spec.oauth2.tokenUrl", "is empty", "write where tokens are asked for")
    elif not _is_url(oauth2.token_url):
        yield Problem("spec.oauth2.tokenUrl", "is no http or https URL", "write it like https://host/path")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc)
