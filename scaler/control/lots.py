"""How due queries are cut into lots, and a lot that failed as a whole into smaller ones. Pure.

A lot is what one call of a scaler reads: up to `batch_size` queries with `measure_many`, else one.
"""

from collections.abc import Iterable, Iterator, Sequence

from scaler.control.query import Query
from scaler.control.reader import reads_many
from scaler.control.source_settings import SourceSettings

__all__ = ["lots", "shrink"]


def lots(queries: Iterable[Query], settings: SourceSettings) -> Iterator[list[Query]]:
    """Each query once, in order within its scaler and lot size."""
    groups: dict[tuple[int, int], list[Query]] = {}
    for query in queries:
        size = min(query.lot or settings.batch_size, settings.batch_size)
        groups.setdefault((id(query.scaler), size), []).append(query)
    for (_, size), group in groups.items():
        step = size if reads_many(group[0].scaler) else 1
        for start in range(0, len(group), step):
            yield group[start : start + step]


def shrink(lot: Sequence[Query], settings: SourceSettings, *, others_answer: bool) -> None:
    """A lot failed as a whole, not for its connection: one query may have spoilt it. Cut the next try.

    It is cut again and again only while other lots of the Source answer; otherwise the server is at fault,
    and a thousand single reads would not mend it. A query that answers may go in a full lot again.
    """
    size = max(1, len(lot) // settings.split)
    for query in lot:
        if len(lot) > 1 and (others_answer or not query.lot):
            query.lot = size
