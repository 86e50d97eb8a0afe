"""The generated sections of docs/writing-a-scaler.md: the names that are public, and what each is."""  # noqa: INP001

import inspect
import types
from collections.abc import Callable
from functools import partial
from typing import Any

from _generate_tables import table, words

from scalers import sdk, testing

__all__ = ["PAGE", "sections"]

PAGE = "writing-a-scaler.md"
_SAID_HERE = {
    "AUTH": "A source of a key: the parameters of the authentication.",
    "ENV": "A source of a key: the variable that `<key>FromEnv` names.",
    "FaultProxy": "A TCP proxy that breaks in the ways networks and servers do, and counts the connections it is given.",
    "METADATA": "A source of a key: the trigger's metadata.",
    "OBJECT": "A source of a key: what is known of the ScaledObject itself.",
    "normalise": "KEDA's normalisation of metric names: each of `/ . : % ( )` becomes `-`, nothing else changes.",
    "Seconds": "The type of a key that is a duration (`1m30s`) or milliseconds.",
    "ServerContract": "The contract of scalers with a server: what a broken network may do to them, and what not.",
    "ScalerContract": "What every scaler promises: the part of the contract that needs no server to break.",
    "Spec": "What a trigger's metric is: `MetricSpec` or `ResourceSpec`.",
}


def sections() -> dict[str, Callable[[], str]]:
    """By name what makes a section."""
    return {"api sdk": partial(_api, sdk), "api testing": partial(_api, testing)}


def _api(module: types.ModuleType) -> str:
    rows = [(f"`{name}`", _first_sentence(name, getattr(module, name))) for name in sorted(module.__all__)]
    return table(("name", "what it is"), rows)


def _first_sentence(name: str, thing: Any) -> str:
    text = _SAID_HERE.get(name) or words(inspect.getdoc(thing))
    return text.partition(". ")[0].rstrip(".").replace("`pytest`", "pytest")
