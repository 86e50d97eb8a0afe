"""What to say of a credential that could not be had: which object, what is wrong with it, the mend. Never a value.

Pure.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from scalers._lib.problem import Problem
from scalers.sdk import InvalidMetadata, ScalerError, Unavailable

__all__ = ["Failure", "SecretForbidden", "error_of", "text_of"]


class SecretForbidden(InvalidMetadata):
    """Tidegate's Role does not let it read what credentials come from. The message names the right."""

    reason = "SecretForbidden"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a value could not be had. `error` is the class that says what would cure it."""

    problem: str
    mend: str = ""
    error: type[ScalerError] = InvalidMetadata

    def within(self, place: str) -> "Failure":
        """The same, of something inside `place`."""
        return Failure(f"{place}: {self.problem}", self.mend, self.error)

    def at(self, path: str) -> Problem:
        """As the problem of a field."""
        return Problem(path, self.problem, self.mend)


def error_of(failures: Sequence[Failure], problems: Sequence[Problem]) -> ScalerError:
    """One error that tells of all `problems`, as bad as the worst of `failures`.

    A manifest's fault stays until somebody mends it, whatever else fails; a missing right comes next; what time may cure
    counts when it is alone.
    """
    text = "\n".join(map(str, problems))
    kinds = {failure.error for failure in failures}
    if SecretForbidden in kinds:
        return SecretForbidden(text, problems=problems)
    if kinds == {Unavailable} and len(problems) == len(failures):
        return Unavailable(text)
    return InvalidMetadata(text, problems=problems)


def text_of(kind: str, value: str) -> str:
    """One value of a Secret or ConfigMap as text. Raises ValueError, which does not repeat it, for bytes that are none."""
    if kind != "Secret":
        return value
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        # Not `from`: the cause holds the value.
        raise ValueError("is no text in UTF-8") from None
