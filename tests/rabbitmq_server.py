"""A real rabbitmq-server with the management plugin on free loopback ports, for tests. It takes seconds to boot:
one a class.

with RabbitMqServer() as server:
    server.put("jobs", 3)           # a queue with three messages
    server.port, server.api_port    # AMQP, management

A private node: its own epmd, Erlang cookie, database and logs, all in a folder that is gone at the end; nothing
listens anywhere but on 127.0.0.1.
"""

import asyncio
import base64
import contextlib
import http.client
import json
import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import aio_pika

from scalers.testing import free_port, server_program

__all__ = ["RabbitMqServer", "held"]

_STARTS_WITHIN = 90.0
_KINDS = ("global", "basic", "detailed")


class RabbitMqServer:
    """See the module. `config` is more of rabbitmq.conf, `plugins` more than the management one.

    `sampling`: seconds between two looks of the management plugin at the queues (stock: 5).
    """

    host = "127.0.0.1"

    def __init__(
        self, *, config: str = "", advanced: str = "", plugins: tuple[str, ...] = (), sampling: int = 1
    ):
        script = Path(server_program("rabbitmq-server")).resolve()
        # Debian's wrapper would switch to a user of its own, and to that user's folders.
        self._program = (
            script.parent / "rabbitmq-server" if script.name == "rabbitmq-script-wrapper" else script
        )
        self._epmd_program = server_program("epmd")
        self._config, self._advanced, self._sampling = config, advanced, sampling
        self._plugins = ("rabbitmq_management", *plugins)
        self.port, self.api_port = free_port(), free_port()
        self._epmd: subprocess.Popen[bytes] | None = None
        self._node: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="rabbitmq-", ignore_cleanup_errors=True)
        self._folder = Path(self._temporary.name)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        if self._node is not None:
            # An orderly end takes seconds. The helpers of the virtual machine end with it.
            self._node.kill()
            self._node.wait()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
        self._temporary.cleanup()

    # What tests do with it.

    def api(self, method: str, *path: str, body: Any = None, query: str = "", user: str = "guest") -> Any:
        """One call of the management API as guest (or who has its name for a password); each part is escaped."""
        connection = http.client.HTTPConnection(self.host, self.api_port, timeout=30)
        try:
            login = base64.b64encode(f"{user}:{user}".encode()).decode()
            headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
            url = "/api/" + "/".join(quote(part, safe="") for part in path) + query
            connection.request(method, url, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            raise AssertionError(f"{method} {url}: {answer.status} {content[:500]!r}")
        return json.loads(content) if content else None

    def queue(self, name: str, vhost: str = "/", **arguments: Any) -> None:
        """Make a queue."""
        body = {"durable": False, "auto_delete": False, "arguments": arguments}
        self.api("PUT", "queues", vhost, name, body=body)

    def publish(self, name: str, number: int = 1, vhost: str = "/") -> None:
        """Put messages into a queue."""
        body = {"properties": {}, "routing_key": name, "payload": "x", "payload_encoding": "string"}
        for _ in range(number):
            routed = self.api("POST", "exchanges", vhost, "amq.default", "publish", body=body)
            assert routed == {"routed": True}, f"no queue {name!r}"

    def take(self, name: str, number: int, vhost: str = "/") -> None:
        """Take messages out of a queue."""
        body = {"count": number, "ackmode": "ack_requeue_false", "encoding": "auto"}
        self.api("POST", "queues", vhost, name, "get", body=body)

    def put(self, name: str, number: int, vhost: str = "/") -> None:
        """A queue with so many messages, which the statistics know."""
        self.queue(name, vhost)
        self.publish(name, number, vhost)
        self.await_statistics(name, number, vhost)

    def await_statistics(self, name: str, number: int, vhost: str = "/") -> None:
        """Wait until the management API reports so many messages."""
        give_up = time.monotonic() + 30
        while (found := self.api("GET", "queues", vhost, name).get("messages")) != number:
            assert time.monotonic() < give_up, f"{name!r} has {found} messages, not {number}"
            time.sleep(0.02)

    def vhost(self, name: str) -> None:
        """Make a virtual host that guest may use."""
        self.api("PUT", "vhosts", name)
        self.permit("guest", name)

    def user(self, name: str, *tags: str, vhost: str | None = "/") -> None:
        """Make a user whose password is its name."""
        self.api("PUT", "users", name, body={"password": name, "tags": ",".join(tags)})
        if vhost is not None:
            self.permit(name, vhost)

    def permit(self, user: str, vhost: str, pattern: str = ".*") -> None:
        """Let a user do everything with what has such a name."""
        body = dict.fromkeys(("configure", "write", "read"), pattern)
        self.api("PUT", "permissions", vhost, user, body=body)

    def import_queues(self, names: list[str], vhost: str = "/") -> None:
        """Make many queues at once."""
        queues = [
            {"name": name, "vhost": vhost, "durable": True, "auto_delete": False, "arguments": {}}
            for name in names
        ]
        self.api("POST", "definitions", body={"queues": queues})

    def connections(self) -> list[dict[str, Any]]:
        """The AMQP connections that the broker reports, its statistics' time later."""
        found: list[dict[str, Any]] = self.api("GET", "connections")
        return found

    # Starting.

    def _start(self) -> None:
        epmd_port = free_port()
        self._write_files()
        self._epmd = subprocess.Popen(
            [self._epmd_program, "-port", str(epmd_port), "-address", self.host],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with (self._folder / "output").open("wb") as output:
            self._node = subprocess.Popen(
                ["/bin/sh", self._program, "-noinput"],
                env=self._environment(epmd_port),
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        give_up = time.monotonic() + _STARTS_WITHIN
        while not self._answers():
            if self._node.poll() is not None or time.monotonic() > give_up:
                raise AssertionError(f"rabbitmq-server does not start:\n{self.output()}")
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """The virtual machine's process."""
        assert self._node is not None
        return self._node.pid

    def output(self) -> str:
        """The end of what it has said."""
        return (self._folder / "output").read_text(encoding="utf-8", errors="replace")[-4000:]

    def _answers(self) -> bool:
        try:
            self.api("GET", "aliveness-test", "/")
        except (OSError, AssertionError, http.client.HTTPException):
            return False
        return True

    def _write_files(self) -> None:
        lines = (
            f"listeners.tcp.1 = {self.host}:{self.port}",
            f"management.tcp.ip = {self.host}",
            f"management.tcp.port = {self.api_port}",
            f"collect_statistics_interval = {200 * self._sampling}",
            "log.file = false",
            "log.console = true",
            "log.console.level = warning",
            # Tests write little, and the disk of a laptop is often full.
            "disk_free_limit.absolute = 1MB",
            "num_acceptors.tcp = 2",
            # The management plugin looks at whole seconds only.
            *(f"management.sample_retention_policies.{kind}.minute = {self._sampling}" for kind in _KINDS),
            self._config,
        )
        (self._folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
        if self._advanced:
            (self._folder / "advanced.config").write_text(self._advanced, encoding="utf-8")
        (self._folder / "plugins").write_text(f"[{','.join(self._plugins)}].\n", encoding="utf-8")
        cookie = self._folder / ".erlang.cookie"
        cookie.write_text(uuid.uuid4().hex, encoding="utf-8")
        cookie.chmod(0o400)

    def _environment(self, epmd_port: int) -> dict[str, str]:
        folder = str(self._folder)
        return {
            "PATH": os.environ.get("PATH", "") + ":/usr/bin:/bin",
            "HOME": folder,
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": self.host,
            "RABBITMQ_NODENAME": f"tidegate-{uuid.uuid4().hex[:10]}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/generated",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            # With this the script becomes the virtual machine, which is then our own child.
            "RABBITMQ_ALLOW_INPUT": "1",
            # Two cores are plenty, and busy waiting would take them from the test.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
        }  # fmt: skip


@contextlib.asynccontextmanager
async def held(server: RabbitMqServer, name: str, number: int) -> AsyncIterator[None]:
    """So many messages of a queue are in the hands of a consumer that does not acknowledge them."""
    taken = asyncio.Semaphore(0)

    async def keep(_message: object) -> None:
        taken.release()

    connection = await aio_pika.connect(f"amqp://guest:guest@{server.host}:{server.port}/")
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=number)
        queue = await channel.declare_queue(name, passive=True)
        await queue.consume(keep)
        async with asyncio.timeout(30):
            for _ in range(number):
                await taken.acquire()
        yield
