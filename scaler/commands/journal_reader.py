"""Two ways to a controller's journal: over loopback, and through the API server into its pod. For `explain` and `compare`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
import msgspec

from scaler.clock import Clock
from scaler.kube.access import load
from scaler.kube.client import Kube, Object
from scaler.kube.errors import ApiError, Forbidden, NotFound
from scaler.kube.resources import PODS

__all__ = ["LABELS", "Journals", "NoAnswerError", "through_api_server", "through_loopback"]

LABELS = "app.kubernetes.io/name=tidegate,app.kubernetes.io/component=controller"
"""What the controller's pods have, in the namespace of `--controller-namespace`."""
_DISAGREEMENTS = "/disagreements"
_PORT = "metrics"
_DEADLINE = 10.0


class NoAnswerError(Exception):
    """The journal could not be read, or knows no such object. The message says the mend."""


class Journals(Protocol):
    """Where documents come from."""

    async def document(self, namespace: str, name: str, last: int) -> dict[str, Any]:
        """The document about an object with its newest `last` entries. Raises NoAnswerError or KubeError."""
        ...

    async def disagreements(self, namespace: str | None) -> dict[str, Any]:
        """The report about observed objects, of one namespace or all. Raises NoAnswerError or KubeError."""
        ...


@asynccontextmanager
async def through_loopback(address: str, clock: Clock) -> AsyncIterator[Journals]:
    """The journal of a process on this machine; `address` is `http://HOST:PORT`."""
    async with aiohttp.ClientSession(
        address, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield _Loopback(address, session, clock)


@asynccontextmanager
async def through_api_server(kubeconfig: str | None, namespace: str, clock: Clock) -> AsyncIterator[Journals]:
    """The journals of the controller's pods in `namespace`. Raises ConfigError without a cluster."""
    async with Kube(await load(kubeconfig, clock), clock) as kube:
        yield _Pods(kube, namespace)


@dataclass(frozen=True, slots=True)
class _Loopback:
    address: str
    session: aiohttp.ClientSession
    clock: Clock

    async def document(self, namespace: str, name: str, last: int) -> dict[str, Any]:
        return _whole(await self._asked(_path(namespace, name), {"last": str(last)}), self.address, "answer")

    async def disagreements(self, namespace: str | None) -> dict[str, Any]:
        return _whole(await self._asked(_DISAGREEMENTS, _only(namespace)), self.address, "objects")

    async def _asked(self, path: str, query: Mapping[str, str]) -> Any:
        try:
            async with (
                self.clock.deadline(_DEADLINE),
                self.session.get(path, params=query, allow_redirects=False) as response,
            ):
                status, body = response.status, await response.read()
        except TimeoutError as error:
            raise NoAnswerError(f"{self.address} did not answer within {_DEADLINE:g} s") from error
        except aiohttp.ClientError as error:
            mend = "is Tidegate running, and is this its --metrics-port?"
            raise NoAnswerError(f"{self.address} cannot be asked: {error}; {mend}") from error
        found = _decoded(body)
        if status != 200:
            raise NoAnswerError(
                _said(found) or f"{self.address}{path} answered {status}; is this Tidegate's --metrics-port?"
            )
        return found


@dataclass(frozen=True, slots=True)
class _Pods:
    """Whichever pod answers is in charge: a standby's journal knows no objects."""

    kube: Kube
    namespace: str

    async def document(self, namespace: str, name: str, last: int) -> dict[str, Any]:
        path, query = _path(namespace, name), {"last": str(last)}
        return await self._first(path, query, "answer", f"knows no ScaledObject {namespace}/{name}")

    async def disagreements(self, namespace: str | None) -> dict[str, Any]:
        return await self._first(_DISAGREEMENTS, _only(namespace), "objects", "has no such report")

    async def _first(self, path: str, query: Mapping[str, str], key: str, unknown: str) -> dict[str, Any]:
        """The first answer with something under `key`; the last where all are empty."""
        failures, empty = [], None
        for pod, port in await self._pods():
            where = PODS.subresource(f"{pod}:{port}", "proxy", self.namespace)
            try:
                answer = _whole(_decoded(await self.kube.raw(where + path, query=query)), pod, key)
                if answer[key]:
                    return answer
                empty = answer
            except Forbidden as error:
                right = f"get pods/proxy in namespace {self.namespace}"
                raise NoAnswerError(
                    f"the right to {right} is missing: {error.message or error.reason}"
                ) from error
            except NotFound:
                failures.append(f"pod {pod} {unknown}")
            except ApiError as error:
                failures.append(f"pod {pod}: {error.message or error.reason or error.status}")
        if empty is not None:
            return empty
        raise NoAnswerError("; ".join(failures))

    async def _pods(self) -> list[tuple[str, int]]:
        """Names and metrics ports of the running controllers."""
        try:
            page = await self.kube.list_page(PODS, self.namespace, selector=LABELS)
        except Forbidden as error:
            right = f"list pods in namespace {self.namespace}"
            raise NoAnswerError(
                f"the right to {right} is missing: {error.message or error.reason}"
            ) from error
        running = [pod for pod in page.items if (pod.get("status") or {}).get("phase") == "Running"]
        if not running:
            raise NoAnswerError(
                f"no running pod with the labels {LABELS} in namespace {self.namespace}; say where the controller is with "
                "--controller-namespace, or with --server http://127.0.0.1:PORT where it runs on this machine"
            )
        return [(pod["metadata"]["name"], _metrics_port(pod)) for pod in running]


def _metrics_port(pod: Object) -> int:
    ports = [port for each in pod["spec"].get("containers") or () for port in each.get("ports") or ()]
    found = next((port["containerPort"] for port in ports if port.get("name") == _PORT), None)
    if found is None:
        raise NoAnswerError(f"pod {pod['metadata']['name']} has no port named {_PORT}")
    return int(found)


def _path(namespace: str, name: str) -> str:
    return f"/decisions/{quote(namespace, safe='')}/{quote(name, safe='')}"


def _only(namespace: str | None) -> dict[str, str]:
    return {} if namespace is None else {"namespace": namespace}


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None


def _said(answer: Any) -> str:
    return str(answer.get("error") or "") if isinstance(answer, Mapping) else ""


def _whole(answer: Any, where: str, key: str) -> dict[str, Any]:
    if not isinstance(answer, dict) or key not in answer:
        raise NoAnswerError(f"{where} gave no document; is this Tidegate's metrics port?")
    return answer
