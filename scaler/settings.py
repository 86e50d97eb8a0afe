"""What can be set about a process, in one place: every field with its unit, its default and why.

`scaler.commands` fills these from flags and the environment; nothing else reads either.
"""

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["AdapterSettings", "ControllerSettings", "LeaderSettings", "RunSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """How the controller reconciles and decides."""

    namespaces: tuple[str, ...] = ()
    """Only these namespaces are watched; none: the whole cluster."""

    activation: Literal["floor", "desired"] = "floor"
    """The first write from zero where neither object nor namespace says: KEDA's floor, or the count the backlog needs."""

    mode: Literal["act", "observe"] = "act"
    """`observe`: nothing is written, for no object; what would be done is recorded and reported."""

    brake_share: float = 0.5
    """More than this part (0 to 1) of the active objects of a Source, or of all, fell to zero within one poll round: then
    deactivations are paced. 1 turns the brake off. Queues that drain by chance do not reach a half at once."""

    brake_least: int = 20
    """And at least so many objects. Among fewer, work that ends together is everyday."""

    brake_pace: float = 0.1
    """The part (0 to 1) of the affected objects that may be deactivated in a minute, at least one object. With a tenth,
    somebody has ten minutes to look before the last worker is gone."""

    wake_budget: int | None = None
    """New pods that waking objects may ask for in a minute, fair by namespace; None: no limit. A whole minute's worth may go
    at once; a larger request goes alone when all of it is free."""

    workers: int = 16
    """Objects reconciled at a time. A reconcile waits on the API server, not on us; more only queues there."""

    status_writers: int = 4
    """Status patches in flight at a time: kept low so that scale writes never wait behind them."""

    scale_attempts: int = 5
    """Tries of one scale write against conflicts (each decides anew) before the next poll takes over."""

    retry_first: float = 0.5
    """First wait (seconds) before a failed reconcile is tried again; doubles."""

    retry_cap: float = 60.0
    """Longest such wait (seconds). KEDA waits up to 1000 s; a mended object should not wait that long."""

    journal_length: int = 50
    """Decisions, and as many other entries, that the journal keeps of each object; fewer where objects are very many."""

    cluster_namespace: str = "tidegate"
    """Where a ClusterTriggerAuthentication's Secrets, ConfigMaps and ServiceAccounts are: our own namespace."""

    filepath_auth_root: str | None = None
    """The directory that `filePath` of a ClusterTriggerAuthentication is below; None: `filePath` is refused."""

    allow_loopback_sources: bool | None = None
    """May a trigger's address be this machine? None: yes with a kubeconfig, no in a pod, whose own ports that would reach."""

    bound_token_seconds: float = 3600.0
    """Life (seconds) of the ServiceAccount tokens asked for; the API server grants at least 600. Renewed at four fifths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSettings:
    """Where the external-metrics API is served."""

    bind_address: str = "127.0.0.1"
    """The listener's address. Loopback unless said otherwise."""

    secure_port: int = 6443
    """TCP port of the TLS listener; 0 picks a free one."""

    certificate_file: str | None = None
    """PEM chain to serve with, also the APIService's caBundle; None: a CA and a certificate are made at start."""

    key_file: str | None = None
    """Its private key, PEM."""

    service: str = "tidegate-metrics"
    """The Service the APIService points at; the certificate is valid for `<service>.<namespace>.svc`."""

    service_namespace: str = "tidegate"
    """That Service's namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderSettings:
    """How one of several controllers leads, and how adapters find and believe it. Not used by `--role all`."""

    lease_namespace: str = "tidegate"
    """Where the Lease is: our own namespace."""

    lease_name: str = "tidegate"
    """The Lease that the leader holds. Controllers of one name never work at the same time."""

    lease_duration: float = 15.0
    """Seconds after which a Lease that is not renewed is anybody's. This and the next two are Kubernetes' own defaults."""

    renew_deadline: float = 10.0
    """Seconds without a renewal after which the leader writes no more."""

    retry_period: float = 2.0
    """Seconds between two tries to renew or to acquire."""

    feed_address: str = "127.0.0.1"
    """The address at which a controller feeds adapters. Loopback unless said otherwise."""

    feed_port: int = 9666
    """Its TCP port, that of KEDA's metrics service; 0 picks a free one."""

    feed_host: str | None = None
    """The host that adapters are told to reach it at; None: `feed_address`."""

    feed_certificates: str = ""
    """A folder with `ca.crt`, `tls.crt` and `tls.key`, as Kubernetes mounts a TLS Secret; followed when it changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """One process of `tidegate run`."""

    controller: ControllerSettings = field(default_factory=ControllerSettings)
    adapter: AdapterSettings = field(default_factory=AdapterSettings)
    leader: LeaderSettings = field(default_factory=LeaderSettings)

    metrics_address: str = "127.0.0.1"
    """Address of the plain HTTP listener with /metrics, /healthz and /readyz."""

    metrics_port: int = 8080
    """Its TCP port; 0 picks a free one."""

    register: bool = False
    """Create or update the Service and the APIService that send the aggregated API here."""

    advertise: tuple[str, int] | None = None
    """Host and port under which the API server reaches the adapter; None: the bound ones."""

    force: bool = False
    """Replace an APIService that somebody else registered."""

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be together."""
        if self.register and self.controller.mode == "observe":
            raise ValueError(
                "register: in mode observe nothing is written, so external metrics cannot be registered"
            )
