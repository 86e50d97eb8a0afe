"""TriggerAuthentications and ClusterTriggerAuthentications as the watches show them, and the Events about them.

A TriggerAuthentication serves its own namespace only. A ClusterTriggerAuthentication serves all, or those that its annotation
`tidegate.dev/allowed-namespaces` lists.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from scaler.clock import Clock
from scaler.control.references import Ref
from scaler.control.unresolved import Failure, SecretForbidden
from scaler.core.authentication import TriggerAuthenticationSpec, parse_spec
from scaler.core.fields import is_object_name
from scaler.core.problems import kind_of
from scaler.kube.cache import Change
from scaler.kube.client import Kube, Object
from scaler.kube.errors import Forbidden, NotFound
from scaler.kube.events import EventRecorder, reference
from scaler.kube.informer import Informer
from scaler.kube.resources import CLUSTER_TRIGGER_AUTHENTICATIONS, TRIGGER_AUTHENTICATIONS
from scalers._lib.problem import Problem

__all__ = ["ALLOWED", "CLUSTER", "NAMESPACED", "Authentication", "Authentications", "authentication_of"]

NAMESPACED, CLUSTER = TRIGGER_AUTHENTICATIONS.kind, CLUSTER_TRIGGER_AUTHENTICATIONS.kind
ALLOWED = "tidegate.dev/allowed-namespaces"


@dataclass(frozen=True, slots=True)
class Authentication:
    """`spec` is None when it is not valid; `problems` say why. `allowed` None: every namespace may use it."""

    ref: Ref
    regarding: Object
    generation: int
    spec: TriggerAuthenticationSpec | None
    problems: tuple[Problem, ...]
    allowed: frozenset[str] | None

    def for_namespace(self, namespace: str) -> "Authentication | Failure":
        """Itself for a trigger of this namespace, or why it cannot be used."""
        if self.allowed is not None and namespace not in self.allowed:
            return Failure(
                f"{self.ref} may not be used in namespace {namespace}",
                f"add the namespace to its annotation {ALLOWED}, or use another authentication",
            )
        if self.spec is None:
            return Failure(f"{self.ref} is not valid: {'; '.join(map(str, self.problems))}")
        return self

    def same(self, other: "Authentication") -> bool:
        """Does the other one say the same?"""
        mine = (self.spec, self.problems, self.allowed)
        return mine == (other.spec, other.problems, other.allowed)


class Authentications:
    """See the module. `changed` is told of every change of one. Where `silent` says so of a namespace no Events are made."""

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        *,
        namespaces: tuple[str, ...],
        events: EventRecorder,
        changed: Callable[[Ref], None],
        silent: Callable[[str], bool] = lambda _namespace: False,
    ) -> None:
        self._events = events
        self._silent = silent
        self._changed = changed
        self._informers: dict[str, Informer[Authentication]] = {
            resource.kind: Informer(
                kube, resource, clock, decode=authentication_of, handler=self._seen, namespaces=namespaces
            )
            for resource in (TRIGGER_AUTHENTICATIONS, CLUSTER_TRIGGER_AUTHENTICATIONS)
        }

    def runs(self) -> list[Coroutine[Any, Any, None]]:
        """What must run, each in a task."""
        return [informer.run() for informer in self._informers.values()]

    async def close(self) -> None:
        """See no more."""
        for informer in self._informers.values():
            await informer.close()

    @property
    def synced(self) -> bool:
        """Are they known, or is it known that they cannot be? Nobody who needs none must wait for a right or a CRD."""
        return all(
            informer.synced or any(isinstance(p, Forbidden | NotFound) for p in informer.problems.values())
            for informer in self._informers.values()
        )

    def get(self, ref: Ref, namespace: str) -> Authentication | Failure:
        """The authentication for a trigger of this namespace, or why there is none."""
        if not is_object_name(ref.name):
            return Failure(f"{ref.name!r} is no name of a {ref.kind}", "name one, without a path")
        informer = self._informers[ref.kind]
        found = informer.get(ref.namespace, ref.name)
        if found is None:
            return self._missing(ref, informer)
        return found.for_namespace(namespace)

    @staticmethod
    def _missing(ref: Ref, informer: Informer[Authentication]) -> Failure:
        resource = TRIGGER_AUTHENTICATIONS if ref.kind == NAMESPACED else CLUSTER_TRIGGER_AUTHENTICATIONS
        problem = informer.problems.get(ref.namespace) or informer.problems.get("")
        if isinstance(problem, Forbidden):
            where = f"in namespace {ref.namespace}" if ref.namespace else "in the cluster"
            text = f"{ref} may not be read: the right to get, list and watch {resource} {where} is missing"
            return Failure(text, "add it to Tidegate's Role", SecretForbidden)
        return Failure(f"{ref} does not exist", "create it, or correct the reference")

    def _seen(self, _: Change, old: Authentication | None, new: Authentication | None) -> None:
        shown = new or old
        if shown is None:
            return
        ref = shown.ref
        if old is None or new is None or not old.same(new):
            self._changed(ref)
        if self._silent(ref.namespace):
            return
        if new is None:
            self._events.record(shown.regarding, f"{ref.kind}Deleted", f"{ref.kind} was deleted")
        elif old is None:
            if new.generation == 1 and self._informers[ref.kind].synced:  # Not all of them at every start.
                self._events.record(new.regarding, f"{ref.kind}Added", f"New {ref.kind} configured")
        elif old.generation != new.generation:
            # KEDA has this one reason for both kinds.
            self._events.record(new.regarding, f"{CLUSTER}Updated", f"{ref.kind} {ref.name} is updated")


def authentication_of(obj: Object) -> Authentication:
    """What is kept of a TriggerAuthentication's or ClusterTriggerAuthentication's JSON."""
    meta, raw = obj["metadata"], obj.get("spec")
    spec, problems = _parsed(raw)
    listed = (meta.get("annotations") or {}).get(ALLOWED)
    return Authentication(
        ref=Ref(obj["kind"], meta.get("namespace") or "", meta["name"]),
        regarding=reference(obj),
        generation=meta.get("generation") or 0,
        spec=spec,
        problems=tuple(problems),
        allowed=None
        if listed is None
        else frozenset(name.strip() for name in listed.split(",") if name.strip()),
    )


def _parsed(raw: Any) -> tuple[TriggerAuthenticationSpec | None, list[Problem]]:
    if not isinstance(raw, Mapping):
        return None, [
            Problem("spec", f"is {kind_of(raw)}, not a mapping", "write where the values come from")
        ]
    return parse_spec(raw)
