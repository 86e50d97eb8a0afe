"""The flags of `tidegate run` about controllers and adapters as processes of their own."""

from pathlib import Path
from typing import Literal

from scaler.commands import flags, process
from scaler.roles.parts import lease_terms
from scaler.settings import LeaderSettings

__all__ = ["Role", "leading"]

Role = Literal["all", "controller", "adapter"]


def leading(
    role: Role,
    lease: str,
    times: tuple[str, str, str],
    feed: tuple[str, int, str | None],
    certificates: Path | None,
    *,
    register: bool,
) -> LeaderSettings:
    """The settings; exit 2 for what cannot be. `times` are the Lease's, `feed` address, port and host."""
    if role == "all":
        if certificates is not None:
            raise flags.refuse(
                "--feed-cert-dir", certificates, "is for --role controller and --role adapter alone"
            )
        return LeaderSettings()
    if certificates is None:
        words = "give --feed-cert-dir, a folder with ca.crt, tls.crt and tls.key for the name tidegate-feed"
        raise process.fail(f"--role {role}: {words}", process.USAGE)
    if not certificates.is_dir():
        raise flags.refuse("--feed-cert-dir", certificates, "is no directory")
    if register and role == "controller":
        raise process.fail("--register goes with the adapter, who serves external metrics", process.USAGE)
    namespace, slash, name = lease.partition("/")
    if not slash:
        raise flags.refuse("--lease", lease, "write NAMESPACE/NAME")
    flags.namespaces([namespace, name], "--lease")
    names = ("--lease-duration", "--lease-renew-deadline", "--lease-retry-period")
    duration, deadline, retry = (flags.duration(text, flag) for text, flag in zip(times, names, strict=True))
    address, port, host = feed
    settings = LeaderSettings(
        lease_namespace=namespace,
        lease_name=name,
        lease_duration=duration,
        renew_deadline=deadline,
        retry_period=retry,
        feed_address=flags.address(address, "--feed-address"),
        feed_port=port,
        feed_host=host,
        feed_certificates=str(certificates),
    )
    if host is None and role == "controller" and settings.feed_address in {"0.0.0.0", "::"}:
        raise flags.refuse(
            "--feed-address", address, "is no address to be reached at: give --feed-host too, or POD_IP"
        )
    try:
        lease_terms(settings)
    except ValueError:
        words = "--lease-retry-period must be below half of --lease-renew-deadline, and that well below --lease-duration"
        raise process.fail(f"{', '.join(times)}: {words}", process.USAGE) from None
    return settings
