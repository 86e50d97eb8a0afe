"""What stands beside a ScaledObject: other ScaledObjects, HPAs, targets, LimitRanges, by namespace and index.

One object is checked against indexes, so 10,000 of them in one namespace cost 10,000 look-ups and not their
square. Filled from the documents of files, or kept up to date from watches: `put` replaces, `remove` forgets.
Objects are read as written by anyone: what cannot be understood is not there, and nothing raises.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from scaler.core.model import ScaledObject
from scalers._lib import quantity

__all__ = [
    "Hpa",
    "Kinds",
    "Surroundings",
    "Target",
    "TargetType",
    "above_zero",
    "listed",
    "mapping",
    "target_of",
]

K = TypeVar("K")

Kinds = Callable[[str, str], bool]
"""Does the cluster know this apiVersion and kind? Asked only where the answer is not KEDA's own (`knows`)."""

_OWNERSHIP = "validations.keda.sh/hpa-ownership"
_BY_NAME_ALONE = frozenset({"Deployment", "StatefulSet"})
_HPA, _SCALED_OBJECT, _LIMIT_RANGE = "HorizontalPodAutoscaler", "ScaledObject", "LimitRange"


class Holder(NamedTuple):
    """A ScaledObject or an HPA."""

    kind: str
    name: str


class TargetType(NamedTuple):
    """A kind of scale target."""

    api_version: str
    kind: str


class Target(NamedTuple):
    """A scale target: two are one when all three texts are equal, as for KEDA (facts 7.2)."""

    api_version: str
    kind: str
    name: str

    @property
    def type(self) -> TargetType:
        """Its kind."""
        return TargetType(self.api_version, self.kind)

    def __str__(self) -> str:
        """`kind/name`."""
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Hpa:
    """What matters of an HPA. `owners`: kind and name of each."""

    name: str
    target: Target
    owners: frozenset[tuple[str, str]]


class _Held(NamedTuple):
    """Where an object stands in the indexes."""

    target: Target
    hpa_name: str


class Surroundings:
    """The objects of a cluster, or of some files, that a ScaledObject may collide with.

    `kinds` says which kinds the cluster knows. `complete`: what is not here is nowhere; not so for files.
    """

    def __init__(self, kinds: Kinds, *, complete: bool = True) -> None:
        self.complete = complete
        self._kinds = kinds
        self._objects: dict[tuple[str, str, str], _Held] = {}
        self._on_target: _Index[Target] = _Index()
        self._on_hpa: _Index[str] = _Index()
        self._types: _Index[TargetType] = _Index()
        self._hpas: dict[tuple[str, Target], dict[str, Hpa]] = defaultdict(dict)
        self._workloads: dict[tuple[str, Target], Mapping[str, Any]] = {}
        self._limits: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)

    def put(self, obj: Mapping[str, Any]) -> None:
        """An HPA, a LimitRange or a workload (anything with a pod template) as it is now; others are passed over."""
        meta = mapping(obj.get("metadata"))
        namespace, name = _text(meta.get("namespace")) or "default", _text(meta.get("name"))
        kind, spec = obj.get("kind"), mapping(obj.get("spec"))
        if kind == _HPA:
            self.remove(_HPA, namespace, name)
            if mapping(meta.get("annotations")).get(_OWNERSHIP) != "false":
                self._put_hpa(namespace, name, meta, target_of(mapping(spec.get("scaleTargetRef"))))
        elif kind == _LIMIT_RANGE:
            self._limits[namespace][name] = frozenset(_defaults(spec))
        elif "template" in spec:
            target = Target(_text(obj.get("apiVersion")), _text(kind), name)
            self._workloads[namespace, target] = obj

    def put_scaled_object(self, so: ScaledObject) -> None:
        """A ScaledObject as it is now."""
        self.remove(_SCALED_OBJECT, so.namespace, so.name)
        target = Target(so.target.api_version, so.target.kind, so.target.name)
        self._objects[_SCALED_OBJECT, so.namespace, so.name] = _Held(target, so.hpa_name)
        self._on_target.add(so.namespace, target, Holder(_SCALED_OBJECT, so.name))
        self._on_hpa.add(so.namespace, so.hpa_name, Holder(_SCALED_OBJECT, so.name))
        self._types.add(so.namespace, target.type, Holder(_SCALED_OBJECT, so.name))

    def remove(self, kind: str, namespace: str, name: str, api_version: str = "apps/v1") -> None:
        """Forget an object; nothing happens when it is not here. `api_version` tells workloads apart."""
        if kind == _LIMIT_RANGE:
            self._limits.get(namespace, {}).pop(name, None)
        self._workloads.pop((namespace, Target(api_version, kind, name)), None)
        held = self._objects.pop((kind, namespace, name), None)
        if held is None:
            return
        self._types.discard(namespace, held.target.type, Holder(kind, name))
        if kind == _HPA:
            self._hpas[namespace, held.target].pop(name, None)
        else:
            self._on_target.discard(namespace, held.target, Holder(kind, name))
            self._on_hpa.discard(namespace, held.hpa_name, Holder(kind, name))

    def scaled_objects_on(self, namespace: str, target: Target) -> Collection[Holder]:
        """The ScaledObjects with this target, in the order they came."""
        return self._on_target.at(namespace, target)

    def scaled_objects_with(self, namespace: str, hpa_name: str) -> Collection[Holder]:
        """The ScaledObjects whose HPA has this name, in the order they came."""
        return self._on_hpa.at(namespace, hpa_name)

    def hpas_on(self, namespace: str, target: Target) -> Iterator[Hpa]:
        """The HPAs with this target, without those that are annotated not to be looked at."""
        return iter(self._hpas.get((namespace, target), {}).values())

    def workload(self, namespace: str, target: Target) -> Mapping[str, Any] | None:
        """The target, None when it is not here."""
        return self._workloads.get((namespace, target))

    def has_default(self, namespace: str, resource: str) -> bool:
        """Does a LimitRange give every container a request or limit of `cpu` or `memory`?"""
        return any(resource in found for found in self._limits.get(namespace, {}).values())

    def knows(self, kind: TargetType) -> bool:
        """Is it a kind at all? Deployment and StatefulSet are known by name, in any group, as to KEDA (facts 2.3)."""
        if kind.api_version.count("/") > 1:
            return False
        return kind.kind in _BY_NAME_ALONE or self._kinds(kind.api_version, kind.kind)

    def strangers(self, namespace: str) -> Iterator[tuple[TargetType, Collection[Holder]]]:
        """Each unknown kind of target in the namespace, with the ScaledObjects and HPAs that have it."""
        return ((kind, holders) for kind, holders in self._types.of(namespace) if not self.knows(kind))

    def _put_hpa(self, namespace: str, name: str, meta: Mapping[str, Any], target: Target) -> None:
        owners = (mapping(owner) for owner in listed(meta.get("ownerReferences")))
        whose = frozenset((_text(owner.get("kind")), _text(owner.get("name"))) for owner in owners)
        self._objects[_HPA, namespace, name] = _Held(target, name)
        self._hpas[namespace, target][name] = Hpa(name, target, whose)
        self._types.add(namespace, target.type, Holder(_HPA, name))


