"""The TLS settings of a connection, from PEM texts as a TriggerAuthentication holds them."""

import ssl
import tempfile
from pathlib import Path

from scalers.sdk import InvalidMetadata

__all__ = ["context"]


def context(*, ca: str, cert: str, key: str, key_password: str, verify: bool) -> ssl.SSLContext:
    """A client's TLS context. `ca` is trusted in addition to the system's authorities.

    `cert` and `key` count only together (KEDA's rule). Reads and, for a moment, writes files: call it in a
    thread. Raises InvalidMetadata for texts that are no certificates or keys.
    """
    made = ssl.create_default_context()
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if ca:
        try:
            made.load_verify_locations(cadata=ca)
        except (ssl.SSLError, ValueError) as error:
            raise InvalidMetadata(f"ca is no certificate in PEM form: {error}") from None
    if cert and key:
        _load_pair(made, cert, key, key_password)
    return made


def _load_pair(made: ssl.SSLContext, cert: str, key: str, key_password: str) -> None:
    """The ssl module reads keys from files only: ours live in a private folder during this call."""
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        files = Path(folder, "cert.pem"), Path(folder, "key.pem")
        for file, text in zip(files, (cert, key), strict=True):
            file.touch(mode=0o600)
            file.write_text(text, encoding="utf-8")
        try:
            # A password is always given: without one OpenSSL would ask for it on the terminal.
            made.load_cert_chain(*files, password=lambda: key_password)
        except (ssl.SSLError, ValueError) as error:
            raise InvalidMetadata(
                f"cert, key and keyPassword do not make a client certificate: {error}"
            ) from None
