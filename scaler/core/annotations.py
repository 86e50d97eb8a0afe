"""What annotations say: KEDA's own (facts 1.8) and `tidegate.dev/…`.

Own settings are annotations, never fields: KEDA's CRD would prune those. A value that means nothing counts as absent
here and is refused by `problems`, so that a typing error never scales anything.
"""

from collections.abc import Iterator, Mapping
from typing import Literal

from scaler.core.policy import OnError, Pause
from scalers._lib import text
from scalers._lib.problem import Problem

__all__ = [
    "ACTIVATION",
    "BRAKE",
    "EXTERNAL_SCALE",
    "FORCE_ACTIVATION",
    "MODE",
    "ON_ERROR",
    "PAUSED",
    "PAUSED_REPLICAS",
    "PAUSED_SCALE_IN",
    "PAUSED_SCALE_OUT",
    "PROCESSING",
    "SCALE_TO_ZERO",
    "Activation",
    "activation",
    "after_scale_in",
    "brake_off",
    "forced",
    "namespace_problems",
    "observed",
    "on_error",
    "pause",
    "paused_replicas_problem",
    "problems",
    "respects_external_scale",
    "set_on",
]

_KEDA = "autoscaling.keda.sh/"
PAUSED = f"{_KEDA}paused"
PAUSED_REPLICAS = f"{_KEDA}paused-replicas"
PAUSED_SCALE_IN = f"{_KEDA}paused-scale-in"
PAUSED_SCALE_OUT = f"{_KEDA}paused-scale-out"
FORCE_ACTIVATION = f"{_KEDA}force-activation"

_OWN = "tidegate.dev/"
ACTIVATION = f"{_OWN}activation"
BRAKE = f"{_OWN}brake"
EXTERNAL_SCALE = f"{_OWN}external-scale"
MODE = f"{_OWN}mode"
ON_ERROR = f"{_OWN}on-error"
PROCESSING = f"{_OWN}processing-seconds"
SCALE_TO_ZERO = f"{_OWN}scale-to-zero"

Activation = Literal["floor", "desired"]
_ACTIVATIONS: dict[str, Activation] = {"floor": "floor", "desired": "desired"}
_WORDS: dict[str, tuple[str, ...]] = {
    ACTIVATION: ("floor", "desired"),
    BRAKE: ("on", "off"),
    EXTERNAL_SCALE: ("keda", "respect"),
    MODE: ("act", "observe"),
    SCALE_TO_ZERO: ("jump", "after-scale-in"),
}
"""Annotations with a choice of words; the first is what happens without the annotation."""
_ON_NAMESPACES = frozenset({ACTIVATION, BRAKE, MODE})
_ON_OBJECTS = frozenset({*_WORDS, ON_ERROR, PROCESSING})
_INT32 = 1 << 31


def set_on(annotations: Mapping[str, str], name: str) -> bool:
    """Is a boolean annotation set? What is no boolean, the empty text too, counts as true (facts 1.8)."""
    word = annotations.get(name)
    if word is None:
        return False
    try:
        return text.parse_bool(word)
    except ValueError:
        return True


def pause(annotations: Mapping[str, str]) -> Pause:
    """The pauses in effect. `paused-replicas` pauses whatever its value, and whatever `paused` says (facts 2.6)."""
    written = annotations.get(PAUSED_REPLICAS)
    return Pause(
        full=written is not None or set_on(annotations, PAUSED),
        replicas=None if written is None else _count(written),
        scale_in=set_on(annotations, PAUSED_SCALE_IN),
        scale_out=set_on(annotations, PAUSED_SCALE_OUT),
    )


def paused_replicas_problem(annotations: Mapping[str, str]) -> Problem | None:
    """What is wrong with `paused-replicas`. The object is paused all the same; its replicas stay."""
    written = annotations.get(PAUSED_REPLICAS)
    if written is None or _count(written) is not None:
        return None
    mend = "write a whole number, or use the annotation paused to leave the replicas as they are"
    return Problem(_path(PAUSED_REPLICAS), f"{written!r} is no count of replicas", mend)


def forced(annotations: Mapping[str, str]) -> bool:
    """Does the object count as active whatever its triggers say?"""
    return set_on(annotations, FORCE_ACTIVATION)


