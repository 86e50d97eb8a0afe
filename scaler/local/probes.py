"""Readiness: asking a container whether it is ready, in the kubelet's rhythm.

Periods and the first delay are schedule time; `timeoutSeconds` is an IO deadline, so real seconds. Known are
`exec`, `httpGet` and `tcpSocket`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from scaler.clock import Clock
from scaler.local.containerlog import Log
from scaler.local.environment import ConfigError, port_number
from scaler.local.objects import Object
from scaler.local.podstatus import ADDRESS
from scaler.local.process import Process

_OUTPUT = 4096


class Prober:
    """Asks once; one HTTP session for all containers, opened when first needed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self, probe: Mapping[str, Any], container: Mapping[str, Any], env: Mapping[str, str], cwd: Path
    ) -> str | None:
        """None when the probe succeeds, else a sentence that says why not."""
        try:
            async with self._clock.deadline(float(probe.get("timeoutSeconds") or 1)):
                return await self._ask(probe, container, env, cwd)
        except TimeoutError:
            return f"no answer within {probe.get('timeoutSeconds') or 1} s"
        except (OSError, ConfigError, ValueError, aiohttp.ClientError) as error:
            return f"{type(error).__name__}: {error}"

    async def _ask(
        self, probe: Mapping[str, Any], container: Mapping[str, Any], env: Mapping[str, str], cwd: Path
    ) -> str | None:
        if "exec" in probe:
            return await self._execute([str(word) for word in probe["exec"].get("command") or ()], env, cwd)
        if "httpGet" in probe:
            return await self._get(probe["httpGet"], container)
        if "tcpSocket" in probe:
            where = probe["tcpSocket"]
            host = str(where.get("host") or ADDRESS)
            _, writer = await asyncio.open_connection(host, port_number(container, where["port"]))
            writer.close()
            return None
        return "local pods know readiness probes of the kinds exec, httpGet and tcpSocket"

    async def _execute(self, command: list[str], env: Mapping[str, str], cwd: Path) -> str | None:
        if not command:
            return "exec.command is empty"
        log = Log(_OUTPUT)
        code = await Process.start(command, env=env, cwd=cwd, clock=self._clock, log=log).wait()
        return None if code == 0 else f"{command[0]} ended with code {code}: {log.text().strip()}"

    async def _get(self, where: Object, container: Mapping[str, Any]) -> str | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        scheme, host = str(where.get("scheme") or "HTTP").lower(), str(where.get("host") or ADDRESS)
        path = "/" + str(where.get("path") or "").removeprefix("/")
        url = f"{scheme}://{host}:{port_number(container, where['port'])}{path}"
        headers = {str(h["name"]): str(h.get("value", "")) for h in where.get("httpHeaders") or ()}
        async with self._session.get(url, headers=headers, ssl=False) as response:
            return None if 200 <= response.status < 400 else f"HTTP status {response.status}"

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()


async def keep_asking(
    probe: Mapping[str, Any],
    ask: Callable[[], Awaitable[str | None]],
    clock: Clock,
    report: Callable[[bool, str], None],
) -> None:
    """Ask for ever; `report(ready, why not)` after each answer that settles the matter by the thresholds."""
    await clock.sleep(float(probe.get("initialDelaySeconds") or 0))
    good = bad = 0
    while True:
        problem = await ask()
        good, bad = (good + 1, 0) if problem is None else (0, bad + 1)
        if good >= int(probe.get("successThreshold") or 1):
            report(True, "")
        elif bad >= int(probe.get("failureThreshold") or 3):
            report(False, problem or "")
        await clock.sleep(float(probe.get("periodSeconds") or 10))
