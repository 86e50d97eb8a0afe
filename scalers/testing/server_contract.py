"""The part of the contract for scalers with a server: what a broken network may do to them, and what not."""
# ruff: noqa: S101, D102 - a test suite: it asserts, and names are sentences

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

from scalers.sdk import Inputs, Metadata, ScalerError, Unauthorized, Unavailable, Wakes
from scalers.testing.contract import ScalerContract
from scalers.testing.proxy import Fault, FaultProxy

__all__ = ["ServerContract", "WakesContract"]

BROKEN = (Fault.REFUSE, Fault.HANG, Fault.CUT, Fault.GARBAGE)


@pytest.mark.asyncio
class ServerContract(ScalerContract):
    """Override `inputs_at` instead of `inputs`, and set `server` (host, port): one server a class.

    `wrong_secret` is a password that `wrong_inputs_at` gives and the server refuses.
    """

    server: tuple[str, int]
    connections: ClassVar[int] = 2
    """How many connections to the server all triggers of one connection may share."""
    wrong_secret: ClassVar[str] = "wr0ng-but-s3cret"  # noqa: S105 - it opens nothing

    def inputs_at(self, name: str, host: str, port: int) -> Inputs:
        """As `inputs`, with the server at this address."""
        raise NotImplementedError

    def wrong_inputs_at(self, name: str, host: str, port: int) -> Inputs:
        """As `inputs_at`, with credentials that the server refuses, `wrong_secret` among them."""
        raise NotImplementedError

    def inputs(self, name: str) -> Inputs:
        """See ScalerContract."""
        return self.inputs_at(name, *self.server)

    @contextlib.asynccontextmanager
    async def behind_proxy(self, number: int) -> AsyncIterator[tuple[FaultProxy, Any, Metadata]]:
        """A proxy in front of the server, an open client through it, and a trigger that reads `number`."""
        name = self.fresh_name()
        await self.put(name, number)
        async with FaultProxy(*self.server) as proxy:
            metadata = self.metadata(self.inputs_at(name, proxy.host, proxy.port))
            async with metadata.connection.open(self.host()) as client:
                yield proxy, client, metadata
            await self.eventually(lambda: not proxy.open, "the client closed its connections")

    async def recovered(self, client: Any, metadata: Metadata, number: int) -> None:
        """The same client reads the right number again; a few reads may still fail."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.patience):
                while True:
                    with contextlib.suppress(ScalerError):
                        assert (await self.read(client, metadata)).value == number
                        return
                    await asyncio.sleep(0.05)
        pytest.fail(f"the same client did not recover within {self.patience:g} s")

    @pytest.mark.parametrize("fault", BROKEN)
    async def test_a_fault_is_unavailable_and_the_same_client_recovers(self, fault: Fault) -> None:
        async with self.behind_proxy(7) as (proxy, client, metadata):
            assert (await self.read(client, metadata)).value == 7
            await proxy.set(fault)
            with pytest.raises(Unavailable):
                await self.read(client, metadata)
            await proxy.set(Fault.NONE)
            await self.recovered(client, metadata, 7)

    @pytest.mark.parametrize("fault", BROKEN)
    async def test_a_fault_before_the_first_read(self, fault: Fault) -> None:
        async with self.behind_proxy(7) as (proxy, client, metadata):
            await proxy.set(fault)
            with pytest.raises(Unavailable):
                await self.read(client, metadata)
            await proxy.set(Fault.NONE)
            await self.recovered(client, metadata, 7)

    async def test_a_refused_connection_is_the_connections_fault(self) -> None:
        async with self.behind_proxy(1) as (proxy, client, metadata):
            await proxy.set(Fault.REFUSE)
            with pytest.raises(Unavailable) as caught:
                await self.read(client, metadata)
            assert caught.value.connection

    async def test_slow_is_not_broken(self) -> None:
        async with self.behind_proxy(7) as (proxy, client, metadata):
            await proxy.set(Fault.SLOW)
            assert (await self.read(client, metadata)).value == 7

    async def test_triggers_share_few_connections(self) -> None:
        async with self.behind_proxy(1) as (proxy, client, metadata):
            found = await asyncio.gather(*(self.read(client, metadata) for _ in range(50)))
            assert [reading.value for reading in found] == [1] * 50
            assert 1 <= proxy.most <= self.connections

    async def test_failures_leave_no_connections(self) -> None:
        async with self.behind_proxy(1) as (proxy, client, metadata):
            for fault in (Fault.CUT, Fault.GARBAGE) * 3:
                await proxy.set(fault)
                with pytest.raises(Unavailable):
                    await self.read(client, metadata)
            await proxy.set(Fault.NONE)
            await self.recovered(client, metadata, 1)
            assert proxy.open <= self.connections

    async def test_wrong_credentials_are_unauthorized_and_told_to_nobody(self) -> None:
        name = self.fresh_name()
        await self.put(name, 1)
        metadata = self.metadata(self.wrong_inputs_at(name, *self.server))
        async with metadata.connection.open(self.host()) as client:
            with pytest.raises(Unauthorized) as caught:
                await self.read(client, metadata)
        shown = "".join(traceback.format_exception(caught.value)) + f"{metadata!r} {metadata.connection!r}"
        assert self.wrong_secret not in shown
        assert self.wrong_secret not in metadata.connection.describe()


@pytest.mark.asyncio
class WakesContract(ServerContract):
    """For scalers whose server tells of changes."""

    async def test_a_change_is_told(self) -> None:
        scaler = self.scaler
        assert isinstance(scaler, Wakes)
        names = [self.fresh_name() for _ in range(2)]
        for name in names:
            await self.put(name, 0)
        many = [self.metadata(self.inputs(name)) for name in names]
        async with many[0].connection.open(self.host()) as client:
            for metadata in many:
                await self.read(client, metadata)
            told = scaler.changes(client)
            await self.put(names[1], 1)
            async with asyncio.timeout(self.patience):
                async for change in told:
                    if change.metadata is None or change.metadata.query() == many[1].query():
                        break
                    assert change.metadata.query() != many[0].query(), "told of a trigger that did not change"
            await told.aclose()  # type: ignore[attr-defined] # they are generators
            assert (await self.read(client, many[1])).value == 1

    async def test_after_a_broken_connection_everything_is_read_again(self) -> None:
        scaler = self.scaler
        assert isinstance(scaler, Wakes)
        async with self.behind_proxy(0) as (proxy, client, metadata):
            await self.read(client, metadata)
            told = scaler.changes(client)
            waiting = asyncio.ensure_future(anext(told))
            await self.eventually(lambda: proxy.open, "connected")
            await proxy.reset()
            async with asyncio.timeout(self.patience):
                assert (await waiting).metadata is None
            await told.aclose()  # type: ignore[attr-defined] # they are generators
