"""Commands that run for a while: the demo, the embedded cluster, and the program itself in a cluster."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from scaler.cli.options import LogLevel, Mode

__all__ = ["demo", "run", "up"]


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
