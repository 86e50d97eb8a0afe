"""Resolves what a trigger's `authenticationRef` and `…FromEnv` keys come to, and says when that changes.

Every object that was looked at stands in the index of references, found or not: when it changes, or appears, exactly the
ScaledObjects that depend on it are looked at again. A changed value makes another connection, hence another Source; nothing
else knows of rotation.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from scaler.clock import Clock
from scaler.control import environment
from scaler.control.authentications import CLUSTER, NAMESPACED, Authentication, Authentications
from scaler.control.contents import Contents
from scaler.control.files import Files
from scaler.control.parameters import Place
from scaler.control.references import Ref, References, User
from scaler.control.resolution import Resolved, resolve
from scaler.control.targets import Target
from scaler.control.tokens import Tokens
from scaler.control.unresolved import Failure
from scaler.core.model import ScaledObject
from scaler.kube.client import Kube
from scaler.kube.events import EventRecorder
from scaler.settings import ControllerSettings
from scalers.sdk import Unavailable

__all__ = ["Credentials"]

_AGAIN = 5.0
"""Seconds until an object is looked at again that needs what could not be read just now."""


class Credentials:
    """See the module. `again` is told which ScaledObject to look at, after how many seconds; `silent` see Authentications."""

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        *,
        settings: ControllerSettings,
        events: EventRecorder,
        again: Callable[[User, float], None],
        silent: Callable[[str], bool] = lambda _namespace: False,
    ) -> None:
        self._again = again
        self._home = settings.cluster_namespace
        self._references = References(self._unused)
        self._contents = Contents(kube, clock, changed=self._changed)
        self._tokens = Tokens(kube, clock, seconds=settings.bound_token_seconds, changed=self._changed)
        self._files = Files(settings.filepath_auth_root, clock, changed=self._changed)
        self._authentications = Authentications(
            kube,
            clock,
            namespaces=settings.namespaces,
            events=events,
            changed=self._changed,
            silent=silent,
        )

    def runs(self) -> list[Coroutine[Any, Any, None]]:
        """What must run, each in a task."""
        return self._authentications.runs()

    @property
    def synced(self) -> bool:
        """Are the authentications known?"""
        return self._authentications.synced

    async def close(self) -> None:
        """Follow nothing any more."""
        await asyncio.gather(
            self._authentications.close(), self._contents.close(), self._tokens.close(), self._files.close()
        )

    async def resolve(self, so: ScaledObject, target: Target | None) -> tuple[Resolved, ...]:
        """For each trigger, in order. Raises ValueError when the container whose environment is meant does not exist."""
        containers = target.containers if target is not None else ()
        place = Place(
            namespace=so.namespace,
            home=so.namespace,
            containers=containers,
            container=environment.choose(containers, so.target.env_source_container_name),
            service_account=target.service_account if target is not None else "",
        )
        key = so.namespace, so.name
        reader = _Reader(
            self._references, key, self._contents, self._tokens, self._files, self._authentications
        )
        try:
            resolved = [
                await resolve(trigger, place, reader, reader.find, self._home) for trigger in so.spec.triggers
            ]
        finally:
            self._references.keep(key, reader.used)
        if any(failure.error is Unavailable for each in resolved for _, failure in each.failures):
            self._again(key, _AGAIN)
        return tuple(resolved)

    def forget(self, key: User) -> None:
        """The ScaledObject is gone."""
        self._references.keep(key, ())

    def _changed(self, ref: Ref) -> None:
        for key in self._references.users(ref):
            self._again(key, 0.0)

    def _unused(self, ref: Ref) -> None:
        if ref.kind == "Token":
            self._tokens.forget(ref)
        elif ref.kind == "File":
            self._files.forget(ref)
        elif ref.kind not in {CLUSTER, NAMESPACED}:
            self._contents.forget(ref)


class _Reader:
    """The Lookup of one ScaledObject's resolution: what it touches is a dependency before it is read."""

    def __init__(
        self,
        references: References,
        user: User,
        contents: Contents,
        tokens: Tokens,
        files: Files,
        authentications: Authentications,
    ) -> None:
        self._references = references
        self._user = user
        self._contents = contents
        self._tokens = tokens
        self._files = files
        self._authentications = authentications
        self.used: set[Ref] = set()

    def find(self, ref: Ref, namespace: str) -> Authentication | Failure:
        """See resolution.Find."""
        return self._authentications.get(self._use(ref), namespace)

    async def content(self, kind: str, namespace: str, name: str) -> Mapping[str, str] | None:
        """See Lookup."""
        return await self._contents.get(self._use(Ref(kind, namespace, name)))

    async def token(self, namespace: str, name: str) -> str:
        """See Lookup."""
        return await self._tokens.get(self._use(Ref("Token", namespace, name)))

    async def file(self, path: str) -> Mapping[str, str]:
        """See Lookup."""
        return await self._files.get(self._use(Ref("File", "", path)))

    def _use(self, ref: Ref) -> Ref:
        self.used.add(ref)
        self._references.add(self._user, ref)
        return ref
