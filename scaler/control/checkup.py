"""`tidegate check`: each trigger of a ScaledObject resolved, connected and read once, as the controller would.

What the object refers to (its target, Secrets, authentications) comes from `Objects`: the manifests at hand, or a cluster.
Everything else is the controller's own code: resolution, building, the one place that calls scalers, and the decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from scaler.clock import Clock
from scaler.control import environment
from scaler.control.authentications import CLUSTER, Authentication, authentication_of
from scaler.control.contents import content_of
from scaler.control.files import FileRefused
from scaler.control.managed import Managed
from scaler.control.parameters import Place
from scaler.control.reader import failure, read
from scaler.control.references import Ref
from scaler.control.resolution import Resolved, resolve
from scaler.control.results import Result
from scaler.control.triggers import Built, Scalers, build
from scaler.control.unresolved import Failure
from scaler.core import annotations, desired
from scaler.core.decision import Decision
from scaler.core.judgement import counted, judge
from scaler.core.model import ScaledObject
from scaler.core.outcome import Outcome
from scaler.kube.client import Object
from scalers.sdk import Host, ScalerError

__all__ = ["Checked", "NoContainerError", "Objects", "check", "resolved"]


class NoContainerError(Exception):
    """The container whose environment is meant does not exist."""


class Objects(Protocol):
    """Where the things are that a ScaledObject refers to."""

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        """An object of a kind, None when there is none; `namespace` is empty for cluster-wide kinds. Raises KubeError."""
        ...

    async def target(self, so: ScaledObject) -> Object | None:
        """The scale target as it is now."""
        ...

    async def token(self, namespace: str, name: str) -> str:
        """A token of a ServiceAccount. Raises KubeError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What one ScaledObject would do now. `hpa` is the count that the HPA would ask for, None where it cannot be told."""

    so: ScaledObject
    outcomes: tuple[tuple[str, Outcome], ...]
    """(trigger type, outcome) of every metric."""
    replicas: int
    decision: Decision
    hpa: int | None

    @property
    def ok(self) -> bool:
        """Was every trigger read?"""
        return not any(outcome.unknown for _, outcome in self.outcomes)


async def check(
    so: ScaledObject, objects: Objects, scalers: Scalers, clock: Clock, host: Host, *, home: str
) -> Checked:
    """Check one object. `home` is the namespace of what ClusterTriggerAuthentications refer to. Raises KubeError.

    Raises NoContainerError.
    """
    target = await objects.target(so)
    managed = Managed.of(so)
    managed.activation = annotations.activation(so.annotations, {}, "floor")
    managed.readings.take(build(so, await resolved(so, target, objects, home), scalers), clock.now())
    for built in managed.triggers:
        answer = await _read(built, clock, host)
        if answer is not None:
            managed.readings.result(built.index, answer)
    replicas = ((target or {}).get("spec") or {}).get("replicas")
    replicas = 0 if target is None else 1 if replicas is None else int(replicas)
    outcomes = managed.readings.outcomes()
    types = {built.index: built.type for built in managed.triggers}
    given = managed.given(replicas, clock.now())
    judged = counted(judge(given.policy, outcomes, replicas, None, given.now))
    known = [o for o in judged if o.value is not None and o.metric_type == "AverageValue"]
    return Checked(
        so=so,
        outcomes=tuple((types[outcome.index], outcome) for outcome in outcomes),
        replicas=replicas,
        decision=given.decide(),
        hpa=desired.first_write(given.policy, judged) if len(known) == len(judged) else None,
    )


async def resolved(
    so: ScaledObject, target: Object | None, objects: Objects, home: str
) -> tuple[Resolved, ...]:
    """What each trigger may use besides its metadata. Raises KubeError, NoContainerError."""
    containers = environment.containers_of(target or {})
    try:
        container = environment.choose(containers, so.target.env_source_container_name)
    except ValueError as error:
        raise NoContainerError(str(error)) from error
    place = Place(
        namespace=so.namespace,
        home=so.namespace,
        containers=containers,
        container=container,
        service_account=environment.service_account_of(target or {}),
    )
    lookup = _Lookup(objects)
    found: dict[Ref, Authentication] = {}
    for trigger in so.spec.triggers:
        if (named := trigger.authentication_ref) is not None:
            kind = named.kind or "TriggerAuthentication"
            ref = Ref(kind, "" if kind == CLUSTER else so.namespace, named.name)
            obj = await objects.get(*ref)
            if obj is not None:
                found[ref] = authentication_of(obj)

    def find(ref: Ref, namespace: str) -> Authentication | Failure:
        known = found.get(ref)
        if known is None:
            return Failure(f"{ref} does not exist", "create it, or correct the reference")
        return known.for_namespace(namespace)

    return tuple([await resolve(trigger, place, lookup, find, home) for trigger in so.spec.triggers])


async def _read(built: Built, clock: Clock, host: Host) -> Result | None:
    if built.scaler is None or built.metadata is None or not built.reads:
        return None
    answer: Any
    sent = clock.monotonic()
    try:
        async with built.metadata.connection.open(host) as client:
            answers = await read(clock, client, built.scaler, [built.metadata])
            answer = answers if isinstance(answers, ScalerError) else answers[0]
    except Exception as error:  # noqa: BLE001 - whatever a plugin raises while it connects is the trigger's own
        answer = failure(error, built.metadata)
    if isinstance(answer, ScalerError):
        return Result(error=answer, at=sent, moment=clock.now(), cause="poll")
    return Result(readings=answer, at=sent, moment=clock.now(), cause="poll")


class _Lookup:
    """The Lookup over Objects."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def content(self, kind: str, namespace: str, name: str) -> Mapping[str, str] | None:
        obj = await self._objects.get(kind, namespace, name)
        return None if obj is None else content_of(kind, obj)

    async def token(self, namespace: str, name: str) -> str:
        return await self._objects.token(namespace, name)

    async def file(self, path: str) -> Mapping[str, str]:
        raise FileRefused(f"the file {path!r} is the controller's own and cannot be read here")
