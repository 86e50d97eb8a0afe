"""Real Redis Clusters and sentinels on free loopback ports, for tests.

with RedisCluster() as cluster:
    cluster.cli("LPUSH", "q", "1")
    cluster.nodes[0].stop()
"""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import hiredis
from redis_server import RedisServer

from scalers.testing import free_port

__all__ = ["RedisCluster", "RedisSentinel"]

_READY_WITHIN = 60.0
_SLOTS = 16384


def _until(condition: Callable[[], object], what: str) -> None:
    give_up = time.monotonic() + _READY_WITHIN
    while not condition():
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {_READY_WITHIN:g} s: {what}")
        time.sleep(0.02)


class RedisCluster:
    """Masters that share the slots evenly, in order, and as many replicas of the first ones as wanted.

    `args` are redis-server's options. `stop` and `start` of a node keep its port and its place in the cluster, but no keys.
    """

    def __init__(self, *args: str, masters: int = 3, replicas: int = 0, password: str = "") -> None:
        self._password = password
        options = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no")
        options += ("--repl-diskless-sync-delay", "0", *args)
        self.nodes = [
            RedisServer(*options, "--cluster-port", str(free_port()), password=password)
            for _ in range(masters + replicas)
        ]
        self.masters = self.nodes[:masters]
        self.replicas = self.nodes[masters:]
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                self._stack.enter_context(node)
            self._join()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def addresses(self) -> str:
        """Of all nodes, as a trigger writes them."""
        return ",".join(node.address for node in self.nodes)

    def cli(self, *command: str | bytes | int) -> Any:
        """One command, on the node that the nodes themselves say is the right one."""
        node = next(node for node in self.nodes if self._answers(node))
        for _ in range(10):
            try:
                return node.cli(*command)
            except hiredis.ReplyError as error:
                word, _, place = str(error).partition(" ")
                if word != "MOVED":
                    raise
                port = int(place.rpartition(":")[2])
                node = next(node for node in self.nodes if node.port == port)
        raise AssertionError("the command is sent from node to node")

    def owner(self, key: str) -> RedisServer:
        """The master that had this key's slot at the start."""
        slot = self._slot(key)
        return self.masters[slot * len(self.masters) // _SLOTS]

    def key_of(self, master: int, prefix: str) -> str:
        """A key, beginning with this, of that master."""
        return next(key for n in range(1000) if self.owner(key := f"{prefix}-{n}") is self.masters[master])

    def move(self, key: str, to: RedisServer) -> None:
        """Give the key's slot, with all its keys, to another master."""
        slot, owner = self._slot(key), self.owner(key)
        self.begin_move(key, to)
        while keys := owner.cli("CLUSTER", "GETKEYSINSLOT", slot, 100):
            owner.cli("MIGRATE", to.host, to.port, "", 0, 5000, "KEYS", *keys)
        identity = to.cli("CLUSTER", "MYID")
        for node in (to, owner, *(n for n in self.masters if n not in {to, owner})):
            node.cli("CLUSTER", "SETSLOT", slot, "NODE", identity)

    def begin_move(self, key: str, to: RedisServer) -> None:
        """Let the key's slot be on its way to another master."""
        slot, owner = self._slot(key), self.owner(key)
        to.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", owner.cli("CLUSTER", "MYID"))
        owner.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", to.cli("CLUSTER", "MYID"))

    def replicated(self) -> None:
        """Return when every replica has as many keys as its master."""
        for master, replica in zip(self.masters, self.replicas, strict=False):
            _until(
                lambda one=master, two=replica: one.cli("DBSIZE") == two.cli("DBSIZE"), "all is replicated"
            )

    def fail_over(self, master: int = 0) -> None:
        """Kill a master; its replica takes over."""
        self.masters[master].stop()
        replica = self.replicas[master]
        replica.cli("CLUSTER", "FAILOVER", "TAKEOVER")
        _until(lambda: replica.cli("ROLE")[0] == b"master", "the replica is a master")
        others = [node for node in self.nodes if self._answers(node)]
        _until(
            lambda: all(self._first_owner(node) == replica.port for node in others), "all know the new master"
        )

    def _slot(self, key: str) -> int:
        node = next(node for node in self.nodes if self._answers(node))
        return int(node.cli("CLUSTER", "KEYSLOT", key))

    @staticmethod
    def _first_owner(node: RedisServer) -> int:
        return int(min(node.cli("CLUSTER", "SLOTS"), key=lambda entry: entry[0])[2][1])

    @staticmethod
    def _answers(node: RedisServer) -> bool:
        try:
            node.cli("PING")
        except OSError:
            return False
        return True

    def _join(self) -> None:
        share = len(self.masters)
        for at, master in enumerate(self.masters):
            first, last = -(-at * _SLOTS // share), -(-(at + 1) * _SLOTS // share) - 1
            master.cli("CLUSTER", "ADDSLOTSRANGE", first, last)
            master.cli("CLUSTER", "SET-CONFIG-EPOCH", at + 1)
        for at, node in enumerate(self.nodes):
            for other in self.nodes[:at]:  # All pairs, as gossip would take its time.
                node.cli(
                    "CLUSTER", "MEET", other.host, other.port, other.cli("CONFIG", "GET", "cluster-port")[1]
                )
        everybody = len(self.nodes)
        _until(
            lambda: all(self._knows(node) == everybody for node in self.nodes), "every node knows all others"
        )
        for at, replica in enumerate(self.replicas):
            replica.cli("CLUSTER", "REPLICATE", self.masters[at].cli("CLUSTER", "MYID"))
            _until(
                lambda node=replica: b"master_link_status:up" in node.cli("INFO", "replication"),
                "it replicates",
            )
        _until(lambda: all(self._ready(node) for node in self.nodes), "the cluster is ready")

    @staticmethod
    def _knows(node: RedisServer) -> int:
        lines = node.cli("CLUSTER", "NODES").splitlines()
        return sum(b"handshake" not in line for line in lines)

    def _ready(self, node: RedisServer) -> bool:
        covered = sum(end - start + 1 for start, end, *_ in node.cli("CLUSTER", "SLOTS"))
        return covered == _SLOTS and b"cluster_state:ok" in node.cli("CLUSTER", "INFO")


class RedisSentinel(RedisServer):
    """A sentinel that watches masters: {name: (host, port)}."""

    def __init__(self, masters: dict[str, tuple[str, int]], *lines: str, password: str = "") -> None:
        super().__init__(password=password)
        self._masters = masters
        self._lines = lines

    def _command_line(self, folder: Path) -> list[str]:
        config = [f"bind {self.host}", f"port {self.port}", f"dir {folder}", *self._lines]
        for name, (host, port) in self._masters.items():
            config += [
                f"sentinel monitor {name} {host} {port} 1",
                f"sentinel down-after-milliseconds {name} 60000",
            ]
        file = folder / "sentinel.conf"
        file.write_text("\n".join(config), encoding="utf-8")
        return [str(file), "--sentinel"]
