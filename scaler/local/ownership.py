"""Kubernetes' admission plugin OwnerReferencesPermissionEnforcement: off by default there and here, on in OpenShift.

Who makes an object hold up its owner's deletion (`blockOwnerDeletion`) must have the right to update the owner's finalizers;
who changes the owners of an object must have the right to delete it.
"""

from collections.abc import Callable

from scaler.local.attributes import Attributes
from scaler.local.errors import forbidden
from scaler.local.rbac import Rbac
from scaler.local.resources import Object, Resource
from scaler.local.users import User

__all__ = ["guard"]

Find = Callable[[str, str], Resource | None]


def guard(rbac: Rbac, find: Find, user: User, resource: Resource, obj: Object, old: Object | None) -> None:
    """Raises ApiError 403. `find` gives the resource of a group and kind."""
    meta = obj["metadata"]
    namespace, name = meta.get("namespace", ""), meta.get("name", "")
    owners = meta.get("ownerReferences") or []
    before = (old["metadata"].get("ownerReferences") or []) if old is not None else []
    if owners == before:
        return
    if old is not None:
        own = Attributes(
            verb="delete", group=resource.group, resource=resource.plural, namespace=namespace, name=name
        )
        if not rbac.decide(user, own).allowed:
            words = "cannot set an ownerRef on a resource you can't delete"
            raise forbidden(resource, name, words)
    held = {owner.get("uid") for owner in before if owner.get("blockOwnerDeletion")}
    for owner in owners:
        if not owner.get("blockOwnerDeletion") or owner.get("uid") in held:
            continue
        group = str(owner.get("apiVersion", "")).rpartition("/")[0]
        kind = find(group, str(owner.get("kind", "")))
        asked = None if kind is None else Attributes(
            verb="update",
            group=group,
            resource=kind.plural,
            subresource="finalizers",
            namespace=namespace if kind.namespaced else "",
            name=str(owner.get("name", "")),
        )  # fmt: skip
        if asked is None or not rbac.decide(user, asked).allowed:
            words = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on"
            raise forbidden(resource, name, words)
