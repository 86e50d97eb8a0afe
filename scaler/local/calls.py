"""One request for a resource, and the forms in which objects are given back: themselves, metadata alone, a Table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiohttp import web

from scaler.local.accept import Form
from scaler.local.answers import json_bytes, json_response
from scaler.local.lists import Page
from scaler.local.resources import Object, View
from scaler.local.routes import Target
from scaler.local.store import Item
from scaler.local.tables import metadata_only, table
from scaler.local.writes import Guard

__all__ = ["Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """A request, understood. `now` is the second (since the epoch) that ages are told from.

    `guard` is asked before an object is written.
    """

    request: web.BaseRequest
    query: Mapping[str, str]
    view: View
    namespace: str
    target: Target
    form: Form
    now: float
    guard: Guard | None = None

    @property
    def content_type(self) -> str:
        """The body's media type as sent."""
        return self.request.headers.get("Content-Type", "")

    def shown(self, item: Item) -> Object:
        """An object as this view has it."""
        return self.view.outgoing(item.obj) if self.view.outgoing else item.obj

    def data(self, item: Item) -> bytes:
        """The same as JSON."""
        return json_bytes(self.view.outgoing(item.obj)) if self.view.outgoing else item.data

    def table(self, items: Iterable[Item], metadata: Object, *, headed: bool = True) -> Object:
        """Objects as a Table."""
        include = self.query.get("includeObject") or "Metadata"
        objects = [self.shown(item) for item in items]
        columns = self.view.resource.columns
        return table(columns, objects, self.now, include=include, metadata=metadata, headed=headed)

    def answer_object(self, obj: Object) -> web.Response:
        """An object that is stored nowhere (Scale, Status)."""
        return json_response(json_bytes(obj), content_type=self.form.media_type)

    def answer_item(self, item: Item, status: int = 200, warnings: Iterable[str] = ()) -> web.Response:
        """A stored object, in the form asked for."""
        escaped = [text.replace("\\", "\\\\").replace('"', '\\"') for text in warnings]
        headers = {"Warning": ", ".join(f'299 - "{text}"' for text in escaped)} if escaped else None
        if self.form.kind == "Table":
            data = json_bytes(self.table([item], {"resourceVersion": str(item.version)}))
        elif self.form.kind:
            data = json_bytes(metadata_only(self.shown(item)))
        else:
            data = self.data(item)
        return json_response(data, status, headers=headers, content_type=self.form.media_type)

    def answer_page(self, found: Page) -> web.Response:
        """A list, in the form asked for."""
        if self.form.kind == "Table":
            return json_response(json_bytes(self.table(found.items, found.metadata)))
        if self.form.kind:
            items = b",".join(json_bytes(metadata_only(item.obj)) for item in found.items)
            kind, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
        else:
            items = b",".join(self.data(item) for item in found.items)
            kind, version = self.view.resource.list_kind, self.view.api_version
        head = json_bytes({"kind": kind, "apiVersion": version, "metadata": found.metadata})
        return json_response(head[:-1] + b',"items":[' + items + b"]}", content_type=self.form.media_type)

    def line(self, kind: str, item: Item, *, headed: bool) -> bytes:
        """One event of a watch. `headed`: a Table carries its columns."""
        if not self.form.kind:
            return b'{"type":"%s","object":%s}\n' % (kind.encode(), self.data(item))
        if self.form.kind == "Table":
            obj = self.table([item], {"resourceVersion": str(item.version)}, headed=headed)
        else:
            obj = metadata_only(self.shown(item))
        return json_bytes({"type": kind, "object": obj}) + b"\n"
