"""Carries out `statefulsets.plan`: revisions, claims and pods are written, then the status; Events tell of it."""

from scaler.local import revisions, statefulset_pods, statefulsets
from scaler.local.api import Api, ApiError
from scaler.local.objects import Object, key_of, name_of, terminating
from scaler.local.recorder import Recorder
from scaler.local.watched import Watched
from scaler.local.work import Worker

MANAGER = "kube-controller-manager"
KIND = ("apps/v1", "StatefulSet")
SETS = ("apps", "statefulsets")
REVISIONS = ("apps", "controllerrevisions")
CLAIMS = ("", "persistentvolumeclaims")

_REFUSED_RETRY = 5.0


class StatefulSetController:
    """StatefulSet → ControllerRevisions, PersistentVolumeClaims, Pods."""

    def __init__(self, api: Api, pods: Watched, history: Watched, sets: Watched, recorder: Recorder) -> None:
        self._api, self._pods, self._history, self._recorder = api, pods, history, recorder
        self._worker: Worker[tuple[str, str]] = Worker("statefulsets", api.clock, self._step)
        self.start, self.close = self._worker.start, self._worker.close
        sets.listeners.append(self._heard)
        pods.listeners.append(self._heard_owned)
        history.listeners.append(self._heard_owned)

    def _heard(self, kind: str, stateful_set: Object) -> None:
        if kind == "DELETED":
            self._worker.forget(key_of(stateful_set))
        else:
            self._worker.add(key_of(stateful_set))

    def _heard_owned(self, _kind: str, obj: Object) -> None:
        for reference in obj["metadata"].get("ownerReferences") or ():
            if reference.get("controller") and reference.get("kind") == "StatefulSet":
                self._worker.add((obj["metadata"]["namespace"], reference["name"]))

    async def _step(self, key: tuple[str, str]) -> float | None:
        try:
            stateful_set = self._api.get(*SETS, *key)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        if terminating(stateful_set):
            return None  # What it owns is the garbage collector's.
        uid = stateful_set["metadata"]["uid"]
        history = revisions.history(stateful_set, self._history.owned(uid))
        if not self._keep(stateful_set, history):
            return 0.0
        current = revisions.current_of(stateful_set, self._history.owned(uid), history.update)
        now = self._api.clock.now()
        plan = statefulsets.plan(
            stateful_set, self._pods.owned(uid), current=current, update=history.update, now=now
        )
        self._delete(stateful_set, plan.delete)
        refused = not all(self._create(stateful_set, pod) for pod in plan.create)
        pods = self._pods.owned(uid)
        status, wait = statefulsets.status(
            stateful_set, pods, current=name_of(current), update=history.name, now=now
        )
        if status != stateful_set.get("status"):
            self._write_status(stateful_set, status)
        live = {history.name, status["currentRevision"], *map(statefulset_pods.revision_of, pods)}
        for name in revisions.beyond_limit(stateful_set, self._history.owned(uid), frozenset(live)):
            self._api.delete(*REVISIONS, key[0], name)
        return min(_REFUSED_RETRY, wait or _REFUSED_RETRY) if refused else wait

    def _keep(self, stateful_set: Object, history: revisions.History) -> bool:
        """Store the revision of the present template; False after a name collision, which the next step avoids."""
        namespace = stateful_set["metadata"]["namespace"]
        if history.renumber:
            patch = {"revision": history.update["revision"]}
            self._api.merge_patch(*REVISIONS, namespace, history.name, patch, manager=MANAGER)
        if not history.create:
            return True
        try:
            self._api.create(*REVISIONS, namespace, history.update, manager=MANAGER)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            status = dict(stateful_set.get("status") or {})
            status["collisionCount"] = int(status.get("collisionCount") or 0) + 1
            self._write_status(stateful_set, status)
            return False
        return True

    def _create(self, stateful_set: Object, pod: Object) -> bool:
        """Make a pod, its claims first; False, and an Event, when it is refused."""
        namespace, name = key_of(pod)
        try:
            for claim in statefulset_pods.claims(stateful_set, pod):
                self._claim(claim)
            self._api.create("", "pods", namespace, pod, manager=MANAGER)
        except ApiError as error:
            self._say(stateful_set, "Warning", "FailedCreate", f"Error creating pod {name}: {error.message}")
            return False
        self._say(stateful_set, "Normal", "SuccessfulCreate", f"Created pod: {name}")
        return True

    def _claim(self, claim: Object) -> None:
        try:
            self._api.create(*CLAIMS, claim["metadata"]["namespace"], claim, manager=MANAGER)
        except ApiError as error:
            if error.reason != "AlreadyExists":  # A pod of that number was here before: its claim stays.
                raise

    def _delete(self, stateful_set: Object, pods: tuple[Object, ...]) -> None:
        for pod in pods:
            namespace, name = key_of(pod)
            self._api.delete("", "pods", namespace, name, uid=pod["metadata"]["uid"])
            self._say(stateful_set, "Normal", "SuccessfulDelete", f"Deleted pod: {name}")

    def _write_status(self, stateful_set: Object, status: Object) -> None:
        body = {**stateful_set, "status": status}
        self._api.update(*SETS, *key_of(stateful_set), body, subresource="status", manager=MANAGER)

    def _say(self, stateful_set: Object, type_: str, reason: str, message: str) -> None:
        self._recorder.event(KIND, stateful_set, type_, reason, message)
