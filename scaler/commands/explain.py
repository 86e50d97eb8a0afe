"""`tidegate explain`: why an object has the replicas it has, from the journal of the controller in charge.

The journal is asked where it is: on this machine's loopback, or in the controller's pod through the API server, so that
Kubernetes' RBAC decides who may read it.
"""

import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any

import msgspec
import typer

from scaler.clock import Clock
from scaler.commands import flags, logs, process
from scaler.commands.journal_reader import Journals, NoAnswerError, through_api_server, through_loopback
from scaler.core.explain_replay import replayed
from scaler.core.explain_text import entry_line, lines, plain
from scaler.kube.errors import KubeError

__all__ = ["Open", "command", "explanation", "journals"]

Open = Callable[[], AbstractAsyncContextManager[Journals]]
"""Enters what is to be asked."""
_EVERY = 1.0
"""Real seconds between two looks of `--follow`."""


def command(
    name: str | None,
    output: str,
    last: int,
    where: tuple[str | None, str | None, str],
    *,
    follow: bool,
    replay: str | None,
) -> None:
    """Exit 0: explained, or every replayed record came out the same; 1: it was not, or one did not; 2: usage.

    `where` is the kubeconfig, the server and the controller's namespace.
    """
    logs.configure("error")
    if replay is not None:
        if name is not None or follow:
            raise process.fail("--replay takes a file and nothing else", process.USAGE)
        _replay(replay)
        return
    if name is None:
        raise process.fail("say which ScaledObject: write NAMESPACE/NAME", process.USAGE)
    namespace, slash, name = name.partition("/")
    if not (namespace and slash and name) or "/" in name:
        raise process.fail(f"{namespace}{slash}{name}: write NAMESPACE/NAME", process.USAGE)
    clock = flags.clock()
    with suppress(process.Stopped):
        try:
            asked = journals(where, clock)
            process.run(_print(explanation((namespace, name), output, last, asked, clock, follow=follow)))
        except (NoAnswerError, KubeError, OSError) as error:
            raise process.fail(error) from error


def journals(where: tuple[str | None, str | None, str], clock: Clock) -> Open:
    """Where to ask, by the kubeconfig, the server and the controller's namespace. Exits with 2 for what cannot be."""
    kubeconfig, server, controllers = where
    if server is None:
        (controllers,) = flags.namespaces([controllers], "--controller-namespace")
        return lambda: through_api_server(kubeconfig, controllers, clock)
    if kubeconfig is not None:
        raise process.fail("--server and --kubeconfig: give one of them", process.USAGE)
    address = flags.loopback(server, "--server")
    return lambda: through_loopback(address, clock)


async def _print(said: AsyncIterator[str]) -> None:
    async for line in said:
        typer.echo(line)


async def explanation(
    key: tuple[str, str],
    output: str,
    last: int,
    journals: Open,
    clock: Clock,
    *,
    follow: bool,
) -> AsyncIterator[str]:
    """What is printed, line by line; with `follow` without an end. Raises NoAnswerError or KubeError."""
    async with journals() as asked:
        document = await asked.document(*key, last)
        shown = ""
        if output == "text":
            for line in lines(document, last):
                yield line
            shown = _newest(document)
        elif not follow:
            yield msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
        answer = document.get("answer")
        while follow:
            for entry in _fresh(document, shown):
                yield entry_line(entry) if output == "text" else msgspec.json.encode(entry).decode()
            shown = max(shown, _newest(document))
            if output == "text" and document.get("answer") != answer:
                answer = document.get("answer")  # It changes with the HPA, too, which makes no entry.
                yield f"now: {plain(answer)}"
            await clock.pause(_EVERY)
            document = await asked.document(*key, last)


def _fresh(document: Mapping[str, Any], shown: str) -> list[Mapping[str, Any]]:
    """The entries that began after `shown`, oldest first."""
    entries = [entry for entry in document.get("entries") or () if str(entry.get("first")) > shown]
    return sorted(entries, key=lambda entry: str(entry.get("first")))


def _newest(document: Mapping[str, Any]) -> str:
    return max((str(entry.get("first")) for entry in document.get("entries") or ()), default="")


def _replay(file: str) -> None:
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        found = list(replayed(_decoded(text)))
    except (OSError, ValueError) as error:
        raise process.fail(f"--replay {file}: {error}", process.USAGE) from error
    for each in found:
        typer.echo(str(each))
    different = sum(bool(each.differences) for each in found)
    typer.echo(f"{len(found)} decided again, {different} differently", err=True)
    if different:
        raise typer.Exit(1)


def _decoded(text: bytes) -> Any:
    """One JSON value, or one a line as `--follow -o json` prints. Raises ValueError."""
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(text)
    values = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            values += [msgspec.json.decode(line)] if line.strip() else []
        except msgspec.DecodeError as error:
            raise ValueError(f"line {number} is no JSON: {error}") from error
    return values
