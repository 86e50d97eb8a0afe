"""One kind in one namespace, as far as it is referred to: followed by a watch, or by reads where the Role forbids that.

Of objects nobody refers to only name and version are kept, so that a Secret's content is never held without need.
What was known stays known while the API server cannot be asked.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from scaler.clock import Clock
from scaler.control.versions import later
from scaler.kube.cache import Change
from scaler.kube.client import Kube
from scaler.kube.errors import Forbidden, KubeError, NotFound, Unreachable
from scaler.kube.reflector import Reflector
from scaler.kube.resources import Resource

__all__ = ["Collection"]

_log = structlog.get_logger(__name__)
_LISTED_WITHIN = 10.0
"""Real seconds that a read waits for the first list."""
_POLL = 4.0
"""Seconds between two reads of an object that may not be watched: a change must have reached its triggers after 5."""
_WATCH_AGAIN = 300.0
"""Seconds until a forbidden watch is tried once more."""
_AT_ONCE = 8
"""Reads at a time."""


@dataclass(slots=True)
class _Seen:
    """An object as last seen; `data` is None where it was not worth keeping."""

    name: str
    version: str
    data: Mapping[str, str] | None = field(repr=False)


class Collection:
    """See the module. `run` is a task of the owner's; `changed` is told the name of what changed, came or went."""

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        *,
        resource: Resource,
        namespace: str,
        content: Callable[[Mapping[str, Any]], Mapping[str, str]],
        changed: Callable[[str], None],
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._resource = resource
        self._namespace = namespace
        self._content = content
        self._changed = changed
        self._names: set[str] = set()
        self._answers: dict[str, _Seen] = {}
        """What reads returned, until the watch has caught up."""
        self._refused: dict[str, str] = {}
        """Of what may not be read: why."""
        self._reflector: Reflector[_Seen] | None = None
        self._polling = False
        self._ready = asyncio.Event()
        """The first list is complete, or refused."""
        self._refusal = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Nobody refers to anything in it."""
        return not self._names

    @property
    def manner(self) -> str:
        """`watch` or `poll`."""
        return "poll" if self._polling else "watch"

    async def get(self, name: str) -> Mapping[str, str] | None:
        """The object's content, kept up to date from now on; None when there is none. Raises KubeError."""
        self._names.add(name)
        known = self._known(name)
        if known is None:
            await self._listed()
            known = self._known(name)
        return known.data if known is not None else await self._ask(name)

    def forget(self, name: str) -> None:
        """Nobody refers to it any more."""
        self._names.discard(name)
        self._answers.pop(name, None)
        self._refused.pop(name, None)
        seen = self._seen(name)
        if seen is not None:
            seen.data = None

    async def run(self) -> None:
        """Follow the objects until cancelled."""
        while True:
            await self._watch()
            _log.warning(
                "watch_forbidden", resource=str(self._resource), namespace=self._namespace, now="read by name"
            )
            await self._poll()

    async def _watch(self) -> None:
        """Watch until that is forbidden. What was known is kept."""
        self._refusal.clear()
        self._reflector = reflector = Reflector(
            self._kube,
            self._resource,
            self._clock,
            decode=self._decode,
            handler=self._told,
            on_relist=lambda _: self._complete(),
            on_problem=self._out_of_touch,
            namespace=self._namespace,
        )
        task = asyncio.get_running_loop().create_task(reflector.run(), name=f"watch-{self._resource}")
        try:
            await self._refusal.wait()
        finally:
            await reflector.close()
            await asyncio.gather(task, return_exceptions=True)
        for name in self._names:
            known = self._known(name)
            if known is not None:
                self._answers[name] = known
        self._reflector = None

    async def _poll(self) -> None:
        """Read what is referred to, again and again, until it is time to try the watch once more."""
        due = self._clock.monotonic()
        end = due + _WATCH_AGAIN
        slots = asyncio.Semaphore(_AT_ONCE)
        while due < end:
            due += _POLL
            await self._clock.sleep_until(due)
            await asyncio.gather(*(self._look(name, slots) for name in sorted(self._names)))

    async def _look(self, name: str, slots: asyncio.Semaphore) -> None:
        before = self._state(name)
        try:
            async with slots:
                await self._ask(name)
        except Forbidden:
            pass  # That, too, is news when it was allowed before.
        except KubeError:
            return
        if name in self._names and self._state(name) != before:
            self._changed(name)

    async def _ask(self, name: str) -> Mapping[str, str] | None:
        try:
            obj = await self._kube.get(self._resource, name, self._namespace)
        except NotFound:
            self._answers.pop(name, None)
            self._refused.pop(name, None)
            return None
        except Forbidden as error:
            self._answers.pop(name, None)
            if name in self._names:
                self._refused[name] = str(error)
            raise
        try:
            data, version = self._content(obj), obj["metadata"]["resourceVersion"]
        except (LookupError, TypeError, AttributeError):
            # Not `from`: the cause may hold a value.
            raise Unreachable(
                f"get {self._resource} {self._namespace}/{name}: the answer makes no sense"
            ) from None
        self._refused.pop(name, None)
        if name in self._names:
            self._answers[name] = _Seen(name, version, data)
        known = self._known(name)
        return data if known is None else known.data

    async def _listed(self) -> None:
        try:
            async with self._clock.deadline(_LISTED_WITHIN):
                await self._ready.wait()
        except TimeoutError as error:
            problem = self._reflector.problem if self._reflector is not None else None
            text = f"{self._resource} in {self._namespace} could not be listed yet: {problem or 'no answer'}"
            raise Unreachable(text) from error

    def _known(self, name: str) -> _Seen | None:
        """The newest content we have."""
        seen, answer = self._seen(name), self._answers.get(name)
        if seen is None or seen.data is None:
            return answer
        return answer if answer is not None and later(answer.version, seen.version) else seen

    def _seen(self, name: str) -> _Seen | None:
        return self._reflector.get(self._namespace, name) if self._reflector is not None else None

    def _state(self, name: str) -> tuple[Mapping[str, str] | None, str]:
        known = self._known(name)
        return None if known is None else known.data, self._refused.get(name, "")

    # What the watch tells.

    def _decode(self, obj: Mapping[str, Any]) -> _Seen:
        meta = obj["metadata"]
        data = self._content(obj) if meta["name"] in self._names else None
        return _Seen(meta["name"], meta["resourceVersion"], data)

    def _told(self, _: Change, old: _Seen | None, new: _Seen | None) -> None:
        shown = new or old
        if shown is None or shown.name not in self._names or not self._ready.is_set():
            return  # In the first list: whoever wants to know is waiting for its end.
        name, answer = shown.name, self._answers.get(shown.name)
        if new is not None and answer is not None and later(answer.version, new.version):
            return  # Older than what we read.
        self._answers.pop(name, None)
        before = answer if answer is not None else old
        if new is None or before is None or before.data != new.data:
            self._changed(name)

    def _complete(self) -> None:
        """A list was read. What it lacks may have gone while we did not watch: whoever needs it asks again."""
        self._polling = False
        for name in [name for name in self._answers if self._seen(name) is None]:
            del self._answers[name]
            self._changed(name)
        self._ready.set()

    def _out_of_touch(self, problem: KubeError) -> None:
        if isinstance(problem, Forbidden):
            self._polling = True
            self._refusal.set()
            self._ready.set()
