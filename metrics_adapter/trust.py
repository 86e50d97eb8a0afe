"""Following the ConfigMap in which the API servers publish whose certificates mean what.

It is watched, so a rotated CA is known within moments. One that cannot be read, or makes no sense, never ends the
process: what was known holds on, and the log says what is wrong and how to mend it.
"""

import asyncio
from collections.abc import Mapping

import structlog

from metrics_adapter.authn import CONFIG_MAP, Trust
from scaler.clock import Clock
from scaler.kube.cache import Change, Relist
from scaler.kube.client import Kube
from scaler.kube.errors import Forbidden, KubeError, NotFound
from scaler.kube.reflector import Reflector
from scaler.kube.resources import CONFIG_MAPS

__all__ = ["Published"]

_log = structlog.get_logger(__name__)

_NAMESPACE, _NAME = CONFIG_MAP
_WHERE = f"ConfigMap {_NAMESPACE}/{_NAME}"
_READER = f"bind the Role {_NAME}-reader in {_NAMESPACE} to the adapter's ServiceAccount"


class Published:
    """The trust as last read. `start` reads it once and then follows it; `close` ends that."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._task: asyncio.Task[None] | None = None
        self._told = ""
        self.trust: Trust | None = None
        """None until it could be read."""
        self._reflector = Reflector[Mapping[str, str]](
            kube,
            CONFIG_MAPS,
            clock,
            decode=lambda obj: obj.get("data") or {},
            handler=self._changed,
            on_relist=self._listed,
            on_problem=self._problem,
            namespace=_NAMESPACE,
            field_selector=f"metadata.name={_NAME}",
        )

    async def start(self) -> None:
        """Read it; a ConfigMap that is missing, or that we may not read, is logged and waited for. Raises other KubeErrors."""
        try:
            self._take((await self._kube.get(CONFIG_MAPS, _NAME, _NAMESPACE)).get("data") or {})
        except (Forbidden, NotFound) as error:
            self._problem(error)
        self._task = asyncio.create_task(self._reflector.run(), name="trust")

    async def close(self) -> None:
        """Follow no longer; what is known stays. Safe to call twice, or without a start."""
        await self._reflector.close()
        if self._task is not None:
            await asyncio.wait([self._task])

    def _changed(self, _: Change, old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> None:
        if new is None:
            self._tell(f"{_WHERE} was deleted; restart an API server, which writes it anew")
        elif old is None or old != new:
            self._take(new)

    def _listed(self, relist: Relist) -> None:
        if not relist.present:
            self._tell(f"{_WHERE} does not exist; a kube-apiserver writes it when it starts")

    def _problem(self, error: KubeError) -> None:
        if isinstance(error, Forbidden):
            self._tell(f"{error}; {_READER}", _READER)  # Reading and watching are refused in different words.
        elif isinstance(error, NotFound):
            self._tell(f"{_WHERE} does not exist; a kube-apiserver writes it when it starts")

    def _take(self, data: Mapping[str, str]) -> None:
        try:
            trust = Trust.from_config_map(data)
        except ValueError as error:
            self._tell(str(error))
            return
        if trust == self.trust:
            return
        first, self.trust, self._told = self.trust is None, trust, ""
        if trust.front_proxy is None:
            _log.warning(
                "no_front_proxy",
                why=f"{_WHERE} names no CA of a front proxy, so no HPA is served",
                mend="run the API server with its aggregation layer (--requestheader-client-ca-file)",
            )
        if trust.open_to_all:
            _log.warning(
                "front_proxy_is_anybody",
                why=f"{_WHERE}: the front proxy's CA is the client CA, and no names are asked for",
                mend="give the API server a front-proxy CA of its own, or --requestheader-allowed-names",
            )
        _log.info("trust_read" if first else "trust_changed", where=_WHERE)

    def _tell(self, problem: str, kind: str = "") -> None:
        """Say it once (each kind, if given), until there is something else to say."""
        kind = kind or problem
        if kind == self._told:
            return
        self._told = kind
        held = (
            "what was known holds on" if self.trust is not None else "nobody is answered until it can be read"
        )
        _log.warning("trust_unknown", problem=problem, meanwhile=held)
