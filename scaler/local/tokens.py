"""Tokens of ServiceAccounts: issued for a TokenRequest with a kube-apiserver's claims and bounds, and read again.

Signed with a key of this process, so none outlives it. A token holds as long as its account: one that was deleted, or made
anew under the same name, lets nobody in.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scaler.local.errors import ApiError, Cause, bad_request, invalid, invalid_value
from scaler.local.objects import Object, rfc3339
from scaler.local.users import User, service_account

__all__ = ["ISSUER", "Bad", "Claims", "issue", "read"]

ISSUER = "https://kubernetes.default.svc.cluster.local"
_DEFAULT, _SHORTEST, _LONGEST = 3600, 600, 1 << 32
_KEY = secrets.token_bytes(32)
_CREDENTIAL = "authentication.kubernetes.io/credential-id"


class Bad(ValueError):
    """A token that lets nobody in; the text is what a TokenReview says of it."""


@dataclass(frozen=True, slots=True)
class Claims:
    """A good token: whose, and for which of the audiences asked about."""

    user: User
    audiences: tuple[str, ...]


def issue(account: Object, body: Any, now: datetime) -> Object:
    """The answer to a TokenRequest for a stored ServiceAccount. Raises ApiError 400, 422."""
    if not isinstance(body, dict) or not isinstance(body.get("spec") or {}, dict):
        raise bad_request("a TokenRequest is an object with a spec")
    spec = body.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    seconds = _DEFAULT if seconds is None else seconds
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise bad_request("TokenRequest.spec.expirationSeconds must be an integer")
    if fault := _fault(seconds):
        raise invalid("TokenRequest", "authentication.k8s.io", "", [fault])
    audiences = spec.get("audiences") or [ISSUER]
    end = now + timedelta(seconds=seconds)
    meta = account["metadata"]
    identity = {"name": meta["name"], "uid": meta["uid"]}
    claims = {
        "aud": audiences,
        "exp": int(end.timestamp()),
        "iat": int(now.timestamp()),
        "iss": ISSUER,
        "jti": secrets.token_hex(16),
        "kubernetes.io": {"namespace": meta["namespace"], "serviceaccount": identity},
        "nbf": int(now.timestamp()),
        "sub": f"system:serviceaccount:{meta['namespace']}:{meta['name']}",
    }
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"], "creationTimestamp": rfc3339(now)},
        "spec": {**spec, "audiences": audiences, "expirationSeconds": seconds},
        "status": {"token": _signed(claims), "expirationTimestamp": rfc3339(end)},
    }


def read(
    token: str, find: Callable[[str, str], Object], now: datetime, audiences: Sequence[str] = (ISSUER,)
) -> Claims:
    """Whose token this is. `find` gives a stored ServiceAccount by namespace and name, or raises. Raises Bad."""
    claims = _verified(token)
    if now.timestamp() >= claims["exp"]:
        raise Bad("[invalid bearer token, service account token has expired]")
    place = claims["kubernetes.io"]
    namespace, account = place["namespace"], place["serviceaccount"]
    try:
        stored = find(namespace, account["name"])
    except ApiError as error:
        raise Bad(f"[invalid bearer token, {error.message}]") from error
    if stored["metadata"]["uid"] != account["uid"]:
        raise Bad("[invalid bearer token, service account UID does not match claim]")
    shared = tuple(each for each in audiences if each in claims["aud"])
    if not shared:
        raise Bad(f"[invalid bearer token, token audiences {claims['aud']} is invalid for {list(audiences)}]")
    extra = {_CREDENTIAL: (f"JTI={claims['jti']}",)}
    return Claims(service_account(namespace, account["name"], account["uid"], extra), shared)


def _verified(token: str) -> dict[str, Any]:
    """The claims of a token that this process signed."""
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(text).encode()):
        raise Bad("invalid bearer token")
    part = text.partition(".")[2]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def _fault(seconds: int) -> Cause | None:
    field = "spec.expirationSeconds"
    if seconds < _SHORTEST:
        return invalid_value(field, str(seconds), "may not specify a duration less than 10 minutes")
    if seconds > _LONGEST:
        return invalid_value(field, str(seconds), "may not specify a duration larger than 2^32 seconds")
    return None


def _signed(claims: Object) -> str:
    head = {"alg": "HS256", "typ": "JWT"}
    text = ".".join(_encoded(json.dumps(part).encode()) for part in (head, claims))
    return f"{text}.{_signature(text)}"


def _signature(text: str) -> str:
    return _encoded(hmac.digest(_KEY, text.encode(), hashlib.sha256))


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
