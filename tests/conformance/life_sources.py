"""The sources of a recorded life as its model sees them, and the triggers that read them.

Only lists of a redis and numbers of a web server, of type AverageValue: of other lives `Unmodelled` is raised.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Reader", "Supply", "Unmodelled", "readers"]

Json = Any

_SOURCES = {
    "redis.test:6379": "redis",
    "redis-own.test:6379": "own",
    "closed.test:1": "closed",
    "http://http.test:8000": "http",
}


class Unmodelled(Exception):
    """The record has something of which the model knows nothing."""


@dataclass(frozen=True)
class Reader:
    """A trigger: what it reads, and what its number means."""

    name: str
    source: str
    key: str
    target: float
    activation: float

    @property
    def connects_first(self) -> bool:
        """Does KEDA connect while it builds the scaler? Then no HPA is made before that worked."""
        return self.source != "http"


@dataclass
class Supply:
    """What there is to be read."""

    lists: dict[str, int] = field(default_factory=dict)
    number: float = 0.0
    down: set[str] = field(default_factory=lambda: {"closed"})

    def read(self, reader: Reader) -> float | None:
        """The number; None: it cannot be had."""
        if reader.source in self.down:
            return None
        return self.number if reader.source == "http" else float(self.lists.get(reader.key, 0))

    def take(self, step: Mapping[str, Json]) -> bool:
        """One step of a life, if it is about a source."""
        given = step.get("with") or {}
        match step["do"]:
            case "push":
                self.lists[given["list"]] = self.lists.get(given["list"], 0) + given["n"]
            case "pop":
                self.lists[given["list"]] = max(0, self.lists.get(given["list"], 0) - given["n"])
            case "redis-stop":
                self.down.add("own")
                self.lists.clear()
            case "redis-start":
                self.down.discard("own")
            case "http-set":
                self.number = float(given["value"])
            case "http-fail":
                self.down.add("http")
            case "http-ok":
                self.down.discard("http")
            case _:
                return False
        return True


def readers(spec: Mapping[str, Json]) -> list[Reader]:
    """The triggers of a ScaledObject's spec. Raises Unmodelled."""
    return [_reader(trigger) for trigger in spec["triggers"]]


def _reader(trigger: Mapping[str, Json]) -> Reader:
    metadata, name = trigger["metadata"], trigger.get("name", "")
    if trigger.get("metricType", "AverageValue") != "AverageValue" or trigger.get("authenticationRef"):
        raise Unmodelled(trigger)
    where = metadata.get("address") or metadata.get("url") or ""
    source = next((kind for place, kind in _SOURCES.items() if where.startswith(place)), None)
    match trigger["type"], source:
        case "redis", "redis" | "own" | "closed":
            key = metadata["listName"]
            target, activation = metadata.get("listLength", 5), metadata.get("activationListLength", 0)
        case "metrics-api", "http":
            key = ""
            target, activation = metadata.get("targetValue", 0), metadata.get("activationTargetValue", 0)
        case _:
            raise Unmodelled(trigger)
    return Reader(name, source, key, float(target), float(activation))
