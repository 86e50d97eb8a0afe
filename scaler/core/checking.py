"""What `tidegate validate` and `tidegate render` do, without files or clusters: documents in, findings out.

Every rule is asked at once: the API server's schema, the reconciler's refusals, each trigger's own metadata, what
the API server would say to the HPA that follows, and what only KEDA's webhook refuses, for which the other documents
are the surroundings. How a trigger's metadata is checked is handed in (`TriggerCheck`), since scalers are found by
the registry, which the core does not know.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from scaler.core import authentication, hpa, manifest
from scaler.core.admission import Refused, admission, warnings
from scaler.core.findings import Finding, Report, TriggerCheck, TriggerFindings
from scaler.core.known_kinds import could_exist, without_scale
from scaler.core.malformed import raw_triggers
from scaler.core.model import ScaledObject, Trigger
from scaler.core.problems import kind_of
from scaler.core.surroundings import Surroundings
from scalers._lib.metadata import AUTH, ENV
from scalers._lib.problem import Problem
from scalers.sdk import MetricSpec, Spec

__all__ = [
    "Document",
    "Finding",
    "Report",
    "TriggerCheck",
    "TriggerFindings",
    "check_documents",
    "flat",
    "foreign",
    "render_documents",
]

_API_VERSION = "keda.sh/v1alpha1"
_AUTHENTICATIONS = ("TriggerAuthentication", "ClusterTriggerAuthentication")
_GROUPS = ("keda.sh", "eventing.keda.sh")
_INVALID = (MetricSpec("invalid", 1),)
_BEHAVIOR = "spec.advanced.horizontalPodAutoscalerConfig.behavior"

Document = tuple[str, Any]
"""The file's name, and one document of it; or a Problem in place of text that is no document."""


@dataclass(slots=True)
class _Found:
    """What one document gives."""

    problems: list[Problem]
    warnings: list[Problem]
    scaled_object: ScaledObject | None = None
    hpa: dict[str, Any] | None = None
    refused: list[Refused] = field(default_factory=list)
    """What only the webhook refuses."""


def check_documents(documents: Iterable[Document], trigger_check: TriggerCheck) -> Report:
    """Check ScaledObjects and authentications; KEDA's other kinds are problems, foreign kinds are ignored.

    What only the webhook refuses is a problem too, and marked.
    """
    everything = list(flat(documents))
    found = _checked(everything, trigger_check, "")
    surroundings = _surroundings(document for _, document in everything)
    scaled_objects = [(each, so) for _, _, each in found if (so := each.scaled_object) is not None]
    for _, so in scaled_objects:
        surroundings.put_scaled_object(so)
    for each, so in scaled_objects:
        each.refused += admission(so, surroundings)
        each.warnings += warnings(so, surroundings)
    return _report(found)


def render_documents(
    documents: Iterable[Document], trigger_check: TriggerCheck, version: str
) -> tuple[Report, list[dict[str, Any]]]:
    """The HPA of every ScaledObject without a problem, in the order of the documents, and the report on each alone.

    What only the webhook refuses is left out: the controller runs such an object, and makes its HPA.
    """
    found = _checked(flat(documents), trigger_check, version)
    hpas = [each.hpa for _, _, each in found if each.hpa is not None and not each.problems]
    return _report(found), hpas


def flat(documents: Iterable[Document]) -> Iterator[Document]:
    """Without empty documents, and with the items of a List on their own."""
    for file, document in documents:
        if isinstance(document, Mapping) and _is_list(document):
            yield from flat((file, item) for item in document["items"])
        elif document is not None:
            yield file, document


def _is_list(document: Mapping[str, Any]) -> bool:
    """Is it a List, or a kind's own list, with its items?"""
    return str(document.get("kind")).endswith("List") and isinstance(document.get("items"), list)


def _checked(
    documents: Iterable[Document], trigger_check: TriggerCheck, version: str
) -> list[tuple[str, Any, _Found]]:
    """Each document that is ours to check, with its file and what it gives when nothing stands beside it."""
    found = ((file, document, _check(document, trigger_check, version)) for file, document in documents)
    return [(file, document, each) for file, document, each in found if each is not None]


def _report(found: Iterable[tuple[str, Any, _Found]]) -> Report:
    problems: list[Finding] = []
    cautions: list[Finding] = []
    checked = 0
    for file, document, each in found:
        checked += 1
        problems += (_finding(file, document, problem) for problem in each.problems)
        problems += (_refused(file, document, one) for one in each.refused)
        cautions += (_finding(file, document, problem) for problem in each.warnings)
    return Report(tuple(problems), tuple(cautions), checked)


def _refused(file: str, document: Any, refused: Refused) -> Finding:
    refused_by = "webhook" if refused.rule.webhook_only else ""
    return replace(_finding(file, document, refused.problem), refused_by=refused_by, reason=refused.reason)


def _finding(file: str, document: Any, problem: Problem) -> Finding:
    kind, name = "", ""
    if isinstance(document, Mapping):
        metadata = document.get("metadata")
        kind = str(document.get("kind") or "")
        name = str(metadata.get("name") or "") if isinstance(metadata, Mapping) else ""
    return Finding(file, kind, name, problem.path, problem.problem, problem.mend)


def _surroundings(documents: Iterable[Any]) -> Surroundings:
    """The HPAs, workloads and LimitRanges among the documents. What files do not show may be in the cluster."""
    found = Surroundings(could_exist, complete=False)
    for document in documents:
        if isinstance(document, Mapping):
            found.put(document)
    return found


