"""Flags of KEDA's three programs that `tidegate run` takes and does nothing about (facts 10.1 to 10.3, Q1).

Values of a chart, or a manifest, that were written for KEDA pass them on; a process that ends for a knob it has no use
for would take scaling down with it. Each is told of in a warning. What is in no list is a mistake, as everywhere.
"""

from collections.abc import Iterator, Sequence

__all__ = ["PREFIXES", "SWITCHES", "WITH_VALUE", "UnknownFlagError", "ignored"]

SWITCHES = frozenset({
    "--cache-miss-to-direct-client",
    "--disable-compression",
    "--enable-apiservice-patching",
    "--enable-cert-rotation",
    "--enable-opentelemetry-metrics",
    "--enable-prometheus-metrics",
    "--enable-webhook-patching",
    "--leader-elect",
    "--logtostderr",
    "--zap-devel",
})  # fmt: skip
"""Those that need no value; one may follow after `=`."""

WITH_VALUE = frozenset({
    "--ca-dir",
    "--cert-dir",
    "--cert-secret-name",
    "--client-burst",
    "--client-ca-file",
    "--client-qps",
    "--discovery-interval",
    "--filepath-auth-root-path",
    "--health-probe-bind-address",
    "--http-idle-conn-timeout",
    "--http-max-idle-conns",
    "--http-max-idle-conns-per-host",
    "--k8s-cluster-domain",
    "--k8s-cluster-name",
    "--kube-api-burst",
    "--kube-api-qps",
    "--leader-election-id",
    "--lister-kubeconfig",
    "--metrics-bind-address",
    "--metrics-server-service-name",
    "--metrics-service-address",
    "--metrics-service-bind-address",
    "--metrics-service-grpc-authority",
    "--msg",
    "--operator-service-name",
    "--port",
    "--profiling-bind-address",
    "--stderrthreshold",
    "--v",
    "--validating-webhook-name",
    "--webhooks-service-name",
    "--zap-encoder",
    "--zap-log-level",
    "--zap-stacktrace-level",
    "--zap-time-encoding",
})  # fmt: skip
"""Those with a value, after `=` or as the next word."""

PREFIXES = ("--audit-", "--authentication-", "--authorization-", "--requestheader-")
"""Families of flags that every aggregated API server in Go has; with a value."""


class UnknownFlagError(ValueError):
    """A word that is no flag of ours, and none of KEDA's either. The message is the word."""


def ignored(words: Sequence[str]) -> Iterator[str]:
    """The names of KEDA's flags among `words`, those that are not ours, in order. Raises UnknownFlagError."""
    left = iter(words)
    for word in left:
        name, given, _ = word.partition("=")
        if name in SWITCHES:
            yield name
        elif name in WITH_VALUE or name.startswith(PREFIXES):
            if not given and next(left, None) is None:
                raise UnknownFlagError(f"{name} needs a value")
            yield name
        else:
            raise UnknownFlagError(f"no such option or argument: {word}")
