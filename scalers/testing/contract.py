"""What every scaler promises, whatever its source: the part of the contract that needs no server to break."""
# ruff: noqa: S101, D102, ASYNC110 - a test suite: it asserts, names are sentences, and it polls other processes

import asyncio
import functools
import math
import re
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from scalers._lib.parse import every_key
from scalers.registry import Registry
from scalers.sdk import (
    Batches,
    Inputs,
    Metadata,
    MetricSpec,
    Pods,
    Reading,
    Scaler,
    ScalerError,
    Unavailable,
    normalise,
    parse,
)

__all__ = ["ContractHost", "ScalerContract"]

_SECRET = re.compile(r"(?i)passw|secret|token|credential|api_?key|(?<!key)private_?key|access_?key")


@functools.cache
def _installed() -> Registry:
    return Registry()


class ContractHost:
    """A Host with the machine's time."""

    def __init__(self, *, wake_ups: bool = True) -> None:
        self.wake_ups = wake_ups
        self.allow_loopback = True

    def now(self) -> datetime:
        """See Host."""
        return datetime.now(UTC)

    async def sleep_until(self, moment: datetime) -> None:
        """See Host."""
        while (left := (moment - self.now()).total_seconds()) > 0:
            await asyncio.sleep(left)

    def pods(self, namespace: str) -> AbstractAsyncContextManager[Pods]:
        """See Host; here there is no cluster. A contract that needs one overrides `host`."""
        raise Unavailable(f"no cluster has a namespace {namespace} whose pods could be counted")


@pytest.mark.asyncio
class ScalerContract:
    """Inherit it as `class TestMyScaler(ScalerContract)` and override `trigger_type`, `inputs` and `put`."""

    trigger_type: ClassVar[str]
    numbers: ClassVar[Sequence[int]] = (0, 1, 7)
    """Numbers that `put` can make the source hold; 0 and 1 are among them."""
    patience: ClassVar[float] = 15.0
    """Real seconds after which something that should happen has not happened."""

    def inputs(self, name: str) -> Inputs:
        """What a user would write to read the thing (queue, list...) of this name, and nothing optional."""
        raise NotImplementedError

    async def put(self, name: str, number: int) -> None:
        """Make the source hold this number under this name."""
        raise NotImplementedError

    def host(self) -> Any:
        """The Host that connections are opened with."""
        return ContractHost()

    # What the tests below, and those of subclasses, are written with.

    @property
    def scaler(self) -> Scaler[Any, Any]:
        """The scaler, through the same door as in production."""
        return _installed().get(self.trigger_type)

    def metadata(self, inputs: Inputs) -> Metadata:
        """The trigger's metadata; it must parse."""
        parsed = parse(self.scaler.metadata, inputs)
        assert parsed.problems == ()
        assert parsed.value is not None
        return parsed.value

    async def read(self, client: Any, metadata: Metadata) -> Reading:
        """One read as Tidegate does it: with a deadline, which counts as Unavailable."""
        try:
            async with asyncio.timeout(self.scaler.timeout):
                found = await self.scaler.measure(client, metadata)
        except TimeoutError:
            raise Unavailable("no answer within the scaler's own timeout") from None
        return found if isinstance(found, Reading) else found[0]

    async def eventually(self, condition: Callable[[], object], what: str) -> None:
        """Wait until a condition holds."""
        try:
            async with asyncio.timeout(self.patience):
                while not condition():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"not within {self.patience:g} s: {what}")

    @staticmethod
    def fresh_name() -> str:
        """A name that no other test uses."""
        return f"contract-{uuid.uuid4().hex[:12]}"

    # Declarations.

    async def test_every_key_says_what_it_is_for(self) -> None:
        silent = [spec.name for spec in every_key(self.scaler.metadata) if not spec.help]
        assert not silent, f"keys without help: {silent}"

    async def test_what_is_named_like_a_secret_is_one(self) -> None:
        open_secrets = [
            s.name for s in every_key(self.scaler.metadata) if _SECRET.search(s.name) and not s.secret
        ]
        assert not open_secrets, f"keys to declare with secret=True: {open_secrets}"

    async def test_equal_inputs_share_a_connection_and_a_query(self) -> None:
        name = self.fresh_name()
        await self.put(name, 1)
        one, two = self.metadata(self.inputs(name)), self.metadata(self.inputs(name))
        assert one == two
        assert one.connection == two.connection
        assert hash(one.connection) == hash(two.connection)
        assert one.query() == two.query()
        assert hash(one.query()) == hash(two.query())

    async def test_metric_names_are_stable_and_targets_positive(self) -> None:
        name = self.fresh_name()
        await self.put(name, 1)
        metadata = self.metadata(self.inputs(name))
        specs = self.scaler.specs(metadata)
        assert specs
        assert [spec.name for spec in specs] == [spec.name for spec in self.scaler.specs(metadata)]
        for spec in specs:
            assert isinstance(spec, MetricSpec)
            assert spec.name == normalise(spec.name)
            assert math.isfinite(spec.target)
            assert spec.target > 0

    async def test_a_connection_describes_itself(self) -> None:
        name = self.fresh_name()
        await self.put(name, 1)
        assert self.metadata(self.inputs(name)).connection.describe()

    # Reading.

    async def test_it_reads_the_right_number(self) -> None:
        for number in self.numbers:
            name = self.fresh_name()
            await self.put(name, number)
            metadata = self.metadata(self.inputs(name))
            async with metadata.connection.open(self.host()) as client:
                assert (await self.read(client, metadata)).value == number

    async def test_one_item_is_work_and_none_is_not(self) -> None:
        for number in (0, 1):
            name = self.fresh_name()
            await self.put(name, number)
            metadata = self.metadata(self.inputs(name))
            async with metadata.connection.open(self.host()) as client:
                reading = await self.read(client, metadata)
            active = reading.active if reading.active is not None else reading.value > metadata.activation
            assert active is bool(number)

    async def test_a_batch_reads_what_single_reads_read_in_order(self) -> None:
        scaler = self.scaler
        if not isinstance(scaler, Batches):
            return
        names = {number: self.fresh_name() for number in self.numbers}
        many = []
        for number, name in names.items():
            await self.put(name, number)
            many.append(self.metadata(self.inputs(name)))
        async with many[0].connection.open(self.host()) as client:
            singles = [await self.read(client, metadata) for metadata in many]
            batch = await scaler.measure_many(client, many)
            backwards = await scaler.measure_many(client, many[::-1])
        assert not [answer for answer in batch if isinstance(answer, ScalerError)]
        assert list(batch) == singles
        assert list(backwards) == singles[::-1]

    async def test_reads_at_the_same_time_do_not_mix(self) -> None:
        many = []
        for number in self.numbers:
            name = self.fresh_name()
            await self.put(name, number)
            many.append(self.metadata(self.inputs(name)))
        async with many[0].connection.open(self.host()) as client:
            found = await asyncio.gather(
                *(self.read(client, metadata) for _ in range(10) for metadata in many)
            )
        assert [reading.value for reading in found] == list(self.numbers) * 10

    async def test_no_task_outlives_the_client(self) -> None:
        before = asyncio.all_tasks()
        name = self.fresh_name()
        await self.put(name, 1)
        metadata = self.metadata(self.inputs(name))
        async with metadata.connection.open(self.host()) as client:
            await self.read(client, metadata)
        await self.eventually(lambda: asyncio.all_tasks() <= before, "every task of the client ended")
