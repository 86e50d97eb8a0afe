"""Questions to a cluster on their way: where each is to be asked next, and what came of it. Pure.

A reply may send a question on: MOVED for good, ASK for this once. A question that a node leaves without an
answer goes to whoever serves its key on a fresh map, if that is somebody else.
"""

from collections.abc import Sequence
from typing import Any

from hiredis import ReplyError

from scalers.redis.client import Question
from scalers.redis.errors import first_word
from scalers.redis.link import Command
from scalers.redis.slots import Address, SlotMap, redirection, slot_of
from scalers.sdk import ScalerError, Unavailable

__all__ = ["Batch"]


class Batch:
    """See the module. A turn is `groups`, then `failed` or `answered` for each of them, then `follow` if `stale`."""

    def __init__(self, questions: Sequence[Question], slots: SlotMap) -> None:
        self.replies: list[Any] = [None] * len(questions)
        self.any_answered = False
        self._questions = questions
        self._next: dict[int, Address | None] = {at: slots.of(key) for at, (key, _) in enumerate(questions)}
        self._asking: set[int] = set()
        self._lost: dict[int, Address | None] = {}
        self._moved = False

    @property
    def done(self) -> bool:
        """Is nothing left to be asked?"""
        return not self._next

    @property
    def stale(self) -> bool:
        """Is a fresh map wanted?"""
        return self._moved or bool(self._lost)

    def groups(self) -> dict[Address, list[int]]:
        """The questions to ask now, by their numbers, for each node."""
        groups: dict[Address, list[int]] = {}
        for at, place in self._next.items():
            if place is None:
                slot = slot_of(self._questions[at][0])
                self.replies[at] = Unavailable(f"no node of the cluster serves slot {slot}")
                self._lost[at] = None
            else:
                groups.setdefault(place, []).append(at)
        self._next = {}
        return groups

    def commands(self, which: Sequence[int]) -> list[Command]:
        """What to send for these questions of one group."""
        if not self._asking:
            return [self._questions[at][1] for at in which]
        commands: list[Command] = []
        for at in which:
            if at in self._asking:
                commands.append(("ASKING",))
            commands.append(self._questions[at][1])
        return commands

    def failed(self, place: Address, which: Sequence[int], error: ScalerError) -> None:
        """The node answered none of these."""
        for at in which:
            self._asking.discard(at)
            self.replies[at] = error
            if error.connection:
                self._lost[at] = place

    def answered(self, place: Address, which: Sequence[int], replies: Sequence[Any]) -> None:
        """The node's replies to `commands(which)`."""
        self.any_answered = True
        coming = iter(replies)
        for at in which:
            if at in self._asking:
                self._asking.discard(at)
                next(coming)
            reply = self.replies[at] = next(coming)
            if isinstance(reply, ReplyError):
                self._pass_on(at, place, reply)

    def follow(self, slots: SlotMap) -> None:
        """Go by this map. What it changes nothing about has failed, and that is not the whole connection's fault."""
        self._moved = False
        for at, place in self._lost.items():
            other = slots.of(self._questions[at][0])
            if other is not None and other != place:
                self._next[at] = other
            elif isinstance(self.replies[at], ScalerError):
                self.replies[at] = Unavailable(str(self.replies[at]))
        self._lost = {}

    def _pass_on(self, at: int, place: Address, reply: ReplyError) -> None:
        word = first_word(reply)
        if word == "CLUSTERDOWN":
            self._lost[at] = place
        elif word in {"MOVED", "ASK"}:
            self._next[at] = redirection(reply, place)
            self.replies[at] = Unavailable("its key is being moved from node to node of the cluster")
            if word == "ASK":
                self._asking.add(at)
            else:
                self._moved = True