def activation(
    annotations: Mapping[str, str], namespace_annotations: Mapping[str, str], default: Activation
) -> Activation:
    """How the first write from rest is found: the object's word, else its namespace's, else the process's."""
    word = _word(ACTIVATION, annotations, namespace_annotations)
    return default if word is None else _ACTIVATIONS[word]


def observed(
    annotations: Mapping[str, str],
    namespace_annotations: Mapping[str, str],
    default: Literal["act", "observe"],
) -> bool:
    """Is the object only observed: decided about, and nothing written?

    The most careful word wins: where namespace or process say `observe`, an object cannot say `act`. A word that is
    neither was meant to be careful.
    """
    words = (annotations.get(MODE, "act"), namespace_annotations.get(MODE, "act"), default)
    return any(word != "act" for word in words)


def brake_off(annotations: Mapping[str, str], namespace_annotations: Mapping[str, str]) -> bool:
    """Is the mass-event brake to let the object through?"""
    return _word(BRAKE, annotations, namespace_annotations) == "off"


def after_scale_in(annotations: Mapping[str, str]) -> bool:
    """Is the HPA to scale in first, by `behavior.scaleDown`, before the object goes to zero or idle?"""
    return annotations.get(SCALE_TO_ZERO) == "after-scale-in"


def respects_external_scale(annotations: Mapping[str, str]) -> bool:
    """Does somebody else's scale from rest start a cooldown?"""
    return annotations.get(EXTERNAL_SCALE) == "respect"


def on_error(annotations: Mapping[str, str]) -> OnError:
    """What stands in for a trigger without a number; `hold` where nothing (sensible) is said."""
    try:
        return _on_error(annotations.get(ON_ERROR, "hold"))
    except ValueError:
        return OnError()


def problems(annotations: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with the annotations of a ScaledObject, but for `paused-replicas`."""
    for name, word in annotations.items():
        if not name.startswith(_OWN):
            continue
        if name not in _ON_OBJECTS:
            known = ", ".join(sorted(one.removeprefix(_OWN) for one in _ON_OBJECTS))
            yield Problem(
                _path(name), "is no annotation that a ScaledObject can have", f"write one of {known}"
            )
        elif name in _WORDS:
            yield from _word_problem(name, word)
        elif name == ON_ERROR:
            try:
                _on_error(word)
            except ValueError as error:
                yield Problem(_path(name), f"{word!r} {error}", _ON_ERROR_MEND)
        elif not (word.isascii() and word.isdigit()):
            yield Problem(_path(name), f"{word!r} is no number of seconds", "write a whole number")


def namespace_problems(annotations: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with the defaults that a namespace's annotations give to its objects."""
    for name in sorted(_ON_NAMESPACES & annotations.keys()):
        yield from _word_problem(name, annotations[name])


_ON_ERROR_MEND = "write hold, hold=10m, ignore or last-known=10m"


def _on_error(word: str) -> OnError:
    kind, equals, duration = word.partition("=")
    if kind == "ignore" and not equals:
        return OnError(kind="ignore")
    if kind == "hold":
        return OnError(seconds=_seconds(duration) if equals else None)
    if kind == "last-known" and equals:
        return OnError(kind="last-known", seconds=_seconds(duration))
    raise ValueError("is no policy for errors")


def _seconds(duration: str) -> float:
    """A Go duration with its unit: a bare number would be milliseconds to KEDA and seconds to everybody else."""
    if duration.isdigit():
        raise ValueError("has a duration without a unit")
    return text.parse_seconds(duration)


def _word(name: str, *annotations: Mapping[str, str]) -> str | None:
    return next((found[name] for found in annotations if found.get(name) in _WORDS[name]), None)


def _word_problem(name: str, word: str) -> Iterator[Problem]:
    if word not in _WORDS[name]:
        choice = " or ".join(_WORDS[name])
        yield Problem(_path(name), f"{word!r} is no {name.removeprefix(_OWN)}", f"write {choice}")


def _count(written: str) -> int | None:
    digits = written.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(_INT32)):
        return None
    return int(digits) if int(digits) < _INT32 else None


def _path(name: str) -> str:
    return f"metadata.annotations.{name}"
