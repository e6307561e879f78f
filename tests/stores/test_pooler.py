"""A pooler between Duly and its PostgreSQL."""

from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from tests.support.pooler import a_pooler


async def test_planner_settings_that_do_not_arrive_are_told_with_what_to_do(postgres_url):
    await migrate(postgres_url)
    async with a_pooler(postgres_url) as pooled:
        warnings = []
        for url in (postgres_url, pooled):
            store = await open_sql_store(url)
            warnings.append((await store.facts()).warnings)
            await store.close()

    assert warnings[0] == ()
    (told,) = warnings[1]
    assert "plan_cache_mode = force_custom_plan; enable_seqscan = off; jit = off" in told