class _Index(Generic[K]):
    """Namespace → value → the objects that have it. What is answered is a view: nothing is copied for a look-up."""

    def __init__(self) -> None:
        self._held: dict[str, dict[K, dict[Holder, None]]] = {}

    def add(self, namespace: str, value: K, holder: Holder) -> None:
        self._held.setdefault(namespace, {}).setdefault(value, {})[holder] = None

    def discard(self, namespace: str, value: K, holder: Holder) -> None:
        holders = self._held[namespace][value]
        holders.pop(holder, None)
        if not holders:
            del self._held[namespace][value]

    def at(self, namespace: str, value: K) -> Collection[Holder]:
        return self._held.get(namespace, {}).get(value, {}).keys()

    def of(self, namespace: str) -> Iterator[tuple[K, Collection[Holder]]]:
        return ((value, holders.keys()) for value, holders in self._held.get(namespace, {}).items())


def target_of(ref: Mapping[str, Any]) -> Target:
    """A scaleTargetRef as written, with KEDA's defaults."""
    api_version, kind = _text(ref.get("apiVersion")), _text(ref.get("kind"))
    return Target(api_version or "apps/v1", kind or "Deployment", _text(ref.get("name")))


def mapping(value: object) -> Mapping[str, Any]:
    """A mapping, an empty one in place of anything else."""
    return value if isinstance(value, Mapping) else {}


def listed(value: object) -> list[Any]:
    """A list, an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def above_zero(value: object) -> bool:
    """Is it a quantity above 0? What is no quantity is none."""
    try:
        return isinstance(value, str | int | float) and quantity.parse(value) > 0
    except ValueError:
        return False


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _defaults(spec: Mapping[str, Any]) -> Iterator[str]:
    """The resources that a LimitRange gives to containers that say nothing.

    The API server makes a default limit of `max` and a default request of `min`; in files they stand alone.
    """
    for limit in map(mapping, listed(spec.get("limits"))):
        if limit.get("type") == "Container":
            for field in ("default", "defaultRequest", "max", "min"):
                yield from (name for name, value in mapping(limit.get(field)).items() if above_zero(value))
