"""A Redis Cluster as one client: each question goes to the node that serves its key, one pipeline a node.

The map comes from CLUSTER SLOTS of any node that answers: first of those in use, then of the addresses in the
manifest. It is asked for again when a node says that a key has moved, when one does not answer (after a
failover somebody else serves its keys), and when nobody serves a key. What stays unanswered is the failure of
those questions only; the connection as a whole has failed when no node answers at all.

Nodes are connected to at the addresses that the cluster announces.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any

from scalers.redis.batch import Batch
from scalers.redis.client import CHECK_SECONDS, Client, Question
from scalers.redis.node import Node
from scalers.redis.session import ask_once
from scalers.redis.shared import Shared, first_answer
from scalers.redis.slots import Address, SlotMap, slot_map
from scalers.redis.targets import Targets, split
from scalers.sdk import Change, Host, Metadata, ScalerError, Unavailable

__all__ = ["ClusterClient"]

_ROUNDS = 4
"""How often a question is passed on before it is given up: a map, one that has changed meanwhile, an ASK."""
_MAP_SECONDS = 2.0
_STAGGER = 0.3
_CLUSTER_SLOTS = ("CLUSTER", "SLOTS")


class ClusterClient(Client):
    """See the module. `seeds` are addresses of nodes to begin with."""

    def __init__(self, name: str, seeds: Sequence[str], targets: Targets, host: Host) -> None:
        super().__init__()
        self._name = name
        self._seeds = seeds
        self._targets = targets
        self._wake_ups = host.wake_ups
        self._map: SlotMap | None = None
        self._nodes: dict[Address, Node] = {}
        self._loaded = Shared(self._load)
        self._closed = False

    async def ask(self, questions: Sequence[Question]) -> list[Any]:
        """See Client."""
        batch = Batch(questions, self._map or await self._loaded())
        for _ in range(_ROUNDS):
            groups = batch.groups()
            await asyncio.gather(*(self._ask(batch, place, which) for place, which in groups.items()))
            if batch.stale:
                batch.follow(await self._reload(batch))
            if batch.done:
                break
        return batch.replies

    async def changes(self, kind: type[Metadata]) -> AsyncIterator[Change]:
        """See Client. A node that is lost is a change of everything: reading it again connects again."""
        news = self.newsroom.of(kind)
        await self._any_session()
        while not self._closed:
            sessions = [node.present for node in self._nodes.values() if node.present is not None]
            if sessions and all(session.why_untold for session in sessions):
                raise NotImplementedError(sessions[0].why_untold)
            for change in news.take():
                yield change
            if not await news.wait(CHECK_SECONDS):
                await asyncio.gather(*(node.check() for node in list(self._nodes.values())))

    async def close(self) -> None:
        """See Client."""
        self._closed = True
        self.newsroom.nudge()
        await asyncio.gather(*(node.close() for node in self._nodes.values()))

    async def _ask(self, batch: Batch, place: Address, which: Sequence[int]) -> None:
        """Ask one node its part of the batch."""
        try:
            replies = await self._node(place).ask(batch.commands(which))
        except ScalerError as error:
            batch.failed(place, which, error)
        else:
            batch.answered(place, which, replies)

    async def _reload(self, batch: Batch) -> SlotMap:
        """The map as it is now. When no node can tell it, what has been answered counts all the same."""
        try:
            return await self._loaded()
        except ScalerError:
            if self._map is None or not batch.any_answered:
                raise
            return self._map

    async def _load(self) -> SlotMap:
        self._refuse_when_closed()
        try:
            async with asyncio.timeout(_MAP_SECONDS):
                slots = await first_answer(
                    list(self._who_may_know()), _STAGGER, "no node tells how the cluster's slots are served"
                )
        except TimeoutError:
            text = f"no node of {self._name} answers within {_MAP_SECONDS:g} s"
            raise Unavailable(text, connection=True) from None
        self._map = slots
        gone = [self._nodes.pop(place) for place in set(self._nodes) - set(slots.masters)]
        await asyncio.gather(*(node.close() for node in gone))
        return slots

    def _who_may_know(self) -> Iterator[Callable[[], Awaitable[SlotMap]]]:
        """Ways to get the map: of nodes in use, of nodes once known, of the manifest's addresses."""
        in_use = [place for place, node in self._nodes.items() if node.present is not None]
        yield from (partial(self._map_of, self._nodes[place], place) for place in in_use)
        known = self._map.masters if self._map is not None else ()
        names = [f"{host}:{port}" for host, port in known]
        tried = {f"{host}:{port}" for host, port in in_use}
        for name in dict.fromkeys((*names, *self._seeds)):
            if name not in tried:
                yield partial(self._map_from, name)

    async def _map_of(self, node: Node, place: Address) -> SlotMap:
        (reply,) = await node.ask([_CLUSTER_SLOTS])
        return slot_map(reply, place)

    async def _map_from(self, address: str) -> SlotMap:
        """By a connection of its own: whether this is a node, and under which address, is not known yet."""
        place = split(address)
        target = await self._targets.at(*place)
        (reply,) = await ask_once(target, [_CLUSTER_SLOTS])
        return slot_map(reply, place)

    def _node(self, place: Address) -> Node:
        node = self._nodes.get(place)
        if node is None:
            self._refuse_when_closed()
            node = self._nodes[place] = Node(
                f"{place[0]}:{place[1]}",
                partial(self._targets.at, *place),
                wake_ups=self._wake_ups,
                tell=self.newsroom.told,
            )
        return node

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise Unavailable(f"the connection to {self._name} is closed", connection=True)

    async def _any_session(self) -> None:
        """Connect to one node, to see whether nodes tell of changes. Raises ScalerError if none is up."""
        slots = self._map or await self._loaded()
        if not any(node.present for node in self._nodes.values()):
            pings = [partial(self._node(place).ask, [("PING",)]) for place in slots.masters]
            await first_answer(pings, _STAGGER, f"no node of {self._name} answers")
