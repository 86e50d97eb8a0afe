"""Which things the Kubernetes API serves, and at which paths.

A Resource is where requests go (`deployments` in `apps/v1`); a kind is what objects call themselves
(`Deployment`). The constants are those that Tidegate itself uses; other scale targets are found by discovery
(mapper.py).
"""

from dataclasses import dataclass
from urllib.parse import quote

__all__ = [
    "API_SERVICES",
    "CLUSTER_TRIGGER_AUTHENTICATIONS",
    "CONFIG_MAPS",
    "CRDS",
    "DEPLOYMENTS",
    "EVENTS",
    "HPAS",
    "LEASES",
    "NAMESPACES",
    "PODS",
    "REPLICA_SETS",
    "SCALED_OBJECTS",
    "SECRETS",
    "SERVICES",
    "SERVICE_ACCOUNTS",
    "STATEFUL_SETS",
    "SUBJECT_ACCESS_REVIEWS",
    "TOKEN_REVIEWS",
    "TRIGGER_AUTHENTICATIONS",
    "Resource",
    "group_path",
]


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the API. `group` is empty for the core group.

    The path builders escape every segment, and refuse what would address something else than was meant.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    def __str__(self) -> str:
        """The name in messages and metrics: `deployments.apps`, `pods`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """What stands in an object's `apiVersion`: `apps/v1`, `v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection(self, namespace: str | None = None) -> str:
        """The path of all objects, or of those in one namespace."""
        inside = f"namespaces/{_segment(namespace)}/" if self.namespaced and namespace is not None else ""
        return f"{group_path(self.api_version)}/{inside}{_segment(self.plural)}"

    def object(self, name: str, namespace: str | None = None) -> str:
        """The path of one object. ValueError when the namespace is missing, or the name is none."""
        if self.namespaced and not namespace:
            raise ValueError(f"{self} {name!r}: a namespace is needed")
        return f"{self.collection(namespace)}/{_segment(name)}"

    def subresource(self, name: str, subresource: str, namespace: str | None = None) -> str:
        """The path of an object's `status`, `scale` or `log`."""
        return f"{self.object(name, namespace)}/{_segment(subresource)}"


def group_path(api_version: str) -> str:
    """Where a group and version are served: `/apis/apps/v1`, `/api/v1`. ValueError for another form."""
    group, slash, version = api_version.partition("/")
    if not slash:
        return f"/api/{_segment(group)}"
    if "/" in version:
        raise ValueError("must be GROUP/VERSION, or a VERSION of the core group")
    return f"/apis/{_segment(group)}/{_segment(version)}"


def _segment(text: str) -> str:
    if text in {"", ".", ".."}:
        # An empty name would address the whole collection; dots would leave it.
        raise ValueError(f"{text!r} is no name")
    return quote(text, safe="")


SCALED_OBJECTS = Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
TRIGGER_AUTHENTICATIONS = Resource("keda.sh", "v1alpha1", "triggerauthentications", "TriggerAuthentication")
CLUSTER_TRIGGER_AUTHENTICATIONS = Resource(
    "keda.sh", "v1alpha1", "clustertriggerauthentications", "ClusterTriggerAuthentication", namespaced=False
)
HPAS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment")
REPLICA_SETS = Resource("apps", "v1", "replicasets", "ReplicaSet")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", "StatefulSet")
PODS = Resource("", "v1", "pods", "Pod")
EVENTS = Resource("events.k8s.io", "v1", "events", "Event")
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
SECRETS = Resource("", "v1", "secrets", "Secret")
SERVICES = Resource("", "v1", "services", "Service")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
API_SERVICES = Resource("apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False)
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
CRDS = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
