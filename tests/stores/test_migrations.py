"""Migrations: safe to repeat, safe side by side, and blind to tables that are not ours."""

import asyncio
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Integer, MetaData, NullPool, Table, create_engine, inspect, text

from duly.domain.errors import SchemaOutdated
from duly.stores.sql import migrations
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from duly.stores.sql.schema import SCHEMA, metadata
from tests.support.builders import a_task
from tests.support.databases import blocking_url

KINDS = ["sqlite", "postgresql", "mysql"]


@pytest.fixture(params=KINDS)
def url(request, new_database):
    with new_database(request.param) as url:
        yield url


@pytest.fixture
def outside(url):
    """Somebody else's connection to the same database."""
    engine = create_engine(blocking_url(url), poolclass=NullPool)
    yield engine
    engine.dispose()


async def test_migrating_twice_changes_nothing(url):
    await migrate(url)
    await migrate(url)

    store = await open_sql_store(url)
    await store.check()
    assert len(await store.tasks.add([a_task()])) == 1
    await store.close()


async def test_four_may_make_the_applications_tables_too_at_once(url, outside):
    """``CREATE TABLE IF NOT EXISTS`` of several at once fails in PostgreSQL: here they wait for each other."""
    own = MetaData()
    Table("orders", own, Column("id", Integer, primary_key=True))

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(migrate(url, own.create_all))

    assert inspect(outside).has_table("orders")


@pytest.mark.mistake(44)
async def test_four_may_migrate_at_once(url):
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(migrate(url))

    store = await open_sql_store(url)
    await store.close()


async def test_tables_that_are_not_ours_are_left_alone(url, outside):
    with outside.begin() as connection:
        connection.execute(text("CREATE TABLE tasks (id INTEGER PRIMARY KEY, title VARCHAR(20))"))
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO tasks VALUES (1, 'mine')"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))

    await migrate(url)

    with outside.begin() as connection:
        assert connection.execute(text("SELECT id, title FROM tasks")).all() == [(1, "mine")]
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [("theirs",)]
    made = set(inspect(outside).get_table_names()) - {"tasks", "alembic_version"}
    assert all(name.startswith("duly_") for name in made)


async def test_the_migrated_tables_have_the_columns_of_the_schema(url, outside):
    await migrate(url)

    found = inspect(outside)
    for table in metadata.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: column.nullable for column in table.columns}


async def test_a_migration_that_was_cut_off_is_finished_by_the_next(url, outside):
    """MySQL cannot undo what changes a table: tables may be there although the version is not."""
    await migrate(url)
    with outside.begin() as connection:
        connection.execute(text("DELETE FROM duly_alembic_version"))
        connection.execute(text("DROP TABLE duly_workers"))

    await migrate(url)

    store = await open_sql_store(url)
    assert await store.roster.alive(within=store.clock.now() - store.clock.now()) == []
    await store.close()


async def test_a_database_without_the_schema_is_refused(url):
    with pytest.raises(SchemaOutdated, match="duly migrate"):
        await open_sql_store(url)


async def test_a_newer_schema_is_welcome_and_an_older_one_is_not(url, outside):
    await migrate(url)
    with outside.begin() as connection:
        connection.execute(text("UPDATE duly_alembic_version SET version_num = '9999'"))
    store = await open_sql_store(url)

    with outside.begin() as connection:
        connection.execute(text("UPDATE duly_alembic_version SET version_num = '0000'"))

    with pytest.raises(SchemaOutdated):
        await store.check()
    await store.close()


async def test_a_newer_schema_is_not_migrated(url, outside):
    """During an upgrade a process of the release before may start, and migrate, last."""
    await migrate(url)
    with outside.begin() as connection:
        connection.execute(text("UPDATE duly_alembic_version SET version_num = '9999'"))

    await migrate(url)

    with outside.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM duly_alembic_version")).scalar() == "9999"


def test_the_code_needs_the_last_migration():
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))

    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA
