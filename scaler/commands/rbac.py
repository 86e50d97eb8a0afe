"""`tidegate rbac`: the Roles that exactly these objects need, from manifests or from a cluster."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import typer

from scaler import manifests
from scaler.commands import flags, logs, process
from scaler.commands.given import Given, TargetError, no_texts
from scaler.control.checkup import NoContainerError, Objects
from scaler.control.rights import references
from scaler.core import manifest, rbac
from scaler.core.checking import flat, foreign
from scaler.core.fields import is_object_name
from scaler.core.known_kinds import without_scale
from scaler.core.model import ScaledObject, ScaleTargetRef
from scaler.kube.access import load
from scaler.kube.client import Kube, Object
from scaler.kube.errors import KubeError, NotFound, UnknownKind
from scaler.kube.mapper import Mapper
from scaler.kube.resources import CLUSTER_TRIGGER_AUTHENTICATIONS, SCALED_OBJECTS, TRIGGER_AUTHENTICATIONS
from scaler.settings import AdapterSettings
from scaler.yaml_text import dump
from scalers._lib.problem import Problem

__all__ = ["command"]

_AUTHENTICATIONS = {
    resource.kind: resource for resource in (TRIGGER_AUTHENTICATIONS, CLUSTER_TRIGGER_AUTHENTICATIONS)
}


class _World(Objects, Protocol):
    """Where the ScaledObjects are, and what they refer to."""

    async def plural(self, ref: ScaleTargetRef) -> str | None:
        """The resource of a target's kind; None where it cannot be scaled. Raises KubeError."""
        ...


@dataclass(slots=True)
class _Files:
    """The manifests of -f. A plural that they do not show is guessed, as kubectl does."""

    given: Given
    plurals: Mapping[tuple[str, str], str]

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        return await self.given.get(kind, namespace, name)

    async def target(self, so: ScaledObject) -> Object | None:
        return await self.given.target(so)

    async def token(self, namespace: str, name: str) -> str:
        return await self.given.token(namespace, name)

    async def plural(self, ref: ScaleTargetRef) -> str | None:
        if without_scale(ref.api_version, ref.kind):
            return None
        return self.plurals.get((_group(ref), ref.kind)) or _guessed(ref.kind)


@dataclass(slots=True)
class _Cluster:
    """The cluster of --kubeconfig."""

    kube: Kube
    mapper: Mapper

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        try:
            return await self.kube.get(_AUTHENTICATIONS[kind], name, namespace or None)
        except NotFound:
            return None

    async def target(self, so: ScaledObject) -> Object | None:
        try:
            mapped = await self.mapper.find(so.target.api_version, so.target.kind)
            return await self.kube.get(mapped.resource, so.target.name, so.namespace)
        except (NotFound, UnknownKind):
            return None

    async def token(self, namespace: str, name: str) -> str:
        raise KubeError(f"no token of ServiceAccount {namespace}/{name} is asked for")

    async def plural(self, ref: ScaleTargetRef) -> str | None:
        try:
            mapped = await self.mapper.find(ref.api_version, ref.kind)
        except UnknownKind:
            return None
        return mapped.resource.plural if mapped.scalable else None


def command(
    files: Sequence[str],
    kubeconfig: str | None,
    namespaces: Sequence[str],
    role: rbac.Role,
    places: tuple[str, str, str],
    *,
    register: bool,
) -> None:
    """`places`: ServiceAccount and Lease (NAMESPACE/NAME), cluster namespace. Exit 1: not all could be followed, 2: usage."""
    logs.configure("error")
    account, lease, home = places
    if role != "adapter" and bool(files) == (kubeconfig is not None):
        raise process.fail("give either manifests with -f or a cluster with --kubeconfig", process.USAGE)
    if register and role == "controller":
        raise process.fail("--register goes with the adapter, not with --role controller", process.USAGE)
    adapter = AdapterSettings()
    settings = rbac.Settings(
        role=role,
        lease=_placed("--lease", lease),
        account=rbac.Account(*_placed("--service-account", account)),
        namespaces=flags.namespaces(namespaces),
        service=adapter.service if register else "",
        service_namespace=adapter.service_namespace,
    )
    try:
        documents = list(flat(manifests.documents(files)))
        needs, told = process.run(_needs(documents, kubeconfig, settings, home))
    except manifests.ManifestError as error:
        raise process.fail(str(error), process.USAGE) from error
    except (KubeError, OSError) as error:
        raise process.fail(str(error)) from error
    for line in told:
        typer.echo(f"tidegate: {line}", err=True)
    typer.echo(dump(rbac.documents(needs, settings)), nl=False)
    if told:
        raise typer.Exit(1)


