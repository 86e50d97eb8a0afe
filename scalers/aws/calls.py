"""One botocore client: made, called, its failures told as a trigger's. Everything here blocks: for threads."""

from typing import Any

from botocore.exceptions import NoCredentialsError

from scalers.aws import errors
from scalers.aws.client import THREADS
from scalers.aws.credentials import acting_as
from scalers.aws.identity import Identity, StaticKeys
from scalers.aws.transport import judge_of
from scalers.http.scrub import Scrubber
from scalers.sdk import ScalerError, Unauthorized

__all__ = ["Calls"]


class Calls:
    """Made of what scalers.aws.client.Client is made of. Making it may raise ScalerError."""

    def __init__(
        self, *, service: str, region: str, endpoint: str, who: Identity, allow_loopback: bool, name: str
    ) -> None:
        self._where = name
        self._scrubber = Scrubber()
        self._keys = who if isinstance(who, StaticKeys) else None
        if self._keys is not None:
            self._scrubber.add(
                self._keys.access_key_id, self._keys.secret_access_key, self._keys.session_token
            )
            _check_keys(self._keys, name)
        try:
            self._acting = acting_as(who, region)
            if self._acting.credentials() is None:
                raise NoCredentialsError  # noqa: TRY301 - as botocore says it later
            self._client, self._transport = self._acting.client(
                service,
                endpoint=endpoint,
                connections=THREADS,
                # AWS's own endpoint, or the operator's, is no trigger's choice.
                judge=judge_of(allow_loopback=allow_loopback) if endpoint else None,
            )
        except Exception as error:  # noqa: BLE001 - botocore's are many, and each is this trigger's own
            raise self._meaning(error, f"the service {service}") from None

    def __call__(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Call it. Raises ScalerError."""
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**parameters)
        except Exception as error:  # noqa: BLE001 - as above
            raise self._meaning(error, str(next(iter(parameters.values()), operation))) from None
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _meaning(self, error: Exception, what: str) -> ScalerError:
        found = errors.meaning(error, where=self._where, what=what, scrubber=self._scrubber)
        if (
            isinstance(found, Unauthorized)
            and self._keys is not None
            and _untidy(self._keys.secret_access_key)
        ):
            return Unauthorized(f"{found} (awsSecretAccessKey has white space around it: is that meant?)")
        return found


def _check_keys(keys: StaticKeys, where: str) -> None:
    """These stand in headers, where a line end cannot be."""
    for name, value in (("awsAccessKeyID", keys.access_key_id), ("awsSessionToken", keys.session_token)):
        if _untidy(value):
            raise Unauthorized(
                f"{where}: {name} has white space around it, and is used as it is; take it out of the Secret"
            )


def _untidy(value: str) -> bool:
    return value != value.strip()
