"""What a ScaledObject's triggers would read of the cluster: found out by resolving them, with nothing to be had.

The controller's own resolution runs over a Lookup that notes each question. So what `tidegate rbac` grants cannot differ
from what the controller asks for.
"""

from dataclasses import dataclass, field

from scaler.control.authentications import CLUSTER, authentication_of
from scaler.control.checkup import Objects, resolved
from scaler.core.model import ScaledObject
from scaler.core.rbac import Reference
from scaler.kube.client import Object
from scaler.kube.errors import NotFound

__all__ = ["Found", "references"]

_AUTHENTICATIONS = ("TriggerAuthentication", CLUSTER)


@dataclass(frozen=True, slots=True)
class Found:
    """What is referred to, and what of it could not be followed, in words."""

    references: frozenset[Reference]
    unknown: tuple[str, ...]


@dataclass(slots=True)
class _Noted:
    """Objects of which nothing but authentications and the target is given out."""

    objects: Objects
    seen: set[Reference] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)
    by_environment: bool = False
    """Does an authentication ask for the environment or the ServiceAccount of the target's pods?"""

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        self.seen.add(Reference(kind, namespace, name))
        if kind not in _AUTHENTICATIONS:
            return None
        obj = await self.objects.get(kind, namespace, name)
        where = f"{namespace}/{name}" if namespace else name
        if obj is None:
            self.unknown.append(f"{kind} {where} is not there, so what it refers to is not known")
            return None
        spec = authentication_of(obj).spec
        if spec is None:
            self.unknown.append(f"{kind} {where} is not valid, so what it refers to is not known")
        elif spec.env or spec.pod_identity is not None:
            self.by_environment = True
        return obj

    async def target(self, so: ScaledObject) -> Object | None:
        return await self.objects.target(so)

    async def token(self, namespace: str, name: str) -> str:
        self.seen.add(Reference("Token", namespace, name))
        raise NotFound(f"create serviceaccounts/token {namespace}/{name}", 404)


async def references(so: ScaledObject, objects: Objects, *, home: str) -> Found:
    """For one object; `home` is the namespace of what ClusterTriggerAuthentications refer to. Raises KubeError.

    Raises NoContainerError.
    """
    noted = _Noted(objects)
    target = await objects.target(so)
    await resolved(so, target, noted, home)
    named = any(key.endswith("FromEnv") for trigger in so.spec.triggers for key in trigger.metadata)
    if target is None and (named or noted.by_environment):
        text = f"{so.target.kind} {so.namespace}/{so.target.name} is not there"
        noted.unknown.append(f"{text}, so what its environment refers to is not known")
    return Found(frozenset(noted.seen), tuple(noted.unknown))
