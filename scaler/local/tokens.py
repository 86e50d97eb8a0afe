"""TokenRequest: short-lived tokens of ServiceAccounts, with a kube-apiserver's claims and bounds.

Nobody here lets them in (the embedded cluster knows one administrator's token). They are for those to whom Tidegate shows
them, who can at least read whose they are and for how long. Signed with a key of this process.
"""

import base64
import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta
from typing import Any

from scaler.local.errors import Cause, bad_request, invalid, invalid_value
from scaler.local.objects import Object, rfc3339

__all__ = ["issue"]

_ISSUER = "https://kubernetes.default.svc.cluster.local"
_DEFAULT, _SHORTEST, _LONGEST = 3600, 600, 1 << 32
_KEY = secrets.token_bytes(32)


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
    audiences = spec.get("audiences") or [_ISSUER]
    end = now + timedelta(seconds=seconds)
    meta = account["metadata"]
    identity = {"name": meta["name"], "uid": meta["uid"]}
    claims = {
        "aud": audiences,
        "exp": int(end.timestamp()),
        "iat": int(now.timestamp()),
        "iss": _ISSUER,
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
    return f"{text}.{_encoded(hmac.digest(_KEY, text.encode(), hashlib.sha256))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
