"""Commands that ask a running controller: why, and where others did what it would not have done."""

from typing import Annotated

import typer

from scaler.cli.options import Cluster, ControllerNamespace, Output, Server

__all__ = ["compare", "explain"]


def explain(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAMESPACE/NAME", show_default=False, help="The ScaledObject."),
    ] = None,
    output: Output = "text",
    last: Annotated[
        int, typer.Option("--last", min=1, max=1000, help="So many entries of the journal at most.")
    ] = 10,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what is new, until told to stop.")
    ] = False,
    kubeconfig: Cluster = None,
    server: Server = None,
    controller_namespace: ControllerNamespace = "tidegate",
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay", metavar="FILE|-", help="Decide again what was recorded: does the same come out?"
        ),
    ] = None,
) -> None:
    """Why a ScaledObject has the replicas it has. Exit 0: explained, 1: not, or a replay differs, 2: usage.

    Reads the controller's journal through the API server (the right to get pods/proxy), or with --server on this machine.
    """
    from scaler.commands.explain import command

    command(name, output, last, (kubeconfig, server, controller_namespace), follow=follow, replay=replay)


def compare(
    output: Output = "text",
    namespace: Annotated[
        str | None, typer.Option("-n", "--namespace", metavar="NS", help="Only this namespace's objects.")
    ] = None,
    kubeconfig: Cluster = None,
    server: Server = None,
    controller_namespace: ControllerNamespace = "tidegate",
) -> None:
    """What was done to the observed objects, against what Tidegate would have done. Exit 0: all agree, 1: not, 2: usage.

    For objects in mode observe, beside a live KEDA. Reads the controller's report as explain reads its journal.
    """
    from scaler.commands.compare import command

    command(namespace, output, (kubeconfig, server, controller_namespace))
