"""Attacks on the adapter's listener, as data: what is shown, what is sent, how it ends and what the log calls it.

`tests/shell/test_adapter_attacks.py` runs each against a server whose one metric is SECRET, and wants it blocked, the
secret kept, and one line in the log however often it is tried.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from scaler.pki import KeyPair, issue, make_ca

SECRET = "7777"
GROUP = "/apis/external.metrics.k8s.io/v1beta1"
SELECT = "?labelSelector=scaledobject.keda.sh%2Fname%3Dworker"
METRIC = f"{GROUP}/namespaces/shop/s0-redis-jobs{SELECT}"

PROXY_CA = make_ca("front-proxy-ca")
CLIENT_CA = make_ca("kubernetes-ca")
FOREIGN_CA = make_ca("foreign-ca")
PROXY = issue(PROXY_CA, "front-proxy-client", client=True)
NAMED = "front-proxy-client"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)

GOOD, NARROW, OTHER_AUDIENCE, EXPIRED, UNKNOWN = "good", "narrow", "other-audience", "expired", "unknown"
TOKENS = {
    GOOD: {"username": "system:serviceaccount:shop:reader"},
    NARROW: {"username": "system:serviceaccount:shop:narrow"},
}
"""What the API server says of tokens; the rest it calls invalid: of another audience, expired, never issued."""

GRANTS = {
    "system:serviceaccount:shop:reader": {("*", "*")},
    "system:serviceaccount:shop:narrow": {("list", "s9-of-its-own"), ("get", "/apis")},
}


def certificate(ca: KeyPair, name: str, start: datetime, end: datetime) -> KeyPair:
    """A client certificate of `ca` that holds from `start` to `end`."""
    return reissued(issue(ca, name, client=True), ca, start, end)


def reissued(pair: KeyPair, ca: KeyPair, start: datetime, end: datetime) -> KeyPair:
    """The same certificate and key, signed by `ca` for another time."""
    own, signer = (
        x509.load_pem_x509_certificate(pair.certificate),
        x509.load_pem_x509_certificate(ca.certificate),
    )
    builder = x509.CertificateBuilder(
        issuer_name=signer.subject,
        subject_name=own.subject,
        public_key=own.public_key(),
        serial_number=own.serial_number,
        not_valid_before=start,
        not_valid_after=end,
        extensions=[each for each in own.extensions if each.oid != x509.AuthorityKeyIdentifier.oid],
    )
    signed = builder.sign(load_pem_private_key(ca.key, None), hashes.SHA256())
    return KeyPair(signed.public_bytes(Encoding.PEM), pair.key)


def self_signed(name: str) -> KeyPair:
    made = make_ca(name)
    subject = x509.load_pem_x509_certificate(made.certificate).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == name
    return made


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack. `statuses`: those that may answer it; none: the connection ends without an answer."""

    id: str
    cause: str
    statuses: tuple[int, ...] = ()
    pair: KeyPair | None = None
    sends: bytes = b""
    plain: bool = False
    fault: str = ""
    """What is wrong with the API server meanwhile: `down`, `forbidden` or `untold`."""


def request(
    target: str = METRIC,
    headers: Mapping[str, str] | None = None,
    method: str = "GET",
    token: str = "",
    body: str = "",
) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: adapter.test", "Connection: close"]
    lines += [f"{key}: {value}" for key, value in (headers or {}).items()]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1")


MASTER = {"X-Remote-User": "kubernetes-admin", "X-Remote-Group": "system:masters"}