def _placed(flag: str, value: str) -> tuple[str, str]:
    namespace, slash, name = value.partition("/")
    if not slash or not is_object_name(name):
        raise flags.refuse(flag, value, "write NAMESPACE/NAME")
    flags.namespaces([namespace], flag)
    return namespace, name


async def _needs(
    documents: Sequence[tuple[str, Any]], kubeconfig: str | None, settings: rbac.Settings, home: str
) -> tuple[list[rbac.Need], list[str]]:
    """What each object calls for, and what is to be told of those that could not be followed."""
    if settings.role == "adapter":
        return [], []
    if kubeconfig is None:
        good = [doc for _, doc in documents if isinstance(doc, dict) and not any(no_texts(doc))]
        world = _Files(Given(good, {}), dict(_plurals(good)))
        return await _all(world, documents, settings, home)
    clock = flags.clock()
    async with Kube(await load(kubeconfig, clock), clock) as kube:
        found = [
            (f"{kube.server}", obj)
            for namespace in settings.namespaces or (None,)
            async for page in kube.list_pages(SCALED_OBJECTS, namespace)
            for obj in page.items
        ]
        return await _all(_Cluster(kube, Mapper(kube, clock)), found, settings, home)


async def _all(
    world: _World, documents: Sequence[tuple[str, Any]], settings: rbac.Settings, home: str
) -> tuple[list[rbac.Need], list[str]]:
    needs: list[rbac.Need] = []
    told: list[str] = []
    for file, document in documents:
        problem = document if isinstance(document, Problem) else foreign(document)
        if problem is not None:
            told.append(f"{file}: {problem}")
            continue
        if document["kind"] != "ScaledObject":
            continue
        parsed = manifest.parse(document)
        so = parsed.scaled_object
        if so is None:
            told += [f"{file}: {each}" for each in parsed.problems]
        elif not settings.namespaces or so.namespace in settings.namespaces:
            needs.append(await _need(world, so, home, told))
    return needs, told


async def _need(world: _World, so: ScaledObject, home: str, told: list[str]) -> rbac.Need:
    title = f"ScaledObject {so.key}"
    plural = await world.plural(so.target)
    if plural is None:
        told.append(f"{title}: {so.target.api_version} {so.target.kind} cannot be scaled, or is not served")
    target = None if plural is None else (_group(so.target), plural)
    try:
        found = await references(so, world, home=home)
    except (NoContainerError, TargetError) as error:
        told.append(f"{title}: {error}")
        return rbac.Need(so=so, target=target)
    told += [f"{title}: {unknown}" for unknown in found.unknown]
    return rbac.Need(so=so, target=target, references=found.references)


def _plurals(documents: Sequence[Object]) -> Iterator[tuple[tuple[str, str], str]]:
    """By group and kind, from the CRDs among the manifests."""
    for document in documents:
        if document.get("kind") != "CustomResourceDefinition":
            continue
        spec = document.get("spec")
        names = spec.get("names") if isinstance(spec, Mapping) else None
        if isinstance(spec, Mapping) and isinstance(names, Mapping):
            yield (str(spec.get("group")), str(names.get("kind"))), str(names.get("plural"))


def _group(ref: ScaleTargetRef) -> str:
    return ref.api_version.rpartition("/")[0]


def _guessed(kind: str) -> str:
    word = kind.lower()
    if word.endswith("s"):
        return f"{word}es"
    return f"{word.removesuffix('y')}ies" if word.endswith("y") else f"{word}s"
