"""Options that several commands have, each declared once."""

from typing import Annotated, Literal

import typer

__all__ = ["Cluster", "ControllerNamespace", "Files", "LogLevel", "Mode", "More", "Output", "Server"]

Files = Annotated[
    list[str],
    typer.Option(
        "-f", "--filename", metavar="FILE|-", help="A manifest, a folder of them, or - for stdin; repeatable."
    ),
]
More = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE|-", show_default=False, help="More of them, as a shell makes of -f *.yaml."),
]
Output = Annotated[Literal["text", "json"], typer.Option("-o", "--output", help="How to print.")]
Mode = Annotated[
    Literal["act", "observe"],
    typer.Option("--mode", help="observe: decide and report, and write nothing to the cluster."),
]
Cluster = Annotated[
    str | None,
    typer.Option("--kubeconfig", metavar="F", help="Its cluster; else KUBECONFIG, else in-cluster."),
]
Server = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="The metrics port of a Tidegate on this machine instead."),
]
ControllerNamespace = Annotated[
    str, typer.Option("--controller-namespace", metavar="NS", help="Where the controller's pods are.")
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    typer.Option("--log-level", help="What is logged on standard error: this and worse."),
]
