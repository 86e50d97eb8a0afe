"""JSON merge patch (RFC 7396) and JSON patch (RFC 6902). Pure; the original is never altered, parts of it are shared."""

from typing import Any

from scaler.local.errors import ApiError, bad_request
from scaler.local.store import clone

__all__ = ["json_patch", "merge"]


def merge(target: Any, patch: Any) -> Any:
    """The target with the merge patch applied: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """The target after all operations. A failed `test` or a missing path is the 422 of a kube-apiserver."""
    if not isinstance(operations, list) or not all(isinstance(step, dict) for step in operations):
        raise bad_request("a JSON patch is a list of operations, each an object with op and path")
    document = clone(target)
    for step in operations:
        operation, path = step.get("op"), _pointer(step.get("path"))
        if operation in ("add", "replace", "test"):
            if "value" not in step:
                raise bad_request(f"JSON patch operation {operation!r} at {step.get('path')!r} has no value")
            document = _apply(document, operation, path, clone(step["value"]))
        elif operation == "remove":
            document = _apply(document, "remove", path, None)
        elif operation in ("move", "copy"):
            source = _pointer(step.get("from"))
            value = clone(_read(document, source))
            if operation == "move":
                document = _apply(document, "remove", source, None)
            document = _apply(document, "add", path, value)
        else:
            raise bad_request(
                f"JSON patch operation {operation!r} is none of add, remove, replace, move, copy, test"
            )
    return document


def _failed() -> ApiError:
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def _pointer(text: object) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise bad_request(f"JSON patch path {text!r} is no JSON pointer; it starts with /")
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _read(document: Any, path: list[str]) -> Any:
    for step in path:
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, list):
            document = document[_index(step, len(document) - 1)]
        else:
            raise _failed()
    return document


def _index(step: str, last: int) -> int:
    if not step.isdigit() or int(step) > last:
        raise _failed()
    return int(step)


def _apply(document: Any, operation: str, path: list[str], value: Any) -> Any:
    if not path:
        if operation == "test" and document != value:
            raise _failed()
        return document if operation == "test" else value
    parent, step = _read(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        _in_list(parent, operation, step, value)
    elif isinstance(parent, dict):
        if operation != "add" and step not in parent:
            raise _failed()
        if operation == "test":
            if parent[step] != value:
                raise _failed()
        elif operation == "remove":
            del parent[step]
        else:
            parent[step] = value
    else:
        raise _failed()
    return document


def _in_list(items: list[Any], operation: str, step: str, value: Any) -> None:
    if operation == "add":
        at = len(items) if step == "-" else _index(step, len(items))
        items.insert(at, value)
        return
    at = _index(step, len(items) - 1)
    if operation == "test":
        if items[at] != value:
            raise _failed()
    elif operation == "remove":
        del items[at]
    else:
        items[at] = value
