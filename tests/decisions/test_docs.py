"""The documentation is true to the code: generated tables, flags, reasons, differences, links, examples."""

import configparser
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from scaler import cli
from scaler.core.authentication import TriggerAuthenticationSpec, parse_spec, unsupported
from scaler.core.checking import check_documents, render_documents
from scaler.core.decision import Reason
from scalers._lib.parse import every_key
from scalers.registry import Registry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.rglob("*.md")),
    *ROOT.glob("examples/*/README.md"),
)
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")
_FLAG = re.compile(r"(?<![\w-])(--[a-z][a-z-]+|-[a-z])(?![\w-])")


def _load(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


sys.path.append(str(DOCS))  # For the modules beside generate.py.
generate = _load("docs_generate", DOCS / "generate.py")
deviations = _load("docs_deviations", ROOT / "tests/conformance/deviations.py")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _prose(path: Path) -> str:
    return _FENCE.sub("", _text(path))


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _section(page: Path, heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", _text(page), re.DOTALL | re.MULTILINE)
    assert found is not None, f"{_named(page)} has no section ## {heading}"
    return found[1]


def _anchors(path: Path) -> set[str]:
    """The headings' slugs as GitHub makes them, and explicit ids."""
    headings = re.findall(r"^#+ (.+)$", _prose(path), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', _text(path)))


def _documents(page: Path) -> Iterator[tuple[str, Any]]:
    """The page's objects. On scaledobject.md that is the one; what its examples change is run by test_scaledobject_page."""
    for language, text in _FENCE.findall(_text(page)):
        for document in yaml.safe_load_all(text) if language == "yaml" else ():
            if page.name != "scaledobject.md" or document.get("kind") == "ScaledObject":
                yield _named(page), document


def _examples() -> Iterator[tuple[str, Any]]:
    for page in PAGES:
        yield from _documents(page)
    for file in sorted(ROOT.glob("examples/*/*.yaml")):
        for document in yaml.safe_load_all(_text(file)):
            yield _named(file), document


# Generated tables.


@pytest.mark.parametrize("page", generate.PAGES)
def test_generated_tables_are_up_to_date(page: str) -> None:
    assert generate.generated(page) == _text(DOCS / page), "run: python docs/generate.py"


def test_every_reason_has_its_line_and_its_row_in_the_decision_table() -> None:
    table = _section(DOCS / "decisions.md", "The reasons")
    for reason in Reason:
        assert f"| `{reason}` |" in table
    assert set(generate.reason_rows()) == set(Reason)


def test_every_event_has_its_line() -> None:
    sources = "".join(_text(path) for path in (ROOT / "scaler" / "control").glob("*.py"))
    recorded = set(re.findall(r'"((?:KEDA|ScaledObject|MassEvent)[A-Z]\w+)"', sources)) - {"ScaledObject"}
    listed = set(re.findall(r"^\| `(\w+)` \|", _section(DOCS / "decisions.md", "Events"), re.MULTILINE))
    assert listed == recorded


def test_every_flag_of_run_that_is_a_setting_is_mapped() -> None:
    elsewhere = {"--kubeconfig", "--role", "--log-level", "--set"}
    assert set(generate.FLAGS.values()) == _flags("run") - elsewhere


# Commands.


def _flags(command: str) -> set[str]:
    options = typer.main.get_command(cli.app).commands[command].params  # type: ignore[attr-defined]
    return {name for option in options if option.param_type_name == "option" for name in option.opts}


@pytest.mark.parametrize("command", sorted(typer.main.get_command(cli.app).commands))  # type: ignore[attr-defined]
def test_a_command_s_page_lists_exactly_its_flags(command: str) -> None:
    section = _section(DOCS / "commands.md", f"tidegate {command}")
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `-")]
    assert {flag for cell in rows for flag in _FLAG.findall(cell)} == _flags(command)
    assert f"(#tidegate-{command})" in _text(DOCS / "commands.md")


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_commands_shown_to_a_reader_have_these_flags(page: Path) -> None:
    for _, block in _FENCE.findall(_text(page)):
        for line in block.splitlines():
            for part in line.removeprefix("$ ").split("|"):
                words = part.split()
                if words[:1] == ["tidegate"] and len(words) > 1:
                    assert {word for word in words[2:] if _FLAG.fullmatch(word)} <= _flags(words[1]), line


def test_every_environment_variable_is_listed() -> None:
    page = _section(DOCS / "commands.md", "Environment")
    sources = "".join(_text(path) for path in (ROOT / "scaler").rglob("*.py"))
    for variable in {"KUBECONFIG", *re.findall(r"TIDEGATE_[A-Z_]+", sources)}:
        assert f"`{variable}`" in page


# Differences, layers.


@pytest.mark.parametrize("rule", [rule.name for rule in deviations.RULES])
def test_every_deviation_from_recorded_behaviour_has_its_paragraph(rule: str) -> None:
    assert f'<a id="{rule}"></a>\n**' in _text(DOCS / "differences.md")


def test_the_layers_are_those_that_are_checked() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter")
    checked = config["importlinter:contract:layers"]["layers"].split("\n")
    (shown,) = (
        text for language, text in _FENCE.findall(_text(DOCS / "architecture.md")) if language == "layers"
    )
    assert shown.split("\n")[:-1] == [layer.strip() for layer in checked if layer.strip()]


# Links, examples.


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target, anchor in _LINK.findall(_prose(page)):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{target} does not exist"
        if anchor:
            assert anchor in _anchors(file), f"{target}#{anchor} does not exist"


def test_every_page_is_in_the_index() -> None:
    listed = set(re.findall(r"\]\((\w[\w-]*\.md)\)", _text(DOCS / "index.md")))
    assert listed == {path.name for path in DOCS.glob("*.md")} - {"index.md"}
    assert "](scalers/index.md)" in _text(DOCS / "index.md")


def test_examples_are_valid_without_a_warning() -> None:
    report = check_documents(_examples(), Registry().check)
    assert [str(finding) for finding in (*report.problems, *report.warnings)] == []
    assert report.checked > 2


def _name_of(metric: dict[str, Any]) -> str:
    """As the HPA shows it; a resource metric's is the resource."""
    if metric["type"] == "External":
        return str(metric["external"]["metric"]["name"])
    return str(metric[metric["type"][0].lower() + metric["type"][1:]]["name"])


def test_every_source_of_credentials_has_an_example_or_is_listed_as_refused() -> None:
    page = DOCS / "authentication.md"
    table = _section(page, "What is refused by name")
    refused = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    shown: set[str] = set()
    for _, document in _documents(page):
        if document["kind"].endswith("TriggerAuthentication"):
            spec, problems = parse_spec(document["spec"])
            assert problems == []
            assert spec is not None
            assert list(unsupported(spec, cluster=document["kind"].startswith("Cluster"))) == []
            shown |= set(document["spec"])
    names = {field.alias or name for name, field in TriggerAuthenticationSpec.model_fields.items()}
    assert shown | refused == names
    assert not shown & refused


# Trigger types.

SECTIONS = ["Keys", "Metric", "Cost to the source", "Errors", "Differences from KEDA"]


def test_every_trigger_type_has_its_page_and_no_other_has() -> None:
    pages = {path.stem for path in DOCS.glob("scalers/*.md")} - {"index"}
    assert pages == set(Registry().types)
    listed = re.findall(r"\]\(([\w-]+)\.md\)", _text(DOCS / "scalers/index.md").partition("## ")[0])
    assert sorted(listed) == sorted(pages)


@pytest.mark.parametrize("trigger_type", Registry().types)
def test_a_scaler_s_page_has_every_section_and_names_real_reasons(trigger_type: str) -> None:
    page = DOCS / f"scalers/{trigger_type}.md"
    assert _text(page).startswith(f"# `{trigger_type}`\n")
    headings = re.findall("^## (.+)$", _text(page), re.MULTILINE)
    assert [heading for heading in headings if heading != "Rights"] == SECTIONS
    reasons = re.findall(r"^\| `(\w+)` \|", _section(page, "Errors"), re.MULTILINE)
    known = re.findall(
        r"^\| `(\w+)` \|", _section(DOCS / "decisions.md", "Why a trigger has no number"), re.MULTILINE
    )
    assert set(reasons) <= set(known)
    assert reasons


@pytest.mark.parametrize("trigger_type", Registry().types)
def test_every_key_of_a_scaler_says_what_it_is(trigger_type: str) -> None:
    assert [key.name for key in every_key(Registry().get(trigger_type).metadata) if not key.help] == []


@pytest.mark.parametrize("trigger_type", Registry().types)
def test_a_scaler_s_page_has_an_example_and_the_name_of_its_metric(trigger_type: str) -> None:
    page = DOCS / f"scalers/{trigger_type}.md"
    examples = [document for _, document in _documents(page)]
    used = {trigger["type"] for example in examples for trigger in example["spec"]["triggers"]}
    assert trigger_type in used
    named = ((_named(page), example) for example in examples)
    _, hpas = render_documents(named, Registry().check, "0")
    names = [_metric_name(metric) for hpa in hpas for metric in hpa["spec"]["metrics"]]
    assert names
    for name in names:
        assert f"`{name}`" in _section(page, "Metric")


def _metric_name(metric: dict[str, Any]) -> str:
    """Of a metric of an HPA, whichever type it is."""
    (about,) = (value for name, value in metric.items() if name != "type")
    return str(about["metric"]["name"] if "metric" in about else about["name"])
