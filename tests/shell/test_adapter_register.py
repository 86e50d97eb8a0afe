"""Registering the adapter with a cluster: what is written, what is left alone, what is refused."""

import base64
import itertools
from copy import deepcopy

import pytest
from cryptography import x509

from metrics_adapter.certificates import self_signed, serving_names
from metrics_adapter.register import ForeignError, register
from metrics_adapter.registration import Registration, api_service, service
from scaler.kube.errors import AlreadyExists, Conflict, NotFound
from scaler.kube.resources import API_SERVICES, SERVICES, Resource

NAME = "v1beta1.external.metrics.k8s.io"
HERE = Registration(service="tidegate-metrics", namespace="tidegate", host="127.0.0.1", port=6443, ca=b"PEM")


class Cluster:
    """Objects with resourceVersions, as an API server keeps them: it adds defaults, and 409 is its answer to races."""

    def __init__(self, *namespaces: str) -> None:
        self.objects: dict[tuple[str, str | None, str], dict] = {}
        self.writes: list[str] = []
        self.versions = itertools.count(1)
        self.meanwhile: list[tuple[str, dict | None]] = []
        for namespace in namespaces:
            self.objects["Namespace", None, namespace] = {}

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> dict:
        found = self.objects.get((resource.kind, namespace, name))
        if found is None:
            raise NotFound(f"get {name}", 404)
        return deepcopy(found)

    async def create(self, resource: Resource, obj: dict) -> dict:
        metadata = obj["metadata"]
        key = resource.kind, metadata.get("namespace"), metadata["name"]
        if resource.namespaced and ("Namespace", None, metadata["namespace"]) not in self.objects:
            raise NotFound(f"create {key}: no namespace", 404)
        self._race("create")
        if key in self.objects:
            raise AlreadyExists(f"create {key}", 409)
        return self._store(key, obj, "create")

    async def replace(self, resource: Resource, obj: dict) -> dict:
        metadata = obj["metadata"]
        key = resource.kind, metadata.get("namespace"), metadata["name"]
        self._race("replace")
        if self.objects[key]["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise Conflict(f"replace {key}", 409)
        return self._store(key, obj, "replace")

    def put(self, obj: dict) -> None:
        """Somebody else's write."""
        metadata = obj["metadata"]
        self._store((obj["kind"], metadata.get("namespace"), metadata["name"]), obj, "foreign")
        self.writes.clear()

    def _store(self, key: tuple[str, str | None, str], obj: dict, verb: str) -> dict:
        self.writes.append(f"{verb} {key[0]}")
        obj = deepcopy(obj)
        obj["metadata"]["resourceVersion"] = str(next(self.versions))
        if obj["kind"] == "Service":
            obj["spec"] = {"sessionAffinity": "None"} | obj["spec"]
            obj["spec"]["ports"] = [port | {"targetPort": port["port"]} for port in obj["spec"]["ports"]]
        self.objects[key] = obj
        return deepcopy(obj)

    def _race(self, verb: str) -> None:
        if self.meanwhile and self.meanwhile[0][0] == verb:
            self.put(self.meanwhile.pop(0)[1])

    @property
    def api_service(self) -> dict:
        return self.objects["APIService", None, NAME]

    @property
    def service(self) -> dict:
        return self.objects["Service", "tidegate", "tidegate-metrics"]


def kedas() -> dict:
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {
            "name": NAME,
            "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"a": "b"},
        },
        "spec": {
            "service": {"namespace": "keda", "name": "keda-metrics-apiserver", "port": 7444},
            "group": "external.metrics.k8s.io",
            "version": "v1beta1",
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }


async def test_a_fresh_cluster_gets_namespace_service_and_api_service() -> None:
    cluster = Cluster()
    assert await register(cluster, HERE) == (
        "created Service tidegate/tidegate-metrics",
        f"created APIService {NAME}",
    )
    assert cluster.writes == ["create Namespace", "create Service", "create APIService"]
    assert cluster.service["spec"]["type"] == "ExternalName"
    assert cluster.service["spec"]["externalName"] == "127.0.0.1"
    spec = cluster.api_service["spec"]
    assert spec["service"] == {"namespace": "tidegate", "name": "tidegate-metrics", "port": 6443}
    assert base64.b64decode(spec["caBundle"]) == b"PEM"
    assert (spec["group"], spec["version"]) == ("external.metrics.k8s.io", "v1beta1")
    assert (spec["groupPriorityMinimum"], spec["versionPriority"]) == (100, 100)
    for found in (cluster.service, cluster.api_service):
        assert found["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "tidegate",
            "app.kubernetes.io/part-of": "tidegate",
        }


async def test_the_second_time_nothing_is_written() -> None:
    cluster = Cluster("tidegate")
    await register(cluster, HERE)
    cluster.writes.clear()
    assert await register(cluster, HERE) == ()
    assert cluster.writes == []


async def test_a_new_certificate_or_port_is_written() -> None:
    cluster = Cluster("tidegate")
    await register(cluster, HERE)
    renewed = Registration(
        service=HERE.service, namespace=HERE.namespace, host=HERE.host, port=HERE.port, ca=b"NEW"
    )
    assert await register(cluster, renewed) == (f"updated APIService {NAME}",)
    moved = Registration(
        service=HERE.service, namespace=HERE.namespace, host="adapter.example", port=7443, ca=b"NEW"
    )
    assert await register(cluster, moved) == (
        "updated Service tidegate/tidegate-metrics",
        f"updated APIService {NAME}",
    )
    assert cluster.api_service["spec"]["service"]["port"] == 7443
    assert cluster.service["spec"]["externalName"] == "adapter.example"
    assert base64.b64decode(cluster.api_service["spec"]["caBundle"]) == b"NEW"


async def test_a_foreign_api_service_is_refused_before_anything_is_written() -> None:
    cluster = Cluster("tidegate")
    cluster.put(kedas())
    with pytest.raises(
        ForeignError, match=rf"{NAME} belongs to the Service keda/keda-metrics-apiserver.*--force"
    ):
        await register(cluster, HERE)
    assert cluster.writes == []


async def test_unless_forced() -> None:
    cluster = Cluster("tidegate")
    cluster.put(kedas())
    assert await register(cluster, HERE, force=True) == (
        "created Service tidegate/tidegate-metrics",
        f"updated APIService {NAME}",
    )
    assert "insecureSkipTLSVerify" not in cluster.api_service["spec"]
    assert cluster.api_service["spec"]["service"]["name"] == "tidegate-metrics"
    assert cluster.api_service["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "tidegate"
    assert cluster.api_service["metadata"]["annotations"] == {"a": "b"}
    cluster.writes.clear()
    assert await register(cluster, HERE) == ()


@pytest.mark.parametrize("labels", [None, {}, {"app.kubernetes.io/managed-by": "Helm"}])
async def test_one_without_our_label_is_foreign(labels: dict | None) -> None:
    for desired in (api_service(HERE), service(HERE)):
        cluster = Cluster("tidegate")
        cluster.put(desired | {"metadata": desired["metadata"] | {"labels": labels}})
        with pytest.raises(ForeignError, match="Helm" if labels else "somebody else"):
            await register(cluster, HERE)
        assert cluster.writes == []


async def test_taking_over_leaves_our_label() -> None:
    cluster = Cluster("tidegate")
    await register(cluster, HERE)
    cluster.api_service["metadata"]["labels"] = {"team": "a"}
    assert await register(cluster, HERE, force=True) == (f"updated APIService {NAME}",)
    labels = cluster.api_service["metadata"]["labels"]
    assert (labels["app.kubernetes.io/managed-by"], labels["team"]) == ("tidegate", "a")


async def test_another_tidegates_and_the_api_servers_own_are_foreign() -> None:
    other = api_service(HERE)
    other["spec"]["service"]["namespace"] = "elsewhere"
    local = api_service(HERE)
    del local["spec"]["service"]
    for found, whose in ((other, "the Service elsewhere/tidegate-metrics"), (local, "the API server itself")):
        cluster = Cluster("tidegate")
        cluster.put(found)
        with pytest.raises(ForeignError, match=whose):
            await register(cluster, HERE)


async def test_one_that_would_not_be_verified_is_mended() -> None:
    cluster = Cluster("tidegate")
    await register(cluster, HERE)
    cluster.api_service["spec"]["insecureSkipTLSVerify"] = True
    assert await register(cluster, HERE) == (f"updated APIService {NAME}",)
    assert "insecureSkipTLSVerify" not in cluster.api_service["spec"]


async def test_a_race_is_looked_at_again() -> None:
    cluster = Cluster("tidegate")
    cluster.meanwhile = [("create", service(HERE))]
    assert await register(cluster, HERE) == (f"created APIService {NAME}",)
    older = api_service(HERE)
    older["spec"]["caBundle"] = ""
    cluster.put(older)
    cluster.meanwhile = [
        ("replace", api_service(HERE) | {"metadata": older["metadata"] | {"annotations": {"a": "b"}}})
    ]
    assert await register(cluster, HERE) == ()
    assert cluster.api_service["metadata"]["annotations"] == {"a": "b"}


async def test_a_race_that_is_lost_to_somebody_else_is_refused() -> None:
    cluster = Cluster("tidegate")
    await register(cluster, HERE)
    del cluster.objects["APIService", None, NAME]
    cluster.meanwhile = [("create", kedas())]
    with pytest.raises(ForeignError):
        await register(cluster, HERE)


async def test_a_race_that_is_always_lost_ends() -> None:
    cluster = Cluster("tidegate")
    await register(cluster, HERE)
    cluster.api_service["spec"]["caBundle"] = ""
    cluster.meanwhile = [("replace", deepcopy(cluster.api_service)) for _ in range(9)]
    for at, (_, obj) in enumerate(cluster.meanwhile):
        obj["metadata"]["annotations"] = {"at": str(at)}
    with pytest.raises(Conflict):
        await register(cluster, HERE)


async def test_what_the_api_server_says_is_passed_on() -> None:
    class NoAggregation(Cluster):
        async def create(self, resource: Resource, obj: dict) -> dict:
            if resource is API_SERVICES:
                raise NotFound("create", 404)
            return await super().create(resource, obj)

    with pytest.raises(NotFound):
        await register(NoAggregation("tidegate"), HERE)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "adapter.example.com", "my-laptop"])
