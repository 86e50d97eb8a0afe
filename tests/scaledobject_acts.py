"""What can be done in a story of docs/scaledobject.md, line by line: ACTS. See `scaledobject_stories`."""

import contextlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, Self

import yaml
from controlled import DEPLOYMENTS, HPAS, SCALED_OBJECTS, Run, target
from redis_server import RedisServer
from scaledobject_history import History
from scaledobject_page import Example, base

from scaler.local import patch
from scaler.local.api import ApiError

__all__ = ["ACTS", "Actor", "Words", "kind_of"]

ADDRESS, NOBODY = "redis:6379", "elsewhere:6379"
"""What stands in the page for the example's server, and for one that never answers."""
_KINDS = {
    "ScaledObject": SCALED_OBJECTS,
    "TriggerAuthentication": ("keda.sh", "triggerauthentications"),
    "ClusterTriggerAuthentication": ("keda.sh", "clustertriggerauthentications"),
    "Deployment": DEPLOYMENTS,
    "StatefulSet": ("apps", "statefulsets"),
    "DaemonSet": ("apps", "daemonsets"),
    "HorizontalPodAutoscaler": HPAS,
    "Secret": ("", "secrets"),
    "Namespace": ("", "namespaces"),
}
_SHORT = {"hpa": "HorizontalPodAutoscaler", **{kind.lower(): kind for kind in _KINDS}}

Words = re.Match[str]


def kind_of(word: str) -> tuple[str, str]:
    """The resource that a story calls `deployment` or `hpa`."""
    return _KINDS[_SHORT[word]]


