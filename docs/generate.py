"""Writes the tables of docs/decisions.md, scalers.md and settings.md from the code they describe.

    python docs/generate.py [--check]

A page is written by hand; between `<!-- generated: NAME -->` and `<!-- end -->` stands what `SECTIONS` makes of that
name. `--check` writes nothing and exits 1 when a page is out of date; a test does the same.
"""  # noqa: INP001 - a script beside the pages it serves, no package

import ast
import inspect
import re
import sys
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from metrics_adapter import telemetry as adapter
from metrics_adapter.samples import Why
from scaler import settings, telemetry
from scaler.control.source_settings import SourceSettings
from scaler.control.unresolved import SecretForbidden
from scaler.core import decision, status
from scaler.core.conditions import Condition
from scaler.core.decision import Decision, Outcome, Reason
from scaler.core.steps import Step
from scalers import sdk
from scalers._lib.metadata import REQUIRED, Declared, declared_connection, declared_keys
from scalers._lib.parse import every_key
from scalers.registry import Registry

__all__ = ["FLAGS", "PAGES", "generated", "names_in", "reason_rows"]

DOCS = Path(__file__).parent
PAGES = ("decisions.md", "scalers.md", "settings.md")
FLAGS = {
    "ControllerSettings.namespaces": "--namespace",
    "ControllerSettings.cluster_namespace": "--cluster-namespace",
    "ControllerSettings.filepath_auth_root": "--filepath-auth-root",
    "AdapterSettings.bind_address": "--bind-address",
    "AdapterSettings.secure_port": "--secure-port",
    "AdapterSettings.certificate_file": "--tls-cert-file",
    "AdapterSettings.key_file": "--tls-private-key-file",
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
_PLAIN = {str: "text", int: "whole number", float: "number", bool: "true or false", sdk.Seconds: "duration"}
_UNITS = {"float": "seconds", "int": "count", "bool": "yes or no", "str": "text", "str | None": "text"}
_FROM = {
    sdk.METADATA: "metadata",
    sdk.ENV: "`…FromEnv`",
    sdk.AUTH: "authentication",
    sdk.OBJECT: "the object itself",
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
        rows.append(
            (f"`{reason}`", situation, replicas, f"{active.status} `{active.reason}`", active.message)
        )
    return _table(("reason", "situation", "replicas", "condition Active", "its message"), rows)


def _ready() -> str:
    why, broken = (
        "<why>",
        Outcome(index=0, metric="s0-redis-jobs", target=1, reason="Unavailable", message="<why>"),
    )
    good, bad = _decision(Reason.HPA_IN_CHARGE), _decision(Reason.TRIGGERS_FAILED)
    fresh = status.initial()
    cases: tuple[tuple[str, dict[str, Condition]], ...] = (
        ("all is well", status.reconciled(fresh)),
        ("a check of the object failed", status.check_failed(fresh, Step.TARGET, why)),
        ("the target's replicas could not be read", status.replicas_unknown(fresh, why)),
        ("there is work, and a trigger is broken", status.tick(good, (broken,), None, fresh)),
        ("no trigger says work, and one is broken", status.tick(bad, (broken,), None, fresh)),
        ("the HPA cannot compute replicas", status.tick(good, (), "FailedGetExternalMetric", fresh)),
        ("both", status.tick(bad, (broken,), "FailedGetExternalMetric", fresh)),
    )
    found = ((case, conditions["Ready"]) for case, conditions in cases)
    rows = [(case, ready.status, f"`{ready.reason}`", ready.message) for case, ready in found]
    return _table(("situation", "Ready", "reason", "message"), rows)


def _steps() -> str:
    return "".join(f"- `{step}`\n" for step in Step if not step.name.startswith("PAUSED"))


def _trigger_errors() -> str:
    found = {sdk.InvalidMetadata: None, SecretForbidden: None} | dict.fromkeys(_errors(sdk.ScalerError))
    rows = [(f"`{cls.reason}`", _words(cls.__doc__)) for cls in found]
    return _table(("reason", "meaning"), rows)


def _errors(base: type[sdk.ScalerError]) -> Iterator[type[sdk.ScalerError]]:
    """Those of the SDK and of the controller, a special one after what it is a case of."""
    for cls in base.__subclasses__():
        if cls.__module__ == sdk.__name__ or cls.__module__.startswith("scaler."):
            yield cls
        yield from _errors(cls)


def _served_errors() -> str:
    return _table(("reason", "meaning"), [(f"`{Why[f.name]}`", f.text) for f in _fields(Why)])


def _settings(cls: type[Any]) -> str:
    rows, group = [], ""
    for field in _fields(cls):
        if field.default.startswith("field("):
            continue  # Another class of this page.
        if field.group != group:
            group = field.group
            rows.append((f"**{group}**", "", "", "", ""))
        flag = FLAGS.get(f"{cls.__name__}.{field.name}", "")
        unit = "port" if field.name.endswith("port") else _UNITS.get(field.kind, f"`{field.kind}`")
        rows.append((f"`{field.name}`", unit, f"`{field.default}`", field.text, f"`{flag}`" if flag else ""))
    return _table(("setting", "type or unit", "default", "what and why", "flag"), rows)


def _metrics() -> str:
    registry = CollectorRegistry()
    telemetry.ApiRequests(registry)
    adapter.Telemetry(registry)
    registry.register(telemetry.SourceCollector(list))
    rows = [
        (f"`{family.name}{'_total' if family.type == 'counter' else ''}`", family.type, family.documentation)
        for family in registry.collect()
    ]
    return _table(("metric", "type", "what it counts"), rows)


def _scaler(trigger_type: str) -> str:
    scaler = Registry().get(trigger_type)
    yes = {True: "yes", False: "no"}
    fresh = f"{scaler.freshness:g} s" if scaler.freshness else "0 s: it is computed for every request"
    own = any("timeout" in key.names for key in every_key(scaler.metadata))
    facts = (
        ("oldest value the HPA is served while the source answers", fresh),
        ("deadline of one read", "as `timeout` says" if own else f"{scaler.timeout:g} s"),
        ("many triggers are read at once", yes[isinstance(scaler, sdk.Batches)]),
        ("tells of changes (wake-ups)", yes[isinstance(scaler, sdk.Wakes)]),
        ("alone in its object: must answer once before the HPA is made", yes[scaler.connects_first]),
    )
    header = ("key", "type", "default", "may come from", "what it is")
    if not scaler.reads:
        return _table(header, list(_keys(scaler.metadata)))
    return _table(header, list(_keys(scaler.metadata))) + "\n" + _table(("property", "value"), facts)


def _keys(metadata: type[Declared]) -> Iterator[tuple[str, ...]]:
    connection = declared_connection(metadata)
    for owner in (metadata, *((connection,) if connection else ())):
        for _, key in declared_keys(owner):
            notes = [f"**{key.role.value}**"] if key.role else []
            notes += ["secret"] if key.secret else []
            text = f"{key.help} ({', '.join(notes)})" if notes else key.help
            sources = ", ".join(_FROM[source] for source in key.order)
            yield " or ".join(f"`{name}`" for name in key.names), _kind(key), _default(key), sources, text


def _kind(key: sdk.Key) -> str:
    if key.choices:
        listed = typing.get_origin(key.type) is tuple
        return ("list of " if listed else "") + (", " if listed else " or ").join(
            f"`{c}`" for c in key.choices
        )
    if typing.get_origin(key.type) is tuple:
        element = typing.get_args(key.type)[0]
        words = "`name=value` pairs" if typing.get_origin(element) is tuple else f"list of {_PLAIN[element]}s"
        return words if element is not str else "list"
    return _PLAIN[key.type]


def _default(key: sdk.Key) -> str:
    if key.default is REQUIRED or key.formula:
        return "required"
    if isinstance(key.default, bool):
        return str(key.default).lower()
    if isinstance(key.default, int | float):
        return f"`{key.default:g}`"
    return "" if key.default in {"", None, ()} else f"`{key.default}`"


def _sections() -> dict[str, Callable[[], str]]:
    classes = (settings.ControllerSettings, settings.AdapterSettings, settings.RunSettings, SourceSettings)
    return {
        "reasons": _reasons,
        "ready": _ready,
        "steps": _steps,
        "trigger errors": _trigger_errors,
        "served errors": _served_errors,
        "metrics": _metrics,
        **{f"settings {cls.__name__}": partial(_settings, cls) for cls in classes},
        **{f"scaler {name}": partial(_scaler, name) for name in Registry().types},
    }


def _expected(page: str) -> set[str]:
    return {name for name in _sections() if _page(name) == page}


def _page(section: str) -> str:
    kind = section.partition(" ")[0]
    return {"scaler": "scalers.md", "settings": "settings.md", "metrics": "settings.md"}.get(
        kind, "decisions.md"
    )


# How they are made.


@dataclass(frozen=True, slots=True)
class _Field:
    """One documented attribute of a class, as its source has it; `group` is the comment it stands under."""

    name: str
    kind: str
    default: str
    text: str
    group: str


def _fields(cls: type[Any]) -> Iterator[_Field]:
    source = inspect.getsource(cls)
    lines, group = source.splitlines(), ""
    (definition,) = ast.parse(source).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign | ast.Assign):
            continue
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        before = next((line.strip() for line in reversed(lines[: node.lineno - 1]) if line.strip()), "")
        group = before.removeprefix("# ").rstrip(".") if before.startswith("# ") else group
        default = ast.unparse(node.value) if node.value is not None else ""
        text = (
            after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        )
        if not text and not default.startswith("field("):
            raise ValueError(f"{cls.__name__}.{ast.unparse(target)} has no docstring: say what it is and why")
        kind = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
        yield _Field(ast.unparse(target), kind, default, _words(str(text)), group)


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


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<why>", "*why*")


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


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
