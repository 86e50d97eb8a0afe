"""A TCP proxy that breaks in the ways networks and servers do, and counts the connections it is given."""

import asyncio
import enum
import socket
from typing import Self

__all__ = ["Fault", "FaultProxy"]

_GARBAGE = b"\x16\x03\x01garbage \xff\x00 HTTP/1.1 400 Bad Request\r\n\r\n"


class Fault(enum.Enum):
    """What happens to connections, those that are open already included."""

    NONE = "none"
    REFUSE = "refuse"
    """Open ones are reset, new ones refused."""
    HANG = "hang"
    """Accepted, and nothing is ever answered."""
    CUT = "cut"
    """Open ones are reset, new ones in the middle of their first answer."""
    GARBAGE = "garbage"
    """Answers are bytes of no protocol."""
    SLOW = "slow"
    """Answers come `delay` seconds late."""


class FaultProxy:
    """See the module. Use `async with FaultProxy(host, port) as proxy`: it is at `proxy.host`, `proxy.port`."""

    host = "127.0.0.1"

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._fault = Fault.NONE
        self.delay = 0.2
        self.total = 0
        """Connections that were ever accepted."""
        self.most = 0
        """The most connections that were open at a time."""
        self._pairs: set[_Pair] = set()
        self._server: asyncio.Server | None = None
        # It keeps the port ours while nothing listens on it.
        self._keeper = _reusable_socket()
        self._keeper.bind((self.host, 0))
        self.port: int = self._keeper.getsockname()[1]

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stop_listening()
        await self._reset_all()
        self._keeper.close()

    @property
    def open(self) -> int:
        """Connections that are open now."""
        return len(self._pairs)

    @property
    def fault(self) -> Fault:
        """What is broken now."""
        return self._fault

    async def set(self, fault: Fault) -> None:
        """Break, or mend with Fault.NONE. Connections that hung are reset when that ends."""
        hung, self._fault = self._fault is Fault.HANG, fault
        if fault is Fault.REFUSE:
            await self._stop_listening()
        elif self._server is None:
            await self._listen()
        if hung or fault in {Fault.REFUSE, Fault.CUT}:
            await self._reset_all()

    async def reset(self) -> None:
        """Reset the connections that are open, and go on."""
        await self._reset_all()

    async def _listen(self) -> None:
        listener = _reusable_socket()
        listener.bind((self.host, self.port))
        self._server = await asyncio.start_server(self._accepted, sock=listener)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)

    async def _reset_all(self) -> None:
        await asyncio.gather(*(pair.reset() for pair in list(self._pairs)))

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.total += 1
        pair = _Pair(self, reader, writer)
        self._pairs.add(pair)
        self.most = max(self.most, len(self._pairs))
        try:
            await pair.run(*self._upstream)
        finally:
            self._pairs.discard(pair)


class _Pair:
    """A client's connection and ours to the server behind it."""

    def __init__(self, proxy: FaultProxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._task = asyncio.current_task()

    async def run(self, host: str, port: int) -> None:
        """Pass bytes both ways until one side is closed."""
        client_reader, client_writer = self._client
        writers = [client_writer]
        try:
            server_reader, server_writer = await asyncio.open_connection(host, port)
            writers.append(server_writer)
            async with asyncio.TaskGroup() as pumps:
                ask = pumps.create_task(self._ask(client_reader, server_writer))
                answer = pumps.create_task(self._answer(server_reader, client_writer))
                await asyncio.wait({ask, answer}, return_when=asyncio.FIRST_COMPLETED)
                ask.cancel()
                answer.cancel()
        except (OSError, asyncio.CancelledError, ExceptionGroup):
            pass  # Reset, on purpose or by a peer: either way both sides end here.
        finally:
            for writer in writers:
                writer.transport.abort()

    async def reset(self) -> None:
        """Close both sides at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if self._proxy.fault is not Fault.HANG:
                writer.write(data)
                await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            fault = self._proxy.fault
            if fault is Fault.HANG:
                continue
            if fault is Fault.SLOW:
                await asyncio.sleep(self._proxy.delay)
            if fault is Fault.CUT:
                data = data[: len(data) // 2]
            writer.write(_GARBAGE if fault is Fault.GARBAGE else data)
            await writer.drain()
            if fault is Fault.CUT:
                return


def _reusable_socket() -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return made
