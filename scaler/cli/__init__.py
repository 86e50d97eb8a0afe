"""The command `tidegate`: names, flags and help. Each command imports what it needs when it is called."""

from importlib.metadata import version
from typing import Annotated

import typer

from scaler.cli import asking, documents, working

__all__ = ["app", "main"]

app = typer.Typer(
    name="tidegate",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegate {version('tidegate')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Scale Kubernetes workloads on events: from zero to N, and back."""


_TAKES_MORE = {"ignore_unknown_options": True, "allow_extra_args": True}

app.command()(working.demo)
app.command()(working.up)
app.command(context_settings=_TAKES_MORE)(working.run)
for _command in (
    documents.validate,
    documents.check,
    asking.explain,
    asking.compare,
    documents.render,
    documents.rbac,
    documents.crds,
    documents.install,
):
    app.command()(_command)


def main() -> None:
    """The entry point of the distribution."""
    app()
