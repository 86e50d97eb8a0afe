"""One process of several leads: the keeper of a Lease, by the rules of `lease`.

It works in a thread of its own, with a loop and connections of its own, so that an event loop that stands still cannot
lose the Lease unnoticed. Whether we may write is answered from one number, by the clock, without IO or a lock: a process
that was stopped and goes on gets the right answer at once.

The loop says that it lives by `beat`. Standing still for less than `Terms.loop_limit` keeps the Lease on purpose, since
handing over would take as long; beyond, the Lease is released and the reign is over, whatever the loop does later.

An API server out of reach closes the fence after `Terms.renew_deadline` but does not end the reign: only the Lease itself
can say that somebody else took over, and a renewal that succeeds proves that nobody did.
"""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from scaler.clock import Clock
from scaler.kube.access import Access
from scaler.kube.client import Kube, Object
from scaler.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from scaler.kube.lease import Record, Seen, Step, Terms, claim, document, read, released, see, step
from scaler.kube.resources import LEASES

__all__ = ["Elector", "Reign"]

_log = structlog.get_logger(__name__)

_SPREAD = 0.2
"""Waits are longer by up to this part, so that candidates do not go on in step."""
_SOON = 0.05
_LOGIN = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Reign:
    """One time as the leader. `over` is set, on the loop that waited for it, once somebody else may lead."""

    over: asyncio.Event = field(default_factory=asyncio.Event)


