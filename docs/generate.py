"""Writes the tables of docs/decisions.md, settings.md, validation.md, writing-a-scaler.md and scalers/ from the code.

    python docs/generate.py [--check]

A page is written by hand; between `<!-- generated: NAME -->` and `<!-- end -->` stands what `SECTIONS` makes of that
name. `--check` writes nothing and exits 1 when a page is out of date; a test does the same.
"""  # noqa: INP001 - a script beside the pages it serves, no package

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import _generate_api
import _generate_scalers
import _generate_validation
from _generate_tables import fields, table, words
from prometheus_client import CollectorRegistry

from metrics_adapter import telemetry as adapter
from metrics_adapter.samples import Why
from scaler import decision_metrics, settings, telemetry
from scaler.commands.setting import NAMES as SETTABLE
from scaler.control.admissions import Admissions
from scaler.control.controller import Controller
from scaler.control.figures import Figures
from scaler.control.source_settings import SourceSettings
from scaler.control.unresolved import SecretForbidden
from scaler.core import decision, status
from scaler.core.conditions import Condition
from scaler.core.decision import Decision, Outcome, Reason
from scaler.core.steps import Step
from scaler.roles.parts import fed_gauge, leading_gauge
from scalers import sdk
from scalers.registry import Registry

__all__ = ["FLAGS", "PAGES", "generated", "names_in", "reason_rows"]

DOCS = Path(__file__).parent
PAGES = (
    "decisions.md",
    "settings.md",
    _generate_api.PAGE,
    _generate_validation.PAGE,
    *map(_generate_scalers.page, Registry().types),
)
FLAGS = {
    "ControllerSettings.namespaces": "--namespace",
    "ControllerSettings.mode": "--mode",
    "ControllerSettings.cluster_namespace": "--cluster-namespace",
    "ControllerSettings.filepath_auth_root": "--filepath-auth-root",
    "AdapterSettings.bind_address": "--bind-address",
    "AdapterSettings.secure_port": "--secure-port",
    "AdapterSettings.certificate_file": "--tls-cert-file",
    "AdapterSettings.key_file": "--tls-private-key-file",
    "LeaderSettings.lease_namespace": "--lease",
    "LeaderSettings.lease_name": "--lease",
    "LeaderSettings.lease_duration": "--lease-duration",
    "LeaderSettings.renew_deadline": "--lease-renew-deadline",
    "LeaderSettings.retry_period": "--lease-retry-period",
    "LeaderSettings.feed_address": "--feed-address",
    "LeaderSettings.feed_port": "--feed-port",
    "LeaderSettings.feed_host": "--feed-host",
    "LeaderSettings.feed_certificates": "--feed-cert-dir",
    "RunSettings.metrics_address": "--metrics-address",
    "RunSettings.metrics_port": "--metrics-port",
    "RunSettings.register": "--register",
    "RunSettings.advertise": "--advertise",
    "RunSettings.force": "--force",
}
"""Which flag of `tidegate run` sets a field; the others are set in code only."""

_SECTION = re.compile(r"(<!-- generated: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_ROW = re.compile(
    r"^ *\| (?P<situation>[^|]+?) +\| (?P<replicas>[^|]+?) +\| (?P<reason>[A-Z]\w+) +\|$", re.MULTILINE
)
_UNIT_OF = {"port": "port", "share": "part of 1", "pace": "part of 1"}
_UNITS = {
    "float": "seconds",
    "int": "count",
    "bool": "yes or no",
    "str": "text",
    "str | None": "text",
    "bool | None": "yes or no",
}


def generated(page: str) -> str:
    """The page with every section made anew. Raises ValueError for a section nobody makes, or one that is missing."""
    missing = _expected(page) - set(names_in(page))
    if missing:
        raise ValueError(f"docs/{page}: add a section <!-- generated: {min(missing)} --> <!-- end -->")
    return _SECTION.sub(lambda found: found[1] + _section(found["name"]) + found[3], _text(page))


def names_in(page: str) -> tuple[str, ...]:
    """The sections that a page has, in order."""
    return tuple(found["name"] for found in _SECTION.finditer(_text(page)))


def reason_rows() -> dict[str, tuple[str, str]]:
    """Reason → (situation, what becomes of the replicas), from the table at the top of `decision`."""
    return {
        row["reason"]: (row["situation"], row["replicas"]) for row in _ROW.finditer(decision.__doc__ or "")
    }


# What the sections say.


def _reasons() -> str:
    rows = []
    for reason in Reason:
        situation, replicas = reason_rows()[reason]
        active = status.tick(_decision(reason), (), None, status.initial())["Active"]
        said = f"{active.status} `{active.reason}`" if active.reason else "as it was"
        rows.append((f"`{reason}`", situation, replicas, said, active.message))
    return table(("reason", "situation", "replicas", "condition Active", "its message"), rows)


def _ready() -> str:
    why, broken = (
        "<why>",
        Outcome(index=0, metric="s0-redis-jobs", target=1, reason="Unavailable", message="<why>"),
    )
    good, bad = _decision(Reason.HPA_IN_CHARGE), _decision(Reason.TRIGGERS_FAILED)
    fresh = status.initial()
    cases: tuple[tuple[str, dict[str, Condition]], ...] = (
        ("all is well", status.reconciled(fresh, fallback=False)),
        ("paused", status.paused(fresh, fallback=False)),
        ("a check of the object failed", status.check_failed(fresh, Step.TARGET, why)),
        ("the target's replicas could not be read", status.replicas_unknown(fresh, why)),
        ("there is work, and a trigger is broken", status.tick(good, (broken,), None, fresh)),
        ("no trigger says work, and one is broken", status.tick(bad, (broken,), None, fresh)),
        ("the HPA cannot compute replicas", status.tick(good, (), "FailedGetExternalMetric", fresh)),
        ("both", status.tick(bad, (broken,), "FailedGetExternalMetric", fresh)),
    )
    found = ((case, conditions["Ready"]) for case, conditions in cases)
    rows = [(case, ready.status, f"`{ready.reason}`", ready.message) for case, ready in found]
    return table(("situation", "Ready", "reason", "message"), rows)


