"""What is counted: Redis' own statistics less what the benchmark itself sent, and the controller's /metrics."""

import re
from typing import Any

import aiohttp
from redis.asyncio import Redis

__all__ = ["ApiMeter", "RedisMeter"]

_NAME = "benchmark"
_WRITE = re.compile(
    # Reviews are posted, and change nothing.
    rb'^tidegate_api_requests_total\{(?!.*reviews\.auth).*verb="(?:create|update|patch|delete)"\} (\S+)$',
    re.MULTILINE,
)


class RedisMeter:
    """One connection to Redis that knows what it has sent itself."""

    def __init__(self, port: int) -> None:
        self._redis: Any = Redis(
            host="127.0.0.1",
            port=port,
            client_name=_NAME,
            single_connection_client=True,
            decode_responses=True,
        )
        self._sent = 0

    async def answers(self) -> bool:
        """Is the server up?"""
        try:
            return bool(await self._redis.ping())
        except (OSError, ConnectionError):
            return False

    async def push(self, *lists: str) -> None:
        """One item to each list, in one pipeline; returns when all are acknowledged."""
        await self._pipeline([("RPUSH", name, "job") for name in lists])

    async def drop(self, *lists: str) -> None:
        """Empty the lists."""
        await self._pipeline([("DEL", name) for name in lists])

    async def commands(self) -> int:
        """How many commands the server has carried out that this meter did not send, ever."""
        before = self._sent
        found = await self._redis.info("commandstats")
        self._sent += 1
        return sum(stats["calls"] for stats in found.values()) - before

    async def connections(self) -> list[str]:
        """The names of all connections but this one."""
        self._sent += 1
        return [client["name"] for client in await self._redis.client_list() if client["name"] != _NAME]

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()

    async def _pipeline(self, commands: list[tuple[str, ...]]) -> None:
        self._sent += len(commands)
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        await pipeline.execute()


class ApiMeter:
    """The controller's own count of its requests to the API server."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}"
        self._session = aiohttp.ClientSession()

    async def writes(self) -> int:
        """Requests so far that were to change something, whatever their answer."""
        async with self._session.get(f"{self._url}/metrics", raise_for_status=True) as response:
            return int(sum(map(float, _WRITE.findall(await response.read()))))

    async def ready(self) -> bool:
        """Are the controller's watches synced?"""
        async with self._session.get(f"{self._url}/readyz") as response:
            return response.status == 200

    async def close(self) -> None:
        """Close the connection."""
        await self._session.close()
