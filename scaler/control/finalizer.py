"""The end of a ScaledObject: what is to be undone before it goes (facts 2.7). Without a finalizer on it that is nothing.

The finalizer is KEDA's own, so that either can take over from the other. It is put on objects that want their replicas
restored, by the reconciler; on others it is a leftover of KEDA's and only taken off.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from scaler.control.hpas import Hpas
from scaler.control.observed import KEDA_FINALIZER, Observed
from scaler.control.targets import TargetError, Targets
from scaler.core.model import ScaledObject
from scaler.kube.client import Kube, Object
from scaler.kube.errors import (
    Conflict,
    KubeError,
    NotFound,
    ServerError,
    TooManyRequests,
    Unauthenticated,
    Unreachable,
)
from scaler.kube.resources import SCALED_OBJECTS

__all__ = ["Finalizer"]

_log = structlog.get_logger(__name__)
_FLEETING = (Conflict, ServerError, TooManyRequests, Unauthenticated, Unreachable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalizer:
    """See the module. `live_hpa` gives the HPA of a namespace and name as last seen; `observed`, is nothing to be written?"""

    kube: Kube
    targets: Targets
    hpas: Hpas
    live_hpa: Callable[[str, str], Object | None]
    observed: Callable[[Observed], bool]

    async def finalize(self, seen: Observed) -> None:
        """Give the target the replicas it had, if so wished, and let the object go. Raises KubeError, to be tried again."""
        if KEDA_FINALIZER not in seen.finalizers or self.observed(seen):
            return
        if seen.so is not None and seen.so.restores:
            await self._restore(seen.so)
        rest = [name for name in seen.finalizers if name != KEDA_FINALIZER]
        body = {"metadata": {"resourceVersion": seen.resource_version, "finalizers": rest}}
        try:
            await self.kube.patch(SCALED_OBJECTS, seen.name, body, seen.namespace)
        except NotFound:
            return

    async def _restore(self, so: ScaledObject) -> None:
        """The replicas of the first sight. The HPA goes first, or it would set its own again."""
        original = so.status.get("originalReplicaCount")
        if not isinstance(original, int):
            return
        name = so.status.get("hpaName") or so.hpa_name
        try:
            await self.hpas.remove(so.namespace, name, self.live_hpa(so.namespace, name), owner=so.uid)
            key = await self.targets.find(so.target, so.namespace)
            target = await self.targets.read(key)
            if target.replicas != original:
                await self.targets.scale(key, original, target.resource_version)
        except (TargetError, KubeError) as error:
            if isinstance(error, _FLEETING):
                raise
            # What is gone needs no replicas, and what we may not write, or an edited status asks for, no waiting mends.
            _log.warning("replicas not restored", object=so.key, replicas=original, problem=str(error))
        else:
            _log.info("replicas restored", object=so.key, replicas=original)
