"""What a client wants to be answered with: the Accept header, read as a kube-apiserver reads it. Pure."""

from dataclasses import dataclass
from functools import lru_cache

from scaler.local.errors import ApiError

__all__ = ["Form", "negotiate"]

JSON = "application/json"
YAML = "application/yaml"


@dataclass(frozen=True, slots=True)
class Form:
    """`kind` is "" for the object itself, else Table, PartialObjectMetadata or PartialObjectMetadataList."""

    media_type: str = JSON
    kind: str = ""


@lru_cache(maxsize=256)
def negotiate(accept: str) -> Form:
    """The first form of the header that can be served; no header is JSON. Raises 406 when none can."""
    if not accept.strip():
        return Form()
    for part in accept.split(","):
        media_type, *parameters = (piece.strip() for piece in part.split(";"))
        given = dict(piece.partition("=")[::2] for piece in parameters)
        if media_type in ("*/*", "application/*"):
            media_type = JSON
        if media_type not in (JSON, YAML):
            continue
        kind = given.get("as", "")
        if not kind:
            return Form(media_type)
        if kind in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList") and given.get("v") == "v1":
            return Form(media_type, kind)
    text = "only the following media types are accepted: application/json, application/yaml"
    raise ApiError(406, "NotAcceptable", text)
