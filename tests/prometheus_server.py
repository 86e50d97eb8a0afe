"""A real Prometheus on a free loopback port, and the exporter it scrapes; gone at the end.

with PrometheusServer() as server:
    server.set("orders", 7)          # now number{name="orders"} is 7
"""

import contextlib
import http.client
import json
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from scaler.pki import KeyPair
from scalers.http import basic
from scalers.testing import free_port, server_program

__all__ = ["PASSWORD", "USER", "PrometheusServer"]

USER, PASSWORD = "reader", "sesame"
_HASH = "$2b$04$IeN9nSerC1dR/5C3ZQ3/GeO/81cxS0abOm4GPY.Gu.srNEmVq58Au"
_CONFIG = """\
global: {{scrape_interval: 100ms, scrape_timeout: 100ms}}
scrape_configs: [{{job_name: numbers, static_configs: [{{targets: {targets}}}]}}]
"""
_STARTS_WITHIN = 60.0


class PrometheusServer:
    """See the module. With a `certificate` it speaks TLS; `login`: it wants USER and PASSWORD.

    `targets`: what else it scrapes, as host:port.
    """

    host = "127.0.0.1"

    def __init__(
        self, *, login: bool = False, certificate: KeyPair | None = None, targets: tuple[str, ...] = ()
    ) -> None:
        self._targets = targets
        self._program = server_program("prometheus")
        self._login = login
        self._certificate = certificate
        self._numbers: dict[str, float] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def address(self) -> str:
        return f"{'https' if self._certificate else 'http'}://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="prometheus-")
        self._exporter = _exporter(self._numbers)
        self._serving = threading.Thread(target=self._exporter.serve_forever, kwargs={"poll_interval": 0.05})
        self._serving.start()
        try:
            self._write_configuration()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._exporter.shutdown()
        self._serving.join()
        self._exporter.server_close()
        self._folder.cleanup()

    def set(self, name: str, number: float) -> None:
        """Return when a query answers this number."""
        self._numbers[name] = number
        give_up = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < give_up:
            found = self.query(f'number{{name="{name}"}}')
            if [float(one["value"][1]) for one in found] == [number]:
                return
            time.sleep(0.02)
        raise AssertionError(f"prometheus does not see {name} = {number}")

    def query(self, promql: str) -> Any:
        """The result of an instant query."""
        return json.loads(self._get(f"/api/v1/query?query={urllib.parse.quote(promql)}"))["data"]["result"]

    def _get(self, path: str) -> bytes:
        kind = http.client.HTTPConnection
        options: dict[str, Any] = {"timeout": 10}
        if self._certificate is not None:
            kind = http.client.HTTPSConnection
            options["context"] = ssl._create_unverified_context()  # noqa: S323 - it is our own server
        with contextlib.closing(kind(self.host, self.port, **options)) as connection:
            connection.request("GET", path, headers=dict([basic(USER, PASSWORD)]))
            answer = connection.getresponse()
            if answer.status != 200:
                raise ConnectionError(f"{path} answers {answer.status}")
            return answer.read()

    def _write_configuration(self) -> None:
        folder = Path(self._folder.name)
        targets = json.dumps([f"127.0.0.1:{self._exporter.server_address[1]}", *self._targets])
        (folder / "prometheus.yml").write_text(_CONFIG.format(targets=targets), encoding="utf-8")
        web: dict[str, Any] = {}
        if self._login:
            web["basic_auth_users"] = {USER: _HASH}
        if self._certificate is not None:
            (folder / "cert.pem").write_bytes(self._certificate.certificate)
            (folder / "key.pem").write_bytes(self._certificate.key)
            web["tls_server_config"] = {"cert_file": "cert.pem", "key_file": "key.pem"}
        (folder / "web.yml").write_text(json.dumps(web), encoding="utf-8")

    def _start(self) -> None:
        folder = Path(self._folder.name)
        options = [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--web.config.file={folder / 'web.yml'}",
            f"--web.listen-address={self.host}:{self.port}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--log.level=warn",
        ]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen([self._program, *options], stdout=log, stderr=log, cwd=folder)
        give_up = time.monotonic() + _STARTS_WITHIN
        while self._process.poll() is None and time.monotonic() < give_up:
            try:
                self._get("/-/ready")
            except OSError:
                time.sleep(0.05)
            else:
                return
        log_text = (folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:]
        raise AssertionError(f"prometheus does not start: {log_text}")


def _exporter(numbers: dict[str, float]) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lines = [f'number{{name="{name}"}} {number}' for name, number in dict(numbers).items()]
            body = "\n".join([*lines, ""]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # It hangs up when its scrape_timeout is over.
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody wants to know."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)
