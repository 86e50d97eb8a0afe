"""A response's body, read within a bound: no answer may cost more memory than its own share.

We ask for no compression, but a server may compress all the same; what it sends is then unpacked under the
same bound, which a small body that unpacks to gigabytes does not pass.
"""

import zlib
from collections.abc import AsyncIterable

from aiohttp import ClientResponse

from scalers.sdk import Unavailable

__all__ = ["LIMIT", "read"]

LIMIT = 10 * 1024 * 1024
"""Bytes of an answer, unpacked."""


async def read(response: ClientResponse, limit: int, where: str) -> bytes:
    """The body. Raises Unavailable when there is more than `limit` of it; the connection is then closed."""
    if (response.content_length or 0) > limit:
        raise _too_large(where, limit)
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding in {"identity", ""}:
        return await _plain(response.content.iter_any(), limit, where)
    if coding in {"gzip", "x-gzip", "deflate"}:
        return await _unpacked(response.content.iter_any(), limit, where)
    raise Unavailable(f"{where} answers in the encoding {coding[:20]!r}, which was not asked for")


async def _plain(chunks: AsyncIterable[bytes], limit: int, where: str) -> bytes:
    parts, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise _too_large(where, limit)
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _unpacked(chunks: AsyncIterable[bytes], limit: int, where: str) -> bytes:
    unpack = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # Finds out by itself: gzip or zlib.
    parts, size = [], 0
    try:
        async for chunk in chunks:
            part = unpack.decompress(chunk, limit + 1 - size)
            size += len(part)
            if size > limit:
                raise _too_large(where, limit)
            parts.append(part)
    except zlib.error as error:
        raise Unavailable(f"{where} answers with a damaged compressed body: {error}") from None
    if not unpack.eof:
        raise Unavailable(f"{where} answers with a compressed body that breaks off")
    return b"".join(parts)


def _too_large(where: str, limit: int) -> Unavailable:
    return Unavailable(f"{where} answers with more than {limit / 1048576:g} MiB, which is not read")
