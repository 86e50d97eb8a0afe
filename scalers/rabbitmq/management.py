"""What the HTTP triggers of one broker share: the management API, asked as cheaply for the broker as can be.

Queues are asked for one by one, or all of a virtual host by pages, whichever costs the broker less (census).
Only the columns that are used are fetched. What has no statistics yet has no number: it is not empty.
"""

import asyncio
import contextlib
import copy
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

from yarl import URL

from scalers.http import TIMEOUT, Answer, Credentials, HttpClient, Tls
from scalers.http import open_client as open_http
from scalers.rabbitmq import listing
from scalers.rabbitmq.census import PAGE, Census, pages_cost
from scalers.rabbitmq.figures import OPERATIONS, Figures, compose
from scalers.rabbitmq.listing import Page, Queue
from scalers.sdk import Host, InvalidMetadata, NoData, NotFound, ScalerError, Unauthorized, Unavailable

__all__ = ["Ask", "ManagementClient", "open_client"]

_CONNECTIONS = 4
_MOST_PAGES = 20
"""Of what one regular expression may match."""
_BOUND_REMEMBERED = 300.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one trigger wants. `operation` None: `name` is one queue, not a regular expression."""

    vhost: str
    name: str
    rates: bool = False
    ready_only: bool = False
    operation: str | None = None
    page_size: int = PAGE


class _Batch:
    """One batch of reads. When nothing answers any more, those that were not sent are not tried."""

    def __init__(self) -> None:
        self._unanswered = 0
        self._failure: Unavailable | None = None

    def check(self) -> None:
        """Raises Unavailable if trying is useless."""
        if self._failure is not None and self._unanswered >= _CONNECTIONS:
            raise copy.copy(self._failure)

    def answered(self) -> None:
        """The broker has answered something."""
        self._unanswered = 0

    def failed(self, failure: Unavailable) -> None:
        """It has not."""
        self._unanswered += 1
        self._failure = failure


class ManagementClient:
    """See the module. `base` is the URL of the API without /api; `login`: is any shown?"""

    def __init__(self, http: HttpClient, base: str, *, patience: float, login: bool) -> None:
        self._http = http
        self._base = base
        self._timeout = patience or TIMEOUT
        self._login = login
        self._slots = asyncio.Semaphore(_CONNECTIONS)
        self._censuses: defaultdict[str, Census] = defaultdict(Census)
        self._bound: int | None = None
        self._bound_asked = -_BOUND_REMEMBERED
        self._counting = asyncio.Lock()

    async def figures(self, asks: Sequence[Ask]) -> list[Figures | ScalerError]:
        """What is read for each, in order."""
        batch, answers = _Batch(), dict[Ask, Figures | ScalerError]()
        queues: defaultdict[str, list[Ask]] = defaultdict(list)
        expressions = []
        for ask in dict.fromkeys(asks):
            if ask.operation is None:
                queues[ask.vhost].append(ask)
            else:
                expressions.append(ask)

        async def vhost(name: str) -> None:
            answers.update(await self._vhost(name, queues[name], batch))

        async def expression(ask: Ask) -> None:
            answers[ask] = await _caught(self._expression(ask, batch))

        await asyncio.gather(_each(vhost, queues), _each(expression, expressions))
        return [answers[ask] for ask in asks]

    # Queues by name.

    async def _vhost(
        self, vhost: str, asks: Sequence[Ask], batch: _Batch
    ) -> dict[Ask, Figures | ScalerError]:
        names = list(dict.fromkeys(ask.name for ask in asks))
        rates = any(ask.rates for ask in asks)
        found: dict[str, Queue | ScalerError] = {}
        if await self._pays(vhost, len(names), batch):
            found = await self._pages(vhost, names, rates=rates, batch=batch)
        # Queues that come and go while pages are fetched shift the others: only a GET knows what is missing.
        rest = [name for name in names if name not in found]
        self._censuses[vhost].asked(len(rest))

        async def get(name: str) -> None:
            found[name] = await _caught(self._queue(vhost, name, rates=rates, batch=batch))

        await _each(get, rest)
        return {ask: _figures(found[ask.name], ask) for ask in asks}

    async def _pays(self, vhost: str, wanted: int, batch: _Batch) -> bool:
        census, now = self._censuses[vhost], _now()
        if census.needs_bound(wanted, now):
            await self._count_all(batch)
        return census.pays(wanted, self._bound, now)

    async def _count_all(self, batch: _Batch) -> None:
        """Learn how many queues there are that we may see. Who may not ask this goes on without."""
        async with self._counting:
            if _now() < self._bound_asked + _BOUND_REMEMBERED:
                return
            self._bound_asked, self._bound = _now(), None
            with contextlib.suppress(ScalerError):
                answer = await self._get("overview", batch, columns="object_totals", disable_stats="true")
                self._bound = listing.total(answer)

    async def _pages(
        self, vhost: str, names: Sequence[str], *, rates: bool, batch: _Batch
    ) -> dict[str, Queue | ScalerError]:
        """Those of the queues that are on the virtual host's pages; all with the error of a page that failed."""
        found: dict[str, Queue | ScalerError] = {}
        failures: list[ScalerError] = []

        async def page(number: int) -> Page:
            answer = await self._get(
                f"queues/{_part(vhost, 'vhost')}",
                batch,
                page=number,
                page_size=PAGE,
                columns=listing.columns(rates=rates),
            )
            return self._page(answer, vhost)

        async def another(number: int) -> None:
            taken = await _caught(page(number))
            if isinstance(taken, ScalerError):
                failures.append(taken)
            else:
                found.update((queue.name, queue) for queue in taken.items)

        first = await _caught(page(1))
        if isinstance(first, ScalerError):
            return dict.fromkeys(names, first)
        found.update((queue.name, queue) for queue in first.items)
        self._censuses[vhost].count(first.total_count, _now())
        if pages_cost(first.total_count) <= len(names):
            await _each(another, range(2, first.page_count + 1))
        if failures:
            return dict.fromkeys(names, failures[0]) | found
        return found

    async def _queue(self, vhost: str, name: str, *, rates: bool, batch: _Batch) -> Queue:
        path = f"queues/{_part(vhost, 'vhost')}/{_part(name, 'queueName')}"
        answer = await self._get(path, batch, columns=listing.columns(rates=rates))
        if answer.status == 404 and listing.is_api(answer):
            raise NotFound(f"the queue {name!r} does not exist in the virtual host {vhost!r}")
        return listing.queue(_good(answer))

    # Queues by a regular expression.

    async def _expression(self, ask: Ask, batch: _Batch) -> Figures:
        if ask.operation not in OPERATIONS:
            raise InvalidMetadata(f"operation {ask.operation!r} must be one of {', '.join(OPERATIONS)}")
        queues: list[Queue] = []
        number, pages = 1, 1
        while number <= pages:
            answer = await self._get(
                f"queues/{_part(ask.vhost, 'vhost')}",
                batch,
                page=number,
                use_regex="true",
                pagination="false",
                name=ask.name,
                page_size=min(ask.page_size, PAGE),
                columns=listing.columns(rates=ask.rates),
            )
            if answer.status == 400 and number == 1:
                raise InvalidMetadata(f"queueName is not accepted as a regular expression: {answer.said}")
            page = self._page(answer, ask.vhost)
            queues += page.items
            number, pages = number + 1, page.page_count
            if pages > _MOST_PAGES:
                raise NoData(
                    f"the regular expression matches more than {_MOST_PAGES} pages of queues;"
                    " write a narrower one, or a larger pageSize"
                )
        found = [_figures(queue, ask) for queue in queues]
        for one in found:
            if isinstance(one, ScalerError):
                raise one
        return compose([one for one in found if isinstance(one, Figures)], ask.operation)

    # The API.

    @staticmethod
    def _page(answer: Answer, vhost: str) -> Page:
        if answer.status == 404 and listing.is_api(answer):
            raise NotFound(f"the virtual host {vhost!r} does not exist")
        if answer.status == 400 and listing.is_out_of_range(answer):
            return Page(items=[])  # There were more queues a moment ago.
        return listing.page(_good(answer))

    async def _get(self, path: str, batch: _Batch, **query: str | int) -> Answer:
        url = URL(f"{self._base}/api/{path}?{urlencode(query, quote_via=quote)}", encoded=True)
        async with self._slots:
            batch.check()
            try:
                answer = await self._http.get(url, timeout=self._timeout)
            except Unavailable as error:
                batch.failed(error)
                raise
            except Unauthorized:
                if self._login:
                    raise
                raise Unauthorized(
                    "the management API wants a login, and none is given: write user:password@ in host,"
                    " or username and password in a TriggerAuthentication"
                ) from None
        batch.answered()
        return answer


