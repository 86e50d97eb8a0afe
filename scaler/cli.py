"""The command `tidegate`: names, flags and help. Each command imports what it needs when it is called."""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["app", "main"]

app = typer.Typer(
    name="tidegate",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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


@app.command()
def demo(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=100_000, help="Jobs to push.")] = 200,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.svg", help="Draw what happened.")
    ] = None,
) -> None:
    """Zero to N and back on a real queue, with no cluster needed."""
    from scaler.commands.demo import demo as command

    command(json=json, jobs=jobs, plot=plot)


@app.command()
def up(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The API server's port; 0: a free one.")
    ] = 0,
    cluster_only: Annotated[
        bool, typer.Option("--cluster-only", help="No CRDs, no controller, no adapter.")
    ] = False,
    kubeconfig_out: Annotated[
        Path | None, typer.Option("--kubeconfig-out", metavar="F", help="Write a kubeconfig when ready.")
    ] = None,
    hpa_sync: Annotated[
        str, typer.Option("--hpa-sync", metavar="15s", help="How often the HPA controller looks.")
    ] = "15s",
    pods: Annotated[
        Literal["process", "ready", "none"],
        typer.Option("--pods", help="Pods are local processes, only marked ready, or stay pending."),
    ] = "process",
    mode: Mode = "act",
    log_level: LogLevel = "warning",
) -> None:
    """An embedded Kubernetes cluster on this machine, with Tidegate in it, until told to stop."""
    from scaler.commands.up import up as command

    command(
        port, hpa_sync, pods, log_level, mode=mode, kubeconfig_out=kubeconfig_out, cluster_only=cluster_only
    )


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def run(
    context: typer.Context,
    kubeconfig: Annotated[
        str | None, typer.Option("--kubeconfig", metavar="F", help="Else KUBECONFIG, else in-cluster.")
    ] = None,
    role: Annotated[
        Literal["all", "controller", "adapter"], typer.Option("--role", help="What this process does.")
    ] = "all",
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", metavar="NS", help="Only this namespace; repeatable.")
    ] = None,
    mode: Mode = "act",
    secure_port: Annotated[
        int, typer.Option("--secure-port", min=0, max=65535, help="Port of the external-metrics API.")
    ] = 6443,
    bind_address: Annotated[
        str, typer.Option("--bind-address", help="Address of the external-metrics API.")
    ] = "127.0.0.1",
    metrics_port: Annotated[
        int, typer.Option("--metrics-port", min=0, max=65535, help="Port of /metrics, /healthz and /readyz.")
    ] = 8080,
    metrics_address: Annotated[
        str, typer.Option("--metrics-address", help="Address of these; loopback unless said otherwise.")
    ] = "127.0.0.1",
    tls_cert_file: Annotated[
        Path | None,
        typer.Option("--tls-cert-file", metavar="C", help="PEM chain to serve with. Else one is made."),
    ] = None,
    tls_private_key_file: Annotated[
        Path | None, typer.Option("--tls-private-key-file", metavar="K", help="Its private key.")
    ] = None,
    cluster_namespace: Annotated[
        str,
        typer.Option(
            "--cluster-namespace",
            metavar="NS",
            envvar="KEDA_CLUSTER_OBJECT_NAMESPACE",
            help="Where ClusterTriggerAuthentications find their Secrets.",
        ),
    ] = "tidegate",
    filepath_auth_root: Annotated[
        Path | None,
        typer.Option(
            "--filepath-auth-root", metavar="DIR", help="What filePath of these is below. Else it is refused."
        ),
    ] = None,
    register: Annotated[
        bool, typer.Option("--register", help="Create or update the Service and the APIService.")
    ] = False,
    advertise: Annotated[
        str | None,
        typer.Option(
            "--advertise",
            metavar="HOST:PORT",
            help="With --register: where the API server reaches this process. Else the bound address.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an APIService of somebody else.")] = False,
    lease: Annotated[
        str,
        typer.Option(
            "--lease",
            metavar="NS/NAME",
            help="The Lease by which one controller leads, and adapters find it.",
        ),
    ] = "tidegate/tidegate",
    lease_duration: Annotated[
        str,
        typer.Option(
            "--lease-duration",
            metavar="15s",
            envvar="KEDA_OPERATOR_LEADER_ELECTION_LEASE_DURATION",
            help="A Lease not renewed for so long is anybody's.",
        ),
    ] = "15s",
    lease_renew_deadline: Annotated[
        str,
        typer.Option(
            "--lease-renew-deadline",
            metavar="10s",
            envvar="KEDA_OPERATOR_LEADER_ELECTION_RENEW_DEADLINE",
            help="A leader that could not renew it for so long writes no more.",
        ),
    ] = "10s",
    lease_retry_period: Annotated[
        str,
        typer.Option(
            "--lease-retry-period",
            metavar="2s",
            envvar="KEDA_OPERATOR_LEADER_ELECTION_RETRY_PERIOD",
            help="Between two tries to renew or acquire it.",
        ),
    ] = "2s",
    feed_address: Annotated[
        str, typer.Option("--feed-address", help="Address at which a controller feeds adapters.")
    ] = "127.0.0.1",
    feed_port: Annotated[int, typer.Option("--feed-port", min=0, max=65535, help="Its port.")] = 9666,
    feed_host: Annotated[
        str | None,
        typer.Option(
            "--feed-host",
            metavar="HOST",
            envvar="POD_IP",
            help="Where adapters reach this controller. Else --feed-address.",
        ),
    ] = None,
    feed_cert_dir: Annotated[
        Path | None,
        typer.Option(
            "--feed-cert-dir", metavar="DIR", help="ca.crt, tls.crt and tls.key of controllers and adapters."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any other setting, such as wake_budget=100; repeatable."
        ),
    ] = None,
    log_level: LogLevel = "info",
) -> None:
    """Controller and metrics adapter against a cluster, until told to stop.

    Flags of KEDA's programs that mean nothing here are taken with a warning.
    """
    from scaler.commands.running import command

    command(
        kubeconfig,
        role,
        namespace or [],
        (bind_address, secure_port, metrics_address, metrics_port),
        (tls_cert_file, tls_private_key_file),
        (cluster_namespace, filepath_auth_root),
        log_level,
        leader=(
            lease,
            (lease_duration, lease_renew_deadline, lease_retry_period),
            (feed_address, feed_port, feed_host),
            feed_cert_dir,
        ),
        mode=mode,
        register=register,
        advertise=advertise,
        force=force,
        settings=settings or [],
        more=context.args,
    )


@app.command()
def validate(filename: Files, more: More = None, output: Output = "text") -> None:
    """Check ScaledObjects and TriggerAuthentications, offline. Exit 0: fine, 1: problems, 2: usage.

    What only an environment or a TriggerAuthentication could supply is taken as present. Warnings change nothing.
    """
    from scaler.commands.checking import validate as command

    command([*filename, *(more or ())], output)


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def render(
    filename: Files,
    more: More = None,
    output: Annotated[Literal["yaml", "json"], typer.Option("-o", "--output", help="How to print.")] = "yaml",
) -> None:
    """Print the HPAs that would be made of ScaledObjects, offline. Exit 1 when one of them has a problem."""
    from scaler.commands.checking import render as command

    command([*filename, *(more or ())], output, version("tidegate"))


@app.command()
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


@app.command()
def crds() -> None:
    """Print the CRDs. Install them with: `tidegate crds | kubectl apply -f -`."""
    from scaler.commands.checking import crds as command

    command()


@app.command()
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


def main() -> None:
    """The entry point of the distribution."""
    app()