def _steps() -> str:
    return "".join(f"- `{step}`\n" for step in Step)


def _trigger_errors() -> str:
    found = {sdk.InvalidMetadata: None, SecretForbidden: None} | dict.fromkeys(_errors(sdk.ScalerError))
    rows = [(f"`{cls.reason}`", words(cls.__doc__)) for cls in found]
    return table(("reason", "meaning"), rows)


def _errors(base: type[sdk.ScalerError]) -> Iterator[type[sdk.ScalerError]]:
    """Those of the SDK and of the controller, a special one after what it is a case of."""
    for cls in base.__subclasses__():
        ours = cls.__module__ == sdk.__name__ or cls.__module__.startswith("scaler.")
        if ours and "reason" in vars(cls):  # One without a reason of its own says nothing new.
            yield cls
        yield from _errors(cls)


def _served_errors() -> str:
    return table(("reason", "meaning"), [(f"`{Why[f.name]}`", f.text) for f in fields(Why)])


def _settings(cls: type[Any]) -> str:
    rows, group = [], ""
    for field in fields(cls):
        if field.default.startswith("field("):
            continue  # Another class of this page.
        if field.group != group:
            group = field.group
            rows.append((f"**{group}**", "", "", "", ""))
        flag = FLAGS.get(f"{cls.__name__}.{field.name}", "")
        if cls is settings.ControllerSettings and field.name in SETTABLE:
            flag = "--set"
        unit = _UNIT_OF.get(field.name.rpartition("_")[2]) or _UNITS.get(field.kind, f"`{field.kind}`")
        rows.append((f"`{field.name}`", unit, f"`{field.default}`", field.text, f"`{flag}`" if flag else ""))
    return table(("setting", "type or unit", "default", "what and why", "flag"), rows)


class _NothingObserved:
    """What a collector asks of the comparisons of a controller that observes nothing."""

    def states(self) -> dict[str, int]:
        return {}

    def counts(self) -> dict[str, int]:
        return {}


class _NothingHeld:
    """The restraints of one that holds nobody."""

    engagements = 0

    def braked(self) -> dict[str, int]:
        return {}


class _Quiet:
    """What a collector asks of a controller that has nothing to tell."""

    comparisons = _NothingObserved()
    figures = Figures()
    admissions = Admissions()
    restraints = _NothingHeld()


def _metrics() -> str:
    registry = CollectorRegistry()
    telemetry.ApiRequests(registry)
    adapter.Telemetry(registry)
    fed_gauge(registry)
    leading_gauge(registry)
    registry.register(telemetry.SourceCollector(list))
    registry.register(decision_metrics.DecisionCollector(cast("Controller", _Quiet())))
    rows = [
        (f"`{family.name}{'_total' if family.type == 'counter' else ''}`", family.type, family.documentation)
        for family in registry.collect()
    ]
    return table(("metric", "type", "what it counts"), rows)


def _sections() -> dict[str, Callable[[], str]]:
    classes = (
        settings.ControllerSettings,
        settings.AdapterSettings,
        settings.LeaderSettings,
        settings.RunSettings,
        SourceSettings,
    )
    return {
        "reasons": _reasons,
        "ready": _ready,
        "steps": _steps,
        "trigger errors": _trigger_errors,
        "served errors": _served_errors,
        "metrics": _metrics,
        **{f"settings {cls.__name__}": partial(_settings, cls) for cls in classes},
        **_generate_api.sections(),
        **_generate_validation.sections(),
        **_generate_scalers.sections(),
    }


def _expected(page: str) -> set[str]:
    return {name for name in _sections() if _page(name) == page}


def _page(section: str) -> str:
    kind, _, name = section.partition(" ")
    if section in _generate_scalers.sections():
        return _generate_scalers.page(name)
    if section in _generate_api.sections():
        return _generate_api.PAGE
    if section in _generate_validation.sections():
        return _generate_validation.PAGE
    return "settings.md" if kind in {"settings", "metrics"} else "decisions.md"


# How they are made.


def _decision(reason: Reason) -> Decision:
    active = None if reason is Reason.TRIGGERS_FAILED else reason in {Reason.ACTIVATED, Reason.HPA_IN_CHARGE}
    return Decision(
        replicas=None,
        reason=reason,
        active=active,
        last_active=None,
        cooldown_until=None,
        message="",
        triggers=(),
    )


def _section(name: str) -> str:
    make = _sections().get(name)
    if make is None:
        raise ValueError(f"docs: nobody makes the section {name!r}; there are {', '.join(_sections())}")
    return make()


def _text(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Bring the pages up to date, or say which are not."""
    outdated = [page for page in PAGES if generated(page) != _text(page)]
    for page in outdated:
        if "--check" in arguments:
            sys.stderr.write(f"docs/{page} is out of date: run python docs/generate.py\n")
        else:
            (DOCS / page).write_text(generated(page), encoding="utf-8")
            sys.stdout.write(f"wrote docs/{page}\n")
    return 1 if outdated and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
