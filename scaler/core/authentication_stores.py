"""The parts of a TriggerAuthentication that speak of identities and of secret stores outside the cluster.

Typed and checked like everything else (facts 1.10); `authentication` holds the spec they belong to.
"""

from typing import Literal

from pydantic import Field

from scaler.core.fields import Model, listed

__all__ = [
    "AwsSecretManager",
    "AzureKeyVault",
    "GcpSecretManager",
    "HashiCorpVault",
    "PodIdentity",
    "SecretValue",
]


class PodIdentity(Model):
    """The identity of a workload or of the controller, as the cloud's own service hands it out."""

    provider: Literal["azure-workload", "gcp", "aws", "aws-eks", "none"]
    """Whose identity: azure-workload, gcp, aws, aws-eks or none."""
    identity_id: str | None = None
    """azure-workload: the client id to use instead of the service account's."""
    identity_tenant_id: str | None = None
    """azure-workload: the tenant to use instead of the service account's."""
    identity_authority_host: str | None = None
    """azure-workload: where tokens are asked for; needs identityTenantId."""
    role_arn: str | None = None
    """aws: the role to assume; not together with identityOwner workload."""
    external_id: str | None = Field(default=None, alias="externalID")
    """aws: the external id for assuming the role; needs roleArn."""
    identity_owner: Literal["keda", "workload"] | None = None
    """aws: keda (the controller's own identity; the default) or workload (that of the scale target)."""


class SecretKeyRef(Model):
    """An entry of a Secret."""

    name: str
    """The Secret's name."""
    key: str
    """The entry's key in it."""


class ValueFromSecret(Model):
    """A value that comes from a Secret."""

    secret_key_ref: SecretKeyRef
    """The entry."""


class SecretValue(Model):
    """A value that is never written in the manifest itself."""

    value_from: ValueFromSecret
    """Where the value comes from."""


class VaultCredential(Model):
    """How to log in to HashiCorp Vault."""

    token: str = ""
    """A token, for authentication token."""
    service_account: str = ""
    """The path of a service account's token file, for authentication kubernetes."""
    service_account_name: str = ""
    """The service account whose token is used, for authentication kubernetes."""


class VaultPki(Model):
    """What a certificate is issued for."""

    common_name: str = ""
    """The certificate's common name."""
    alt_names: str = ""
    """Alternative names, separated by commas."""
    ip_sans: str = ""
    """Alternative addresses, separated by commas."""
    uri_sans: str = ""
    """Alternative URIs, separated by commas."""
    other_sans: str = ""
    """Other alternative names, separated by commas."""
    ttl: str = ""
    """How long it is valid."""
    format: str = ""
    """The format in which it is given."""


class VaultSecret(Model):
    """One secret of HashiCorp Vault as one parameter."""

    parameter: str
    """The scaler's parameter."""
    path: str
    """The secret's path."""
    key: str
    """The key within the secret."""
    type: Literal["", "secretV2", "secret", "pki"] | None = None
    """The secret engine: secretV2, secret or pki; found by asking when absent."""
    pki_data: VaultPki | None = None
    """For the engine pki: what the certificate is issued for."""


class HashiCorpVault(Model):
    """Secrets in HashiCorp Vault."""

    address: str
    """The server's URL."""
    authentication: Literal["token", "kubernetes"]
    """How to log in: token or kubernetes."""
    namespace: str = ""
    """The Vault namespace."""
    role: str = ""
    """The role, for authentication kubernetes."""
    mount: str = ""
    """Where the kubernetes method is mounted."""
    credential: VaultCredential | None = None
    """What to log in with."""
    secrets: tuple[VaultSecret, ...] = listed(at_least=1)
    """The secrets to read."""


class AzureVaultSecret(Model):
    """One secret of an Azure Key Vault as one parameter."""

    parameter: str
    """The scaler's parameter."""
    name: str
    """The secret's name."""
    version: str = ""
    """Its version; the newest when absent."""


class AzureCredentials(Model):
    """An application's credentials."""

    client_id: str
    """The application's id."""
    tenant_id: str
    """The tenant's id."""
    client_secret: SecretValue
    """The application's secret."""


class AzureCloud(Model):
    """Which Azure cloud."""

    type: str
    """The cloud's name, or Private."""
    key_vault_resource_url: str = Field(default="", alias="keyVaultResourceURL")
    """For a private cloud: the resource URL of its key vaults."""
    active_directory_endpoint: str = ""
    """For a private cloud: the URL of its directory."""


class AzureKeyVault(Model):
    """Secrets in an Azure Key Vault."""

    vault_uri: str
    """The vault's URI."""
    secrets: tuple[AzureVaultSecret, ...] = listed(at_least=1)
    """The secrets to read."""
    credentials: AzureCredentials | None = None
    """What to log in with."""
    pod_identity: PodIdentity | None = None
    """The identity to log in with; azure-workload."""
    cloud: AzureCloud | None = None
    """Which Azure cloud; the public one when absent."""


class GcpSecret(Model):
    """One secret of GCP Secret Manager as one parameter."""

    parameter: str
    """The scaler's parameter."""
    id: str
    """The secret's id."""
    version: str = ""
    """Its version; latest when absent."""


class GcpCredentials(Model):
    """A service account's key."""

    client_secret: SecretValue
    """The key, as JSON."""


class GcpSecretManager(Model):
    """Secrets in GCP Secret Manager."""

    secrets: tuple[GcpSecret, ...] = listed(at_least=1)
    """The secrets to read."""
    credentials: GcpCredentials | None = None
    """What to log in with."""
    pod_identity: PodIdentity | None = None
    """The identity to log in with; gcp."""


class AwsSecret(Model):
    """One secret of AWS Secrets Manager as one parameter."""

    parameter: str
    """The scaler's parameter."""
    name: str
    """The secret's name."""
    version_id: str = ""
    """Its version."""
    version_stage: str = ""
    """Its stage."""
    secret_key: str = ""
    """For a secret that is JSON: the key within it."""


class AwsCredentials(Model):
    """An access key."""

    access_key: SecretValue
    """The key's id."""
    access_secret_key: SecretValue
    """The key's secret."""
    access_token: SecretValue | None = None
    """A session's token."""


class AwsSecretManager(Model):
    """Secrets in AWS Secrets Manager."""

    secrets: tuple[AwsSecret, ...] = listed(at_least=1)
    """The secrets to read."""
    credentials: AwsCredentials | None = None
    """What to log in with."""
    pod_identity: PodIdentity | None = None
    """The identity to log in with; aws."""
    region: str = ""
    """The region."""
