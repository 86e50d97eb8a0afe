"""Where a redirect may lead: few hops, http or https, never down from https, never with our credentials.

That the new address passes the address policy is seen to where it is connected to.
"""

from yarl import URL

from scalers.http import urls
from scalers.sdk import InvalidMetadata, Unavailable

__all__ = ["STATUSES", "target"]

STATUSES = frozenset({301, 302, 303, 307, 308})
_MOST = 5


def target(url: URL, location: str, hops: int, *, certificate: bool) -> URL:
    """The URL of redirect number `hops` of a GET. Raises Unavailable where it may not lead.

    `certificate`: the session shows a client certificate, which it would show to the new server too.
    """
    where = urls.shown(url)
    if hops > _MOST:
        raise Unavailable(f"{where} redirects more than {_MOST} times")
    try:
        new = urls.absolute(str(url.join(URL(location))))
    except (InvalidMetadata, ValueError, TypeError):
        raise Unavailable(f"{where} redirects to what is no http or https URL") from None
    if url.scheme == "https" and new.scheme == "http":
        raise Unavailable(f"{where} redirects from https to http, which is not followed")
    if certificate and urls.origin(url) != urls.origin(new):
        raise Unavailable(f"{where} redirects to another server, which is not to see our client certificate")
    return urls.bare(new)
