"""Several controllers and adapters as processes of their own, on an embedded cluster in another: what their tests share.

The cluster's HPA controller reads the metrics API through the aggregator; the test kills, stops and starts the rest.
"""

import json
import signal
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager

from command_line import Running, tidegate, until, up
from feed_certificates import certificates

QUICK = {"lease_duration": "6s", "lease_renew_deadline": "4s", "lease_retry_period": "500ms"}
"""A Lease that is handed over sooner than Kubernetes' own."""


class Member(Running):
    """One controller or adapter."""

    def port(self, what="metrics"):
        (event,) = self.events("running")
        return int(event[what].rpartition(":")[2])

    def get(self, path):
        """Status and body of a request to its plain listener."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port()}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    @property
    def ready(self):
        return bool(self.events("running")) and self.get("/readyz")[0] == 200

    @property
    def reigns(self):
        """How often it began to lead."""
        return len(self.events("leading"))


class Crew:
    """The members, the cluster they work on, and what a test does with both."""

    def __init__(self, stack, home, cluster, kubectl, lease):
        self._stack, self._home, self._lease = stack, home, lease
        self.cluster, self.kubectl = cluster, kubectl
        self._made = 0
        self.members = []

    def _member(self, role, *words, **changes):
        self._made += 1
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in self._lease.items()]
        name = f"{role}-{self._made}"
        member = Member(
            "run", "--role", role, "--kubeconfig", self.kubectl.kubeconfig, "--metrics-port", 0,
            "--lease", "default/tidegate", "--feed-cert-dir", self._home / "feed", *flags, *words,
            home=self._home, name=name, **changes,
        )  # fmt: skip
        self._stack.callback(member.close)
        self.members.append(member)
        return member

    def controller(self, *words, **changes):
        return self._member("controller", "--feed-port", 0, *words, **changes)

    def adapter(self, *words, **changes):
        return self._member("adapter", "--register", "--secure-port", 0, *words, **changes)

    def lease(self):
        return self.kubectl.get("lease", "tidegate")

    def holder(self):
        """The identity in the Lease; "" when it is nobody's or not there."""
        try:
            return self.lease()["spec"].get("holderIdentity") or ""
        except AssertionError:
            return ""

    def leader(self, controllers):
        """Whose identity the Lease bears; None when nobody's of these."""
        holder = self.holder()
        found = [
            c for c in controllers if c.events("running") and c.events("running")[0]["identity"] == holder
        ]
        return found[0] if holder and found else None

    def await_leader(self, controllers, within=60):
        return until(lambda: self.leader(controllers), "a leader", within)

    def metric(self, path):
        """The value the aggregated API gives; raises AssertionError with what it says otherwise."""
        return json.loads(self.kubectl("get", "--raw", path))["items"][0]["value"]

    def target(self, name="web", replicas=0):
        labels = {"app": name}
        self.kubectl.apply(json.dumps({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "replicas": replicas, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
            },
        }))  # fmt: skip

    def scaled_object(self, redis, name="web", **spec):
        trigger = {"address": f"127.0.0.1:{redis.port}", "listName": name, "listLength": "1"}
        self.kubectl.apply(json.dumps({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "scaleTargetRef": {"name": name}, "pollingInterval": 5, "cooldownPeriod": 5,
                "triggers": [{"type": "redis", "metadata": trigger}], **spec,
            },
        }))  # fmt: skip

    def replicas(self, name="web"):
        return self.kubectl.get("deployment", name)["spec"]["replicas"]


def metric_path(name="web"):
    label = f"labelSelector=scaledobject.keda.sh%2Fname%3D{name}"
    return f"/apis/external.metrics.k8s.io/v1beta1/namespaces/default/s0-redis-{name}?{label}"


@contextmanager
def crew(home, *, lease=QUICK, hpa_sync="1s", pods="ready"):
    """A cluster with CRDs and a crew without members."""
    certificates(home / "feed")
    with up("--cluster-only", "--hpa-sync", hpa_sync, "--pods", pods, home=home) as (cluster, kubectl):
        kubectl("apply", "-f", "-", stdin=tidegate("crds", home=home).stdout)
        with ExitStack() as stack:
            yield Crew(stack, home, cluster, kubectl, lease)


def kill(member):
    member.process.send_signal(signal.SIGKILL)
    member.process.wait()


def pause(member, seconds):
    """Stop a process as a suspended machine would, and let it go on."""
    member.process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        member.process.send_signal(signal.SIGCONT)