def test_hosts(host: str) -> None:
    assert Registration(service="s", namespace="n", host=host, port=1, ca=b"").host == host


@pytest.mark.parametrize(
    "host", ["", "::1", "0.0.0.0", "Upper", "a b", "a..b", "-a", "https://a", "a:1", "a" * 254]
)
def test_hosts_that_no_api_server_can_dial(host: str) -> None:
    with pytest.raises(ValueError, match="--advertise HOST:PORT"):
        Registration(service="s", namespace="n", host=host, port=1, ca=b"")


@pytest.mark.parametrize("port", [0, -1, 65_536])
def test_ports(port: int) -> None:
    with pytest.raises(ValueError, match="--advertise HOST:PORT"):
        Registration(service="s", namespace="n", host="a", port=port, ca=b"")


def test_the_paths_are_those_of_the_resources() -> None:
    assert (API_SERVICES.api_version, API_SERVICES.kind) == (
        api_service(HERE)["apiVersion"],
        api_service(HERE)["kind"],
    )
    assert (SERVICES.api_version, SERVICES.kind) == (service(HERE)["apiVersion"], service(HERE)["kind"])


class TestCertificate:
    def test_names(self) -> None:
        assert serving_names("s", "n", ["a.example", "localhost"]) == (
            "s.n.svc",
            "s.n.svc.cluster.local",
            "s.n",
            "s",
            "a.example",
            "localhost",
            "127.0.0.1",
        )

    def test_it_is_signed_by_its_ca_for_all_names(self) -> None:
        ca, pair = self_signed("tidegate-metrics", "tidegate", ["10.1.2.3"])
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert "tidegate-metrics.tidegate.svc" in names.get_values_for_type(x509.DNSName)
        assert {str(one) for one in names.get_values_for_type(x509.IPAddress)} == {"10.1.2.3", "127.0.0.1"}
        assert b"PRIVATE" not in ca
