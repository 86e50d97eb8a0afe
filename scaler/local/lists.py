"""Reading collections: which objects, which page, at which version. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from scaler.local.errors import ApiError, Cause, bad_request, gone, invalid_options
from scaler.local.resources import Object, Resource
from scaler.local.selectors import Predicate, field_selector, label_selector
from scaler.local.store import Item, Shelf, Store

__all__ = ["Page", "Selection", "flag", "number", "page", "selection"]


@dataclass(frozen=True, slots=True)
class Selection:
    """The objects a request is about: a namespace (None: all) and what its selectors choose (None: all)."""

    namespace: str | None
    chosen: Predicate | None

    def has(self, item: Item) -> bool:
        """Whether an object belongs."""
        if self.namespace is not None and item.namespace != self.namespace:
            return False
        return self.chosen is None or self.chosen(item.obj)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list: the objects, and the list's own metadata."""

    items: list[Item]
    metadata: dict[str, Any]


def selection(resource: Resource, namespace: str | None, query: Mapping[str, str]) -> Selection:
    """From the query's labelSelector and fieldSelector. Raises 400 where they do not parse."""
    tests: list[Predicate] = []
    if query.get("labelSelector"):
        tests.append(label_selector(query["labelSelector"]))
    if query.get("fieldSelector"):
        tests.append(field_selector(resource, query["fieldSelector"]))
    if not tests:
        return Selection(namespace, None)
    if len(tests) == 1:
        return Selection(namespace, tests[0])

    def both(obj: Object) -> bool:
        return all(test(obj) for test in tests)

    return Selection(namespace, both)


def number(query: Mapping[str, str], name: str) -> int | None:
    """A whole number of the query; None when absent or empty."""
    text = query.get(name)
    if not text:
        return None
    if not text.isdigit():
        raise bad_request(f"{name}: Invalid value: {text!r}: must be a whole number, not negative")
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean of the query."""
    return query.get(name, "") in ("1", "true", "True")


def page(store: Store, shelf: Shelf, select: Selection, query: Mapping[str, str]) -> Page:
    """The objects of a list request, in order of namespace and name.

    Pages are cut from the present state, but keep the first page's resourceVersion: a watch from there replays whatever
    changed meanwhile. A token older than the history is refused with 410.
    """
    limit, token = number(query, "limit"), query.get("continue")
    version = store.version
    after: tuple[str, str] | None = None
    if token:
        version, after = _read_token(token)
        shelf.follow(version).close()
    else:
        _check_version(store, shelf, query)
    if query.get("resourceVersion") == "0" and not token:
        limit = None  # answered from the cache, which does not page
    items = [
        item
        for item in shelf.items(select.namespace)
        if (after is None or (item.namespace, item.name) > after)
        and (select.chosen is None or select.chosen(item.obj))
    ]
    metadata: dict[str, Any] = {"resourceVersion": str(version)}
    if limit and len(items) > limit:
        last = items[limit - 1]
        metadata["continue"] = _token(version, last)
        if select.chosen is None:
            metadata["remainingItemCount"] = len(items) - limit
        items = items[:limit]
    return Page(items, metadata)


def _check_version(store: Store, shelf: Shelf, query: Mapping[str, str]) -> None:
    wanted, match = number(query, "resourceVersion"), query.get("resourceVersionMatch", "")
    if match not in ("", "Exact", "NotOlderThan"):
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"'
        raise invalid_options("ListOptions", Cause("resourceVersionMatch", "FieldValueNotSupported", text))
    if wanted is None:
        if match:
            why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
            raise invalid_options("ListOptions", Cause("resourceVersionMatch", "FieldValueForbidden", why))
        return
    store.check_version(wanted)
    if match == "Exact":
        _check_exact(shelf, wanted)


def _check_exact(shelf: Shelf, wanted: int) -> None:
    """The present state is that of `wanted` only when nothing happened since."""
    refusal = gone("The resourceVersion for the provided list is too old.")
    try:
        cursor = shelf.follow(wanted)
    except ApiError:
        raise refusal from None
    changed = bool(cursor.take())
    cursor.close()
    if changed:
        raise refusal


def _token(version: int, last: Item) -> str:
    return (
        base64.urlsafe_b64encode(msgspec.json.encode([version, last.namespace, last.name]))
        .decode()
        .rstrip("=")
    )


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        version, namespace, name = msgspec.json.decode(data, type=tuple[int, str, str])
    except (ValueError, msgspec.DecodeError):
        raise bad_request("continue key is not valid: it is not one this server gave") from None
    return version, (namespace, name)
