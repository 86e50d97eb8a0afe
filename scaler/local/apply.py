"""Server-side apply, and who owns which field. Pure.

Ownership is kept from the first apply on: an object nobody ever applied carries no managedFields, and its fields belong
to `before-first-apply` when somebody does, as a kube-apiserver treats objects from before it tracked them. That saves
every other write the bookkeeping.
"""

from typing import Any

from scaler.local.errors import ApiError
from scaler.local.fields import (
    MISSING,
    FieldPath,
    is_key,
    key_step,
    parse_tree,
    paths_of,
    remove,
    show,
    to_tree,
    value_at,
)
from scaler.local.resources import Object
from scaler.local.shapes import Shape, shape_of
from scaler.local.store import clone

__all__ = ["apply", "merge", "same_owners", "track_update"]


def apply(
    live: Object | None, config: Object, manager: str, now: str, *, shape: Shape, force: bool = False
) -> Object:
    """The object that results from applying `config` over `live`, with its new managedFields.

    Raises 409 naming every field another manager owns with another value, unless `force`.
    """
    config = clone(config)
    config["metadata"].pop("managedFields", None)
    config["metadata"].pop("resourceVersion", None)
    wanted = set(paths_of(config, shape))
    if live is None:
        config["metadata"]["managedFields"] = [
            _entry(manager, "Apply", config["apiVersion"], "", now, wanted)
        ]
        return config
    entries = _entries(live, shape, now)
    conflicts = _conflicts(live, config, manager, wanted, entries)
    if conflicts and not force:
        raise _conflict(conflicts)
    result: Object = merge(live, config, shape)
    mine = [entry for entry in entries if _is(entry, manager)]
    others = [entry for entry in entries if not _is(entry, manager)]
    taken = {path for _, path in conflicts}
    others = [_without(entry, taken) for entry in others]
    owned_elsewhere = {path for entry in others for path in parse_tree(entry["fieldsV1"])}
    before = {path for entry in mine for path in parse_tree(entry["fieldsV1"])}
    _remove(result, before - wanted - owned_elsewhere, owned_elsewhere)
    kept = [entry for entry in others if entry["fieldsV1"]]
    kept.append(_entry(manager, "Apply", config["apiVersion"], "", now, wanted))
    result["metadata"]["managedFields"] = kept
    return result


def _remove(obj: Object, gone: set[FieldPath], kept: set[FieldPath]) -> None:
    """Take away what nobody owns any longer; an element of a keyed list goes whole, or keeps its keys."""
    elements = {path[:-1] for path in gone if path[-1] == "."}
    dead = {element for element in elements if not any(path[: len(element)] == element for path in kept)}
    for path in sorted(gone):
        if path[-1] != "." and not is_key(path) and not any(path[: len(each)] == each for each in dead):
            remove(obj, path)
    for element in sorted(dead):
        remove(obj, (*element, "."))


def same_owners(one: Object, other: Object) -> bool:
    """Whether two states have the same managers of the same fields, whenever that came about."""
    entries = [obj["metadata"].get("managedFields") or () for obj in (one, other)]
    if entries[0] is entries[1]:
        return True
    timeless = [[{k: v for k, v in entry.items() if k != "time"} for entry in side] for side in entries]
    return timeless[0] == timeless[1]


def _entries(live: Object, shape: Shape, now: str) -> list[dict[str, Any]]:
    entries = live["metadata"].get("managedFields")
    if entries:
        return list(entries)
    fields = {path for path in paths_of(live, shape) if path[0] != "f:status"}
    time = live["metadata"].get("creationTimestamp", now)
    return [_entry("before-first-apply", "Update", live["apiVersion"], "", time, fields)]


def _entry(
    manager: str, operation: str, version: str, subresource: str, time: str, fields: set[FieldPath]
) -> dict[str, Any]:
    entry = {"manager": manager, "operation": operation, "apiVersion": version, "time": time}
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": to_tree(fields)}  # type: ignore[dict-item]
    return entry | {"subresource": subresource} if subresource else entry


