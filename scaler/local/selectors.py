"""Label and field selectors as the API's query parameters spell them. Pure.

Grammar and sentences of the label selector are apimachinery's: `a=b`, `a==b`, `a!=b`, `a`, `!a`, `a in (x,y)`,
`a notin (x,y)`, `a>1`, `a<1`, joined by commas.
"""

import re
from collections.abc import Callable, Mapping

from scaler.local.errors import bad_request
from scaler.local.resources import Object, Resource

__all__ = ["Predicate", "field_selector", "label_selector", "matches"]

Predicate = Callable[[Object], bool]
_Test = Callable[[Mapping[str, str]], bool]

_SIGNS = {"", "!", "=", "==", "!=", "<", ">", "(", ")", ","}
_TOKEN = re.compile(r"\s*(!=|==|=|>|<|!|\(|\)|,|[^\s!=<>(),]+)")


class _Words:
    """Tokens with one word of look-ahead; "" is the end."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    @property
    def next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self) -> str:
        token = self.next
        self._at += 1
        return token

    def expect(self, *wanted: str) -> str:
        token = self.take()
        if token not in wanted:
            names = " or ".join(f"'{word}'" for word in wanted)
            raise bad_request(f"unable to parse requirement: found '{token}', expected: {names}")
        return token

    def word(self) -> str:
        found = self.take()
        if found in _SIGNS:
            raise bad_request(f"unable to parse requirement: found '{found}', expected: identifier")
        return found


def label_selector(text: str) -> Predicate:
    """A predicate over objects. Raises 400 where the text does not parse."""
    tests = parse_labels(text)

    def chosen(obj: Object) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(test(labels) for test in tests)

    return chosen


def matches(text: str, labels: Mapping[str, str]) -> bool:
    """Whether labels meet a selector's text."""
    return all(test(labels) for test in parse_labels(text))


def parse_labels(text: str) -> list[_Test]:
    """The requirements of a selector's text, each a predicate over labels."""
    words = _Words(text)
    tests: list[_Test] = []
    if not words.next:
        return tests
    while True:
        tests.append(_requirement(words))
        if not words.next:
            return tests
        words.expect(",")


def _requirement(words: _Words) -> _Test:
    if words.next == "!":
        words.take()
        absent = words.word()
        return lambda labels: absent not in labels
    key = words.word()
    if words.next in ("", ","):
        return lambda labels: key in labels
    return _comparison(key, words.take(), words)


def _comparison(key: str, operator: str, words: _Words) -> _Test:
    if operator in ("in", "notin"):
        values, wanted = _values(words), operator == "in"
        return lambda labels: (labels.get(key) in values) is wanted
    if operator in ("=", "==", "!="):
        value, equal = _value(words), operator != "!="
        return lambda labels: (labels.get(key) == value) is equal
    if operator in (">", "<"):
        return _ordering(key, operator, words.word())
    raise bad_request(
        f"unable to parse requirement: found '{operator}', expected: in, notin, =, ==, !=, gt, lt"
    )


def _value(words: _Words) -> str:
    return "" if words.next in ("", ",") else words.word()


def _values(words: _Words) -> set[str]:
    words.expect("(")
    values: set[str] = set()
    while True:
        if words.next in (",", ")"):
            values.add("")
        else:
            token = words.next
            if not token:
                raise bad_request("unable to parse requirement: found '', expected: ',', ')' or identifier")
            values.add(words.word())
        if words.expect(",", ")") == ")":
            return values


def _ordering(key: str, operator: str, text: str) -> _Test:
    try:
        bound = int(text)
    except ValueError:
        raise bad_request(f"unable to parse requirement: {text!r} after '{operator}' is no integer") from None

    def test(labels: Mapping[str, str]) -> bool:
        try:
            value = int(labels[key])
        except (KeyError, ValueError):
            return False
        return value > bound if operator == ">" else value < bound

    return test


# What a kube-apiserver lets one select by, beside metadata.name and metadata.namespace.
_FIELDS: dict[tuple[str, str], frozenset[str]] = {
    ("", "pods"): frozenset(
        {
            "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
            "status.phase", "status.podIP", "status.nominatedNodeName",
        }
    ),
    ("", "events"): frozenset(
        {
            "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
            "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
            "reportingComponent", "source", "type",
        }
    ),
    ("", "namespaces"): frozenset({"status.phase"}),
    ("", "secrets"): frozenset({"type"}),
    ("", "services"): frozenset({"spec.clusterIP", "spec.type"}),
    ("apps", "replicasets"): frozenset({"status.replicas"}),
    ("batch", "jobs"): frozenset({"status.successful"}),
}  # fmt: skip


def field_selector(resource: Resource, text: str) -> Predicate:
    """A predicate over objects from `a=b,c!=d`. Raises 400 for a field that cannot be selected by."""
    allowed = _FIELDS.get(resource.key, frozenset()) | {"metadata.name", "metadata.namespace"}
    tests: list[tuple[tuple[str, ...], bool, str]] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        found = re.fullmatch(r"([^=!]+)(!=|==|=)(.*)", part)
        if not found:
            raise bad_request(f"invalid field selector {text!r}: {part!r} is not of the form field=value")
        field, operator, value = found.groups()
        if field not in allowed:
            raise bad_request(f"field label not supported: {field}")
        tests.append((tuple(field.split(".")), operator != "!=", value))

    def chosen(obj: Object) -> bool:
        return all((_field(obj, path) == value) is equal for path, equal, value in tests)

    return chosen


def _field(obj: Object, path: tuple[str, ...]) -> str:
    value: object = obj
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if path == ("source",) and isinstance(value, dict):
        value = value.get("component")
    if value is None:
        return "false" if path[-1] == "hostNetwork" else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
