"""A real HTTP server that answers as SQS, STS and IAM do (moto's), on a free loopback port, for tests.

with MotoServer() as server:
    server.queue("orders", 3), server.url

Everything is in its memory and gone at the end. `enforce()` makes it check signatures and rights from then on.
"""

import http.client
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import botocore.session
import pytest
from botocore.config import Config

from scalers.testing import free_port

__all__ = ["MotoServer"]

_STARTS_WITHIN = 60.0
_ANY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class MotoServer:
    """See the module. It is at `host`, `port`; `keys` are an access key ID and secret that may do anything."""

    host = "127.0.0.1"
    region = "eu-west-1"

    def __init__(self) -> None:
        if importlib.util.find_spec("moto") is None:
            if os.environ.get("CI") == "true":
                pytest.fail("moto is not installed, and CI may not skip its tests", pytrace=False)
            pytest.skip("moto is not installed")
        self.port = free_port()
        self.keys = ("AKIATESTTESTTESTTEST", "test")
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """Its endpoint, for every service."""
        return f"http://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="moto-")
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for client in self._clients.values():
            client.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def client(self, service: str) -> Any:
        """A botocore client with `keys`."""
        if service not in self._clients:
            self._clients[service] = botocore.session.Session().create_client(
                service,
                region_name=self.region,
                endpoint_url=self.url,
                aws_access_key_id=self.keys[0],
                aws_secret_access_key=self.keys[1],
                config=Config(proxies={}),
            )
        return self._clients[service]

    def queue(self, name: str, messages: int = 0) -> str:
        """A queue with so many messages that anybody may receive; its URL."""
        url: str = self.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        for start in range(0, messages, 10):
            entries = [{"Id": str(n), "MessageBody": "x"} for n in range(start, min(messages, start + 10))]
            self.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)
        return url

    def receive(self, url: str, number: int) -> None:
        """Take so many messages (ten at most) and do not delete them: they are in flight."""
        found = self.client("sqs").receive_message(
            QueueUrl=url, MaxNumberOfMessages=number, VisibilityTimeout=600
        )
        assert len(found["Messages"]) == number

    def user(self, name: str, policy: dict[str, Any] | None = None) -> tuple[str, str]:
        """A user with these rights (all by default): an access key ID and its secret."""
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="it", PolicyDocument=json.dumps(policy or _ANY))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def role(self, name: str, policy: dict[str, Any] | None = None) -> str:
        """A role with these rights (all by default): its ARN."""
        iam = self.client("iam")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_ANY))["Role"]
        iam.put_role_policy(RoleName=name, PolicyName="it", PolicyDocument=json.dumps(policy or _ANY))
        arn: str = role["Arn"]
        return arn

    def enforce(self) -> None:
        """From now on, check signatures and rights; `keys` become those of a user who may do anything."""
        keys = self.user("admin")
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self.keys = keys
        self._post("/moto-api/reset-auth", b"0")

    def _post(self, path: str, body: bytes) -> None:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            connection.request("POST", path, body, {"Content-Type": "text/plain"})
            assert connection.getresponse().status == 200
        finally:
            connection.close()

    def _start(self) -> None:
        log = Path(self._folder.name, "log")
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", self.host, "-p", str(self.port)],
                stdout=file,
                stderr=file,
                env={"PATH": os.environ.get("PATH", ""), "HOME": self._folder.name},
            )
        give_up = time.monotonic() + _STARTS_WITHIN
        while self._process.poll() is None and time.monotonic() < give_up:
            try:
                self._post("/moto-api/reset", b"")
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(
            f"moto does not start: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}"
        )