async def _each(work: Callable[[T], Awaitable[None]], items: Iterable[T]) -> None:
    """Do it for every item, a few at a time."""
    queue = deque(items)

    async def worker() -> None:
        while queue:
            await work(queue.popleft())

    await asyncio.gather(*(worker() for _ in range(min(_CONNECTIONS, len(queue)))))


async def _caught(read: Awaitable[T]) -> T | ScalerError:
    try:
        return await read
    except ScalerError as error:
        return error


def _figures(queue: Queue | ScalerError, ask: Ask) -> Figures | ScalerError:
    if isinstance(queue, ScalerError):
        return queue
    try:
        return listing.figures(queue, rates=ask.rates, ready_only=ask.ready_only)
    except NoData as error:
        return error


def _part(name: str, field: str) -> str:
    """A name as one part of a path. Raises InvalidMetadata for the two that no path can hold."""
    if name in {".", ".."}:
        raise InvalidMetadata(
            f"{field} {name!r} cannot be asked for over HTTP, where it means a folder; use amqp"
        )
    return quote(name, safe="")


def _good(answer: Answer) -> Answer:
    if answer.status != 200:
        raise answer.refusal()
    return answer


def _now() -> float:
    return asyncio.get_running_loop().time()


@contextlib.asynccontextmanager
async def open_client(
    host: Host, base: str, *, credentials: Credentials, tls: Tls, patience: float
) -> AsyncIterator[ManagementClient]:
    """A client for a broker's management API. Connects when first asked.

    `patience`: the deadline of a request in seconds, 0 for the usual one.
    """
    async with open_http(host, base, credentials=credentials, tls=tls, connections=_CONNECTIONS) as http:
        yield ManagementClient(http, base, patience=patience, login=credentials.some)
