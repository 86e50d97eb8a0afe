"""Tidegate at work with the Roles of `tidegate rbac` and nothing else, and an account of what it asked.

async with least(redis, namespaces=("shop",)) as run:
    ...objects...
    run.grant(await run.printed("--register"))
    await run.begin()
    ...
    assert run.denied() == set()
    assert run.unused() == set()
"""

import asyncio
import json
from contextlib import asynccontextmanager

from command_line import tidegate
from controlled import Run

from scaler.app import Embedded, Tidegate
from scaler.clock import SystemClock
from scaler.core.crds import crds
from scaler.kube.access import Access
from scaler.local.attributes import Attributes
from scaler.local.rbac import allows
from scaler.local.tokens import issue
from scaler.pki import client_context
from scaler.settings import AdapterSettings, ControllerSettings, RunSettings
from scaler.yaml_text import documents

GROUP = "rbac.authorization.k8s.io"
USER = "system:serviceaccount:tidegate:tidegate"
_PLURALS = {
    "Role": "roles",
    "ClusterRole": "clusterroles",
    "RoleBinding": "rolebindings",
    "ClusterRoleBinding": "clusterrolebindings",
}

__all__ = ["USER", "Least", "least"]


class Least(Run):
    """A Run whose Tidegate is a ServiceAccount."""

    def __init__(self, embedded, redis, namespaces, home):
        super().__init__(embedded, redis)
        self.namespaces = namespaces
        self.home = home
        self.asked = []
        self.granted = []
        rbac = self.cluster.access.rbac
        decide = rbac.decide

        def noted(user, attributes):
            verdict = decide(user, attributes)
            if user.name == USER:
                self.asked.append((attributes, verdict.allowed))
            return verdict

        rbac.decide = noted

    def namespace(self, name):
        self.api.create("", "namespaces", "", {"metadata": {"name": name}})

    async def printed(self, *more):
        """What `tidegate rbac --kubeconfig` prints of the objects that are there."""
        config = self.home / "admin"
        config.write_text(json.dumps(self.cluster.kubeconfig()))
        words = [word for name in self.namespaces for word in ("--namespace", name)]
        command = ("rbac", "--kubeconfig", config, *words, *more)
        done = await asyncio.to_thread(tidegate, *command, home=self.home)  # The cluster is in this loop.
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def grant(self, text):
        """Apply printed Roles. Those there were are gone."""
        for obj in self.granted:
            self.api.delete(*_place(obj), obj["metadata"]["name"])
        self.granted = list(documents(text))
        for obj in self.granted:
            group, plural, namespace = _place(obj)
            self.api.create(group, plural, namespace, obj)

    async def begin(self, **settings):
        """Start Tidegate with the account's token."""
        account = self.api.get("", "serviceaccounts", "tidegate", "tidegate")
        token = issue(account, {}, self.embedded.clock.now())["status"]["token"]
        access = Access(self.cluster.url, tls=client_context(self.cluster.ca), token=token)
        controller = ControllerSettings(namespaces=self.namespaces, **settings)
        run = RunSettings(
            controller=controller, adapter=AdapterSettings(secure_port=0), metrics_port=0, register=True
        )
        self.embedded.tidegate = Tidegate(run, self.embedded.clock, access=access, observer=self.observe)
        await self.embedded.tidegate.__aenter__()
        await self.embedded.tidegate.wait_ready()

    async def registered(self):
        """Wait for the API server to have found the metrics API."""
        await self.until(self.embedded._available)

    def denied(self):
        """What was asked and refused: (namespace, verb, resource)."""
        return {
            (each.namespace, each.verb, _named(each.group, each.full_resource))
            for each, allowed in self.asked
            if not allowed
        }

    def unused(self):
        """What is granted and was never asked: (namespace, verb, resource, name)."""
        allowed = {attributes for attributes, granted in self.asked if granted}
        return {
            (one.namespace, one.verb, _named(one.group, one.full_resource), one.name)
            for namespace, rule, one in self._rights()
            if not any(_asks(each, namespace, rule, one) for each in allowed)
        }

    def _rights(self):
        for role in self.granted:
            namespace = role["metadata"].get("namespace", "")
            for rule in role.get("rules") or ():
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        plural, _, part = resource.partition("/")
                        for verb in rule["verbs"]:
                            for name in rule.get("resourceNames") or ("",):
                                yield (
                                    namespace,
                                    rule,
                                    Attributes(
                                        verb=verb,
                                        group=group,
                                        resource=plural,
                                        subresource=part,
                                        namespace=namespace,
                                        name=name,
                                    ),
                                )


def _asks(asked, namespace, rule, one):
    if namespace and asked.namespace != namespace:
        return False
    same = (asked.verb, asked.group, asked.full_resource) == (one.verb, one.group, one.full_resource)
    return same and (not one.name or asked.name == one.name) and allows(rule, asked)


def _named(group, resource):
    plural, slash, part = resource.partition("/")
    return (f"{plural}.{group}" if group else plural) + slash + part


def _place(obj):
    return GROUP, _PLURALS[obj["kind"]], obj["metadata"].get("namespace", "")


@asynccontextmanager
async def least(redis, home, *, namespaces=(), factor=20, hpa_sync=2.0):
    """The embedded cluster with the namespaces `tidegate` and `shop`, the CRDs and the account. No Tidegate yet."""
    clock = SystemClock(factor)
    embedded = Embedded(clock, pods="ready", hpa_sync=hpa_sync, tidegate=False)
    embedded.clock = clock
    async with embedded:
        for crd in crds():
            embedded.api.create("apiextensions.k8s.io", "customresourcedefinitions", "", crd)
        run = Least(embedded, redis, tuple(namespaces), home)
        for name in ("tidegate", "shop"):
            run.namespace(name)
        run.api.create("", "serviceaccounts", "tidegate", {"metadata": {"name": "tidegate"}})
        try:
            yield run
        finally:
            if embedded.tidegate is not None:
                await embedded.tidegate.close()
