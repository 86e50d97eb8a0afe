"""A local copy of one collection of the API server, kept up to date by list and watch.

watch.py decides what to do next, cache.py what has changed; this module does the one and feeds the other.
Changes that happened while we were not connected are found by the next list.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Generic, TypeVar

import msgspec
import structlog

from scaler.clock import Clock
from scaler.kube import errors
from scaler.kube.cache import Cache, Decode, Handler, Key, Relist
from scaler.kube.client import Kube
from scaler.kube.resources import Resource
from scaler.kube.watch import Ended, Failed, Lines, Listed, News, Position, Rested, Seen, State, step

__all__ = ["Reflector"]

_log = structlog.get_logger(__name__)

T = TypeVar("T")

_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, AttributeError, ValueError)


class Reflector(Generic[T]):
    """See the module. `run` is one task of the owner's.

    `decode` makes of an object what is worth keeping (`cache.trim` often will do); `handler` is told of every
    change. `on_relist` is called after every complete list, before the deletions that it shows are told,
    `on_problem` whenever something keeps us out of touch. The API server is asked to keep a watch open for some
    number of `watch_seconds`; when it is silent for `grace` real seconds longer, the connection is given up.
    `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        kube: Kube,
        resource: Resource,
        clock: Clock,
        *,
        decode: Decode[T],
        handler: Handler[T] | None = None,
        on_relist: Callable[[Relist], None] | None = None,
        on_problem: Callable[[errors.KubeError], None] | None = None,
        namespace: str | None = None,
        selector: str = "",
        field_selector: str = "",
        jitter: Callable[[], float] = random.random,  # noqa: S311 - no secret hangs on it.
        watch_seconds: tuple[int, int] = (300, 600),
        grace: float = 15.0,
    ) -> None:
        self._kube = kube
        self._resource = resource
        self._clock = clock
        self._on_relist = on_relist
        self._on_problem = on_problem
        self._namespace = namespace
        self._selector = selector
        self._field_selector = field_selector
        self._jitter = jitter
        self._watch_seconds = watch_seconds
        self._grace = grace
        self._cache = Cache(str(resource), decode, handler)
        self._position = Position()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.synced = asyncio.Event()
        """Set once a first complete list has been told."""
        self.epoch = 0
        """How many complete lists have been read."""
        self.problem: errors.KubeError | None = None
        """Why we are not in touch with the API server; None while we are."""

    def __len__(self) -> int:
        return len(self._cache)

    def get(self, namespace: str, name: str) -> T | None:
        """The object as last seen; None when there is none (or not yet: see `synced`)."""
        return self._cache.get(namespace, name)

    def snapshot(self) -> dict[Key, T]:
        """A copy: all objects by (namespace, name), as of now."""
        return self._cache.snapshot()

    async def run(self) -> None:
        """Follow the collection until closed or cancelled. Raises nothing else."""
        if self._closed:
            return
        self._task = asyncio.current_task()
        try:
            while True:
                news = await self._act()
                self._position = step(self._position, news, self._jitter())
        except asyncio.CancelledError:
            if not self._closed:
                raise
        finally:
            self._task = None

    async def close(self) -> None:
        """End `run`; the copy stays readable."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _act(self) -> News:
        """Do what the position asks for."""
        began = self._clock.monotonic()
        try:
            match self._position.state:
                case State.LISTING:
                    return await self._list()
                case State.WATCHING:
                    await self._watch()
                    return Ended(self._since(began))
                case State.RESTING:
                    await self._clock.sleep(self._position.delay)
                    return Rested()
        except errors.KubeError as error:
            self._note(error)
            return Failed(error, self._since(began))
        except _MALFORMED as error:
            action = f"{self._position.state.value} {self._resource}"
            malformed = errors.Unreachable(f"{action}: the answer makes no sense: {error!r}")
            self._note(malformed)
            return Failed(malformed, self._since(began))

    async def _list(self) -> News:
        token = self._position.token
        if not token:
            self._cache.begin_list()
        page = await self._kube.list_page(
            self._resource,
            self._namespace,
            selector=self._selector,
            field_selector=self._field_selector,
            token=token,
            patient=False,
        )
        for obj in page.items:
            self._cache.list(obj)
        self._note(None)
        if not page.token:
            self._complete()
        return Listed(page.version, page.token)

    def _complete(self) -> None:
        missing = self._cache.missing()
        self.epoch += 1
        if self._on_relist is not None:
            try:
                self._on_relist(Relist(self.epoch, len(self._cache) - len(missing), missing))
            except Exception as error:  # noqa: BLE001 - the copy must stay right whatever its readers do.
                _log.error("relist_hook_failed", resource=str(self._resource), exc_info=error)
        for key in missing:
            self._cache.remove(key)
        self.synced.set()

    async def _watch(self) -> None:
        lines = Lines()
        async with aclosing(self._open()) as pieces:
            async for piece in pieces:
                self._note(None)
                for line in lines.feed(piece):
                    self._event(line)

    def _open(self) -> AsyncGenerator[bytes, None]:
        low, high = self._watch_seconds
        seconds = low + int((high - low) * self._jitter())
        return self._kube.watch(
            self._resource,
            self._namespace,
            version=self._position.version,
            seconds=seconds,
            idle=seconds + self._grace,
            selector=self._selector,
            field_selector=self._field_selector,
        )

    def _event(self, line: bytes) -> None:
        """Take in one line of the watch. Raises KubeError for an ERROR event, _MALFORMED for what is none."""
        event = msgspec.json.decode(line)
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            raise errors.from_status(f"watch {self._resource}", obj)
        version = obj["metadata"]["resourceVersion"]
        if kind in {"ADDED", "MODIFIED"}:
            self._cache.update(obj)
        elif kind == "DELETED":
            self._cache.delete(obj)
        self._position = step(self._position, Seen(version, bookmark=kind == "BOOKMARK"))

    def _note(self, problem: errors.KubeError | None) -> None:
        if problem is None and self.problem is not None:
            _log.info("watch_recovered", resource=str(self._resource), namespace=self._namespace)
        elif problem is not None:
            # A cut watch that is resumed is no failure, and one that lasts need be told only once.
            log = _log.warning if self._position.failures == 1 else _log.debug
            log("watch_failed", resource=str(self._resource), namespace=self._namespace, error=str(problem))
        self.problem = problem
        if problem is not None and self._on_problem is not None:
            self._on_problem(problem)

    def _since(self, began: float) -> float:
        return (self._clock.monotonic() - began) / self._clock.factor
