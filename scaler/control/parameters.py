"""From the spec of a TriggerAuthentication to a trigger's parameters (facts 6.1).

The sources come in KEDA's order, each overwriting what earlier ones gave for the same parameter.
What the parameters are read from is asked through `Lookup`, so that the controller, `tidegate check` and the tests differ in
nothing else. A parameter that could not be had, and that no later source gave, is a Failure; KEDA takes it for not given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from scaler.control import environment
from scaler.control.contents import ROLE_ARN
from scaler.control.environment import Container, Content, Environment
from scaler.control.files import FileRefused
from scaler.control.unresolved import Failure, SecretForbidden, text_of
from scaler.core.authentication import TriggerAuthenticationSpec, unsupported
from scaler.core.authentication_stores import PodIdentity
from scaler.core.fields import is_object_name
from scaler.kube.errors import Forbidden, KubeError, NotFound
from scalers.sdk import Unavailable

__all__ = ["Lookup", "Place", "environment_of", "parameters"]

_VERBS = {"Secret": "secrets", "ConfigMap": "configmaps", "ServiceAccount": "serviceaccounts"}


class Lookup(Protocol):
    """What a TriggerAuthentication may be read from. Names have been checked."""

    async def content(self, kind: str, namespace: str, name: str) -> Mapping[str, str] | None:
        """What a Secret (values in base64), a ConfigMap or a ServiceAccount holds; None: there is none. Raises KubeError."""
        ...

    async def token(self, namespace: str, name: str) -> str:
        """A token of the ServiceAccount. Raises KubeError."""
        ...

    async def file(self, path: str) -> Mapping[str, str]:
        """The parameters in a file. Raises FileRefused."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a trigger stands. `home` is the namespace in which its authentication's references are looked up."""

    namespace: str
    home: str
    containers: tuple[Container, ...]
    container: Container | None
    service_account: str


async def parameters(
    spec: TriggerAuthenticationSpec, place: Place, lookup: Lookup, *, cluster: bool
) -> dict[str, str | Failure]:
    """What each named parameter comes to. `cluster`: the spec is a ClusterTriggerAuthentication's.

    The key "" holds the failure of the whole.
    """
    for problem in unsupported(spec, cluster=cluster):
        return {"": Failure(f"{problem.path} {problem.problem}", problem.mend)}
    found = await _identity(spec.pod_identity, place, lookup)
    if spec.file_path:
        return found | await _file(spec.file_path, lookup)
    for index, item in enumerate(spec.env or ()):
        value = await _variable(item.name, item.container_name, place, lookup)
        found[item.parameter] = _within(value, f"spec.env[{index}]")
    for kind, field, items in (
        ("ConfigMap", "configMapTargetRef", spec.config_map_target_ref),
        ("Secret", "secretTargetRef", spec.secret_target_ref),
    ):
        for index, ref in enumerate(items or ()):
            value = await _entry(kind, place.home, ref.name, ref.key, lookup)
            found[ref.parameter] = _within(value, f"spec.{field}[{index}]")
    for index, bound in enumerate(spec.bound_service_account_token or ()):
        value = await _token(place.home, bound.service_account_name, lookup)
        found[bound.parameter] = _within(value, f"spec.boundServiceAccountToken[{index}]")
    return found | await _oauth2(spec, place, lookup)


async def environment_of(
    container: Container | None, names: Iterable[str], namespace: str, lookup: Lookup
) -> Environment:
    """These variables of a container in this namespace."""
    if container is None or not names:
        return Environment()
    contents: dict[environment.Object, Content] = {}
    for kind, name in environment.needs(container, names):
        content = await _content(kind, namespace, name, lookup)
        contents[kind, name] = content
    return environment.evaluate(container, names, contents)


async def _identity(identity: PodIdentity | None, place: Place, lookup: Lookup) -> dict[str, str | Failure]:
    found: dict[str, str | Failure] = {}
    if identity is None or identity.provider == "none":
        return found
    if identity.role_arn:
        found["awsRoleArn"] = identity.role_arn
    if identity.external_id:
        found["awsExternalID"] = identity.external_id
    required = identity.identity_owner == "workload"
    if place.containers and (required or identity.provider == "aws-eks"):
        account = place.service_account or "default"
        content = await _content("ServiceAccount", place.namespace, account, lookup)
        missing = Failure(
            f"ServiceAccount {place.namespace}/{account} has no annotation {ROLE_ARN}",
            "annotate it with the role, or remove identityOwner: workload",
        )
        value = content if isinstance(content, Failure) else (content or {}).get(ROLE_ARN) or missing
        if required or not isinstance(value, Failure):
            found["awsRoleArn"] = _within(value, "spec.podIdentity")
    return found