class Actor:
    """An example's namespace, and what is done there."""

    def __init__(self, run: Run, redis: RedisServer, namespace: str, example: Example) -> None:
        self.run, self.redis, self.ns, self.example = run, redis, namespace, example
        self.api = run.api
        self.refusal: str | None = None
        self.acted = run.embedded.clock.now()
        self.documents = self._documents()
        watched = (SCALED_OBJECTS, HPAS, DEPLOYMENTS, kind_of("statefulset"))
        self.seen = {kind: History(self.api, kind, namespace) for kind in watched}

    async def __aenter__(self) -> Self:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.ns}}
        self.api.create(*_KINDS["Namespace"], "", namespace)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing of it stays: not its objects, which the brake would count, and not its pods."""
        for kind, history in self.seen.items():
            history.close()
            for obj in self.api.list(*kind, self.ns):
                with contextlib.suppress(ApiError):
                    self.api.delete(*kind, self.ns, obj["metadata"]["name"])
        for document in self.documents:
            if document["metadata"].get("namespace") != self.ns:
                where = document["metadata"].get("namespace", ""), document["metadata"]["name"]
                with contextlib.suppress(ApiError):
                    self.api.delete(*_KINDS[document["kind"]], *where)
        await self.run.until(lambda: not self.api.list(*SCALED_OBJECTS, self.ns))
        await self.run.until(lambda: not self.api.list("", "pods", self.ns))

    # What is done.

    def _apply_all(self) -> None:
        for document in self.documents:
            self._apply(document)

    def _apply(self, document: dict[str, Any]) -> None:
        try:
            self.api.create(*_KINDS[document["kind"]], document["metadata"].get("namespace", ""), document)
        except ApiError as error:
            self.refusal = str(error)

    def apply(self, words: Words) -> None:
        if not words["kind"]:
            self._apply_all()
            return
        kind, name = _SHORT[words["kind"]], words["name"]
        (found,) = (d for d in self.documents if (d["kind"], d["metadata"]["name"]) == (kind, name))
        self._apply(found)

    def copies(self, words: Words) -> None:
        """So many of the object and its Deployment, each with a list of its own."""
        for number in range(1, int(words["count"]) + 1):
            for document in self.documents:
                text = yaml.safe_dump(document)
                text = re.sub(r"\b(name|listName|app): (worker|web|jobs)\b", rf"\1: \2-{number}", text)
                self._apply(yaml.safe_load(text))

    def push(self, words: Words) -> None:
        lists = [words["list"] or "jobs"]
        if words["list"] == "each":
            lists = [trigger["listName"] for trigger in self._lists()]
        for name in lists:
            self.redis.cli("RPUSH", name, *range(int(words["count"])))

    def _lists(self) -> list[dict[str, Any]]:
        objects = self.api.list(*SCALED_OBJECTS, self.ns)
        return [trigger["metadata"] for one in objects for trigger in one["spec"]["triggers"]]

    def take(self, words: Words) -> None:
        self.redis.cli("LPOP", words["list"] or "jobs", int(words["count"]))

    def empty(self, words: Words) -> None:
        if words["list"] == "each":
            self.redis.cli("FLUSHALL")
        else:
            self.redis.cli("DEL", words["list"] or "jobs")

    def password(self, words: Words) -> None:
        self.redis.cli("CONFIG", "SET", "requirepass", words["password"])
        self.redis._password = words["password"]

    def annotate(self, words: Words) -> None:
        value = None if words["value"] is None else str(words["value"])
        body = {"metadata": {"annotations": {words["key"]: value}}}
        if words["who"] == "namespace":
            self.api.merge_patch(*_KINDS["Namespace"], "", self.ns, body)
        else:
            self.run.patch(words["who"] or "worker", namespace=self.ns, **body)

    def set(self, words: Words) -> None:
        """One field of spec; `null` takes it away."""
        value = yaml.safe_load(words["value"])
        for step in reversed(words["path"].split(".")):
            value = {step: value}
        try:
            self.run.patch(namespace=self.ns, spec=value)
        except ApiError as error:
            self.refusal = str(error)

    def scale(self, words: Words) -> None:
        self.run.scale(int(words["count"]), words["name"], self.ns)

    def edit_hpa(self, words: Words) -> None:
        value: Any = yaml.safe_load(words["value"])
        for step in reversed(words["path"].split(".")):
            value = {step: value}
        self.run.patch("keda-hpa-worker", HPAS, self.ns, spec=value)

    def delete(self, words: Words) -> None:
        self.api.delete(*_KINDS[_SHORT[words["kind"]]], self.ns, words["name"])

    def wait(self, words: Words) -> Awaitable[None]:
        return self.run.embedded.clock.sleep(float(words["seconds"]))

    def _documents(self) -> list[dict[str, Any]]:
        """The Deployment `web` and the page's object, both with what the example changes; and what else it has."""
        obj, *changes = map(self._placed, (yaml.safe_dump(base()), *self.example.text.split("\n---\n")))
        others: list[dict[str, Any]] = []
        for document in filter(None, changes):
            if "kind" in document:
                others.append(document)
            else:
                obj = patch.merge(obj, document)
        if ("Deployment", "web") not in [(one["kind"], one["metadata"]["name"]) for one in others]:
            others.append(target(namespace=self.ns))
        for document in (*others, obj):
            if not document["kind"].startswith("Cluster"):
                document["metadata"].setdefault("namespace", self.ns)
        return [*others, obj]

    def _placed(self, text: str) -> Any:
        """A document with the servers' real addresses; port 1 is nobody's."""
        return yaml.safe_load(text.replace(ADDRESS, self.redis.address).replace(NOBODY, "127.0.0.1:1"))


ACTS: dict[str, Callable[[Actor, Words], Awaitable[None] | None]] = {
    r"apply(?: (?P<kind>\w+)/(?P<name>\S+))?": Actor.apply,
    r"apply (?P<count>\d+) copies": Actor.copies,
    r"push (?P<count>\d+)(?: to (?P<list>\w+))?": Actor.push,
    r"take (?P<count>\d+)(?: from (?P<list>\w+))?": Actor.take,
    r"empty(?: (?P<list>\w+))?": Actor.empty,
    r"redis stops": lambda actor, _: actor.redis.stop(),
    r"redis starts": lambda actor, _: actor.redis.start(),
    r"redis asks for the password (?P<password>\w+)": Actor.password,
    r"annotate (?:(?P<who>\S+) )?(?P<key>[^\s=]+?)(?:-|=(?P<value>\S*))": Actor.annotate,
    r"set (?P<path>[\w.]+)=(?P<value>.+)": Actor.set,
    r"edit hpa (?P<path>[\w.]+)=(?P<value>.+)": Actor.edit_hpa,
    r"scale (?P<name>\S+) to (?P<count>\d+)": Actor.scale,
    r"delete (?P<kind>\w+)/(?P<name>\S+)": Actor.delete,
    r"wait (?P<seconds>\d+)s": Actor.wait,
}
"""What a line that is not indented may be."""