def _shown() -> list[Attack]:
    """Client certificates."""
    asked = request(headers=MASTER)
    refused = {
        "expired": certificate(PROXY_CA, NAMED, NOW - 2 * DAY, NOW - DAY),
        "of-tomorrow": certificate(PROXY_CA, NAMED, NOW + DAY, NOW + 2 * DAY),
        "foreign": issue(FOREIGN_CA, NAMED, client=True),
        "of-a-ca-of-the-same-name": issue(make_ca("front-proxy-ca"), NAMED, client=True),
        "self-signed": self_signed(NAMED),
        "for-serving": issue(PROXY_CA, NAMED, hosts=["adapter.test"]),
        "signed-by-a-leaf": issue(PROXY, NAMED, client=True),
        "expired-of-the-client-ca": certificate(CLIENT_CA, "kubernetes-admin", NOW - 2 * DAY, NOW - DAY),
    }
    return [
        *(
            Attack(id=f"certificate-{name}", cause="BadClientCertificate", pair=pair, sends=asked)
            for name, pair in refused.items()
        ),
        Attack(
            id="certificate-with-a-name-not-allowed",
            cause="NameNotAllowed",
            statuses=(401,),
            pair=issue(PROXY_CA, "somebody", client=True),
            sends=asked,
        ),
        Attack(
            id="certificate-with-the-allowed-name-as-organization",
            cause="NameNotAllowed",
            statuses=(401,),
            pair=issue(PROXY_CA, "somebody", organizations=[NAMED], client=True),
            sends=asked,
        ),
        Attack(
            id="certificate-of-the-client-ca-with-the-front-proxys-name",
            cause="ForgedHeaders",
            statuses=(403,),
            pair=issue(CLIENT_CA, NAMED, client=True),
            sends=asked,
        ),
        Attack(
            id="certificate-of-a-user-without-rights",
            cause="Forbidden",
            statuses=(403,),
            pair=issue(CLIENT_CA, "mallory", organizations=["system:authenticated"], client=True),
            sends=request(),
        ),
        Attack(
            id="front-proxy-naming-nobody",
            cause="NoUserNamed",
            statuses=(401,),
            pair=PROXY,
            sends=request(headers={"X-Remote-Group": "system:masters"}),
        ),
        Attack(
            id="front-proxy-for-a-user-without-rights",
            cause="Forbidden",
            statuses=(403,),
            pair=PROXY,
            sends=request(headers={"X-Remote-User": "mallory", "X-Remote-Group": "system:authenticated"}),
        ),
    ]


def _said() -> list[Attack]:
    """Headers and tokens, without a certificate."""
    unknown, twice = "InvalidToken", f"Bearer {UNKNOWN}\r\nAuthorization: Bearer {GOOD}"
    return [
        Attack(id="nothing-said", cause="Forbidden", statuses=(403,), sends=request()),
        Attack(id="forged-headers", cause="ForgedHeaders", statuses=(403,), sends=request(headers=MASTER)),
        Attack(
            id="forged-headers-in-other-case",
            cause="ForgedHeaders",
            statuses=(403,),
            sends=request(headers={key.lower(): value for key, value in MASTER.items()}),
        ),
        Attack(
            id="forged-headers-with-underscores",
            cause="Forbidden",
            statuses=(403,),
            sends=request(headers={key.replace("-", "_"): value for key, value in MASTER.items()}),
        ),
        Attack(
            id="forged-headers-beside-a-token",
            cause="ForgedHeaders",
            statuses=(403,),
            sends=request(headers=MASTER, token=NARROW),
        ),
        Attack(id="token-unknown", cause=unknown, statuses=(401,), sends=request(token=UNKNOWN)),
        Attack(id="token-expired", cause=unknown, statuses=(401,), sends=request(token=EXPIRED)),
        Attack(
            id="token-of-another-audience",
            cause=unknown,
            statuses=(401,),
            sends=request(token=OTHER_AUDIENCE),
        ),
        Attack(id="token-not-printable", cause=unknown, statuses=(401,), sends=request(token="go\xe9d")),
        Attack(id="token-without-rights", cause="Forbidden", statuses=(403,), sends=request(token=NARROW)),
        Attack(
            id="token-after-a-bad-one",
            cause=unknown,
            statuses=(400, 401),
            sends=request(headers={"Authorization": twice}),
        ),
        Attack(
            id="token-empty",
            cause="Forbidden",
            statuses=(403,),
            sends=request(headers={"Authorization": "Bearer "}),
        ),
        Attack(
            id="password",
            cause="Forbidden",
            statuses=(403,),
            sends=request(headers={"Authorization": "Basic YWRtaW46YWRtaW4="}),
        ),
        Attack(
            id="token-in-the-query",
            cause="Forbidden",
            statuses=(403,),
            sends=request(f"{METRIC}&access_token={GOOD}"),
        ),
        Attack(
            id="impersonation",
            cause="Impersonation",
            statuses=(401,),
            sends=request(headers={"Impersonate-User": "kubernetes-admin"}, token=GOOD),
        ),
        Attack(
            id="impersonation-through-the-front-proxy",
            cause="Impersonation",
            statuses=(401,),
            pair=PROXY,
            sends=request(headers={"X-Remote-User": "mallory", "Impersonate-Group": "system:masters"}),
        ),
    ]


