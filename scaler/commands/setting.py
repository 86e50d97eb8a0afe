"""`--set NAME=VALUE`: any setting of the controller that has no flag of its own, checked against its field's type."""

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, get_type_hints

import msgspec

from scaler.commands import flags
from scaler.settings import ControllerSettings

__all__ = ["NAMES", "overrides"]

_FLAGGED = frozenset({"namespaces", "mode", "cluster_namespace", "filepath_auth_root"})
"""Fields with flags of their own."""

NAMES = tuple(field.name for field in fields(ControllerSettings) if field.name not in _FLAGGED)
"""What can be set so."""

_PARTS = frozenset({"brake_share", "brake_pace"})
_MAY_BE_ZERO = frozenset({"brake_least"})


def overrides(given: Sequence[str]) -> dict[str, Any]:
    """The fields of ControllerSettings that are given, typed. Refuses (exit 2) what is no setting, or no value of it."""
    hints = get_type_hints(ControllerSettings)
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in NAMES:
            raise flags.refuse("--set", text, f"write NAME=VALUE with one of {', '.join(NAMES)}")
        try:
            found[name] = _checked(name, msgspec.convert(value, hints[name], strict=False))
        except (msgspec.ValidationError, ValueError) as error:
            raise flags.refuse("--set", text, str(error)) from error
    return found


def _checked(name: str, value: Any) -> Any:
    """Numbers here are counts, seconds and parts of one: none is below zero, and few may be zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if name in _PARTS and not 0 < value <= 1:
        raise ValueError("is a part of the whole: write a number above 0, up to 1")
    if not math.isfinite(value) or value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
        raise ValueError("write a number above 0")
    return value
