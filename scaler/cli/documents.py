"""Commands about manifests: checked, tried, and printed."""

from importlib.metadata import version
from typing import Annotated, Literal

import typer

from scaler.cli.options import Files, More, Output

__all__ = ["check", "crds", "install", "rbac", "render", "validate"]


def validate(filename: Files, more: More = None, output: Output = "text") -> None:
    """Check ScaledObjects and TriggerAuthentications, offline. Exit 0: fine, 1: problems, 2: usage.

    What only an environment or a TriggerAuthentication could supply is taken as present. Warnings change nothing.
    """
    from scaler.commands.checking import validate as command

    command([*filename, *(more or ())], output)


def check(
    filename: Files,
    more: More = None,
    output: Output = "text",
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", metavar="NAME.KEY=VALUE", help="A value of a Secret; repeatable."),
    ] = None,
    kubeconfig: Annotated[
        str | None,
        typer.Option(
            "--kubeconfig", metavar="F", help="Targets, Secrets and authentications of this cluster."
        ),
    ] = None,
) -> None:
    """Connect as the controller would, read each trigger once, and say what would follow.

    What the ScaledObjects refer to comes from the same files, or from the cluster of --kubeconfig. Exit 0: all triggers
    were read, 1: not all, 2: usage.
    """
    from scaler.commands.check import command

    command([*filename, *(more or ())], output, secret or [], kubeconfig)


def render(
    filename: Files,
    more: More = None,
    output: Annotated[Literal["yaml", "json"], typer.Option("-o", "--output", help="How to print.")] = "yaml",
) -> None:
    """Print the HPAs that would be made of ScaledObjects, offline. Exit 1 when one of them has a problem."""
    from scaler.commands.checking import render as command

    command([*filename, *(more or ())], output, version("tidegate"))


def rbac(
    filename: Annotated[
        list[str] | None,
        typer.Option(
            "-f",
            "--filename",
            metavar="FILE|-",
            help="A manifest, a folder of them, or - for stdin; repeatable.",
        ),
    ] = None,
    more: More = None,
    kubeconfig: Annotated[
        str | None,
        typer.Option("--kubeconfig", metavar="F", help="The ScaledObjects of this cluster instead."),
    ] = None,
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", metavar="NS", help="As for run: only this namespace; repeatable."),
    ] = None,
    role: Annotated[
        Literal["all", "controller", "adapter"],
        typer.Option("--role", help="As for run: the rights of one process only."),
    ] = "all",
    service_account: Annotated[
        str,
        typer.Option("--service-account", metavar="NS/NAME", help="Whom the Roles are bound to."),
    ] = "tidegate/tidegate",
    cluster_namespace: Annotated[
        str,
        typer.Option(
            "--cluster-namespace",
            metavar="NS",
            envvar="KEDA_CLUSTER_OBJECT_NAMESPACE",
            help="As for run: where ClusterTriggerAuthentications find their Secrets.",
        ),
    ] = "tidegate",
    lease: Annotated[
        str, typer.Option("--lease", metavar="NS/NAME", help="As for run: the Lease of the other two roles.")
    ] = "tidegate/tidegate",
    register: Annotated[bool, typer.Option("--register", help="With the rights of run --register.")] = False,
) -> None:
    """Print the Roles and bindings that exactly these ScaledObjects need. Exit 0: complete, 1: not, 2: usage.

    Give manifests (with targets and TriggerAuthentications beside the ScaledObjects) or --kubeconfig.
    """
    from scaler.commands.rbac import command

    places = (service_account, lease, cluster_namespace)
    command([*(filename or ()), *(more or ())], kubeconfig, namespace or [], role, places, register=register)


def crds() -> None:
    """Print the CRDs. Install them with: `tidegate crds | kubectl apply -f -`."""
    from scaler.commands.checking import crds as command

    command()


def install(
    printed: Annotated[
        bool,
        typer.Option("--print", help="Print the manifests, for kubectl apply -f -; nothing else is done."),
    ] = False,
    namespace: Annotated[
        str, typer.Option("-n", "--namespace", metavar="NS", help="Where Tidegate is to be.")
    ] = "tidegate",
    image: Annotated[
        str, typer.Option("--image", metavar="IMAGE", help="Its image.")
    ] = f"tidegate:{version('tidegate')}",
) -> None:
    """Print the manifests of an installation: the chart's, by its defaults, with a new certificate."""
    from scaler.commands.install import command

    command(namespace, image, printed=printed)
