"""A real redis-server on a free loopback port, for tests: no files, no shared state, gone at the end.

with RedisServer("--requirepass", "x") as server:
    server.port, server.cli("LPUSH", "q", "1")
"""

import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import hiredis

from scalers.testing import free_port, server_program

__all__ = ["RedisServer"]

_STARTS_WITHIN = 30.0


class RedisServer:
    """See the module. `args` are redis-server's options; `stop` and `start` keep the port."""

    def __init__(self, *args: str, password: str = "", host: str = "127.0.0.1") -> None:
        self._program = server_program("redis-server")
        self._args = args
        self._password = password
        self.host = host
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="redis-")
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it, empty, and return when it answers."""
        for _ in range(5):
            if self._try_to_start():
                return
        raise AssertionError(f"redis-server does not start: {self._log()}")

    @property
    def address(self) -> str:
        """As a trigger writes it."""
        return f"{self.host}:{self.port}"

    def stop(self) -> None:
        """Stop it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def cli(self, *command: str | bytes | int) -> Any:
        """One command on a connection of its own; an error reply raises hiredis.ReplyError."""
        reader = hiredis.Reader()
        with socket.create_connection((self.host, self.port), timeout=10) as connection:
            if self._password:
                connection.sendall(hiredis.pack_command(("AUTH", self._password)))
                assert self._reply(connection, reader) == b"OK"
            connection.sendall(hiredis.pack_command(command))
            reply = self._reply(connection, reader)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply

    def clients(self) -> int:
        """How many connections Tidegate has."""
        return self.cli("CLIENT", "LIST").decode().count("name=tidegate")

    def commands(self, name: str) -> int:
        """How often a command was called since the start, as `llen` or `client|tracking`."""
        for line in self.cli("INFO", "commandstats").decode().splitlines():
            if line.startswith(f"cmdstat_{name.lower()}:calls="):
                return int(line.partition("calls=")[2].partition(",")[0])
        return 0

    @staticmethod
    def _reply(connection: socket.socket, reader: hiredis.Reader) -> Any:
        while (reply := reader.gets()) is False:
            data = connection.recv(1 << 16)
            if not data:
                raise ConnectionError("redis-server hung up")
            reader.feed(data)
        return reply

    def _try_to_start(self) -> bool:
        with Path(self._folder.name, "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, *self._command_line(Path(self._folder.name))], stdout=log, stderr=log
            )
        give_up = time.monotonic() + _STARTS_WITHIN
        while self._process.poll() is None and time.monotonic() < give_up:
            try:
                self.cli("PING")
            except hiredis.ReplyError:
                return True  # It answers, if only to ask for a password.
            except OSError:
                time.sleep(0.02)
            else:
                return True
        self.stop()
        return False

    def _command_line(self, folder: Path) -> list[str]:
        options = ["--bind", self.host, "--port", str(self.port), "--save", "", "--appendonly", "no"]
        return [*options, "--dir", str(folder), *self._args]

    def _log(self) -> str:
        return Path(self._folder.name, "log").read_text(encoding="utf-8", errors="replace")[-2000:]
