"""Two ways to a controller's journal: over loopback, and through the API server into its pod. For `tidegate explain`."""

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
_PORT = "metrics"
_DEADLINE = 10.0


class NoAnswerError(Exception):
    """The journal could not be read, or knows no such object. The message says the mend."""


class Journals(Protocol):
    """Where documents come from."""

    async def document(self, namespace: str, name: str, last: int) -> dict[str, Any]:
        """The document about an object with its newest `last` entries. Raises NoAnswerError or KubeError."""
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
        path = _path(namespace, name)
        try:
            async with (
                self.clock.deadline(_DEADLINE),
                self.session.get(path, params={"last": str(last)}, allow_redirects=False) as response,
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
        return _whole(found, self.address)


@dataclass(frozen=True, slots=True)
class _Pods:
    """Whichever pod answers is in charge: a standby's journal knows no objects."""

    kube: Kube
    namespace: str

    async def document(self, namespace: str, name: str, last: int) -> dict[str, Any]:
        failures = []
        for pod, port in await self._pods():
            where = PODS.subresource(f"{pod}:{port}", "proxy", self.namespace)
            try:
                answer = await self.kube.raw(where + _path(namespace, name), query={"last": str(last)})
                return _whole(_decoded(answer), pod)
            except Forbidden as error:
                right = f"get pods/proxy in namespace {self.namespace}"
                raise NoAnswerError(
                    f"the right to {right} is missing: {error.message or error.reason}"
                ) from error
            except NotFound:
                failures.append(f"pod {pod} knows no ScaledObject {namespace}/{name}")
            except ApiError as error:
                failures.append(f"pod {pod}: {error.message or error.reason or error.status}")
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


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None


def _said(answer: Any) -> str:
    return str(answer.get("error") or "") if isinstance(answer, Mapping) else ""


def _whole(answer: Any, where: str) -> dict[str, Any]:
    if not isinstance(answer, dict) or "answer" not in answer:
        raise NoAnswerError(f"{where} gave no document; is this Tidegate's metrics port?")
    return answer
