"""`tidegate compare`: what was done to the observed objects, against what Tidegate would have done.

Where the report is asked for: see `explain`.
"""

from contextlib import suppress
from typing import Any

import msgspec
import typer

from scaler.commands import flags, logs, process
from scaler.commands.explain import Open, journals
from scaler.commands.journal_reader import NoAnswerError
from scaler.core.comparison_report import lines
from scaler.kube.errors import KubeError

__all__ = ["command"]


def command(namespace: str | None, output: str, where: tuple[str | None, str | None, str]) -> None:
    """Exit 0: all objects agree; 1: one does not, or is not compared, or the report could not be read; 2: usage.

    `where` is the kubeconfig, the server and the controller's namespace.
    """
    logs.configure("error")
    if namespace is not None:
        (namespace,) = flags.namespaces([namespace])
    clock = flags.clock()
    with suppress(process.Stopped):
        try:
            document = process.run(_read(namespace, journals(where, clock)))
        except (NoAnswerError, KubeError, OSError) as error:
            raise process.fail(error) from error
        if output == "json":
            typer.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
        else:
            for line in lines(document):
                typer.echo(line)
        if not all(found.get("agrees") for found in document["objects"]):
            raise typer.Exit(1)


async def _read(namespace: str | None, asked: Open) -> dict[str, Any]:
    async with asked() as reader:
        return await reader.disagreements(namespace)