async def _file(path: str, lookup: Lookup) -> dict[str, str | Failure]:
    try:
        return dict(await lookup.file(path))
    except FileRefused as error:
        return {"": Failure(f"spec.filePath {path!r} {error}")}


async def _variable(name: str, container: str, place: Place, lookup: Lookup) -> str | Failure:
    try:
        chosen = environment.choose(place.containers, container) if container else place.container
    except ValueError:
        return Failure(f"the scale target has no container {container}", "name one of its containers")
    env = await environment_of(chosen, (name,), place.namespace, lookup)
    missing = Failure(f"the scale target's container has no variable {name}", "add it to the container's env")
    return env.failures.get(name) or env.values.get(name) or missing


async def _entry(kind: str, namespace: str, name: str, key: str, lookup: Lookup) -> str | Failure:
    content = await _content(kind, namespace, name, lookup)
    if isinstance(content, Failure):
        return content
    if content is None:
        return Failure(f"{kind} {namespace}/{name} does not exist", "create it")
    if key not in content:
        return Failure(f"{kind} {namespace}/{name} has no key {key}", "add it, or name another key")
    try:
        return text_of(kind, content[key])
    except ValueError as error:
        return Failure(f"the value of {key} in {kind} {namespace}/{name} {error}", "store text")


async def _token(namespace: str, name: str, lookup: Lookup) -> str | Failure:
    if not is_object_name(name):
        return _no_name("ServiceAccount", name)
    try:
        return await lookup.token(namespace, name)
    except NotFound:
        return Failure(f"ServiceAccount {namespace}/{name} does not exist", "create it")
    except Forbidden:
        return _forbidden("create serviceaccounts/token", "ServiceAccount", namespace, name)
    except KubeError as error:
        return _not_now("the token of ServiceAccount", namespace, name, error)


async def _oauth2(spec: TriggerAuthenticationSpec, place: Place, lookup: Lookup) -> dict[str, str | Failure]:
    oauth2 = spec.oauth2
    if oauth2 is None:
        return {}
    found: dict[str, str | Failure] = {"oauthTokenURI": oauth2.token_url, "clientID": oauth2.client_id}
    if oauth2.client_secret is not None:
        ref = oauth2.client_secret.value_from.secret_key_ref
        value = await _entry("Secret", place.home, ref.name, ref.key, lookup)
        found["clientSecret"] = _within(value, "spec.oauth2.clientSecret")
    if oauth2.scopes:
        found["scopes"] = ",".join(oauth2.scopes)
    if oauth2.token_url_params:
        found["endpointParams"] = urlencode(sorted(oauth2.token_url_params.items()))
    return found


async def _content(kind: str, namespace: str, name: str, lookup: Lookup) -> Content:
    """What an object of exactly this namespace holds: a name with a path in it leads nowhere else."""
    if not is_object_name(name):
        return _no_name(kind, name)
    try:
        return await lookup.content(kind, namespace, name)
    except Forbidden:
        return _forbidden(f"get {_VERBS[kind]}", kind, namespace, name)
    except KubeError as error:
        return _not_now(kind, namespace, name, error)


def _no_name(kind: str, name: str) -> Failure:
    return Failure(f"{name!r} is no name of a {kind}", f"name a {kind} of the same namespace, without a path")


def _forbidden(right: str, kind: str, namespace: str, name: str) -> Failure:
    return Failure(
        f"{kind} {namespace}/{name} may not be used: the right to {right} (name {name}) in namespace {namespace} is missing",
        "add it to Tidegate's Role",
        SecretForbidden,
    )


def _not_now(what: str, namespace: str, name: str, error: KubeError) -> Failure:
    return Failure(f"{what} {namespace}/{name} could not be read yet: {error}", error=Unavailable)


def _within(value: str | Failure, place: str) -> str | Failure:
    return value.within(place) if isinstance(value, Failure) else value
