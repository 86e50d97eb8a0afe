"""HTTP bodies in and out: decoding what a client sends, and the responses the API server gives."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from scaler.local import protobuf
from scaler.local.errors import ApiError, bad_request, unsupported_media_type
from scaler.yaml_text import YamlError, documents, dump

__all__ = ["LIMIT", "decode", "error", "json_bytes", "json_response", "plain", "read_body"]

LIMIT = 3 * 2**20
"""Bytes of a request's body, as a kube-apiserver limits them."""

_CACHE = {"Cache-Control": "no-cache, private"}
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_BODIES = ("application/json", "application/yaml")

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


async def read_body(request: web.BaseRequest) -> bytes:
    """The whole body; 413 beyond the limit."""
    parts, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > LIMIT:
            raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {LIMIT}")
        parts.append(chunk)
    return b"".join(parts)


def decode(data: bytes, content_type: str, accepted: tuple[str, ...] = _BODIES) -> Any:
    """A JSON or YAML document, or a review in protobuf. Raises 415 for others, 400 for what does not parse."""
    media_type = content_type.partition(";")[0].strip().lower() or "application/json"
    if media_type == _PROTOBUF:
        found = _binary(data)
        if found is not None:
            return found
        refusal = unsupported_media_type(accepted)
        hint = "only reviews are read as protobuf here: write the object down and use kubectl apply -f or create -f"
        raise ApiError(refusal.code, refusal.reason, f"{refusal.message} ({hint})")
    if media_type not in accepted:
        raise unsupported_media_type(accepted)
    try:
        if "yaml" in media_type:
            return next(documents(data), None)
        return _decode(data)
    except (msgspec.DecodeError, YamlError, UnicodeDecodeError, RecursionError) as failure:
        sentence = str(failure).splitlines()[0] if str(failure) else type(failure).__name__
        raise bad_request(f"the body of the request could not be decoded: {sentence}") from failure


def _binary(data: bytes) -> Any:
    try:
        return protobuf.read(data)
    except ValueError as failure:
        raise bad_request(f"the body of the request is no protobuf of Kubernetes': {failure}") from failure


def json_bytes(value: Any) -> bytes:
    """A value as JSON."""
    return encode(value)


def json_response(
    data: bytes,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> web.Response:
    """An answer that is JSON already, or YAML when `content_type` says so."""
    if content_type == "application/yaml":
        data = dump([_decode(data)]).encode()
    return web.Response(
        body=data, status=status, headers={**_CACHE, "Content-Type": content_type, **(headers or {})}
    )


def error(failure: ApiError) -> web.Response:
    """The Status of a refusal."""
    headers = dict(failure.headers or {})
    if failure.code == 403:
        headers["X-Content-Type-Options"] = "nosniff"
    return json_response(encode(failure.status()), failure.code, headers=headers)


def plain(text: str, status: int = 200) -> web.Response:
    """Plain text."""
    headers = {**_CACHE, "X-Content-Type-Options": "nosniff", "Content-Type": "text/plain; charset=utf-8"}
    return web.Response(body=text.encode(), status=status, headers=headers)
