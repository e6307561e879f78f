"""A store that was closed says so, and closing it again does nothing."""

import pytest

from duly.domain.errors import StoreUnavailable
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from tests.support.builders import a_task


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mysql"])
async def test_a_closed_store_is_unavailable(kind, new_database):
    with new_database(kind) as url:
        await migrate(url)
        store = await open_sql_store(url)
        task = a_task()
        await store.tasks.add([task])
        await store.close()
        await store.close()

        for operation in (store.tasks.add([a_task()]), store.tasks.get([task.id]), store.check(), store.facts()):
            with pytest.raises(StoreUnavailable):
                await operation
