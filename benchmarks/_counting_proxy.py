r"""A TCP proxy that counts what passes: the benchmark's witness, a process of its own.

    python _counting_proxy.py PORT UPSTREAM_PORT [NEEDLE...]

Needles are what to count in what clients send (as a Python bytes literal's inside, such as `\x00\x32\x00\x0a`). For each
line on stdin it writes one JSON object: connections (ever), most (at a time), and how often each needle passed.
"""

import asyncio
import json
import sys

__all__: list[str] = []


class Proxy:
    """See the module."""

    def __init__(self, upstream: int, needles: list[str]) -> None:
        self._upstream = upstream
        self._needles = {text: text.encode().decode("unicode_escape").encode("latin-1") for text in needles}
        self._passed = dict.fromkeys(needles, 0)
        self._total = self._open = self._most = 0

    def counts(self) -> dict[str, object]:
        """So far."""
        return {"connections": self._total, "most": self._most, "passed": self._passed}

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until either side hangs up."""
        self._total += 1
        self._open += 1
        self._most = max(self._most, self._open)
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
            ways = (self._ask(reader, server_writer), _pass_on(server_reader, writer))
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server_writer.close()
        finally:
            self._open -= 1
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rests = dict.fromkeys(self._needles, b"")
        while data := await reader.read(1 << 18):
            for name, needle in self._needles.items():
                # One that is cut by the end of a piece counts with the next.
                seen = rests[name] + data
                self._passed[name] += seen.count(needle)
                rests[name] = seen[-(len(needle) - 1) :] if len(needle) > 1 else b""
            writer.write(data)
            await writer.drain()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 18):
        writer.write(data)
        await writer.drain()


async def main(port: int, upstream: int, needles: list[str]) -> None:
    proxy = Proxy(upstream, needles)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", port)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print(json.dumps(proxy.counts()), flush=True)
    while await lines.readline():
        print(json.dumps(proxy.counts()), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
