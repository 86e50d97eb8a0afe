"""Why a reconcile stopped: the step, the words, what is to be told by Events, and whether to try again."""

from collections.abc import Sequence

from scaler.core.steps import Step
from scaler.kube.errors import Conflict, KubeError, ServerError, TooManyRequests, Unreachable

__all__ = ["CheckFailed"]

_FLEETING = (Conflict, ServerError, TooManyRequests, Unreachable)


class CheckFailed(Exception):
    """The object cannot be in charge now.

    `events` are (reason, note) of warnings. `again`: it is to be tried again by itself. `fleeting`: the API server's moment
    of weakness, of which nothing need be said if it passes soon.
    """

    def __init__(
        self,
        step: Step,
        message: str,
        *,
        events: Sequence[tuple[str, str]] = (),
        again: bool = False,
        fleeting: bool = False,
    ) -> None:
        super().__init__(message)
        self.step = step
        self.events = tuple(events)
        self.again = again
        self.fleeting = fleeting

    @classmethod
    def because(cls, step: Step, error: KubeError) -> "CheckFailed":
        """The API server said no, or nothing."""
        told = ("ScaledObjectCheckFailed", f"{step}: {error}")
        return cls(step, str(error), events=[told], again=True, fleeting=isinstance(error, _FLEETING))

    @property
    def text(self) -> str:
        """`<step>: <error>`, as it stands in the Ready condition."""
        return f"{self.step}: {self}"
