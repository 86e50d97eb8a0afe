"""The TLS settings of a client, from PEM texts as a TriggerAuthentication holds them."""

import asyncio
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from scalers.sdk import InvalidMetadata

__all__ = ["Tls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Whom to trust and who we are. `ca` is trusted besides the system's authorities."""

    ca: str = ""
    cert: str = ""
    key: str = field(default="", repr=False)
    key_password: str = field(default="", repr=False)
    verify: bool = True

    async def context(self) -> ssl.SSLContext | bool:
        """What aiohttp takes: True where nothing is special, so that such clients share one context.

        Raises InvalidMetadata for texts that are no certificates or keys.
        """
        if self == Tls():
            return True
        return await asyncio.to_thread(self._made)

    def _made(self) -> ssl.SSLContext:
        made = ssl.create_default_context()
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        if self.ca:
            try:
                made.load_verify_locations(cadata=self.ca)
            except (ssl.SSLError, ValueError) as error:
                raise InvalidMetadata(f"ca is no certificate in PEM form: {error}") from None
        if self.cert or self.key:
            self._load_pair(made)
        return made

    def _load_pair(self, made: ssl.SSLContext) -> None:
        """The ssl module reads keys from files only: ours live in a private folder during this call."""
        with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
            files = Path(folder, "cert.pem"), Path(folder, "key.pem")
            for file, text in zip(files, (self.cert, self.key), strict=True):
                file.touch(mode=0o600)
                file.write_text(text, encoding="utf-8")
            try:
                # A password is always given: without one OpenSSL would ask for it on the terminal.
                made.load_cert_chain(*files, password=lambda: self.key_password)
            except (ssl.SSLError, ValueError) as error:
                text = f"cert, key and keyPassword do not make a client certificate: {error}"
                raise InvalidMetadata(text) from None
