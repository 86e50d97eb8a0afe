"""The keys that connect a trigger to AWS: region, endpoint, and whom to act as (KEDA's, facts 1.7).

From a TriggerAuthentication with `podIdentity` come, besides what its parameters name: `podIdentity` (the
provider) as a fact of the object, and `awsRoleArn` (its roleArn, or for `aws-eks` and the workload's own
identity the role of the workload's ServiceAccount) and `awsExternalID` (its externalID) as parameters.
"""

import contextlib
from collections.abc import AsyncIterator, Hashable, Iterator
from typing import ClassVar

from scalers._lib.addresses import refusal
from scalers.aws.client import Client
from scalers.aws.identity import Identity, Operator, Role, StaticKeys
from scalers.http.urls import absolute, login, shown
from scalers.sdk import AUTH, ENV, METADATA, OBJECT, Connection, Host, InvalidMetadata, Problem, check, key

__all__ = ["AwsConnection"]

_OWNERS = ("pod", "operator")


class AwsConnection(Connection):
    """One service in one region, as one identity. A subclass names the service."""

    service: ClassVar[str]

    aws_region: str = key(order=(METADATA, AUTH), help="the region, such as eu-west-1")
    aws_endpoint: str = key(
        default="", help="URL of the service, where it is not AWS's own: a test server, a VPC endpoint"
    )
    identity_owner: str = key(
        default="",
        help="whose credentials: pod (the default) for those given with the trigger, operator for Tidegate's own",
    )
    pod_identity: str = key(
        "podIdentity",
        default="",
        order=(OBJECT,),
        help="aws: act as Tidegate's own identity, or as awsRoleArn from there; the keys below do not count",
    )
    role_arn: str = key(
        "awsRoleArn", default="", order=(AUTH,), raw=True, help="a role to assume; keys then do not count"
    )
    external_id: str = key(
        "awsExternalID",
        default="",
        order=(AUTH,),
        help="the external ID that the role of podIdentity asks for",
    )
    access_key_id: str = key(
        "awsAccessKeyID",
        "awsAccessKeyId",
        default="",
        order=(AUTH,),
        secret=True,
        raw=True,
        help="access key ID; counts only together with awsSecretAccessKey",
    )
    secret_access_key: str = key(
        "awsSecretAccessKey", default="", order=(AUTH,), secret=True, raw=True, help="secret access key"
    )
    session_token: str = key(
        "awsSessionToken", default="", order=(AUTH,), secret=True, raw=True, help="token of temporary keys"
    )
    env_access_key_id: str = key(
        "awsAccessKeyID",
        default="",
        order=(METADATA, ENV),
        secret=True,
        raw=True,
        help="access key ID, where the TriggerAuthentication gives no keys",
    )
    env_secret_access_key: str = key(
        "awsSecretAccessKey",
        default="",
        order=(ENV,),
        secret=True,
        raw=True,
        help="secret access key for awsAccessKeyID; never written into the manifest itself",
    )

    @check(
        "identity_owner",
        "pod_identity",
        "role_arn",
        "external_id",
        "access_key_id",
        "secret_access_key",
        "session_token",
        "env_access_key_id",
        "env_secret_access_key",
    )
    def _says_whom_to_act_as(self) -> Problem | None:
        who = self._who()
        return who if isinstance(who, Problem) else None

    def _who(self) -> Identity | Problem:
        """KEDA's order (facts 1.7)."""
        if self.pod_identity == "aws":
            role = Role(arn=self.role_arn, external_id=self.external_id, web_identity=True)
            return role if self.role_arn else Operator()
        if self.identity_owner not in {"", "pod"}:
            return Operator()
        if self.role_arn:
            return Role(arn=self.role_arn)
        return self._keys()

    def _keys(self) -> StaticKeys | Problem:
        if self.access_key_id and self.secret_access_key:
            return StaticKeys(
                access_key_id=self.access_key_id,
                secret_access_key=self.secret_access_key,
                session_token=self.session_token,
            )
        if self.env_access_key_id and self.env_secret_access_key:
            return StaticKeys(
                access_key_id=self.env_access_key_id, secret_access_key=self.env_secret_access_key
            )
        missing = "awsSecretAccessKey" if self.env_access_key_id or self.access_key_id else "awsAccessKeyID"
        return Problem(
            "authenticationRef",
            f"no AWS credentials are given: there is no {missing}",
            "give awsAccessKeyID and awsSecretAccessKey (or awsRoleArn) in a TriggerAuthentication, use its "
            "podIdentity, or write identityOwner: operator",
        )

    @property
    def who(self) -> Identity:
        """Whom to act as."""
        who = self._who()
        if isinstance(who, Problem):
            raise InvalidMetadata(str(who), problems=(who,))
        return who

    def identity(self) -> Hashable:
        """See Connection: only what is used."""
        return (self.service, self.aws_region, self.aws_endpoint, self.who)

    def describe(self) -> str:
        """See Connection."""
        where = ""
        if self.aws_endpoint:
            with contextlib.suppress(InvalidMetadata):
                where = f" at {shown(absolute(self.aws_endpoint))}"
        return f"aws {self.service} {self.aws_region}{where}"

    @contextlib.asynccontextmanager
    async def open(self, host: Host) -> AsyncIterator[Client]:
        """See Connection. The endpoint is first connected to when it is first asked."""
        self.checked_endpoint()
        client = Client(
            service=self.service,
            region=self.aws_region,
            endpoint=self.aws_endpoint,
            who=self.who,
            allow_loopback=host.allow_loopback,
            name=self.describe(),
        )
        try:
            yield client
        finally:
            await client.close()

    def checked_endpoint(self) -> None:
        """Raise InvalidMetadata for an endpoint that cannot be asked. KEDA accepts any text, and then fails."""
        if not self.aws_endpoint:
            return
        try:
            url = absolute(self.aws_endpoint)
        except InvalidMetadata as error:
            raise InvalidMetadata(f"awsEndpoint {error}") from None
        if login(url) is not None:
            raise InvalidMetadata(
                "awsEndpoint has a user name in it: credentials go into a TriggerAuthentication"
            )
        if url.raw_query_string:
            raise InvalidMetadata("awsEndpoint has a query (?...): write only scheme, host, port and path")

    def doubts(self) -> Iterator[Problem]:
        """What is accepted but may not be meant. What is not known offline is not doubted."""
        owner = getattr(self, "identity_owner", "")
        if owner and owner not in _OWNERS:
            yield Problem(
                "metadata.identityOwner",
                f"{owner!r} means operator, as any text but pod does: it acts as Tidegate itself",
                "write pod or operator",
            )
        try:
            self.checked_endpoint()
            if self.aws_endpoint:
                reason = refusal(absolute(self.aws_endpoint).host or "", allow_loopback=True)
                if reason:
                    yield Problem("metadata.awsEndpoint", reason)
        except InvalidMetadata as error:
            yield Problem("metadata.awsEndpoint", str(error))
        except ValueError:
            pass  # A name, which is judged when it is connected to.
