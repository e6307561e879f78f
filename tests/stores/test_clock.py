"""The database's clock, as a process follows it that only takes submits."""

from datetime import UTC, datetime, timedelta

import pytest

from duly.stores.sql.clock import STALE_AFTER
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store


@pytest.mark.mistake(31)
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
async def test_who_looks_for_overdue_tasks_and_finds_none_keeps_its_clock_right(kind, new_database) -> None:
    """After a machine had slept, its API gave tasks times of before that, until some task was overdue."""
    with new_database(kind) as url:
        await migrate(url)
        store = await open_sql_store(url)
        store.clock._ahead -= timedelta(hours=1)
        store.clock._asked_at -= 2 * STALE_AFTER.total_seconds()
        await store.tasks.soonest()
        behind = datetime.now(UTC) - store.clock.now()
        await store.close()

    assert abs(behind) < timedelta(minutes=1)
