"""Carries out `replicasets.plan`: makes and removes pods, writes the status, says so in Events."""

from scaler.local import replicasets
from scaler.local.api import Api, ApiError
from scaler.local.objects import Object, key_of, name_of
from scaler.local.recorder import Recorder
from scaler.local.watched import Watched
from scaler.local.work import Worker

MANAGER = "kube-controller-manager"
KIND = ("apps/v1", "ReplicaSet")

_REFUSED_RETRY = 5.0


class ReplicaSetController:
    """ReplicaSet → Pods, whether a Deployment owns it or not."""

    def __init__(self, api: Api, pods: Watched, sets: Watched, recorder: Recorder) -> None:
        self._api, self._pods, self._recorder = api, pods, recorder
        self._worker: Worker[tuple[str, str]] = Worker("replicasets", api.clock, self._step)
        self.start, self.close = self._worker.start, self._worker.close
        sets.listeners.append(self._heard)
        pods.listeners.append(self._heard_pod)

    def _heard(self, kind: str, replicaset: Object) -> None:
        if kind == "DELETED":
            self._worker.forget(key_of(replicaset))
        else:
            self._worker.add(key_of(replicaset))

    def _heard_pod(self, _kind: str, pod: Object) -> None:
        for reference in pod["metadata"].get("ownerReferences") or ():
            if reference.get("controller") and reference.get("kind") == "ReplicaSet":
                self._worker.add((pod["metadata"]["namespace"], reference["name"]))

    async def _step(self, key: tuple[str, str]) -> float | None:
        try:
            replicaset = self._api.get("apps", "replicasets", *key)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        uid = replicaset["metadata"]["uid"]
        plan = replicasets.plan(replicaset, self._pods.owned(uid))
        refused = self._create(replicaset, plan.create)
        self._delete(replicaset, plan.delete)
        pods = self._pods.owned(uid)
        status, wait = replicasets.status(replicaset, pods, self._api.clock.now(), refused)
        if status != replicaset.get("status"):
            body = {**replicaset, "status": status}
            self._api.update("apps", "replicasets", *key, body, subresource="status", manager=MANAGER)
        return min(_REFUSED_RETRY, wait or _REFUSED_RETRY) if refused else wait

    def _create(self, replicaset: Object, count: int) -> str | None:
        """Make that many pods; returns why not, at the first refusal (the others would fare no better)."""
        namespace = replicaset["metadata"]["namespace"]
        for _ in range(count):
            try:
                pod = self._api.create(
                    "", "pods", namespace, replicasets.new_pod(replicaset), manager=MANAGER
                )
            except ApiError as error:
                self._say(replicaset, "Warning", "FailedCreate", f"Error creating: {error.message}")
                return error.message
            self._say(replicaset, "Normal", "SuccessfulCreate", f"Created pod: {name_of(pod)}")
        return None

    def _delete(self, replicaset: Object, pods: tuple[Object, ...]) -> None:
        for pod in pods:
            namespace, name = key_of(pod)
            self._api.delete("", "pods", namespace, name, uid=pod["metadata"]["uid"])
            self._say(replicaset, "Normal", "SuccessfulDelete", f"Deleted pod: {name}")

    def _say(self, replicaset: Object, type_: str, reason: str, message: str) -> None:
        self._recorder.event(KIND, replicaset, type_, reason, message)
