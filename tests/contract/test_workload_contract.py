"""The trigger `kubernetes-workload` on the embedded API server: the contract, what counts, wake-ups, faults."""

import asyncio
import contextlib

import pytest
from scripted_api import ScriptedApi, event, fails, stream, thing
from served import served

from scaler import pki
from scaler.clock import SystemClock
from scaler.control.host import ClockHost
from scaler.kube.access import Access
from scaler.kube.client import Kube
from scalers.sdk import Inputs, ScalerError, Unauthorized, Unavailable, parse
from scalers.testing import ContractHost, ScalerContract
from scalers.workload import WorkloadMetadata

CLOCK = SystemClock(factor=10)
PODS = ("", "pods", "default")


def pod(name, node="", **labels):
    spec = {"containers": [{"name": "c", "image": "i"}], **({"nodeName": node} if node else {})}
    metadata = {"name": name, "namespace": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def trigger(selector="app=web", namespace="default", *, formula=False, **metadata):
    inputs = Inputs(
        metadata={"podSelector": selector, "value": "2", **metadata},
        object={"namespace": namespace},
        formula=formula,
    )
    return parse(WorkloadMetadata, inputs)


class TestWorkload(ScalerContract):
    trigger_type = "kubernetes-workload"
    numbers = (0, 1, 7)

    @pytest.fixture(autouse=True)
    async def _cluster(self):
        async with served(widgets=False) as client:
            self.cluster, self.api = client.cluster, client.cluster.api
            async with Kube(self.access(self.cluster.url), CLOCK) as self.kube:
                yield

    def access(self, url):
        return Access(url, tls=pki.client_context(self.cluster.ca), token=self.cluster.token)

    def host(self):
        return ClockHost(CLOCK, self.kube)

    def inputs(self, name):
        return Inputs(metadata={"podSelector": f"app={name}", "value": "1"}, object={"namespace": "default"})

    async def put(self, name, number):
        for place in range(number):
            self.api.create(*PODS, pod(f"{name}-{place}", app=name))

    def phase(self, name, phase):
        self.api.merge_patch(*PODS, name, {"status": {"phase": phase}}, subresource="status")

    async def counts(self, client, metadata, number):
        """Wait until the watch has shown this number."""
        async with asyncio.timeout(self.patience):
            while (await self.read(client, metadata)).value != number:
                await CLOCK.pause(0.01)

    async def test_pods_that_are_over_do_not_count_and_all_others_do(self):
        await self.put("a", 5)
        for place, phase in enumerate(("Pending", "Running", "Unknown", "Succeeded", "Failed")):
            self.phase(f"a-{place}", phase)
        one = self.metadata(self.inputs("a"))
        async with one.connection.open(self.host()) as client:
            assert (await self.read(client, one)).value == 3
            self.phase("a-1", "Succeeded")
            await self.counts(client, one, 2)

    async def test_nodes_in_place_of_pods(self):
        for name, node in (("a", "n1"), ("b", "n1"), ("c", "n2"), ("d", "")):
            self.api.create(*PODS, pod(name, node, app="web"))
        pods, nodes = trigger().value, trigger(groupByNode="true").value
        assert pods.query() != nodes.query()
        async with pods.connection.open(self.host()) as client:
            assert (await self.read(client, pods)).value == 4
            assert (await self.read(client, nodes)).value == 2

    async def test_another_namespace_is_another_source(self):
        self.api.create(
            "", "namespaces", "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "far"}}
        )
        await self.put("web", 2)
        here, there = trigger().value, trigger(namespace="far").value
        assert here.connection != there.connection
        async with there.connection.open(self.host()) as client:
            assert (await self.read(client, there)).value == 0

    async def test_a_change_is_told_to_whom_it_concerns(self):
        await self.put("a", 1)
        mine, other = self.metadata(self.inputs("a")), self.metadata(self.inputs("b"))
        async with mine.connection.open(self.host()) as client:
            for metadata in (mine, other):
                await self.read(client, metadata)
            told = self.scaler.changes(client)
            waiting = asyncio.ensure_future(anext(told))
            await self.put("c", 3)  # Nobody's.
            self.api.delete(*PODS, "a-0")
            async with asyncio.timeout(self.patience):
                assert (await waiting).metadata == mine
            assert (await self.read(client, mine)).value == 0
            await told.aclose()

    async def test_one_watch_serves_all_and_ends_with_the_client(self):
        requests = []
        async with Kube(
            self.access(self.cluster.url), CLOCK, observer=lambda *request: requests.append(request[:2])
        ) as kube:
            many = [self.metadata(self.inputs(f"n{number}")) for number in range(200)]
            async with many[0].connection.open(ClockHost(CLOCK, kube)) as client:
                for metadata in many:
                    await self.read(client, metadata)
                await self.scaler.measure_many(client, many)
        assert requests.count(("list", "pods")) == 1
        assert requests.count(("watch", "pods")) <= 1

    async def test_no_task_outlives_the_client(self):
        """The server's tasks are in this process, too: they end with the connections."""
        before = asyncio.all_tasks()
        await self.put("a", 1)
        one = self.metadata(self.inputs("a"))
        async with Kube(self.access(self.cluster.url), CLOCK) as kube:
            async with one.connection.open(ClockHost(CLOCK, kube)) as client:
                assert (await self.read(client, one)).value == 1
            assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("watch pods")]
        await self.eventually(lambda: asyncio.all_tasks() <= before, "every task of the client ended")


