"""The kinds of Kubernetes' own groups, for where there is no API server to ask: files on a desk.

Of any other group nothing is known, and so nothing is held against it.
"""

__all__ = ["could_exist", "without_scale"]

_SCALABLE = frozenset(
    {
        ("apps/v1", "Deployment"),
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "StatefulSet"),
        ("v1", "ReplicationController"),
    }
)
_CORE = (
    "Binding ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume "
    "PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount"
)
_KINDS = {
    "v1": frozenset(_CORE.split()),
    "apps/v1": frozenset({"ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"}),
    "batch/v1": frozenset({"CronJob", "Job"}),
}
_GROUPS = frozenset({"", "apps", "batch", "extensions"})


def could_exist(api_version: str, kind: str) -> bool:
    """False where no cluster of today has this kind: `Rollout` in apps/v1, `ReplicaSet` in extensions/v1beta1."""
    group = api_version.rpartition("/")[0]
    return kind in _KINDS.get(api_version, ()) or group not in _GROUPS


def without_scale(api_version: str, kind: str) -> bool:
    """Is it a kind that is known to have no scale subresource, such as a DaemonSet?"""
    return kind in _KINDS.get(api_version, ()) and (api_version, kind) not in _SCALABLE
