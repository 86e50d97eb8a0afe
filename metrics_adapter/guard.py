"""Whether a request is answered at all: who asks, and may they.

In the order of every API server: the front proxy's word for somebody, a client certificate's own name, a bearer token,
nobody. The first that holds counts; what is shown and does not hold is 401; who shows nothing is `system:anonymous`. Then
the API server is asked whether that user may (`reviews`). Who may not learns that, in the words of their own request, and
nothing else: neither what there is nor why not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from metrics_adapter import api
from metrics_adapter.attributes import Attributes, forbidden
from metrics_adapter.authn import ANONYMOUS, MASTERS, Headers, Peer, Trust, User, client, named
from metrics_adapter.incidents import Incidents
from metrics_adapter.reviews import Reviews, Unanswered
from scaler.pki import in_force

__all__ = ["Guard"]

_UNAUTHORIZED: Final = api.status(401, "Unauthorized", "Unauthorized")
_UNKNOWN: Final = api.status(
    503, "this server cannot tell at present who may ask it; its log says why", "ServiceUnavailable"
)


@dataclass(frozen=True, slots=True)
class _Found:
    """Who asks, as far as one way of telling knows; `wrong` names what was shown and does not hold."""

    user: User | None = None
    wrong: str = ""
    proxied: bool = False


_NOTHING: Final = _Found()


class Guard:
    """See the module. `trust` gives what the cluster publishes at present, None while that is not known."""

    def __init__(self, trust: Callable[[], Trust | None], reviews: Reviews) -> None:
        self._trust = trust
        self._reviews = reviews

    @property
    def trust(self) -> Trust | None:
        """Whose certificates mean what, at present."""
        return self._trust()

    async def refusal(
        self, peer: Peer, headers: Headers, asked: Attributes, incidents: Incidents
    ) -> api.Response | None:
        """None: answer them. Else what they are told instead."""
        trust = self._trust()
        if trust is None:
            incidents.note("TrustUnknown", peer=peer.address)
            return _UNKNOWN
        try:
            found = await self._who(trust, peer, headers)
            if found.user is None:
                incidents.note(found.wrong, peer=peer.address)
                return _UNAUTHORIZED
            allowed = await self._may(found.user, asked, proxied=found.proxied)
        except Unanswered as error:
            incidents.note("ReviewUnanswered", peer=peer.address, error=error)
            return _UNKNOWN
        if allowed:
            return None
        forged = trust.front_proxy is not None and not found.proxied and trust.front_proxy.speaks(headers)
        cause = "ForgedHeaders" if forged else "Forbidden"
        incidents.note(cause, peer=peer.address, user=found.user.name, verb=asked.verb, what=_what(asked))
        return api.status(403, *_words(asked, found.user))

    async def _who(self, trust: Trust, peer: Peer, headers: Headers) -> _Found:
        if any(name.lower().startswith("impersonate-") for name in headers):
            # The API server lets people act as others; here they would be taken for themselves.
            return _Found(wrong="Impersonation")
        shown = _by_certificate(trust, peer, headers)
        if shown.user is not None:
            return shown
        held = await self._by_token(headers)
        if held.user is not None:
            return held
        wrong = shown.wrong or held.wrong
        return _Found(wrong=wrong) if wrong else _Found(ANONYMOUS)

    async def _by_token(self, headers: Headers) -> _Found:
        scheme, _, token = (headers.get("Authorization") or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return _NOTHING
        user = await self._reviews.identify(token) if token.isascii() and token.isprintable() else None
        return _Found(named(user)) if user is not None else _Found(wrong="InvalidToken")

    async def _may(self, user: User, asked: Attributes, *, proxied: bool) -> bool:
        return MASTERS in user.groups or await self._reviews.allows(user, asked, proxied=proxied)


def _by_certificate(trust: Trust, peer: Peer, headers: Headers) -> _Found:
    if not peer.chain:
        return _NOTHING
    try:
        certificate = peer.certificate
    except ValueError:
        return _Found(wrong="UntrustedCertificate")
    if not in_force(certificate):  # It was when the connection was made.
        return _Found(wrong="ExpiredCertificate")
    front, wrong = trust.proxied(peer), "UntrustedCertificate"
    if front is not None:
        if front.allows(certificate):
            user, wrong = front.user(headers), "NoUserNamed"
            if user is not None:
                return _Found(named(user), proxied=True)
        else:
            wrong = "NameNotAllowed"
    if not trust.knows(peer):
        return _Found(wrong=wrong)
    user = client(certificate)
    return _Found(named(user)) if user is not None else _NOTHING


def _what(asked: Attributes) -> str:
    return asked.path or "/".join(part for part in (asked.namespace, asked.resource, asked.name) if part)


def _words(asked: Attributes, user: User) -> tuple[str, str, dict[str, str]]:
    message, details = forbidden(asked, user.name)
    return message, "Forbidden", details
