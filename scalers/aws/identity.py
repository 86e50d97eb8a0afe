"""Whom a trigger acts as at AWS: values, so that triggers who mean the same share a client. Holds no botocore."""

from dataclasses import dataclass, field

__all__ = ["Identity", "Operator", "Role", "StaticKeys"]


@dataclass(frozen=True, slots=True)
class Operator:
    """Whatever AWS's default chain finds for our own process: environment, files, web identity, EKS, EC2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role that we assume as the Operator.

    `web_identity`: first with the token that EKS gave our process, which needs no right of the Operator.
    """

    arn: str
    external_id: str = ""
    web_identity: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticKeys:
    """The keys of an IAM user, or (with a session token) temporary ones."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


Identity = Operator | Role | StaticKeys
