"""What the built-in scalers that speak HTTP share: one guarded client per Source.

    async with open_client(host, "https://prometheus.shop:9090", credentials=..., tls=...) as client:
        answer = await client.get("https://prometheus.shop:9090/api/v1/query?query=up", timeout=3)
        answer.status, answer.body, answer.refusal()

Few connections, kept alive; a deadline, and a bound on the answer, per read; errors are ScalerErrors, which
repeat no secret. A trigger's author is not trusted with our place in the network: addresses are checked where
they are connected to (gate.py), redirects keep no credentials (redirects.py), headers hold no line breaks
(credentials.py).

client.py       ask, with the credentials, to the end of the redirects
transport.py    sessions, proxies
gate.py         the address policy
redirects.py    where a redirect may lead
urls.py         what is a URL, and what of it may be shown
body.py         answers within a bound
tls.py          certificates and keys from text
credentials.py  headers and parameters that are shown to the server; what may stand in a header
oauth.py        access tokens
scrub.py        no secrets in messages
errors.py       what the library's exceptions mean
keys.py         KEDA's keys for all this (authModes and the rest), as a Connection to inherit
"""

from scalers.http.client import CONNECTIONS, TIMEOUT, Answer, HttpClient, open_client
from scalers.http.credentials import Credentials, OAuth, Pairs, basic, check_headers, forbidden
from scalers.http.keys import HttpConnection
from scalers.http.tls import Tls
from scalers.http.urls import absolute, login, origin, redacted, shown

__all__ = [
    "CONNECTIONS",
    "TIMEOUT",
    "Answer",
    "Credentials",
    "HttpClient",
    "HttpConnection",
    "OAuth",
    "Pairs",
    "Tls",
    "absolute",
    "basic",
    "check_headers",
    "forbidden",
    "login",
    "open_client",
    "origin",
    "redacted",
    "shown",
]
