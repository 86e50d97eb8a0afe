"""One trigger's `authenticationRef` and `…FromEnv` keys, resolved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from scaler.control.authentications import CLUSTER, NAMESPACED, Authentication
from scaler.control.parameters import Lookup, Place, environment_of, parameters
from scaler.control.references import Ref
from scaler.control.unresolved import Failure
from scaler.core.model import AuthenticationRef, Trigger
from scalers._lib.problem import Problem

__all__ = ["Find", "Resolved", "resolve"]

Find = Callable[[Ref, str], Authentication | Failure]
"""The authentication of that name for a trigger of this namespace, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a trigger may use besides its metadata. `failures`: what could not be had, with paths below the trigger."""

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    pod_identity: str = ""
    failures: tuple[tuple[str, Failure], ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The failures as problems."""
        return tuple(failure.at(path) for path, failure in self.failures)


async def resolve(
    trigger: Trigger, place: Place, lookup: Lookup, find: Find, cluster_namespace: str
) -> Resolved:
    """All that is given to the trigger. References of a ClusterTriggerAuthentication are of `cluster_namespace`."""
    named = {key: name.strip() for key, name in trigger.metadata.items() if key.endswith("FromEnv")}
    env = await environment_of(place.container, set(named.values()) - {""}, place.namespace, lookup)
    failures = [
        (f"metadata.{key}", env.failures[name].within(name))
        for key, name in named.items()
        if name in env.failures
    ]
    resolved = Resolved(env=env.values, failures=tuple(failures))
    if trigger.authentication_ref is None:
        return resolved
    identity, found = await _authenticated(trigger.authentication_ref, place, lookup, find, cluster_namespace)
    failures += [("authenticationRef", value) for value in found.values() if isinstance(value, Failure)]
    return replace(
        resolved,
        auth={name: value for name, value in found.items() if isinstance(value, str)},
        pod_identity=identity,
        failures=tuple(failures),
    )


async def _authenticated(
    named: AuthenticationRef, place: Place, lookup: Lookup, find: Find, cluster_namespace: str
) -> tuple[str, dict[str, str | Failure]]:
    cluster = named.kind == CLUSTER
    ref = Ref(CLUSTER if cluster else NAMESPACED, "" if cluster else place.namespace, named.name)
    found = find(ref, place.namespace)
    if isinstance(found, Failure) or found.spec is None:
        return "", {"": found if isinstance(found, Failure) else Failure(f"{ref} is not valid")}
    if cluster:
        place = replace(place, home=cluster_namespace)
    values = await parameters(found.spec, place, lookup, cluster=cluster)
    provider = found.spec.pod_identity.provider if found.spec.pod_identity is not None else "none"
    return "" if provider == "none" else provider, {
        name: value.within(str(ref)) if isinstance(value, Failure) else value
        for name, value in values.items()
    }
