"""Each cause of the table in docs/explain.md, injected with real sources: `tidegate explain` names it, and no log is read."""

import contextlib

import explain_causes_hpa
import explain_causes_objects
import explain_causes_triggers
import pytest
from explain_causes import CAUSES, rows, told

pytestmark = pytest.mark.server
ROWS = rows()
GROUPS = (explain_causes_triggers, explain_causes_objects, explain_causes_hpa)


def test_the_table_has_every_cause_once():
    names = [row.cause for row in ROWS]
    assert sorted(names) == sorted(CAUSES)
    assert len(names) >= 40
    assert all(any(inject.__module__ == group.__name__ for group in GROUPS) for inject in CAUSES.values())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.cause.replace(" ", "-"))
async def test_the_cause_is_named(row, redis):
    async with contextlib.asynccontextmanager(CAUSES[row.cause])(redis) as run:
        await told(run, row)
