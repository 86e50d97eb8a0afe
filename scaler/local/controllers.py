"""The embedded cluster's controllers together: Deployments, ReplicaSets, StatefulSets, pods and HPAs over one `Api`.

    controllers = Controllers(api, pods="process", hpa_sync=15.0, fetch=fetch)
    await controllers.start()
    ...
    await controllers.close()      # no process is left

Each is a pure step (`deployments.plan`, `replicasets.plan`, `statefulsets.plan`, `podstatus`, `core/desired`)
with a small shell that hears of changes and carries the step out. All schedules are the Api's clock's. Jobs
would join here, with a plan and a shell of their own.
"""

from pathlib import Path
from typing import Literal

from scaler.local.api import Api
from scaler.local.deployment_controller import DeploymentController
from scaler.local.hpa_controller import HPAS, Fetch, HpaController
from scaler.local.pods import PodController
from scaler.local.recorder import Recorder
from scaler.local.replicaset_controller import ReplicaSetController
from scaler.local.runtimes import Marked, Processes, Runtime, Unscheduled
from scaler.local.statefulset_controller import StatefulSetController
from scaler.local.watched import Watched

PodMode = Literal["process", "ready", "none"]


class Controllers:
    """Started once and closed once.

    `pods`: what pods are (`tidegate up --pods`). `hpa_sync`: seconds of schedule time between two looks at an
    HPA. `fetch`: the external-metrics API; None: every external metric is unknown. `directory`: where
    processes run unless their container says otherwise (`workingDir`), by default the directory we run in.
    """

    def __init__(
        self,
        api: Api,
        *,
        pods: PodMode = "process",
        hpa_sync: float = 15.0,
        fetch: Fetch | None = None,
        directory: Path | None = None,
    ) -> None:
        self._api, self._mode, self._directory = api, pods, directory or Path.cwd()
        pod, sets = Watched(api, "", "pods"), Watched(api, "apps", "replicasets")
        deployed, hpas = Watched(api, "apps", "deployments"), Watched(api, *HPAS)
        stateful, history = Watched(api, "apps", "statefulsets"), Watched(api, "apps", "controllerrevisions")
        self._watched = (pod, sets, deployed, history, stateful, hpas)
        self._started = False
        self._pods = PodController(api, pod)
        self._others = (
            ReplicaSetController(api, pod, sets, Recorder(api, "replicaset-controller")),
            DeploymentController(api, pod, sets, deployed, Recorder(api, "deployment-controller")),
            StatefulSetController(api, pod, history, stateful, Recorder(api, "statefulset-controller")),
            HpaController(
                api,
                hpas,
                Recorder(api, "horizontal-pod-autoscaler"),
                period=hpa_sync,
                fetch=fetch or _nobody_serves,
            ),
        )

    async def start(self) -> None:
        """Take on what is there, and follow."""
        self._started = True
        self._pods.start(self._runtime())
        for controller in self._others:
            controller.start()
        for watched in self._watched:
            watched.start()

    async def close(self) -> None:
        """Stop everything. Processes get SIGTERM, a moment, then SIGKILL; returns when all have ended."""
        if not self._started:
            return
        for watched in self._watched:
            await watched.close()
        for controller in self._others:
            await controller.close()
        await self._pods.close()

    def _runtime(self) -> Runtime:
        if self._mode == "none":
            return Unscheduled(self._api)
        if self._mode == "ready":
            return Marked(self._api)
        return Processes(self._api, Recorder(self._api, "kubelet"), self._directory, self._pods.add)


async def _nobody_serves(namespace: str, name: str, selector: str) -> list[str]:
    raise LookupError(
        f"nobody serves external metrics here ({namespace}/{name}, {selector or 'no selector'})"
    )
