"""Who may write: the rules of a Lease, pure. `elector` is the thread that keeps to them.

As in client-go, nobody compares clocks with anybody: another's Lease is over when, by our own monotonic clock, it has
not *changed* for as long as it says it lasts. What we hold counts from when its renewal was sent, and we stop writing at
`renew_deadline`, well before anybody else may begin at `duration`:

    sent ────────────── renew_deadline ───── duration
    │   we may write    │   nobody writes    │  another may take it

All times are real seconds, monotonic unless they are called wall.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from math import ceil
from typing import Any, Final

__all__ = [
    "FEED_ADDRESS",
    "Record",
    "Seen",
    "Step",
    "Terms",
    "claim",
    "document",
    "read",
    "released",
    "see",
    "step",
]

FEED_ADDRESS: Final = "tidegate.dev/feed-address"
"""The annotation on the Lease that says where its holder serves the feed: HOST:PORT."""

_MICRO: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long everything takes. The defaults are those of Kubernetes' own controllers."""

    duration: float = 15.0
    """A Lease not renewed for so long is anybody's. The API keeps whole seconds."""

    renew_deadline: float = 10.0
    """We write no more when the last renewal is so old."""

    retry: float = 2.0
    """Between two tries, to renew or to acquire."""

    timeout: float = 5.0
    """One request's time; below `renew_deadline`, so that a hanging one leaves time for another."""

    margin: float = 1.0
    """A write must have been answered so long before `duration` is over."""

    loop_limit: float = 30.0
    """An event loop that has not moved for so long loses the Lease; a shorter stop keeps it on purpose."""

    def __post_init__(self) -> None:
        if not 0 < self.retry < self.timeout < self.renew_deadline < self.duration - self.margin:
            raise ValueError(f"{self}: retry < timeout < renew_deadline < duration - margin is needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a Lease says. `holder` is empty when it was released; `version` is its resourceVersion."""

    holder: str = ""
    duration: float = 0.0
    transitions: int = 0
    address: str = ""
    acquired: str = ""
    renewed: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """The Lease as last read, None where there is none, and since when it has looked like this to us."""

    record: Record | None
    since: float


class Step(StrEnum):
    """What to do next."""

    ACQUIRE = "acquire"
    RENEW = "renew"
    WAIT = "wait"
    LOST = "lost"
    """Somebody else holds what we held."""


def see(before: Seen | None, record: Record | None, now: float) -> Seen:
    """Take in a reading of the Lease. Its age counts from the first reading that said this.

    A new resourceVersion alone says nothing: whoever puts a label on the Lease does not renew it.
    """
    same = before is not None and _said(before.record) == _said(record)
    return Seen(record, before.since if before is not None and same else now)


def step(seen: Seen, identity: str, *, held: bool, now: float, terms: Terms) -> Step:
    """What the holder of `identity` does about the Lease. `held`: it acquired it and has not given it up."""
    record = seen.record
    if held:
        return Step.RENEW if record is not None and record.holder == identity else Step.LOST
    if record is None or record.holder in {"", identity}:
        return Step.ACQUIRE
    lasts = record.duration or terms.duration
    return Step.WAIT if now < seen.since + lasts else Step.ACQUIRE


def claim(record: Record | None, identity: str, address: str, wall: datetime, terms: Terms) -> Record:
    """The Lease to write in order to acquire or renew it."""
    moment = _micro(wall)
    mine = record is not None and record.holder == identity
    before = record or Record()
    return replace(
        before,
        holder=identity,
        duration=terms.duration,
        address=address,
        acquired=before.acquired if mine else moment,
        renewed=moment,
        transitions=before.transitions + (record is not None and not mine),
    )


def released(record: Record, wall: datetime) -> Record:
    """The Lease to write in order to let go: anybody may take it at once."""
    return replace(record, holder="", duration=1.0, address="", renewed=_micro(wall))


def document(record: Record, live: Mapping[str, Any] | None, namespace: str, name: str) -> dict[str, Any]:
    """The object to write: `live` with what `record` says, or a new one. What others put on it stays."""
    metadata: dict[str, Any] = dict((live or {}).get("metadata") or {"namespace": namespace, "name": name})
    notes = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != FEED_ADDRESS}
    metadata["annotations"] = notes | ({FEED_ADDRESS: record.address} if record.address else {})
    spec = dict((live or {}).get("spec") or {}) | {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": ceil(record.duration),
        "leaseTransitions": record.transitions,
        "acquireTime": record.acquired,
        "renewTime": record.renewed,
    }
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def read(obj: Mapping[str, Any]) -> Record:
    """What a Lease object says; of another shape, nothing: then it is nobody's."""
    metadata, spec = (
        part if isinstance(part, dict) else {} for part in (obj.get("metadata"), obj.get("spec"))
    )
    notes = metadata.get("annotations")
    return Record(
        holder=_text(spec.get("holderIdentity")),
        duration=_number(spec.get("leaseDurationSeconds")),
        transitions=int(_number(spec.get("leaseTransitions"))),
        address=_text(notes.get(FEED_ADDRESS)) if isinstance(notes, dict) else "",
        acquired=_text(spec.get("acquireTime")),
        renewed=_text(spec.get("renewTime")),
        version=_text(metadata.get("resourceVersion")),
    )


def _said(record: Record | None) -> Record | None:
    return record and replace(record, version="")


def _micro(wall: datetime) -> str:
    return wall.astimezone(UTC).strftime(_MICRO)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float:
    return (
        float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else 0.0
    )
