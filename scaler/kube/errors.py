"""What can go wrong between us and the Kubernetes API, as our own exceptions.

The rest of the house must not learn the HTTP library's vocabulary: whoever calls `scaler.kube` catches
KubeError, or the one class whose cure it knows. Each is raised from its cause and says what was attempted on
which object.

    KubeError
    ├── ConfigError          no usable kubeconfig or credentials
    ├── Unreachable          no usable answer: refused, reset, timed out, TLS, garbage
    │   └── NotLeader        a write by a process that does not lead
    ├── ReadOnly             a write by a client that may only read
    ├── UnknownKind          the API serves no such kind
    └── ApiError             the API server answered with a failure
        ├── Unauthenticated 401 · Forbidden 403 · NotFound 404 · Gone 410 · Invalid 422
        ├── Conflict 409 · AlreadyExists 409
        └── TooManyRequests 429 · ServerError 5xx
"""

from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = [
    "AlreadyExists",
    "ApiError",
    "ConfigError",
    "Conflict",
    "Forbidden",
    "Gone",
    "Invalid",
    "KubeError",
    "NotFound",
    "NotLeader",
    "ReadOnly",
    "ServerError",
    "TooManyRequests",
    "Unauthenticated",
    "UnknownKind",
    "Unreachable",
    "from_response",
    "from_status",
]

_LONGEST_TEXT = 300


class KubeError(Exception):
    """The base of everything that `scaler.kube` raises on purpose."""


class ConfigError(KubeError):
    """The kubeconfig, or what it refers to, is missing or unusable. The message says the mend."""


class Unreachable(KubeError):
    """No usable answer came. Whether a write was carried out is not known."""


class ReadOnly(KubeError):
    """A write was asked of a client that was made to read only. Nothing was sent."""


class NotLeader(Unreachable):
    """A write was not sent, since another process leads or nobody knows who does. To its author, an outage."""


class UnknownKind(KubeError):
    """The API server does not serve this kind (now: a CRD may be installed later)."""


class ApiError(KubeError):
    """The API server's `Status`. `details` may be empty; `retry_after` is in real seconds, if known."""

    def __init__(
        self,
        action: str,
        status: int,
        *,
        reason: str = "",
        message: str = "",
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{action}: {message or reason or 'no message'} ({status})")
        self.action = action
        self.status = status
        self.reason = reason
        self.message = message
        self.details: Mapping[str, Any] = details or {}
        self.retry_after = retry_after

    @property
    def causes(self) -> tuple[Mapping[str, Any], ...]:
        """The `details.causes`: mappings with any of `reason`, `message`, `field`."""
        causes = self.details.get("causes")
        return tuple(cause for cause in causes if isinstance(cause, dict)) if isinstance(causes, list) else ()


class Unauthenticated(ApiError):
    """The API server does not know who we are (401)."""


class Forbidden(ApiError):
    """The API server knows us and says no (403); also: the namespace is being terminated."""


class NotFound(ApiError):
    """The object, or the whole path, does not exist (404)."""


class Conflict(ApiError):
    """The object has changed since it was read, or a precondition fails (409): decide again."""


class AlreadyExists(ApiError):
    """An object of this name is there already (409)."""


class Gone(ApiError):
    """The resourceVersion or continue token is too old (410): list again."""


class Invalid(ApiError):
    """The object was refused by validation (422); `causes` say which fields."""


class TooManyRequests(ApiError):
    """The API server asks us to slow down (429). The request was not carried out."""


class ServerError(ApiError):
    """The API server failed (5xx)."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def from_response(action: str, status: int, body: bytes, headers: Mapping[str, str]) -> ApiError:
    """The error for an answer of 400 or above, whatever its body. `action` is what was attempted."""
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        answer = None
    if not isinstance(answer, dict):
        # Proxies and unknown paths answer in text.
        answer = {"message": body[:_LONGEST_TEXT].decode(errors="replace").strip()}
    return from_status(action, answer | {"code": status}, retry_after=_seconds(headers.get("Retry-After")))


def from_status(action: str, status: Mapping[str, Any], *, retry_after: float | None = None) -> ApiError:
    """The error for a `Status` object, as in the body of a failure or in a watch's ERROR event."""
    code = status.get("code")
    code = code if isinstance(code, int) else 500
    details = status.get("details")
    details = details if isinstance(details, dict) else {}
    reason = str(status.get("reason") or "")
    if retry_after is None:
        retry_after = _seconds(details.get("retryAfterSeconds"))
    kind = (
        AlreadyExists
        if reason == "AlreadyExists"
        else _BY_STATUS.get(code, ServerError if code >= 500 else ApiError)
    )
    return kind(
        action,
        code,
        reason=reason,
        message=str(status.get("message") or ""),
        details=details,
        retry_after=retry_after,
    )


def _seconds(text: object) -> float | None:
    try:
        return max(0.0, float(text)) if isinstance(text, (str, int, float)) else None
    except ValueError:
        return None  # An HTTP date: kube-apiserver sends none, and a back-off does as well.
