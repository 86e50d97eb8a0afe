"""Carries out `deployments.plan`: ReplicaSets, the revision and the status are written, Events tell of it."""

from scaler.local import deployments, rollout
from scaler.local.api import Api, ApiError
from scaler.local.objects import Object, key_of, phase_of
from scaler.local.recorder import Recorder
from scaler.local.watched import Watched
from scaler.local.work import Worker

MANAGER = "kube-controller-manager"
KIND = ("apps/v1", "Deployment")


class DeploymentController:
    """Deployment → ReplicaSets."""

    def __init__(self, api: Api, pods: Watched, sets: Watched, deployed: Watched, recorder: Recorder) -> None:
        self._api, self._pods, self._sets, self._recorder = api, pods, sets, recorder
        self._worker: Worker[tuple[str, str]] = Worker("deployments", api.clock, self._step)
        self.start, self.close = self._worker.start, self._worker.close
        deployed.listeners.append(self._heard)
        sets.listeners.append(self._heard_set)

    def _heard(self, kind: str, deployment: Object) -> None:
        if kind == "DELETED":
            self._worker.forget(key_of(deployment))
        else:
            self._worker.add(key_of(deployment))

    def _heard_set(self, _kind: str, replicaset: Object) -> None:
        for reference in replicaset["metadata"].get("ownerReferences") or ():
            if reference.get("controller") and reference.get("kind") == "Deployment":
                self._worker.add((replicaset["metadata"]["namespace"], reference["name"]))

    async def _step(self, key: tuple[str, str]) -> float | None:
        try:
            deployment = self._api.get("apps", "deployments", *key)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        uid = deployment["metadata"]["uid"]
        owned = self._sets.owned(uid)
        plan = deployments.plan(deployment, owned, self._old_pods(deployment, owned))
        if plan.create is not None and not self._create(deployment, plan.create):
            return 0.0
        for move in plan.rescale:
            self._rescale(deployment, move)
        for name in plan.delete:
            self._api.delete("apps", "replicasets", key[0], name, propagation="Background")
        deployment = self._number(deployment, plan.revision)
        status, wait = rollout.status(deployment, self._sets.owned(uid), self._api.clock.now())
        if status != deployment.get("status"):
            self._write_status(deployment, status)
        return wait

    def _old_pods(self, deployment: Object, owned: list[Object]) -> int:
        """Pods of older templates that have not ended, also those that are going."""
        if (deployment["spec"].get("strategy") or {}).get("type") != "Recreate":
            return 0  # Nobody asks.
        _, old = deployments.split(deployment, owned)
        pods = [pod for rs in old for pod in self._pods.owned(rs["metadata"]["uid"])]
        return sum(phase_of(pod) not in {"Succeeded", "Failed"} for pod in pods)

    def _create(self, deployment: Object, replicaset: Object) -> bool:
        """Make the ReplicaSet; False after a name collision, which the next step's name avoids."""
        namespace, name = key_of(replicaset)
        try:
            self._api.create("apps", "replicasets", namespace, replicaset, manager=MANAGER)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                self._say(
                    deployment,
                    "Warning",
                    "ReplicaSetCreateError",
                    f"Failed to create {name}: {error.message}",
                )
                raise
            status = dict(deployment.get("status") or {})
            status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
            self._write_status(deployment, status)
            return False
        count = deployments.replicas_of(replicaset)
        if count:
            self._say(
                deployment, "Normal", "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {count}"
            )
        return True

    def _rescale(self, deployment: Object, move: deployments.Rescale) -> None:
        patch: Object = {
            "metadata": {"annotations": dict(move.annotations)},
            "spec": {"replicas": move.replicas},
        }
        namespace = deployment["metadata"]["namespace"]
        self._api.merge_patch("apps", "replicasets", namespace, move.name, patch, manager=MANAGER)
        if move.replicas != move.before:
            way = "up" if move.replicas > move.before else "down"
            text = f"Scaled {way} replica set {move.name} from {move.before} to {move.replicas}"
            self._say(deployment, "Normal", "ScalingReplicaSet", text)

    def _number(self, deployment: Object, revision: str | None) -> Object:
        have = (deployment["metadata"].get("annotations") or {}).get(deployments.REVISION)
        if revision is None or revision == have:
            return deployment
        patch = {"metadata": {"annotations": {deployments.REVISION: revision}}}
        return self._api.merge_patch("apps", "deployments", *key_of(deployment), patch, manager=MANAGER)

    def _write_status(self, deployment: Object, status: Object) -> None:
        body = {**deployment, "status": status}
        self._api.update(
            "apps", "deployments", *key_of(deployment), body, subresource="status", manager=MANAGER
        )

    def _say(self, deployment: Object, type_: str, reason: str, message: str) -> None:
        self._recorder.event(KIND, deployment, type_, reason, message)
