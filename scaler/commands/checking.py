"""`tidegate validate`, `render` and `crds`: what can be said of manifests without a cluster."""

import sys
from typing import Any

import msgspec
import typer

from scaler import manifests
from scaler.commands.process import USAGE, fail
from scaler.core.checking import check_documents, render_documents
from scaler.core.crds import crds as all_crds
from scaler.yaml_text import dump
from scalers.registry import Registry

__all__ = ["crds", "render", "validate"]


def validate(files: list[str], output: str) -> None:
    """Check manifests; exit 1 when there is a problem."""
    report = check_documents(_documents(files), Registry().check)
    if output == "json":
        _json(report.written())
    else:
        for finding in report.problems:
            typer.echo(finding)
        for finding in report.warnings:
            typer.echo(f"warning: {finding}")
        typer.echo(_sentence(report.checked, len(report.problems), len(report.warnings)), err=True)
    if not report.ok:
        raise typer.Exit(1)


def render(files: list[str], output: str, version: str) -> None:
    """Print the HPAs that would be made; exit 1 when a manifest has a problem."""
    report, hpas = render_documents(_documents(files), Registry().check, version)
    for finding in report.problems:
        typer.echo(finding, err=True)
    if output == "json":
        _json({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": hpas})
    elif hpas:
        typer.echo(dump(hpas), nl=False)
    if not report.ok:
        raise typer.Exit(1)  # What could be rendered was: the exit code says that it is not all.


def crds() -> None:
    """Print the CRDs as a YAML stream."""
    typer.echo(dump(all_crds()), nl=False)


def _documents(files: list[str]) -> list[tuple[str, Any]]:
    try:
        return list(manifests.documents(files))
    except manifests.ManifestError as error:
        raise fail(str(error), USAGE) from error


def _json(value: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def _sentence(checked: int, problems: int, warnings: int) -> str:
    counts = [(checked, "object"), (problems, "problem"), (warnings, "warning")]
    return ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in counts)