def _is(entry: dict[str, Any], manager: str) -> bool:
    return bool(
        entry["manager"] == manager and entry["operation"] == "Apply" and not entry.get("subresource")
    )


def _conflicts(
    live: Object, config: Object, manager: str, wanted: set[FieldPath], entries: list[dict[str, Any]]
) -> list[tuple[str, FieldPath]]:
    found = []
    for entry in entries:
        if _is(entry, manager):
            continue
        for path in parse_tree(entry["fieldsV1"]):
            if path in wanted and path[-1] != ".":
                present = value_at(live, path)
                if present is not MISSING and present != value_at(config, path):
                    who = f'"{entry["manager"]}"'
                    if entry["operation"] == "Update":
                        who += f" using {entry['apiVersion']}"
                    if entry.get("subresource"):
                        who += f' with subresource "{entry["subresource"]}"'
                    found.append((who, path))
    return found


def _conflict(conflicts: list[tuple[str, FieldPath]]) -> ApiError:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": show(path)}
        for who, path in conflicts
    ]
    count = len(causes)
    if count == 1:
        text = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        fields: dict[str, list[str]] = {}
        for who, path in conflicts:
            fields.setdefault(who, []).append(f"\n- {show(path)}")
        by_manager = "\n".join(f"conflicts with {who}:{''.join(lines)}" for who, lines in fields.items())
        text = f"Apply failed with {count} conflicts: {by_manager}"
    return ApiError(409, "Conflict", text, {"causes": causes})


def _without(entry: dict[str, Any], paths: set[FieldPath]) -> dict[str, Any]:
    own = set(parse_tree(entry["fieldsV1"]))
    return {**entry, "fieldsV1": to_tree(own - paths)} if own & paths else entry


def merge(live: Any, config: Any, shape: Shape) -> Any:
    """`live` overlaid with `config`: maps and keyed lists merge, sets unite, all else is replaced. A new value."""
    if isinstance(config, dict) and isinstance(live, dict) and not shape.atomic:
        result = clone(live)
        for name, value in config.items():
            result[name] = merge(live[name], value, shape.child(name)) if name in live else clone(value)
        return result
    if isinstance(config, list) and isinstance(live, list):
        if shape.is_set:
            return [*live, *(item for item in config if item not in live)]
        if shape.keys and all(isinstance(item, dict) for item in [*live, *config]):
            return _merge_keyed(live, config, shape)
    return clone(config)


def _merge_keyed(live: list[Any], config: list[Any], shape: Shape) -> list[Any]:
    present = {key_step(item, shape.keys): item for item in live}
    given = {key_step(item, shape.keys): item for item in config}
    # The applied order first, as the applier wrote it; what only others have follows.
    result = [merge(present.get(step, {}), item, shape.item()) for step, item in given.items()]
    return result + [clone(item) for step, item in present.items() if step not in given]


def track_update(new: Object, old: Object, manager: str, subresource: str, now: str) -> None:
    """Give `manager` the fields a write changed, and take lost or changed ones from the others; in place, on new metadata."""
    shape = shape_of(None)
    before, after = set(paths_of(old, shape)), set(paths_of(new, shape))
    changed = {
        path
        for path in after
        if path[-1] != "." and (path not in before or value_at(old, path) != value_at(new, path))
    }
    changed |= {path for path in after - before if path[-1] == "."}
    lost = before - after
    if not changed and not lost:
        return
    entries = [_without(entry, changed | lost) for entry in new["metadata"]["managedFields"]]
    index = next(
        (
            at
            for at, entry in enumerate(entries)
            if entry["manager"] == manager
            and entry["operation"] == "Update"
            and entry.get("subresource", "") == subresource
        ),
        None,
    )
    own = set() if index is None else set(parse_tree(entries.pop(index)["fieldsV1"]))
    entries = [entry for entry in entries if entry["fieldsV1"]]
    if changed or own:
        entries.append(_entry(manager, "Update", new["apiVersion"], subresource, now, own | changed))
    new["metadata"]["managedFields"] = entries
