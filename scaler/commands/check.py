"""`tidegate check`: connect as the controller would, read each trigger once, say what would follow."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import typer

from scaler import manifests
from scaler.clock import Clock
from scaler.commands import flags, logs, process
from scaler.commands.given import Given, TargetError, no_texts
from scaler.control.checkup import Checked, NoContainerError, Objects, check
from scaler.control.host import ClockHost
from scaler.core import manifest
from scaler.core.checking import flat, foreign
from scaler.core.decision import Outcome
from scaler.core.model import ScaledObject
from scaler.core.rules import refused
from scaler.kube.access import load
from scaler.kube.client import Kube, Object
from scaler.kube.errors import KubeError, NotFound
from scaler.kube.mapper import Mapper
from scaler.kube.resources import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    CONFIG_MAPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    TRIGGER_AUTHENTICATIONS,
)
from scaler.settings import ControllerSettings
from scalers._lib.problem import Problem
from scalers.registry import Registry

__all__ = ["command"]

_SECRET = re.compile(
    r"(?P<name>[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)\.(?P<key>[-._A-Za-z0-9]+)=(?P<value>.*)\Z", re.DOTALL
)
_RESOURCES = {
    resource.kind: resource
    for resource in (
        SECRETS,
        CONFIG_MAPS,
        SERVICE_ACCOUNTS,
        TRIGGER_AUTHENTICATIONS,
        CLUSTER_TRIGGER_AUTHENTICATIONS,
    )
}


@dataclass(slots=True)
class _Report:
    """What is said of one document: problems that keep it from being checked, or what was read."""

    file: str
    title: tuple[str, str]
    """Kind and name, each empty where it is not known."""
    problems: Sequence[Problem] = ()
    checked: Checked | None = None

    @property
    def ok(self) -> bool:
        return not self.problems and self.checked is not None and self.checked.ok


@dataclass(slots=True)
class _Cluster:
    """Objects in a cluster; the values of --secret go before them."""

    kube: Kube
    mapper: Mapper
    given: Given

    async def get(self, kind: str, namespace: str, name: str) -> Object | None:
        if kind == "Secret" and name in self.given.secrets:
            return await self.given.get(kind, namespace, name)
        try:
            return await self.kube.get(_RESOURCES[kind], name, namespace or None)
        except NotFound:
            return None

    async def target(self, so: ScaledObject) -> Object | None:
        mapped = await self.mapper.find(so.target.api_version, so.target.kind)
        try:
            return await self.kube.get(mapped.resource, so.target.name, so.namespace)
        except NotFound:
            return None

    async def token(self, namespace: str, name: str) -> str:
        path = SERVICE_ACCOUNTS.subresource(name, "token", namespace)
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = await self.kube.raw(path, method="POST", body=msgspec.json.encode(body))
        return str(msgspec.json.decode(answer)["status"]["token"])


def command(files: list[str], output: str, secrets: list[str], kubeconfig: str | None) -> None:
    """Exit 0: every trigger was read; 1: one was not, or a manifest has problems; 2: usage."""
    logs.configure("error")
    values = _secrets(secrets)
    try:
        documents = list(manifests.documents(files))
    except manifests.ManifestError as error:
        raise process.fail(str(error), process.USAGE) from error
    try:
        reports = process.run(_check(documents, values, kubeconfig, flags.clock()))
    except (KubeError, OSError) as error:
        raise process.fail(str(error)) from error
    if output == "json":
        body = {"ok": all(r.ok for r in reports), "objects": [_written(report) for report in reports]}
        typer.echo(msgspec.json.format(msgspec.json.encode(body), indent=2).decode())
    else:
        for report in reports:
            typer.echo("\n".join(_lines(report)))
    if not reports:
        raise process.fail("no ScaledObject in these files", process.USAGE)
    if not all(report.ok for report in reports):
        raise typer.Exit(1)


def _secrets(given: Iterable[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for number, text in enumerate(given, start=1):
        match = _SECRET.match(text)
        if match is None:
            # Never repeated: it may hold the secret.
            raise process.fail(f"--secret number {number}: write NAME.KEY=VALUE", process.USAGE)
        found.setdefault(match["name"], {})[match["key"]] = match["value"]
    return found


async def _check(
    documents: Sequence[tuple[str, Any]],
    secrets: Mapping[str, Mapping[str, str]],
    kubeconfig: str | None,
    clock: Clock,
) -> list[_Report]:
    documents = list(flat(documents))
    given = Given([d for _, d in documents if isinstance(d, dict) and not any(no_texts(d))], secrets)
    if kubeconfig is None:
        return await _all(documents, given, clock, ClockHost(clock, wake_ups=False))
    async with Kube(await load(kubeconfig, clock), clock) as kube:
        cluster = _Cluster(kube, Mapper(kube, clock), given)
        return await _all(documents, cluster, clock, ClockHost(clock, kube, wake_ups=False))


async def _all(
    documents: Sequence[tuple[str, Any]], objects: Objects, clock: Clock, host: ClockHost
) -> list[_Report]:
    registry = Registry()
    home = ControllerSettings().cluster_namespace
    reports = []
    for file, document in documents:
        problem = document if isinstance(document, Problem) else foreign(document)
        bad = (problem,) if problem is not None else tuple(no_texts(document))
        if bad:
            reports.append(_Report(file, _title(document), bad))
        if bad or document["kind"] != "ScaledObject":
            continue
        parsed = manifest.parse(document)
        so = parsed.scaled_object
        problems = parsed.problems if so is None else refused(so)
        report = _Report(file, _title(document), problems)
        if so is not None and not problems:
            try:
                report.checked = await check(so, objects, registry, clock, host, home=home)
            except NoContainerError as error:
                report.problems = (Problem("spec.scaleTargetRef.envSourceContainerName", str(error)),)
            except TargetError as error:
                report.problems = (Problem("spec.scaleTargetRef", str(error), "mend that manifest"),)
        reports.append(report)
    return reports


def _title(document: Any) -> tuple[str, str]:
    if not isinstance(document, Mapping):
        return "", ""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return str(document.get("kind") or ""), str(name or "")


def _lines(report: _Report) -> Iterable[str]:
    yield ": ".join(filter(None, (report.file, "/".join(filter(None, report.title)))))
    for problem in report.problems:
        yield f"  {problem}"
    checked = report.checked
    if checked is None:
        return
    for kind, outcome in checked.outcomes:
        yield f"  {kind} {outcome.metric}: {_said(outcome)}"
    yield f"  at {checked.replicas} replicas: {checked.decision.reason}: {checked.decision.message}"
    if checked.hpa is not None and checked.decision.active:
        yield f"  the HPA would go to {checked.hpa}"


def _said(outcome: Outcome) -> str:
    if outcome.metric_type == "Resource" and not outcome.reason:
        return "read by the HPA itself"
    if outcome.value is None:
        return f"{outcome.reason}: {outcome.message}"
    activity = "active" if outcome.active else "not active"
    return (
        f"{_plain(outcome.value)}, target {_plain(outcome.target / 1000)} ({outcome.metric_type}), {activity}"
    )


def _plain(number: float) -> str:
    """As a person writes it: all digits before the point, and no exponent."""
    return f"{number:.6f}".rstrip("0").rstrip(".")


def _written(report: _Report) -> dict[str, Any]:
    checked = report.checked
    body: dict[str, Any] = {
        "file": report.file,
        "name": report.title[1],
        "problems": [{"path": p.path, "problem": p.problem, "mend": p.mend} for p in report.problems],
        "triggers": [],
        "replicas": None,
    }
    if checked is not None:
        body["triggers"] = [
            {
                "index": outcome.index,
                "type": kind,
                "metric": outcome.metric,
                "metricType": outcome.metric_type,
                "value": outcome.value,
                "target": outcome.target / 1000,
                "active": outcome.active,
                "error": {"reason": outcome.reason, "message": outcome.message} if outcome.reason else None,
            }
            for kind, outcome in checked.outcomes
        ]
        body["replicas"] = {
            "now": checked.replicas,
            "next": checked.replicas if checked.decision.replicas is None else checked.decision.replicas,
            "reason": str(checked.decision.reason),
            "hpa": checked.hpa,
        }
    return body
