"""What KEDA's admission webhook would refuse in objects that are here all the same, since no webhook stood before them.

Such an object runs, as it does with KEDA; that it would have been refused is said by `explain` and by a metric. Only what
the controller sees anyway is judged: its own objects among each other. The HPAs and containers' requests of a whole
cluster are the webhook server's to look at.
"""

from collections.abc import Iterator

from scaler.core.admission import Refused, admission
from scaler.core.model import ScaledObject
from scaler.core.surroundings import Surroundings

__all__ = ["Admissions"]


class Admissions:
    """See the module. Belongs to the event loop."""

    def __init__(self) -> None:
        self._around = Surroundings(lambda _api_version, _kind: True, complete=False)
        self._refused: dict[tuple[str, str], tuple[Refused, ...]] = {}

    def judge(self, so: ScaledObject) -> tuple[Refused, ...]:
        """The object as it is now, among those that were judged before it."""
        self._around.put_scaled_object(so)
        found = tuple(refused for refused in admission(so, self._around) if refused.rule.webhook_only)
        if found:
            self._refused[so.namespace, so.name] = found
        else:
            self._refused.pop((so.namespace, so.name), None)
        return found

    def forget(self, namespace: str, name: str) -> None:
        """The object is gone."""
        self._around.remove("ScaledObject", namespace, name)
        self._refused.pop((namespace, name), None)

    def refused(self) -> Iterator[tuple[str, str, str]]:
        """(namespace, name, KEDA's reason) of each, once."""
        for (namespace, name), found in self._refused.items():
            for reason in dict.fromkeys(refused.reason for refused in found):
                yield namespace, name, reason
