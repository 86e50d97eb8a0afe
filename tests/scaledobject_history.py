"""What a story of docs/scaledobject.md looks at: the objects of a namespace in every state they were in."""

import re
from collections.abc import Callable
from typing import Any

from scaler.local.api import Api

__all__ = ["ABSENT", "History", "Objects", "at", "condition"]

ABSENT = "absent"
_STEP = re.compile(r"\[([^\]]+)\]|([^.\[\]]+)")

Objects = dict[str, Any]
"""All objects of a kind in the namespace, by name."""


class History:
    """The states of a kind's objects, from the one that was last looked at."""

    def __init__(self, api: Api, kind: tuple[str, str], namespace: str) -> None:
        self._changes = api.subscribe(*kind)
        self._ns = namespace
        self._states: list[Objects] = [{}]
        self.close = self._changes.close

    def _update(self) -> None:
        for change, obj in self._changes.pending():
            if obj["metadata"]["namespace"] == self._ns:
                now = {**self._states[-1], obj["metadata"]["name"]: obj}
                if change == "DELETED":
                    del now[obj["metadata"]["name"]]
                self._states.append(now)

    def to_now(self) -> None:
        """What was before is of no interest any more."""
        self._update()
        del self._states[:-1]

    def find(self, look: Callable[[Objects], Any]) -> Any:
        """True if a state is found that `look` calls True, which is the first from then on; else what it said of the last."""
        self._update()
        said: Any = None
        for place, state in enumerate(self._states):
            try:
                said = look(state)
            except LookupError as error:
                said = error
            if said is True:
                del self._states[:place]
                break
        return said


def condition(objects: Objects, kind: str) -> dict[str, str]:
    found = objects["worker"].get("status", {}).get("conditions") or ()
    return next((one for one in found if one["type"] == kind), {})


def at(obj: Any, path: str) -> Any:
    """What is at `metadata.labels[app.kubernetes.io/name]` or `spec.metrics[0].type`, if anything is."""
    for step in _STEP.finditer(path):
        key = step[1] or step[2]
        if isinstance(obj, list):
            obj = obj[int(key)] if int(key) < len(obj) else ABSENT
        else:
            obj = obj.get(key, ABSENT) if isinstance(obj, dict) else ABSENT
    return obj