def _check(document: Any, trigger_check: TriggerCheck, version: str) -> _Found | None:
    """The findings of one document; None for one that is not ours."""
    problem = document if isinstance(document, Problem) else foreign(document)
    if problem is not None:
        return _Found([problem], [])
    if document["kind"] == "ScaledObject":
        return _scaled_object(document, trigger_check, version)
    return _authentication(document) if document["kind"] in _AUTHENTICATIONS else None


def foreign(document: Any) -> Problem | None:
    """Why a document cannot be taken for what it says it is."""
    if not isinstance(document, Mapping):
        return Problem("", f"is {kind_of(document)}, not a Kubernetes object", "write one object a document")
    kind, api_version = document.get("kind"), document.get("apiVersion")
    if not isinstance(kind, str) or not kind:
        return Problem("kind", "is required", "say what kind of object it is")
    if kind in {"ScaledObject", *_AUTHENTICATIONS}:
        if api_version == _API_VERSION:
            return None
        words = "is required" if api_version is None else f"{api_version!r} is not served"
        return Problem("apiVersion", words, f"write {_API_VERSION}")
    if isinstance(api_version, str) and api_version.partition("/")[0] in _GROUPS:
        return Problem(
            "kind", f"{kind} is not supported yet", "leave it to KEDA, or wait for a release with it"
        )
    return None


def _authentication(document: Mapping[str, Any]) -> _Found:
    _, problems = manifest.metadata_of(document)
    raw = document.get("spec")
    if not isinstance(raw, Mapping):
        words = "is required" if raw is None else f"is {kind_of(raw)}, not a mapping"
        return _Found([*problems, Problem("spec", words, "say where the credentials come from")], [])
    spec, found = authentication.parse_spec(raw)
    warnings: list[Problem] = []
    if spec is not None:
        cluster = document.get("kind") != "TriggerAuthentication"
        warnings = [*manifest.unknown_fields(spec), *authentication.unsupported(spec, cluster=cluster)]
    return _Found([*problems, *found], warnings)


def _scaled_object(document: Mapping[str, Any], trigger_check: TriggerCheck, version: str) -> _Found:
    parsed = manifest.parse(document)
    so = parsed.scaled_object
    if so is None:
        found = _Found(list(parsed.problems), list(parsed.warnings))
        for raw in raw_triggers(document):
            unknown = _unknown(authentication=raw.has_authentication)
            own = trigger_check(
                raw.type, raw.metadata, unknown, metric_type=raw.metric_type, namespace=_namespace(document)
            )
            _add(found, own, raw.path)
        return found
    found = _Found([*manifest.refused(so), *_no_scale(so)], list(parsed.warnings), so)
    metrics = []
    for index, trigger in enumerate(so.spec.triggers):
        check = partial(trigger_check, namespace=so.namespace)
        specs = _trigger(trigger, f"spec.triggers[{index}]", check, found)
        metrics.append(hpa.TriggerMetrics(index, specs or _INVALID, trigger.metric_type if specs else ""))
    try:
        found.hpa = hpa.render(so, metrics, version)
    except ValueError as error:
        found.problems.append(Problem("spec.triggers", str(error), "change one of the triggers"))
    else:
        found.problems += _refused_by_api_server(found.hpa, metrics)
    return found


def _no_scale(so: ScaledObject) -> Iterator[Problem]:
    """A target that the reconcile would refuse for want of a scale subresource, as far as is known without a cluster."""
    if without_scale(so.target.api_version, so.target.kind):
        mend = "name a Deployment, a StatefulSet, or a custom resource with one"
        yield Problem("spec.scaleTargetRef.kind", f"{so.target.kind} has no scale subresource", mend)


def _namespace(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    found = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    return found if isinstance(found, str) and found else "default"


def _trigger(
    trigger: Trigger, path: str, trigger_check: Callable[..., TriggerFindings], found: _Found
) -> tuple[Spec, ...]:
    """The metrics of one trigger; its problems and warnings are added to `found`."""
    unknown = _unknown(authentication=trigger.authentication_ref is not None)
    own = trigger_check(trigger.type, trigger.metadata, unknown, metric_type=trigger.metric_type)
    _add(found, own, path)
    if not own.specs and not own.problems:
        words = "its metric is known only with the environment or the credentials"
        found.warnings.append(Problem(path, words, "a rendered HPA shows a placeholder for it"))
    return tuple(own.specs)


def _unknown(*, authentication: bool) -> frozenset[str]:
    """The sources of values that no file shows: a container's environment always may be one."""
    return frozenset({ENV, AUTH} if authentication else {ENV})


def _add(found: _Found, own: TriggerFindings, path: str) -> None:
    found.problems += (problem.under(path) for problem in own.problems)
    found.warnings += (warning.under(path) for warning in own.warnings)


def _refused_by_api_server(
    wanted: Mapping[str, Any], metrics: Sequence[hpa.TriggerMetrics]
) -> Iterator[Problem]:
    """What an API server would refuse in the HPA, said of the ScaledObject's field behind it."""
    for cause in hpa.validate(hpa.defaulted(wanted)):
        yield Problem(
            _origin(cause.field, metrics),
            f"makes an HPA that is refused ({cause.field}: {cause.message})",
        )


def _origin(field: str, metrics: Sequence[hpa.TriggerMetrics]) -> str:
    if field.startswith("spec.metrics["):
        place = int(field.partition("[")[2].partition("]")[0])
        return f"spec.triggers[{hpa.trigger_of(metrics, place)}]"
    return field.replace("spec.behavior", _BEHAVIOR, 1)
