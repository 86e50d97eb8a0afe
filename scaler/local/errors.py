"""What the embedded API server says when it refuses: one exception, and the shapes a kube-apiserver gives its refusals.

Sentences, reasons, codes and causes are those recorded from a kube-apiserver 1.36, since clients match on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = [
    "ApiError",
    "Cause",
    "Named",
    "already_exists",
    "bad_request",
    "conflict",
    "forbidden",
    "gone",
    "internal",
    "invalid",
    "invalid_options",
    "invalid_value",
    "method_not_allowed",
    "not_found",
    "not_supported",
    "required",
    "stale",
    "too_large_version",
    "unsupported_media_type",
    "wrong_type",
]

_STALE = "the object has been modified; please apply your changes to the latest version and try again"


class Named(Protocol):
    """The part of a resource that errors quote."""

    @property
    def group(self) -> str: ...  # noqa: D102 - the API group, "" for core
    @property
    def plural(self) -> str: ...  # noqa: D102 - lower-case plural
    @property
    def kind(self) -> str: ...  # noqa: D102 - CamelCase kind


@dataclass(frozen=True, slots=True)
class Cause:
    """One fault of an object: where, its one-word reason, and the sentence without the field."""

    field: str
    reason: str
    message: str

    def body(self) -> dict[str, str]:
        """As it stands in `details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


class ApiError(Exception):
    """A refusal. `status()` is the Status body, `code` the HTTP status, `headers` what goes with it."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = headers or {}

    def status(self) -> dict[str, Any]:
        """The `Status` object of this refusal."""
        body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body |= {"message": self.message, "reason": self.reason}
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


def qualified(word: str, group: str) -> str:
    """`pods`, `deployments.apps`."""
    return f"{word}.{group}" if group else word


def _details(resource: Named, name: str, kind: str) -> dict[str, Any]:
    details = {"name": name, "group": resource.group, "kind": kind}
    return {key: value for key, value in details.items() if value}


def not_found(resource: Named, name: str) -> ApiError:
    """404."""
    message = f'{qualified(resource.plural, resource.group)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(resource, name, resource.plural))


def already_exists(resource: Named, name: str) -> ApiError:
    """409 on creation."""
    message = f'{qualified(resource.plural, resource.group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(resource, name, resource.plural))


def conflict(resource: Named, name: str, why: str, *, kind: str = "") -> ApiError:
    """409: the write does not fit what is stored."""
    kind = kind or resource.plural
    message = f'Operation cannot be fulfilled on {qualified(kind, resource.group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name, kind))


def stale(resource: Named, name: str) -> ApiError:
    """409: the resourceVersion sent is no longer the present one."""
    return conflict(resource, name, _STALE)


def forbidden(resource: Named, name: str, why: str, causes: Sequence[Cause] = ()) -> ApiError:
    """403."""
    details = _details(resource, name, resource.plural)
    if causes:
        details["causes"] = [cause.body() for cause in causes]
    message = f'{qualified(resource.plural, resource.group)} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, details)


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def gone(message: str) -> ApiError:
    """410: a resourceVersion or continue token older than what is kept."""
    return ApiError(410, "Expired", message)


def internal(message: str) -> ApiError:
    """500 as the server words it."""
    return ApiError(
        500, "InternalError", f"Internal error occurred: {message}", {"causes": [{"message": message}]}
    )


def method_not_allowed() -> ApiError:
    """405."""
    return ApiError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {}
    )


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """415, naming what would do."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(
        accepted
    )
    return ApiError(415, "UnsupportedMediaType", message)


def too_large_version(version: int, current: int) -> ApiError:
    """504: a resourceVersion from the future (of another server's life)."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {version}, current: {current}"
    details = {"causes": [cause], "retryAfterSeconds": 1}
    return ApiError(504, "Timeout", message, details, {"Retry-After": "1"})


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause], *, details_kind: str = "") -> ApiError:
    """422 with all causes."""
    sentences = [f"{cause.field}: {cause.message}" for cause in causes]
    text = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    details: dict[str, Any] = {"name": name, "group": group, "kind": details_kind or kind}
    details = {key: value for key, value in details.items() if value}
    details["causes"] = [cause.body() for cause in causes]
    return ApiError(422, "Invalid", f'{qualified(kind, group)} "{name}" is invalid: {text}', details)


def invalid_options(kind: str, cause: Cause) -> ApiError:
    """422 for the options of a request (`ListOptions`, `PatchOptions`)."""
    return invalid(kind, "meta.k8s.io", "", [cause])


def required(field: str, why: str = "") -> Cause:
    """A missing field."""
    return Cause(field, "FieldValueRequired", f"Required value: {why}" if why else "Required value")


def invalid_value(field: str, shown: str, why: str) -> Cause:
    """A wrong value; `shown` is the value as JSON."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {shown}: {why}")


def wrong_type(field: str, found: str, wanted: str) -> Cause:
    """A value of another JSON type than the schema's."""
    message = f'Invalid value: "{found}": {field} in body must be of type {wanted}: "{found}"'
    return Cause(field, "FieldValueTypeInvalid", message)


def not_supported(field: str, shown: str, allowed: Sequence[str]) -> Cause:
    """A value outside an enumeration."""
    names = ", ".join(allowed)
    return Cause(field, "FieldValueNotSupported", f"Unsupported value: {shown}: supported values: {names}")
