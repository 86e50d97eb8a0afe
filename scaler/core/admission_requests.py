"""What cpu and memory triggers need of the target: the webhook's rules (facts 7.2).

A utilization is a share of the request: without one the HPA controller computes nothing, and says so only in its
own status. Neither can wake a workload from zero, where there is no pod to measure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from scaler.core.admission_ownership import target
from scaler.core.admission_rules import ONLY_RESOURCES, REQUESTS, TARGET, Refused
from scaler.core.model import ScaledObject, Trigger
from scaler.core.surroundings import Surroundings, Target, above_zero, listed, mapping

__all__ = ["RESOURCES", "only_resources", "pod_spec", "requests"]

RESOURCES = frozenset({"cpu", "memory"})
"""The triggers that the HPA reads itself."""
_ASKED = frozenset({("apps/v1", "Deployment"), ("apps/v1", "StatefulSet")})


def only_resources(so: ScaledObject) -> bool:
    """Is there no trigger but cpu and memory?"""
    return all(trigger.type in RESOURCES for trigger in so.spec.triggers)


def pod_spec(workload: Mapping[str, Any]) -> Mapping[str, Any]:
    """`spec.template.spec`, as far as it is there."""
    return mapping(mapping(mapping(workload.get("spec")).get("template")).get("spec"))


def requests(so: ScaledObject, surroundings: Surroundings) -> Iterator[Refused]:
    """Missing requests, and scale to zero by nothing but cpu and memory; of other kinds KEDA asks neither."""
    mine = target(so)
    asking = [(index, trigger) for index, trigger in enumerate(so.spec.triggers) if trigger.type in RESOURCES]
    if not asking or mine.type not in _ASKED:
        return
    workload = surroundings.workload(so.namespace, mine)
    if workload is not None:
        for index, trigger in asking:
            yield from _missing(
                f"spec.triggers[{index}]", trigger, workload, mine, surroundings, so.namespace
            )
    elif surroundings.complete:
        yield TARGET.at(
            "spec.scaleTargetRef.name",
            f"there is no {mine}, whose requests a {asking[0][1].type} trigger needs",
        )
    if only_resources(so) and not so.spec.min_replica_count:
        written = "absent" if so.spec.min_replica_count is None else "0"
        words = f"is {written}, and cpu and memory alone cannot wake a workload from zero"
        yield ONLY_RESOURCES.at("spec.minReplicaCount", words)


def _missing(
    path: str,
    trigger: Trigger,
    workload: Mapping[str, Any],
    mine: Target,
    surroundings: Surroundings,
    namespace: str,
) -> Iterator[Refused]:
    wanted = trigger.metadata.get("containerName")
    for container in map(mapping, listed(pod_spec(workload).get("containers"))):
        name = container.get("name")
        if wanted and name != wanted:
            continue
        if not _asks(container, trigger.type) and not surroundings.has_default(namespace, trigger.type):
            yield REQUESTS.at(path, f"container {name} of {mine} has no request of {trigger.type}")


def _asks(container: Mapping[str, Any], resource: str) -> bool:
    """Has it a request, or a limit, which stands for one?"""
    resources = mapping(container.get("resources"))
    return any(above_zero(mapping(resources.get(field)).get(resource)) for field in ("requests", "limits"))
