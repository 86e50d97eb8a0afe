"""Asking the API server who a token's holder is (TokenReview), and what somebody may do (SubjectAccessReview).

What it says holds for some seconds and is asked for once at a time, so a burst of equal requests costs one review. Who
may read every metric of every namespace, as the HPA controller may, is asked about that, and costs one review each ten
seconds, however many metrics there are. What cannot be found out is no answer: the caller refuses.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from metrics_adapter.attributes import Attributes
from metrics_adapter.authn import User
from metrics_adapter.documents import GROUP, VERSION
from scaler.clock import Clock
from scaler.kube.errors import Forbidden, KubeError
from scaler.kube.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource

__all__ = ["Limits", "Reviewer", "Reviews", "Unanswered"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_READS: Final = frozenset({"get", "list"})
_DELEGATOR: Final = "bind the adapter's ServiceAccount to the ClusterRole system:auth-delegator"


class Reviewer(Protocol):
    """What is needed of a Kubernetes client. Its errors are those of scaler.kube."""

    async def create(self, resource: Resource, obj: Mapping[str, Any]) -> dict[str, Any]:
        """Post a review; returns it with its status."""
        ...


class Unanswered(Exception):
    """The API server did not say. The text, for the log, says why and names the mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long, and how many. Times are in seconds."""

    keep: float = 10.0
    """An answer holds so long, yes or no: as long as a generic API server's."""

    most: int = 4096
    """So many answers are kept; the oldest goes for a new one."""

    deadline: float = 5.0
    """A review must be answered within this real time, waiting for its turn included."""

    strangers: int = 4
    """Reviews at a time for those who came past the front proxy: they cannot use up the API server's patience for us."""

    breath: float = 0.02
    """So long (real seconds) each of those holds its turn before it asks: with four, at most 200 reviews a second."""

    proxied: int = 16
    """Reviews at a time for those whom the front proxy sent."""


class Reviews:
    """See the module."""

    def __init__(self, clock: Clock, kube: Reviewer, limits: Limits | None = None) -> None:
        self._clock = clock
        self._kube = kube
        self._limits = limits = limits or Limits()
        self._turns = {False: asyncio.Semaphore(limits.strangers), True: asyncio.Semaphore(limits.proxied)}
        self._salt = secrets.token_bytes(32)
        self._users = _Memory[bytes, User | None](clock, limits)
        self._verdicts = _Memory[tuple[User, Attributes], bool](clock, limits)

    async def close(self) -> None:
        """Give up what is being asked."""
        await self._users.close()
        await self._verdicts.close()

    async def identify(self, token: str) -> User | None:
        """Whose token it is; None: nobody's, or not for the API server. Raises Unanswered."""

        async def ask() -> User | None:
            status = await self._review(TOKEN_REVIEWS, {"token": token}, proxied=False)
            return _user(status.get("user")) if status.get("authenticated") is True else None

        # A token is not kept, only what tells it from others, and that only with this process' salt.
        return await self._users.get(hashlib.blake2b(token.encode(), key=self._salt).digest(), ask)

    async def allows(self, user: User, asked: Attributes, *, proxied: bool) -> bool:
        """May the user do this? `proxied`: the front proxy sent them. Raises Unanswered."""
        if asked.group == GROUP and asked.verb in _READS and not asked.subresource:
            # In Kubernetes' terms `*` is every resource, and no namespace every one.
            every = Attributes(verb=asked.verb, group=GROUP, version=VERSION, resource="*")
            if await self._allowed(user, every, proxied=proxied):
                return True
        return await self._allowed(user, asked, proxied=proxied)

    async def _allowed(self, user: User, asked: Attributes, *, proxied: bool) -> bool:
        async def ask() -> bool:
            status = await self._review(SUBJECT_ACCESS_REVIEWS, _question(user, asked), proxied=proxied)
            return status.get("allowed") is True and status.get("denied") is not True

        return await self._verdicts.get((user, asked), ask)

    async def _review(self, resource: Resource, spec: dict[str, Any], *, proxied: bool) -> dict[str, Any]:
        review = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, "spec": spec}
        try:
            async with self._clock.deadline(self._limits.deadline), self._turns[proxied]:
                if not proxied:
                    await self._clock.pause(self._limits.breath)
                status = (await self._kube.create(resource, review)).get("status")
        except TimeoutError:
            raise Unanswered(f"{resource}: no answer within {self._limits.deadline:g} s") from None
        except Forbidden as error:
            raise Unanswered(f"{error}; {_DELEGATOR}") from error
        except KubeError as error:
            raise Unanswered(str(error)) from error
        if not isinstance(status, dict):
            raise Unanswered(f"{resource}: the answer has no status")
        return status


class _Memory(Generic[K, V]):
    """Answers for a while, each asked for by one at a time."""

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._kept: dict[K, tuple[float, V]] = {}
        self._asking: dict[K, asyncio.Task[V]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        kept = self._kept.get(key)
        if kept is not None and self._now() < kept[0]:
            return kept[1]
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._ask(key, ask), name="review")
            asking.add_done_callback(_seen)
        return await asyncio.shield(asking)  # Who goes away leaves the others their answer.

    async def close(self) -> None:
        asking = tuple(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _now(self) -> float:
        """Real seconds: how long others may rely on an answer is no schedule to be sped up."""
        return self._clock.monotonic() / self._clock.factor

    async def _ask(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        began = self._now()  # An answer is as old as its question.
        try:
            answer = await ask()
        finally:
            self._asking.pop(key, None)
        self._kept.pop(key, None)
        self._kept[key] = began + self._limits.keep, answer
        if len(self._kept) > self._limits.most:
            del self._kept[next(iter(self._kept))]
        return answer


def _seen(task: asyncio.Task[Any]) -> None:
    """Where nobody waits any longer, nobody is told of its failure."""
    if not task.cancelled():
        task.exception()


def _question(user: User, asked: Attributes) -> dict[str, Any]:
    spec: dict[str, Any] = {"user": user.name, "groups": list(user.groups)}
    if user.uid:
        spec["uid"] = user.uid
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra}
    if asked.path:
        return spec | {"nonResourceAttributes": {"path": asked.path, "verb": asked.verb}}
    names = ("namespace", "verb", "group", "version", "resource", "subresource", "name")
    about = {name: value for name in names if (value := getattr(asked, name))}
    return spec | {"resourceAttributes": about}


def _user(info: Any) -> User | None:
    """A UserInfo; None where it names nobody."""
    if not isinstance(info, dict) or not isinstance(info.get("username"), str) or not info["username"]:
        return None
    extra = info.get("extra") or {}
    return User(
        info["username"],
        tuple(map(str, info.get("groups") or ())),
        str(info.get("uid") or ""),
        tuple(sorted((str(key), tuple(map(str, values or ()))) for key, values in extra.items())),
    )