def _paths() -> list[Attack]:
    """Other spellings of a path, by one who may list one metric and see the groups."""
    inside = f"{GROUP}/namespaces/shop"
    targets = {
        "slash-escaped": f"{inside}/s9-of-its-own%2F..%2Fs0-redis-jobs{SELECT}",
        "dots": f"{inside}/s9-of-its-own/../s0-redis-jobs{SELECT}",
        "dots-escaped": f"{inside}/s9-of-its-own/%2e%2e/s0-redis-jobs{SELECT}",
        "dots-from-what-is-granted": f"/apis/..{METRIC}",
        "slashes-doubled": f"/{METRIC}",
        "slash-doubled-inside": f"{inside}//s0-redis-jobs{SELECT}",
        "health-before-it": f"/healthz/..{METRIC}",
        "zero-byte": f"{inside}/s0-redis-jobs%00{SELECT}",
        "line-break": f"{inside}/s0-redis-jobs%0d%0aX-Remote-User:%20a{SELECT}",
        "backslash": f"{inside}/s9-of-its-own\\..\\s0-redis-jobs{SELECT}",
        "parameters": f"{inside}/s9-of-its-own;s0-redis-jobs{SELECT}",
        "absolute": f"https://elsewhere.test{METRIC}",
        "another-version": METRIC.replace("v1beta1", "v1"),
        "watched-by-path": METRIC.replace("/namespaces/", "/watch/namespaces/"),
        "with-a-name": f"{inside}/s0-redis-jobs/s9-of-its-own{SELECT}",
        "documents": "/openapi/v2",
        "own-metrics": "/metrics",
        "discovery": GROUP,
        "unknown": "/debug/pprof",
    }
    found = [
        Attack(id=f"path-{name}", cause="Forbidden", statuses=(403, 404), sends=request(target, token=NARROW))
        for name, target in targets.items()
    ]
    methods = [
        Attack(
            id=f"method-{method}",
            cause="Forbidden",
            statuses=(403,),
            sends=request(method=method, token=NARROW),
        )
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE")
    ]
    override = request(headers={"X-HTTP-Method-Override": "GET"}, method="POST", token=NARROW)
    watching = request(f"{GROUP}/namespaces/shop/s9-of-its-own{SELECT}&watch=true", token=NARROW)
    return [
        *found,
        *methods,
        Attack(id="method-overridden", cause="Forbidden", statuses=(403,), sends=override),
        Attack(id="watch-where-list-is-granted", cause="Forbidden", statuses=(403,), sends=watching),
    ]


def _bytes() -> list[Attack]:
    """What is no HTTP, or too much of it."""
    bad = {
        "nonsense": b"\x16\x03\x01 nonsense\r\n\r\n",
        "method-of-ones-own": request(method="BREW", token=NARROW),
        "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "line-too-long": b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        "header-too-long": request(token="x" * 20_000),
        "headers-too-many": request(headers={f"X-{number}": "y" for number in range(2_000)}),
        "header-without-a-colon": b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "header-with-a-space-before-the-colon": b"GET / HTTP/1.1\r\nHost: a\r\nX-Remote-User : admin\r\n\r\n",
        "length-and-chunks": b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two-lengths": b"POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        "length-negative": b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "header-with-a-zero-byte": b"GET / HTTP/1.1\r\nX-Remote-User: a\x00b\r\n\r\n",
    }
    return [
        *(
            Attack(id=f"http-{name}", cause="MalformedRequest", statuses=(400,), sends=sends)
            for name, sends in bad.items()
        ),
        Attack(
            id="http-pipelined-behind-health",
            cause="Forbidden",
            statuses=(200, 403),
            sends=b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + request(),
        ),
        Attack(
            id="http-smuggled-in-a-body",
            cause="Forbidden",
            statuses=(403,),
            sends=request(
                method="POST", headers={"Content-Length": str(len(request()))}, body=request().decode()
            ),
        ),
        Attack(
            id="http-body-of-a-gigabyte",
            cause="Forbidden",
            statuses=(403,),
            sends=request(method="POST", headers={"Content-Length": "1000000000"}, body="x" * 200_000),
        ),
        Attack(id="http-without-tls", cause="BadHandshake", plain=True, sends=request(headers=MASTER)),
        Attack(id="tls-nonsense", cause="BadHandshake", plain=True, sends=b"\x16\x03\x01\x00\x05hello" * 3),
    ]


def _blind() -> list[Attack]:
    """While the API server cannot be asked, nobody gets in by that; nor does the reason get out."""
    proxied = request(headers={"X-Remote-User": "system:serviceaccount:shop:reader"})
    return [
        Attack(
            id=f"api-server-{fault}-{name}", cause=cause, statuses=(503,), pair=pair, sends=sends, fault=fault
        )
        for fault, cause in (
            ("down", "ReviewUnanswered"),
            ("forbidden", "ReviewUnanswered"),
            ("untold", "TrustUnknown"),
        )
        for name, pair, sends in (
            ("token", None, request(token=GOOD)),
            ("nothing-said", None, request()),
            *([] if fault == "untold" else [("proxied", PROXY, proxied)]),
        )
    ]


ATTACKS: tuple[Attack, ...] = (*_shown(), *_said(), *_paths(), *_bytes(), *_blind())
