"""When the pages of a virtual host cost the broker less than a GET for each queue that is asked for. Pure.

Measured on RabbitMQ 3.10 (CPU of the broker; a GET of one queue takes it 0.45 to 0.95 ms): a page costs
0.013 to 0.02 ms for *every* queue of the virtual host, since each is looked at and sorted before the page is
cut out, and 0.035 ms for each queue on the page. So a hundred pages of a large virtual host are no bargain,
and one page of it is none for three triggers.

How many queues there are is first taken from the broker's own total (an upper bound, and cheap to ask for),
then from the pages. Where the bound is too large to tell, one page is risked for it once GETs worth many
times its cost have gone by.
"""

import math
from dataclasses import dataclass

__all__ = ["FEW", "PAGE", "Census", "pages_cost"]

PAGE = 500
"""Queues on a page: the most that stock brokers allow."""
FEW = 10
"""So few queues are asked for one by one, whatever there is: not even the question how many there are pays."""
_QUEUES_A_GET_OF_ALL = 35
_QUEUES_A_GET_ON_A_PAGE = 12
_REMEMBERED = 300.0
"""Seconds for which a count is believed."""
_PROBE_SHARE = 20
"""A page is risked for the count after GETs worth so many times its cost."""


def pages_cost(size: int) -> float:
    """What all pages of a virtual host with so many queues cost the broker, in GETs."""
    pages = max(1, math.ceil(size / PAGE))
    return pages * (1 + size / _QUEUES_A_GET_OF_ALL) + size / _QUEUES_A_GET_ON_A_PAGE


@dataclass(slots=True)
class Census:
    """What is known of one virtual host: `size` queues, or at most `bound`. Times are monotonic seconds."""

    size: int | None = None
    counted: float = -math.inf
    spent: float = 0.0
    """GETs since the last count."""

    def pays(self, wanted: int, bound: int | None, now: float) -> bool:
        """Do the pages cost no more than GETs for `wanted` queues? `bound`: queues of the whole broker."""
        size = self._known(now)
        if size is not None:
            return pages_cost(size) <= wanted
        if bound is None or wanted < FEW:
            return False
        return pages_cost(bound) <= wanted or self._may_be_risked(bound)

    def needs_bound(self, wanted: int, now: float) -> bool:
        """Must the broker's total be known for that?"""
        return wanted >= FEW and self._known(now) is None

    def count(self, size: int, now: float) -> None:
        """A page told how many queues there are."""
        self.size, self.counted, self.spent = size, now, 0.0

    def asked(self, gets: int) -> None:
        """So many queues were asked for one by one."""
        self.spent += gets

    def _known(self, now: float) -> int | None:
        return self.size if now < self.counted + _REMEMBERED else None

    def _may_be_risked(self, bound: int) -> bool:
        page = bound / _QUEUES_A_GET_OF_ALL + PAGE / _QUEUES_A_GET_ON_A_PAGE
        return self.spent >= _PROBE_SHARE * page