@pytest.fixture
async def api():
    api = ScriptedApi()
    await api.start()
    yield api
    await api.stop()


async def failure(client, one):
    """What reading fails with, once it does."""
    async with asyncio.timeout(15):
        while True:
            try:
                await client.read([one])
            except ScalerError as error:
                return error
            await CLOCK.pause(0.01)


async def test_out_of_touch_is_unknown_and_it_recovers(api):
    api.put(*(thing(name, 5, namespace="default") for name in "ab"))
    async with Kube(api.access, CLOCK) as kube:
        one = trigger("!app").value
        async with one.connection.open(ClockHost(CLOCK, kube)) as client:
            assert await client.read([one]) == [2]
            await api.stop()
            error = await failure(client, one)
            assert isinstance(error, Unavailable)
            assert error.connection
            assert "pods in namespace default are out of sight" in str(error)
            api.watches.append(stream(event("ADDED", thing("c", 9, namespace="default"))))
            await api.start()
            async with asyncio.timeout(15):
                found = []
                while found != [3]:
                    with contextlib.suppress(Unavailable):
                        found = await client.read([one])
                    await CLOCK.pause(0.01)


@pytest.mark.parametrize("right", ["lists", "watches"])
async def test_a_missing_right_is_named(api, right):
    api.put(thing("a", 5))
    getattr(api, right).extend([fails(403, "Forbidden", "pods is forbidden")] * 50)
    async with Kube(api.access, CLOCK) as kube:
        one = trigger().value
        async with one.connection.open(ClockHost(CLOCK, kube)) as client:
            error = await failure(client, one)
    assert isinstance(error, Unauthorized)
    assert str(error).startswith("pods in namespace default cannot be watched: ")
    assert str(error).endswith("; let Tidegate list and watch pods there")


async def test_without_a_cluster_it_is_said():
    for host in (ClockHost(CLOCK), ContractHost()):
        with pytest.raises(Unavailable, match="could be counted"):
            async with trigger().value.connection.open(host):
                pass


def test_a_target_is_needed_unless_a_formula_has_its_own():
    for value in ("0", "-1", "-0.5", " "):
        (problem,) = trigger(value=value).problems
        assert problem.path == "metadata.value"
        assert trigger(value=value, formula=True).value.target == float(value.strip() or 0)


def test_the_namespace_is_the_objects_own():
    found = trigger(namespace="blue")
    assert found.value.metric_name() == "workload-blue"
    (problem,) = parse(WorkloadMetadata, Inputs(metadata={"podSelector": "a", "value": "1"})).problems
    assert problem.path == "namespace"


def test_a_selector_that_is_none_is_refused_in_its_own_words():
    (problem,) = trigger("app in (a").problems
    assert str(problem).startswith("metadata.podSelector: 'app in (a' is no label selector: unable to parse")
