"""What `duly doctor` says of a broker's messages against the database's tasks, and of a replica."""

import pytest

from duly.cli.part_checks import about_parts, misfit
from duly.cli.replica_check import about_replica
from duly.settings import Settings
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from tests.support.builders import a_task
from tests.support.servers import shared_redis_url


@pytest.mark.parametrize(
    ("messages", "pending", "word"),
    [
        (0, 0, None),
        (3, 250, None),
        (0, 999, None),
        (90, 0, None),
        (0, 1_000, "Its relay announces"),
        (101, 0, "does a worker with this DULY_BROKER_URL serve the queue?"),
        (1_000, 950, None),
    ],
)
def test_messages_that_do_not_fit_the_tasks_get_a_word(messages: int, pending: int, word: str | None):
    finding = misfit("mail", messages, pending)

    assert finding is None if word is None else word in finding.advice


async def test_a_replica_without_the_schema_is_told(postgres_url, new_database):
    await migrate(postgres_url)
    with new_database("postgresql") as empty:
        finding = await findings_of(postgres_url, empty)

    assert finding.verdict == "fail"
    assert "has not this Duly's schema" in finding.detail


async def test_a_replica_that_is_behind_is_told(postgres_url, new_database):
    await migrate(postgres_url)
    with new_database("postgresql") as other:
        await migrate(other)
        finding = await findings_of(postgres_url, other)

    assert finding.verdict == "warn"
    assert "is behind" in finding.detail


async def test_a_replica_of_another_kind_is_refused(postgres_url, mysql_url):
    await migrate(postgres_url)
    finding = await findings_of(postgres_url, mysql_url)

    assert finding.verdict == "fail"
    assert "a replica is a server of the same kind" in finding.detail


async def findings_of(database: str, replica: str):
    store = await open_sql_store(database)
    try:
        await store.tasks.add([a_task(created_at=store.clock.now())])
        return await about_replica(store, Settings(database_url=database, database_replica_url=replica))
    finally:
        await store.close()


@pytest.mark.parametrize(("limit", "subjects"), [("", 0), ("10/1m", 1)])
async def test_where_requests_are_counted_together_is_tried_when_there_are_limits(postgres_url, limit, subjects):
    settings = Settings(limits_url=shared_redis_url(), bell_url="none", limit_read=limit)

    found = await about_limits(postgres_url, settings)

    assert [finding.verdict for finding in found] == ["ok"] * subjects


async def test_limits_that_nobody_counts_together_are_told(postgres_url):
    settings = Settings(limits_url="redis://:s3cret@127.0.0.1:1", bell_url="none", limit_submit="10/1m")

    (found,) = await about_limits(postgres_url, settings)

    assert found.verdict == "fail"
    assert "s3cret" not in found.detail
    assert "counts for itself" in found.advice


@pytest.mark.parametrize(("kind", "words"), [("sqlite", "the SQLite file"), ("mysql", "none between processes")])
async def test_what_wakes_other_processes_is_told_where_no_wire_does(new_database, kind, words):
    with new_database(kind) as url:
        (found,) = await about("bell", url, Settings(database_url=url))

    assert found.verdict == "ok"
    assert found.detail.startswith(words)


async def about_limits(database: str, settings: Settings):
    return await about("limits", database, settings)


async def about(subject: str, database: str, settings: Settings):
    await migrate(database)
    store = await open_sql_store(database)
    try:
        return [finding async for finding in about_parts(store, settings) if finding.subject == subject]
    finally:
        await store.close()
