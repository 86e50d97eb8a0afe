"""A ScaledObject at one moment of a record: what of it is bad, and what follows when Tidegate has it.

All from the record's input: the manifest, and the objects and lists around it. An HPA is the one `tidegate render` shows.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from scaler.core import formula, hpa, policies, rules
from scaler.core.formula import FormulaError
from scaler.core.model import ScaledObject, Trigger
from scalers._lib.metadata import AUTH, ENV
from scalers.registry import Checked, Registry
from scalers.sdk import MetricSpec

__all__ = ["Json", "Record", "Stage"]

Json = Any
Record = Mapping[str, Json]

_REFUSES_CONNECTIONS = "closed.test:"
_CONNECTS_FIRST = ("redis", "rabbitmq")
"""Types (and their families) to which KEDA connects while it builds their scaler."""


@dataclass(frozen=True)
class Stage:
    """The object after so many patches, amid what the record says stands around it."""

    so: ScaledObject
    given: Record
    recorded: Record

    @property
    def refused(self) -> bool:
        """Does the reconcile stop at the object itself? (Pauses, fallbacks and formulas have records of their own.)"""
        return bool(rules.refusals(self.so))

    @property
    def plain(self) -> bool:
        """Is it one of which this module knows what follows?"""
        advanced = self.so.spec.advanced
        modified = advanced is not None and advanced.scaling_modifiers is not None
        steered = any(name.startswith("autoscaling.keda.sh/") for name in self.so.annotations)
        return not (self.refused or modified or steered or self.so.spec.fallback)

    @property
    def modified(self) -> bool:
        """Is it one with a formula over lists that can be read, and of which this module knows the rest?"""
        steered = any(name.startswith("autoscaling.keda.sh/") for name in self.so.annotations)
        lists = all(each.type == "redis" and not self.bad(each) for each in self.so.spec.triggers)
        advanced = self.so.spec.advanced
        used = advanced is not None and advanced.scaling_modifiers is not None
        return used and lists and not steered and not self.so.spec.fallback

    def formula_fails(self) -> bool:
        """Is it in order, and cannot be computed from the lists as they are?"""
        found = None if self.refused else policies.modifiers_of(self.so)
        if found is None or not found.formula:
            return False
        values = {each.name: float(self._length(each)) for each in self.so.spec.triggers}
        try:
            formula.compile(found.formula, policies.formula_names(self.so)).evaluate(values)
        except FormulaError:
            return True
        return False

    @property
    def workload(self) -> str:
        """Its target as records name it."""
        return f"{self.so.target.kind}/{self.so.target.name}"

    def around(self, kind: str) -> Iterator[Json]:
        """The existing objects of a kind."""
        return (obj for obj in self.given.get("existing", ()) if obj["kind"] == kind)

    def has(self, kind: str, name: str) -> Json | None:
        """One of them."""
        return next((obj for obj in self.around(kind) if obj["metadata"]["name"] == name), None)

    # Triggers.

    def checked(self, trigger: Trigger) -> Checked:
        """What the registry says of a trigger's metadata; values from elsewhere are taken as given where they can be."""
        unknown = {ENV, AUTH} if trigger.authentication_ref is not None else {ENV}
        return _registry().check(
            trigger.type,
            trigger.metadata,
            frozenset(unknown),
            metric_type=trigger.metric_type,
            namespace=self.so.namespace,
        )

    def malformed(self, trigger: Trigger) -> bool:
        """Can it not be built: an unknown type, bad metadata, a credential that is missing?"""
        return bool(self.checked(trigger).problems) or self.lacks_credentials(trigger)

    def unreachable(self, trigger: Trigger) -> bool:
        """Does its source refuse connections, and would KEDA connect while it builds?"""
        return trigger.type.startswith(_CONNECTS_FIRST) and _REFUSES_CONNECTIONS in json.dumps(
            dict(trigger.metadata)
        )

    def bad(self, trigger: Trigger) -> bool:
        """Can it not be built or not be read?"""
        return self.malformed(trigger) or self.unreachable(trigger)

    def lacks_credentials(self, trigger: Trigger) -> bool:
        """Does it refer to an authentication that is not there, or to one whose Secret or ConfigMap is not?"""
        reference = trigger.authentication_ref
        if reference is None:
            return False
        found = self.has(reference.kind or "TriggerAuthentication", reference.name)
        if found is None:
            return True
        kinds = (("secretTargetRef", "Secret"), ("configMapTargetRef", "ConfigMap"))
        return any(
            not self._holds(kind, entry) for field, kind in kinds for entry in found["spec"].get(field) or ()
        )

    def needs_credentials(self, trigger: Trigger) -> bool:
        """Is its own metadata not enough?"""
        own = _registry().check(
            trigger.type, trigger.metadata, frozenset({ENV}), metric_type=trigger.metric_type
        )
        return bool(own.problems)

    def lacks_variables(self) -> bool:
        """Does a container of the target take its environment from a Secret or ConfigMap that is not there?"""
        found = self.has(self.so.target.kind, self.so.target.name) or {}
        pod = found.get("spec", {}).get("template", {}).get("spec", {})
        wanted = self.so.target.env_source_container_name
        containers = [c for c in pod.get("containers") or () if not wanted or c["name"] == wanted]
        return any(not self._resolves(source) for source in _sources(containers[:1]))

    def names_variables(self) -> bool:
        """Does a trigger ask for the environment?"""
        return any(
            name.endswith("FromEnv") for trigger in self.so.spec.triggers for name in trigger.metadata
        ) or any(True for trigger in self.so.spec.triggers if trigger.authentication_ref is not None)

    def _resolves(self, source: tuple[str, Json]) -> bool:
        kind, reference = source
        if reference.get("optional"):
            return True
        return self._holds(kind, reference)

    def _holds(self, kind: str, reference: Json) -> bool:
        found = self.has(kind, reference["name"])
        if found is None:
            return False
        key = reference.get("key")
        return key is None or any(key in (found.get(field) or {}) for field in ("data", "stringData"))

    # What follows.

    def active(self) -> bool:
        """Does a good trigger say that there is work? Lists are counted; of other sources none is known to."""
        return any(self._waiting(trigger) for trigger in self.so.spec.triggers if not self.bad(trigger))

    def _waiting(self, trigger: Trigger) -> bool:
        return self._length(trigger) > float(trigger.metadata.get("activationListLength") or 0)

    def _length(self, trigger: Trigger) -> int:
        if trigger.type != "redis":
            return 0
        return int((self.given.get("lists") or {}).get(trigger.metadata.get("listName"), 0))

    def replicas_before(self) -> int:
        """What the target was made with."""
        found = self.has(self.so.target.kind, self.so.target.name) or {}
        return int(found.get("spec", {}).get("replicas", 1))

    def replicas(self, before: int, *, sure: bool = True) -> int:
        """Where the target ends. `sure`: is nothing unknown that could keep replicas from being taken away?"""
        so = self.so
        if not self.active():
            if not sure:
                return max(before, so.floor) if before else 0
            rest = so.idle if so.idle is not None else so.minimum
            return rest if so.minimum == 0 or so.idle is not None else max(before, rest)
        wanted = [
            math.ceil(self._length(trigger) / float(trigger.metadata.get("listLength") or 5))
            for trigger in so.spec.triggers
            if not self.bad(trigger)
        ]
        least = so.floor if sure else max(before, so.floor)
        return min(max(least, *wanted), so.maximum)

    def own_hpa(self) -> Json:
        """Our HPA as a record would have it."""
        found = hpa.defaulted(hpa.render(self.so, [*self._metrics()], "VERSION"))
        meta = {name: found["metadata"].get(name) for name in ("annotations", "labels", "ownerReferences")}
        return {"metadata": {"name": self.so.hpa_name, **meta}, "spec": found["spec"]}

    def _metrics(self) -> Iterator[hpa.TriggerMetrics]:
        for index, trigger in enumerate(self.so.spec.triggers):
            specs = () if self.malformed(trigger) else self.checked(trigger).specs
            kind = trigger.metric_type if specs else ""
            yield hpa.TriggerMetrics(index, specs or (MetricSpec("invalid", 1),), kind)

    def hpas(self, *own: Json) -> list[Json]:
        """The recorded HPAs with these in place of what was recorded of ours."""
        names = {self.so.hpa_name, *(each["metadata"]["name"] for each in own)}
        others = [each for each in self.recorded.get("hpas") or () if each["metadata"]["name"] not in names]
        return sorted([*others, *own], key=lambda each: each["metadata"]["name"])

    def becomes(self, ready: str, active: str, hpas: list[Json], replicas: int | None) -> dict[str, Json]:
        """The recorded state with another outcome; words are `status reason`."""
        counts = dict(self.recorded.get("replicas") or {})
        if replicas is not None:
            counts[self.workload] = replicas
        words = {"ready": ready, "active": active, "fallback": "False NoFallbackFound"}
        conditions = {kind: _condition(text) for kind, text in words.items()}
        return {**self.recorded, **conditions, "hpas": hpas, "replicas": counts}


def _condition(words: str) -> dict[str, str]:
    status, _, reason = words.partition(" ")
    return {"status": status, "reason": reason}


def _sources(containers: list[Json]) -> Iterator[tuple[str, Json]]:
    """(kind, reference) of every Secret and ConfigMap that containers take their environment from."""
    for container in containers:
        for entry in container.get("envFrom") or ():
            for field, kind in (("secretRef", "Secret"), ("configMapRef", "ConfigMap")):
                if field in entry:
                    yield kind, entry[field]
        for entry in container.get("env") or ():
            for field, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
                if field in (entry.get("valueFrom") or {}):
                    yield kind, entry["valueFrom"][field]


@cache
def _registry() -> Registry:
    return Registry()
