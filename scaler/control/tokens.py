"""Short-lived tokens of ServiceAccounts, asked for by name and renewed before they end.

A token is shared by all that name the same account, and replaced when four fifths of its life are over: the change reaches
the triggers as that of a Secret does, while the old one is still good.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from scaler.clock import Clock
from scaler.control.references import Ref
from scaler.kube.client import Kube
from scaler.kube.errors import KubeError, Unreachable
from scaler.kube.resources import SERVICE_ACCOUNTS

__all__ = ["Tokens"]

_log = structlog.get_logger(__name__)
_RENEW_AT = 0.8
"""The part of a token's life after which it is renewed, as the kubelet does."""
_AGAIN = 4.0
"""Seconds until a failed request is tried again."""


@dataclass(slots=True, eq=False)
class _Account:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: str = field(default="", repr=False)
    renew: float = 0.0
    """When, by the clock's monotonic time."""
    ends: float = 0.0
    keeper: asyncio.Task[None] | None = None


class Tokens:
    """See the module. `seconds` is the life asked for; `changed` is told of every new token."""

    def __init__(self, kube: Kube, clock: Clock, *, seconds: float, changed: Callable[[Ref], None]) -> None:
        self._kube = kube
        self._clock = clock
        self._seconds = seconds
        self._changed = changed
        self._accounts: dict[Ref, _Account] = {}

    async def get(self, ref: Ref) -> str:
        """The account's present token, renewed from now on. Raises KubeError: NotFound, Forbidden, not just now."""
        account = self._accounts.get(ref)
        if account is None:
            account = self._accounts[ref] = _Account()
            account.keeper = asyncio.get_running_loop().create_task(
                self._keep(ref, account), name=f"keep {ref}"
            )
        async with account.lock:
            if self._clock.monotonic() >= account.ends:
                await self._renew(ref, account)
        return account.token

    def forget(self, ref: Ref) -> None:
        """Nobody needs it any more."""
        account = self._accounts.pop(ref, None)
        if account is not None and account.keeper is not None:
            account.keeper.cancel()

    async def close(self) -> None:
        """Renew nothing more."""
        keepers = [account.keeper for account in self._accounts.values() if account.keeper is not None]
        self._accounts.clear()
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    async def _keep(self, ref: Ref, account: _Account) -> None:
        while True:
            wait = account.renew - self._clock.monotonic()
            await self._clock.sleep(wait if wait > 0 else _AGAIN)
            if self._clock.monotonic() < account.renew:
                continue
            try:
                async with account.lock:
                    await self._renew(ref, account)
            except KubeError as error:
                _log.warning("token_not_renewed", account=str(ref), error=str(error))
                if account.token and self._clock.monotonic() >= account.ends:
                    account.token = ""
                    self._changed(ref)
            else:
                self._changed(ref)

    async def _renew(self, ref: Ref, account: _Account) -> None:
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "spec": {"expirationSeconds": int(self._seconds)},
        }
        began = self._clock.monotonic()
        answer = await self._kube.create(SERVICE_ACCOUNTS, request, subresource="token")
        try:
            token = str.strip(answer["status"]["token"])
            life = float(answer["spec"].get("expirationSeconds") or self._seconds)
        except (KeyError, TypeError, ValueError, AttributeError):
            # Not `from`: the cause may hold the token.
            raise Unreachable(
                f"create {SERVICE_ACCOUNTS}/token {ref.namespace}/{ref.name}: no token in the answer"
            ) from None
        account.token, account.renew, account.ends = token, began + life * _RENEW_AT, began + life
