"""The Kubernetes client: verbs on resources, in and out as plain dicts.

Every method raises KubeError and nothing else for what can go wrong on the way; see errors.py for the classes
and transport.py for what is repeated, and when.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from scaler.clock import Clock
from scaler.kube import access, errors
from scaler.kube.resources import Resource
from scaler.kube.transport import Call, Observer, Transport

__all__ = ["APPLY", "JSON_PATCH", "MERGE_PATCH", "STRATEGIC_MERGE_PATCH", "Kube", "Object", "Page"]

Object = dict[str, Any]

APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"

PAGE = 500  # Larger pages would stall the event loop while they are decoded.


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `version` is its resourceVersion, `token` asks for the next page (if any)."""

    items: list[Object]
    version: str
    token: str


class Kube:
    """One API server, one identity. Used as an async context manager, or closed with `close`.

    The keyword arguments are Transport's: `observer`, `jitter`, `timeout`, `concurrency`, `fence`, `read_only`.
    """

    def __init__(self, reach: access.Access, clock: Clock, **options: Any) -> None:
        self._transport = Transport(reach, clock, **options)

    @classmethod
    async def connect(
        cls,
        kubeconfig: str | os.PathLike[str] | None,
        clock: Clock,
        *,
        observer: Observer | None = None,
        **options: Any,
    ) -> Self:
        """A client for a kubeconfig's current context; None: KUBECONFIG, else the pod's service account.

        Nothing is sent yet. Raises ConfigError.
        """
        return cls(await access.load(kubeconfig, clock), clock, observer=observer, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._transport.access.server

    async def close(self) -> None:
        """Close all connections; requests and watches under way fail."""
        await self._transport.close()

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, *, subresource: str = ""
    ) -> Object:
        """One object, or its subresource."""
        return await self._object(_call("get", resource, name, namespace, subresource))

    async def list_page(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        selector: str = "",
        field_selector: str = "",
        limit: int = PAGE,
        token: str = "",
        patient: bool = True,
    ) -> Page:
        """One page of a list, of all namespaces when `namespace` is None. Raises Gone for an old `token`.

        Items carry apiVersion and kind, which the API server leaves out of the lists of built-in kinds.
        """
        query = _query(
            labelSelector=selector, fieldSelector=field_selector, limit=str(limit), **{"continue": token}
        )
        call = Call("list", "GET", resource.collection(namespace), str(resource), namespace or "", query)
        answer = _decode(call, await self._transport.request(call, patient=patient))
        metadata, items = answer.get("metadata"), answer.get("items")
        if not isinstance(metadata, dict) or not isinstance(items or [], list) or "items" not in answer:
            raise errors.Unreachable(f"{call.action}: the answer is no list but {answer.get('kind')!r}")
        if not all(isinstance(item, dict) for item in items or ()):
            raise errors.Unreachable(f"{call.action}: the list holds what is no object")
        for item in items or ():
            item.setdefault("apiVersion", resource.api_version)
            item.setdefault("kind", resource.kind)
        return Page(items or [], metadata.get("resourceVersion") or "", metadata.get("continue") or "")

    async def list_pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        selector: str = "",
        field_selector: str = "",
    ) -> AsyncIterator[Page]:
        """All pages of a list, in order. Raises Gone when reading them took too long."""
        token = ""
        while True:
            page = await self.list_page(
                resource, namespace, selector=selector, field_selector=field_selector, token=token
            )
            yield page
            token = page.token
            if not token:
                return

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        version: str,
        seconds: int,
        idle: float,
        selector: str = "",
        field_selector: str = "",
    ) -> AsyncGenerator[bytes, None]:
        """The raw pieces of a watch from `version` on, an empty one when it has begun; ends after `seconds`.

        Raises Unreachable after `idle` real seconds without a byte. Reflector is what one wants to use.
        """
        query = _query(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=version,
            timeoutSeconds=str(seconds),
            labelSelector=selector,
            fieldSelector=field_selector,
        )
        call = Call("watch", "GET", resource.collection(namespace), str(resource), namespace or "", query)
        return self._transport.stream(call, idle=idle)

    async def create(self, resource: Resource, obj: Mapping[str, Any], *, subresource: str = "") -> Object:
        """Create in the namespace that the object names, or ask its subresource (`token`). Raises AlreadyExists."""
        metadata = obj.get("metadata") or {}
        namespace, name = metadata.get("namespace"), metadata.get("name") or ""
        what = "/".join(part for part in (namespace, name or metadata.get("generateName")) if part)
        if resource.namespaced and not namespace:
            raise ValueError(f"create {resource} {what}: metadata.namespace is needed")
        body = msgspec.json.encode(obj)
        if subresource:
            call = _call("create", resource, name, namespace, subresource, body=body)
        else:
            call = Call("create", "POST", resource.collection(namespace), str(resource), what, body=body)
        return await self._object(call)

    async def replace(self, resource: Resource, obj: Mapping[str, Any], *, subresource: str = "") -> Object:
        """Replace an object that carries the resourceVersion it was read with. Raises Conflict, NotFound."""
        metadata = obj["metadata"]
        body = msgspec.json.encode(obj)
        return await self._object(
            _call("update", resource, metadata["name"], metadata.get("namespace"), subresource, body=body)
        )

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Any,
        namespace: str | None = None,
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
        field_manager: str = "",
        force: bool = False,
    ) -> Object:
        """Patch, by merge unless told otherwise. With `metadata.resourceVersion`, raises Conflict when old.

        APPLY needs a `field_manager`; JSON is YAML, so its body is a dict too.
        """
        return await self._object(
            _call(
                "patch",
                resource,
                name,
                namespace,
                subresource,
                query=_query(fieldManager=field_manager, force="true" if force else ""),
                body=msgspec.json.encode(body),
                content_type=content_type,
            )
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str | None = None,
    ) -> Object:
        """Delete, if it is still the object of this uid and resourceVersion (else Conflict).

        Returns the object while finalizers or its grace period hold it, else a Status.
        """
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions"}
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        if any(preconditions.values()):
            options["preconditions"] = {key: value for key, value in preconditions.items() if value}
        if propagation:
            options["propagationPolicy"] = propagation
        return await self._object(
            _call("delete", resource, name, namespace, body=msgspec.json.encode(options))
        )

    async def get_scale(self, resource: Resource, name: str, namespace: str) -> Object:
        """The autoscaling/v1 Scale of an object. An absent `spec.replicas` is 0."""
        return await self.get(resource, name, namespace, subresource="scale")

    async def patch_scale(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        replicas: int,
        *,
        resource_version: str | None = None,
    ) -> Object:
        """Set `spec.replicas` through the scale subresource. Raises Conflict for an old resource_version."""
        body: Object = {"spec": {"replicas": replicas}}
        if resource_version:
            body["metadata"] = {"resourceVersion": resource_version}
        return await self.patch(resource, name, body, namespace, subresource="scale")

    async def raw(
        self,
        path: str,
        *,
        method: str = "GET",
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """The body of any path (already escaped): discovery, `/readyz`, aggregated APIs, logs."""
        call = Call(method.lower(), method, path, "raw", path, query or {}, body, content_type)
        return await self._transport.request(call)

    async def raw_object(self, path: str) -> Object:
        """The JSON object at any path."""
        call = Call("get", "GET", path, "raw", path)
        return _decode(call, await self._transport.request(call))

    async def _object(self, call: Call) -> Object:
        return _decode(call, await self._transport.request(call))


_METHODS = {"create": "POST", "get": "GET", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}


def _call(
    verb: str, resource: Resource, name: str, namespace: str | None, subresource: str = "", **rest: Any
) -> Call:
    what = f"{namespace}/{name}" if resource.namespaced else name
    if name in {
        ".",
        "..",
    }:  # As manifests may say; the API server has no such object, whatever a path would reach.
        raise errors.NotFound(f"{verb} {resource} {what}", 404, message=f"{name!r} is no name")
    if subresource:
        path, label = resource.subresource(name, subresource, namespace), f"{resource}/{subresource}"
    else:
        path, label = resource.object(name, namespace), str(resource)
    return Call(verb, _METHODS[verb], path, label, what, **rest)


def _query(**values: str) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def _decode(call: Call, body: bytes) -> Object:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise errors.Unreachable(f"{call.action}: the answer is not JSON: {error}") from error
    if not isinstance(answer, dict):
        raise errors.Unreachable(f"{call.action}: the answer is no JSON object")
    return answer
