"""Botocore sessions with credentials, shared by all clients that act as the same identity.

A role is assumed once for all triggers that use it, and again a quarter of an hour before it ends. Nothing is
kept that no client uses.
"""

import logging
import os
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.loaders
import botocore.session
from botocore import UNSIGNED
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from scalers.aws.identity import Identity, Operator, Role, StaticKeys
from scalers.aws.transport import Transport, config

__all__ = ["Acting", "acting_as"]

_SESSION_NAME = "KEDA"
"""How we are called in a role's session: KEDA's, since trust policies may ask for it."""
_loader = botocore.loaders.Loader()  # The services' descriptions, parsed once a process.
# Each failed refresh is the failed read of some trigger, and is told there.
logging.getLogger("botocore.credentials").setLevel(logging.ERROR)


class Acting:
    """A session that acts as one identity in one region. `client` makes clients, one at a time."""

    def __init__(self, who: Identity, region: str) -> None:
        self.region = region
        self._lock = threading.Lock()
        self._session = botocore.session.Session()
        self._session.register_component("data_loader", _loader)
        self._role: _AssumedRole | None = None
        if isinstance(who, StaticKeys):
            self._session.set_credentials(who.access_key_id, who.secret_access_key, who.session_token or None)
        elif isinstance(who, Role):
            self._role = _AssumedRole(who, acting_as(Operator(), region))
            self._session.register_component("credential_provider", self._role)

    def credentials(self) -> Any:
        """The credentials, or None when AWS's chain finds none. May ask the machine's metadata service."""
        with self._lock:
            return self._session.get_credentials()

    def client(
        self, service: str, *, endpoint: str = "", connections: int, judge: Any = None, **options: Any
    ) -> Any:
        """(client, transport): the transport is to be closed."""
        with self._lock:
            client = self._session.create_client(
                service,
                region_name=self.region,
                endpoint_url=endpoint or None,
                config=config(max_pool_connections=connections, **options),
            )
            bundle = self._session.get_config_variable("ca_bundle")
        transport = Transport(
            client.meta.endpoint_url, connections=connections, ca_bundle=bundle, judge=judge
        )
        transport.attach(client)
        return client, transport


_shared: weakref.WeakValueDictionary[tuple[Identity, str], Acting] = weakref.WeakValueDictionary()
_sharing = threading.RLock()


def acting_as(who: Identity, region: str) -> Acting:
    """The session for this identity that others use, or a new one."""
    with _sharing:
        found = _shared.get((who, region))
        if found is None:
            found = _shared[who, region] = Acting(who, region)
        return found


class _AssumedRole:
    """What botocore calls a credential provider: it gives the role's credentials, which refresh themselves."""

    def __init__(self, role: Role, operator: Acting) -> None:
        self._role = role
        self._operator = operator

    def load_credentials(self) -> Any:
        """See botocore's CredentialResolver."""
        return DeferredRefreshableCredentials(refresh_using=self._assume, method="assume-role")

    def _assume(self) -> dict[str, Any]:
        token = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE", "")
        if self._role.web_identity and token:
            try:
                return self._ask(self._by_web_identity, token)
            except (ClientError, BotoCoreError, OSError):
                # KEDA's rule: the role may trust our own identity instead, and that answer is the one to show.
                return self._ask(self._by_operator)
        return self._ask(self._by_operator)

    def _by_web_identity(self, token: str) -> Any:
        client, transport = self._operator.client("sts", connections=1, signature_version=UNSIGNED)
        try:
            return client.assume_role_with_web_identity(
                RoleArn=self._role.arn,
                RoleSessionName=_SESSION_NAME,
                WebIdentityToken=Path(token).read_text(encoding="utf-8"),
            )
        finally:
            transport.close()

    def _by_operator(self) -> Any:
        client, transport = self._operator.client("sts", connections=1)
        external = {"ExternalId": self._role.external_id} if self._role.external_id else {}
        try:
            return client.assume_role(RoleArn=self._role.arn, RoleSessionName=_SESSION_NAME, **external)
        finally:
            transport.close()

    @staticmethod
    def _ask(how: Callable[..., Any], *args: str) -> dict[str, Any]:
        found = how(*args)["Credentials"]
        return {
            "access_key": found["AccessKeyId"],
            "secret_key": found["SecretAccessKey"],
            "token": found["SessionToken"],
            "expiry_time": found["Expiration"].isoformat(),
        }
