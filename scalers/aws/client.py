"""What the triggers of one AWS Source share: one botocore client, called in a few threads of its own.

botocore blocks and is slow to import (0.15 s), so both happen in the threads, when the first call is made.
"""

import threading
from typing import TYPE_CHECKING, Any

from scalers.aws.identity import Identity
from scalers.aws.threads import Abandoned, Threads
from scalers.sdk import Unavailable

if TYPE_CHECKING:
    from scalers.aws.calls import Calls

__all__ = ["THREADS", "Client"]

THREADS = 4
"""Calls at once, and so connections. A call costs 0.8 ms of processor time, in turns with the event loop; so
more would not be faster, only hold up others."""


class Client:
    """Calls of one service. `endpoint` "" means AWS's own; another one is under the address policy."""

    def __init__(
        self, *, service: str, region: str, endpoint: str, who: Identity, allow_loopback: bool, name: str
    ) -> None:
        self._service = service
        self._region = region
        self._endpoint = endpoint
        self._who = who
        self._allow_loopback = allow_loopback
        self._name = name
        self._threads = Threads(THREADS, name)
        self._making = threading.Lock()
        self._calls: Calls | None = None

    async def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one call, such as `get_queue_attributes`. Raises ScalerError."""
        try:
            return await self._threads.run(lambda: self._made()(operation, parameters))
        except Abandoned:
            raise Unavailable(f"the connection to {self._name} is closed", connection=True) from None

    async def close(self) -> None:
        """Interrupt what is being called and close every connection."""
        await self._threads.close()
        if self._calls is not None:
            self._calls.close()

    def _made(self) -> "Calls":
        """In a thread: the botocore client, made by whoever comes first."""
        from scalers.aws.calls import Calls  # noqa: PLC0415 - it imports botocore

        with self._making:
            if self._calls is None:
                self._calls = Calls(
                    service=self._service,
                    region=self._region,
                    endpoint=self._endpoint,
                    who=self._who,
                    allow_loopback=self._allow_loopback,
                    name=self._name,
                )
            return self._calls
