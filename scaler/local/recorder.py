"""Kubernetes Events of the cluster's own controllers: counted, limited, and of a bounded number.

Equal events (object, type, reason, message) become one object whose count grows. An object that complains
without end is held to client-go's limit (25 at once, then one in 5 minutes). An Event that cannot be written
is dropped: nothing depends on it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import structlog

from scaler.local.api import Api, ApiError
from scaler.local.objects import Object, rfc3339

_log = structlog.get_logger(__name__)

_BURST = 25.0
_REFILL = 300.0
_KEPT = 10_000


class Recorder:
    """Writes core/v1 Events as one component."""

    def __init__(self, api: Api, component: str) -> None:
        self._api, self._component = api, component
        self._known: OrderedDict[tuple[str, str, str, str], tuple[str, str]] = OrderedDict()
        self._allowance: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def event(
        self, kind: tuple[str, str], obj: Mapping[str, Any], type_: str, reason: str, message: str
    ) -> None:
        """Say something about an object; `kind` is its (apiVersion, kind), `type_` Normal or Warning."""
        meta = obj["metadata"]
        if not self._allowed(meta["uid"]):
            return
        key = (meta["uid"], type_, reason, message)
        try:
            if key not in self._known or not self._count(key):
                self._create(key, kind, meta)
        except ApiError as error:
            _log.debug("event_dropped", reason=reason, object=meta["name"], error=str(error))

    def _allowed(self, uid: str) -> bool:
        now = self._api.clock.monotonic()
        left, at = self._allowance.pop(uid, (_BURST, now))
        left = min(_BURST, left + (now - at) / _REFILL)
        self._allowance[uid] = (max(0.0, left - 1) if left >= 1 else left, now)
        while len(self._allowance) > _KEPT:
            self._allowance.popitem(last=False)
        return left >= 1

    def _create(self, key: tuple[str, str, str, str], kind: tuple[str, str], meta: Mapping[str, Any]) -> None:
        namespace, now = str(meta.get("namespace") or "default"), rfc3339(self._api.clock.now())
        name = f"{meta['name']}.{uuid4().hex[:16]}"
        body: Object = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": kind[0],
                "kind": kind[1],
                "name": meta["name"],
                "namespace": namespace,
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            },
            "type": key[1],
            "reason": key[2],
            "message": key[3][:1024],
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        self._api.create("", "events", namespace, body, manager=self._component)
        self._known[key] = (namespace, name)
        while len(self._known) > _KEPT:
            self._forget(*self._known.popitem(last=False)[1])

    def _count(self, key: tuple[str, str, str, str]) -> bool:
        """One more of the same; False when the Event is gone."""
        namespace, name = self._known[key]
        try:
            count = int(self._api.get("", "events", namespace, name).get("count") or 1) + 1
            patch = {"count": count, "lastTimestamp": rfc3339(self._api.clock.now())}
            self._api.merge_patch("", "events", namespace, name, patch, manager=self._component)
        except ApiError as error:
            if error.code != 404:
                raise
            del self._known[key]
            return False
        self._known.move_to_end(key)
        return True

    def _forget(self, namespace: str, name: str) -> None:
        try:
            self._api.delete("", "events", namespace, name)
        except ApiError as error:
            _log.debug("event_already_gone", name=name, error=str(error))
