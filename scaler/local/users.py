"""Who is asking: users, their groups, and the names Kubernetes gives to ServiceAccounts and to those who say nothing. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "ADMIN",
    "ANONYMOUS",
    "HPA_CONTROLLER",
    "MASTERS",
    "User",
    "account_of",
    "named",
    "service_account",
]

MASTERS = "system:masters"
"""Whoever is in this group is asked nothing."""
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
_ACCOUNT = "system:serviceaccount:"
_ACCOUNTS = "system:serviceaccounts"


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated name, its groups, and what a token adds."""

    name: str
    groups: tuple[str, ...]
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def info(self) -> dict[str, object]:
        """As a `UserInfo` in a review."""
        info: dict[str, object] = {"username": self.name}
        if self.uid:
            info["uid"] = self.uid
        info["groups"] = list(self.groups)
        if self.extra:
            info["extra"] = {key: list(values) for key, values in self.extra.items()}
        return info


def service_account(
    namespace: str, name: str, uid: str = "", extra: Mapping[str, tuple[str, ...]] | None = None
) -> User:
    """A ServiceAccount as a user."""
    return User(f"{_ACCOUNT}{namespace}:{name}", _account_groups(namespace), uid, extra or {})


def account_of(user: str) -> tuple[str, str] | None:
    """The namespace and name of the ServiceAccount that goes by this user name; None: it is no ServiceAccount's."""
    namespace, colon, name = user.removeprefix(_ACCOUNT).partition(":")
    return (namespace, name) if user.startswith(_ACCOUNT) and colon and ":" not in name else None


def named(name: str, groups: tuple[str, ...] = (), uid: str = "") -> User:
    """A user taken on by another (`kubectl --as`), with the groups that Kubernetes adds."""
    account = account_of(name)
    groups = groups or (_account_groups(account[0]) if account else ())
    implied = UNAUTHENTICATED if name == ANONYMOUS.name else AUTHENTICATED
    return User(name, groups if implied in groups else (*groups, implied), uid)


def _account_groups(namespace: str) -> tuple[str, ...]:
    return _ACCOUNTS, f"{_ACCOUNTS}:{namespace}", AUTHENTICATED


ADMIN = User("kubernetes-admin", (MASTERS, AUTHENTICATED))
ANONYMOUS = User("system:anonymous", (UNAUTHENTICATED,))
HPA_CONTROLLER = service_account("kube-system", "horizontal-pod-autoscaler")
"""As a kube-controller-manager with `--use-service-account-credentials` (kubeadm's default) runs its HPA controller."""