class Elector:
    """See the module. `start`, then `reign` as often as needed, then `close`, all on one event loop.

    `reach` gives the access to the API server; it is called in the thread. `identity` must be nobody else's, in no other
    process either. `address` is where the holder serves the feed. `jitter` gives numbers in [0, 1).
    """

    def __init__(
        self,
        reach: Callable[[], Awaitable[Access]],
        clock: Clock,
        *,
        namespace: str,
        name: str,
        identity: str,
        address: str = "",
        terms: Terms | None = None,
        jitter: Callable[[], float] = random.random,  # noqa: S311 - no secret hangs on it.
    ) -> None:
        self._reach = reach
        self._clock = clock
        self._place = namespace, name
        self._identity = identity
        self._address = address
        self._terms = terms or Terms()
        self._jitter = jitter
        self._thread = threading.Thread(target=self._run, name="elector", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inner: tuple[asyncio.AbstractEventLoop, asyncio.Task[None] | None] | None = None
        self._waiter: asyncio.Future[Reign] | None = None
        self._ended: asyncio.Event | None = None
        # What both threads touch: each is written whole, by one of them at a time.
        self._sent: float | None = None
        self._beat = 0.0
        self._wanted = False
        self._closing = False
        # The thread's own.
        self._reign: Reign | None = None
        self._seen: Seen | None = None
        self._live: Object | None = None
        self._trouble = ""
        self._kube: Kube | None = None
        self._at_once = False

    @property
    def holder(self) -> str:
        """Who holds the Lease, as last read; "" when nobody does, or it was not read yet."""
        seen = self._seen
        return seen.record.holder if seen is not None and seen.record is not None else ""

    def may_write(self) -> bool:
        """Is the last renewal young enough at this moment?"""
        return self.time_for_write() > 0

    def time_for_write(self) -> float:
        """Real seconds in which a write sent now must be over; 0 or less: none may be sent."""
        sent = self._sent
        if sent is None:
            return 0.0
        now = self._now()
        if now >= sent + self._terms.renew_deadline:
            return 0.0
        return sent + self._terms.duration - self._terms.margin - now

    def beat(self) -> None:
        """The event loop lives. To be called at least once a second."""
        self._beat = self._now()

    def start(self) -> None:
        """Begin to follow the Lease. Nothing is asked for before `reign`."""
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.beat()
        self._thread.start()

    async def reign(self) -> Reign:
        """Ask for the Lease, and return once it is ours."""
        waiter: asyncio.Future[Reign] = asyncio.get_running_loop().create_future()
        self._waiter, self._wanted = waiter, True
        try:
            return await waiter
        finally:
            self._waiter, self._wanted = None, False

    async def close(self) -> None:
        """Let go of the Lease. The fence is closed from here on, so the last write must be over."""
        self._sent = None
        self._closing = True
        if self._ended is None:
            return
        if self._inner is not None:
            inner, task = self._inner
            with suppress(RuntimeError):  # It has ended by itself.
                inner.call_soon_threadsafe(lambda: task is not None and task.cancel())
        await self._ended.wait()
        self._thread.join()

    def _now(self) -> float:
        return self._clock.monotonic() / self._clock.factor

    # From here on, the thread.

    def _run(self) -> None:
        try:
            asyncio.run(self._keep())
        finally:
            self._end_reign()
            if self._ended is not None:
                self._tell(self._ended.set)

    async def _keep(self) -> None:
        self._inner = asyncio.get_running_loop(), asyncio.current_task()
        try:
            while not self._closing:
                await self._try()
                await self._rest()
        except asyncio.CancelledError:
            if not self._closing:
                raise
        finally:
            if self._kube is not None:
                await self._release(self._kube)
                await self._kube.close()

    async def _try(self) -> None:
        """A turn; what keeps it from succeeding is told, and tried again."""
        terms = self._terms
        try:
            if self._kube is None:
                async with self._clock.deadline(_LOGIN):
                    access = await self._reach()
                self._kube = Kube(access, self._clock, timeout=terms.timeout, concurrency=2)
            async with self._clock.deadline(terms.timeout):
                await self._turn(self._kube)
            self._note("")
        except (KubeError, TimeoutError) as error:
            self._note(str(error) or f"no answer within {terms.timeout:g} s")
        except Exception as error:  # noqa: BLE001 - a thread that ends would lead nobody any more.
            _log.error("lease_turn_failed", exc_info=error)

    async def _turn(self, kube: Kube) -> None:
        """One look at the Lease, and what follows."""
        held = self._reign is not None
        if held and self._now() - self._beat > self._terms.loop_limit:
            _log.error("lease_given_up", why="the event loop stands still", seconds=self._terms.loop_limit)
            await self._release(kube)
            return
        seen = self._seen if held and self._seen is not None else await self._look(kube)
        doing = step(seen, self._identity, held=held, now=self._now(), terms=self._terms)
        if doing is Step.LOST:
            _log.warning("lease_lost", holder=self.holder)
            self._end_reign()
        elif doing is Step.RENEW or (doing is Step.ACQUIRE and self._eligible()):
            await self._write(kube, seen.record)

    def _eligible(self) -> bool:
        """Only who asked may lead, and only while its loop moves."""
        alive = self._now() - self._beat < self._terms.timeout
        return self._wanted and alive and not self._closing

    async def _look(self, kube: Kube) -> Seen:
        namespace, name = self._place
        try:
            self._live = await kube.get(LEASES, name, namespace)
        except NotFound:
            self._live = None
        record = read(self._live) if self._live is not None else None
        self._seen = seen = see(self._seen, record, self._now())
        return seen

    async def _write(self, kube: Kube, record: Record | None) -> None:
        sent = self._now()
        wanted = claim(record, self._identity, self._address, self._clock.now(), self._terms)
        try:
            await self._put(kube, wanted)
        except (Conflict, AlreadyExists, NotFound):
            # Somebody was quicker. What we hold is only lost when the Lease says so.
            await self._look(kube)
            self._at_once = True
            return
        if not self._closing:
            self._sent = sent
        if self._reign is None:
            self._begin_reign()

    async def _put(self, kube: Kube, record: Record) -> None:
        obj = document(record, self._live, *self._place)
        self._live = await (kube.create(LEASES, obj) if self._live is None else kube.replace(LEASES, obj))
        self._seen = see(self._seen, read(self._live), self._now())

    async def _release(self, kube: Kube) -> None:
        """Give the Lease back, if the API server can still be told; else it runs out by itself."""
        self._end_reign()
        try:
            async with self._clock.deadline(self._terms.timeout):
                with suppress(Conflict):
                    await self._give(kube)
                    return
                await self._look(kube)  # A renewal that was cut off had arrived.
                await self._give(kube)
        except (KubeError, TimeoutError) as error:
            _log.warning("lease_not_released", error=str(error) or "no answer in time")

    async def _give(self, kube: Kube) -> None:
        record = self._seen.record if self._seen is not None else None
        if record is not None and record.holder == self._identity:
            await self._put(kube, released(record, self._clock.now()))
            _log.info("lease_released", lease="/".join(self._place))

    async def _rest(self) -> None:
        """Until the next turn."""
        if self._at_once:
            self._at_once = False
            await self._clock.pause(_SOON)
            return
        seen, terms = self._seen, self._terms
        wait = terms.retry * (1 + _SPREAD * self._jitter())
        record = seen.record if seen is not None else None
        if self._reign is None and seen is not None and record is not None and record.holder:
            # Take over when it is over, not a full wait later.
            left = seen.since + (record.duration or terms.duration) - self._now()
            if left > 0:
                wait = min(wait, left + _SOON * (1 + self._jitter()))
        await self._clock.pause(wait)

    def _begin_reign(self) -> None:
        reign = self._reign = Reign()
        self._wanted = False
        _log.info("leading", lease="/".join(self._place), identity=self._identity)
        self._tell(lambda: self._hand(reign))

    def _hand(self, reign: Reign) -> None:
        """On the event loop: the reign begins."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(reign)

    def _end_reign(self) -> None:
        self._sent = None
        reign, self._reign = self._reign, None
        if reign is not None:
            self._tell(reign.over.set)

    def _tell(self, what: Callable[[], object]) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # The loop is closed: nobody listens.
                loop.call_soon_threadsafe(what)

    def _note(self, trouble: str) -> None:
        """Tell of trouble when it begins, changes or ends."""
        if trouble == self._trouble:
            return
        if trouble:
            _log.warning(
                "lease_trouble", lease="/".join(self._place), error=trouble, leading=self.may_write()
            )
        else:
            _log.info("lease_recovered", lease="/".join(self._place))
        self._trouble = trouble
