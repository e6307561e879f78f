"""Each statement keeps to its index in a full table, and a claim locks only what it takes.

An index is a promise, and these tests keep it: no scan of the table, no sort of what waits.
"""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import NullPool, create_engine, select

from duly.domain.fact import CancelAsked, Due, Returned
from duly.domain.moment import EPOCH
from duly.domain.query import TaskQuery
from duly.domain.state import State
from duly.domain.transition import decide
from duly.ports.store import Renewal, Retention
from duly.stores.sql import adding, applying, postgres_statements, purging, queues, reading, renewing
from duly.stores.sql.dialect import sql_for
from duly.stores.sql.hot import Claim, Hot
from duly.stores.sql.migrate import migrate
from duly.stores.sql.mysql import SPEECH, MySqlDialect
from duly.stores.sql.mysql_completing import complete
from duly.stores.sql.postgres import PostgresDialect
from duly.stores.sql.postgres_database import USUAL_PLANNER
from duly.stores.sql.postgres_frontier import PRECEDENCES
from duly.stores.sql.postgres_lane import PLANNER
from duly.stores.sql.postgres_moments import sent
from duly.stores.sql.rows import TASK_COLUMNS, task_of
from duly.stores.sql.schema import tasks
from tests.stores.explain import plans
from tests.stores.filled import fill
from tests.support.builders import LEASE, NOON, WORKER, a_token
from tests.support.databases import blocking_url

FULL = [pytest.mark.full, pytest.mark.timeout(900)]
POSTGRES = [("postgresql", 100_000), pytest.param(("postgresql", 1_000_000), marks=FULL)]
MYSQL = [("mysql", 100_000), pytest.param(("mysql", 1_000_000), marks=FULL)]
RETENTION = Retention(timedelta(days=7), timedelta(days=30), {"q1": timedelta(days=1)})


class Filled:
    """A database full of tasks, and how it means to run an operation."""

    def __init__(self, url, kind):
        self.url = url
        self.sql = sql_for(PostgresDialect() if kind == "postgresql" else MySqlDialect(), None)
        options = {"options": " ".join(f"-c {name}={value}" for name, value in USUAL_PLANNER.items())}
        self.engine = create_engine(
            blocking_url(url),
            poolclass=NullPool,
            isolation_level="READ COMMITTED",
            connect_args=options if kind == "postgresql" else {},
        )

    def plan(self, operation):
        return plans(self.engine, operation)

    def some(self, state, count=100):
        statement = select(*TASK_COLUMNS).where(tasks.c.state == state.value).limit(count)
        with self.engine.connect() as connection:
            return [task_of(row) for row in connection.execute(statement)]


@pytest.fixture(scope="module", params=[*POSTGRES, *MYSQL], ids=str)
def filled(request, new_database):
    kind, rows = request.param
    with new_database(kind) as url:
        asyncio.run(migrate(url))
        database = Filled(url, kind)
        fill(database.engine, rows)
        yield database
        database.engine.dispose()


def no_scan_or_sort(plan):
    return (
        "Seq Scan on duly_tasks" not in plan and "Sort" not in plan and "filesort" not in plan and "| ALL |" not in plan
    )


@pytest.mark.parametrize("filled", MYSQL, indirect=True, ids=str)
def test_a_claim_on_mysql_reads_pending_tasks_in_the_order_of_their_index(filled):
    wanted = Claim("q1", 100, WORKER, LEASE, a_token())

    plan = filled.plan(lambda connection: Hot(SPEECH, None).claim(connection, wanted))

    assert "duly_tasks_ready" in plan
    assert no_scan_or_sort(plan)


@pytest.mark.parametrize("filled", MYSQL, indirect=True, ids=str)
def test_a_claim_among_hints_on_mysql_finds_them_by_the_primary_key(filled):
    hints = [task.id for task in filled.some(State.PENDING, 100)]
    wanted = Claim("q1", 100, WORKER, LEASE, a_token(), hints)

    plan = filled.plan(lambda connection: Hot(SPEECH, None).claim(connection, wanted))

    assert "duly_tasks_ready" not in plan
    assert "| range | PRIMARY | PRIMARY |" in plan


@pytest.mark.parametrize("since", [None, NOON], ids=["everywhere", "from some time on"])
@pytest.mark.parametrize("state", [State.SCHEDULED, State.RUNNING, State.PENDING])
def test_a_sweep_reads_what_is_overdue_in_the_order_of_its_index(filled, state, since):
    plan = filled.plan(lambda connection: reading.overdue(connection, filled.sql, state, 500, since))

    assert "duly_tasks_wake" in plan
    assert no_scan_or_sort(plan)


@pytest.mark.parametrize("since", [{}, dict.fromkeys(State, NOON)], ids=["everywhere", "from some time on"])
def test_a_look_for_what_is_overdue_reads_the_first_entries_of_an_index(filled, since):
    plan = filled.plan(lambda connection: reading.soonest(connection, filled.sql, since))

    assert "duly_tasks_wake" in plan
    assert no_scan_or_sort(plan)


def test_a_look_for_queues_with_work_reads_the_first_entries_of_their_index(filled):
    plan = filled.plan(lambda connection: reading.ready(connection, ["q1", "q2", "none"]))

    assert "duly_tasks_ready" in plan
    assert no_scan_or_sort(plan)


def test_a_page_walks_the_primary_key(filled):
    middle = filled.some(State.PENDING, 1)[0].id
    for query in (TaskQuery(), TaskQuery(before=middle), TaskQuery(before=middle, state=State.PENDING)):
        plan = filled.plan(lambda connection, query=query: reading.page(connection, filled.sql, query))

        assert "duly_tasks_pkey" in plan or "PRIMARY" in plan
        assert no_scan_or_sort(plan)


def test_a_page_that_nothing_fits_looks_at_no_more_rows_than_it_may(filled):
    query = TaskQuery(state=State.FAILED, key="none", tag="none", error_type="None")

    plan = filled.plan(lambda connection: reading.page(connection, filled.sql, query))

    assert "duly_tasks_pkey" in plan or "PRIMARY" in plan
    assert "Seq Scan" not in plan
    assert "ALL" not in plan


def test_changes_and_renewals_find_their_rows_by_the_primary_key(filled):
    running = filled.some(State.RUNNING)
    renewals = [Renewal(task.id, task.claim, "1") for task in running]
    cancels = [decide(task, CancelAsked(), NOON) for task in running]

    for operation in (
        lambda connection: renewing.renew(connection, filled.sql, renewals, LEASE),
        lambda connection: applying.apply(connection, filled.sql, cancels),
    ):
        plan = filled.plan(operation)
        assert "duly_tasks_pkey" in plan or "PRIMARY" in plan
        assert "Seq Scan" not in plan
        assert "| ALL |" not in plan


def test_a_promotion_finds_its_rows_by_the_primary_key(filled):
    due = [decide(task, Due(), task.run_at) for task in filled.some(State.SCHEDULED)]

    plan = filled.plan(lambda connection: applying.apply(connection, filled.sql, due))

    assert "duly_tasks_pkey" in plan or "PRIMARY" in plan
    assert "Seq Scan" not in plan
    assert "| ALL |" not in plan


def test_live_tasks_are_counted_from_indexes_of_live_tasks(filled):
    plan = filled.plan(queues._depths)

    assert "duly_tasks_ready" in plan
    assert "duly_tasks_wake" in plan
    assert "Seq Scan" not in plan
    assert "| ALL |" not in plan


def test_a_purge_walks_the_primary_key(filled):
    plan = filled.plan(lambda connection: purging.purge(connection, filled.sql, RETENTION, 500, None))

    assert "duly_tasks_pkey" in plan or "PRIMARY" in plan
    assert "Seq Scan on duly_tasks" not in plan
    assert "| ALL |" not in plan


def test_the_holder_of_a_key_is_found_by_the_index_of_live_keys(filled):
    plan = filled.plan(lambda connection: adding.holders(connection, [("text.reverse", "one")]))

    assert "duly_tasks_live_key" in plan or "const" in plan
    assert no_scan_or_sort(plan)


@pytest.mark.parametrize("filled", MYSQL, indirect=True, ids=str)
def test_a_claim_on_mysql_locks_only_what_it_takes(filled):
    def claim(connection, count):
        claimed = Hot(SPEECH, None).claim(connection, Claim("q1", count, WORKER, LEASE, a_token()))
        return {task.id for task in claimed}

    with filled.engine.connect() as alone:
        expected = claim(alone, 200)
        alone.rollback()
    with filled.engine.connect() as one, filled.engine.connect() as other:
        first = claim(one, 100)
        second = claim(other, 100)
        other.rollback()
        one.rollback()

    assert len(first) == len(second) == 100
    assert first | second == expected


@pytest.mark.parametrize("filled", POSTGRES, indirect=True, ids=str)
async def test_a_claim_on_postgresql_locks_only_what_it_takes(filled):
    async def claim(connection, count):
        statement = postgres_statements.CLAIM
        return {row["id"] for row in await connection.fetch(statement, "q1", count, a_token(), "w", LEASE, None)}

    one, other = [await asyncpg.connect(filled.url, server_settings=PLANNER) for _ in range(2)]
    undone = one.transaction()
    await undone.start()
    expected = await claim(one, 200)
    await undone.rollback()
    held, at_once = one.transaction(), other.transaction()
    await held.start()
    await at_once.start()
    first, second = await claim(one, 100), await claim(other, 100)
    await held.rollback()
    await at_once.rollback()
    await one.close()
    await other.close()

    assert len(first) == len(second) == 100
    assert first | second == expected


@pytest.mark.parametrize("filled", MYSQL, indirect=True, ids=str)
def test_mysql_settles_a_batch_by_the_primary_key(filled):
    changes = [decide(task, Returned(task.claim, "1"), NOON) for task in filled.some(State.RUNNING, 500)]

    plan = filled.plan(lambda connection: complete(connection, changes))

    assert "| range | PRIMARY | PRIMARY |" in plan


async def explained(database, statement, *arguments):
    """The plan on a connection of the hot lane."""
    connection = await asyncpg.connect(database.url, server_settings=PLANNER)
    try:
        return "\n".join(row[0] for row in await connection.fetch("EXPLAIN " + statement, *arguments))
    finally:
        await connection.close()


@pytest.mark.parametrize("filled", POSTGRES, indirect=True, ids=str)
async def test_the_hot_statements_of_postgresql_keep_to_their_indexes(filled):
    running = filled.some(State.RUNNING, 500)
    ids, tokens = [task.id for task in running], [task.token for task in running]
    blank = [None] * len(ids)

    completed = (
        ",".join(map(str, ids)),
        ",".join(["1"] * len(ids)),
        ",".join(map(str, tokens)),
        "\x01".join("" for _ in ids),
        *sent([NOON] * len(ids)),
        len(ids),
    )
    wanted = ("q1", 100, a_token(), "w", LEASE, None)
    since = [EPOCH] * len(PRECEDENCES)
    claim = await explained(filled, postgres_statements.CLAIM, *wanted)
    beyond = await explained(filled, postgres_statements.CLAIM_BEYOND, *wanted, PRECEDENCES, since)
    among = await explained(filled, postgres_statements.CLAIM_AMONG, *wanted, ids)
    others = [
        await explained(filled, postgres_statements.RENEW, ids, tokens, blank, LEASE, None),
        await explained(filled, postgres_statements.COMPLETE, *completed),
        await explained(filled, postgres_statements.GET, ids),
    ]

    assert "Index Scan using duly_tasks_ready" in claim
    assert "(precedence = p.precedence) AND (run_at >= p.since)" in beyond.partition("duly_tasks_ready")[2]
    for plan in (claim, beyond, among):
        assert "Tid Scan on duly_tasks" in plan
    for plan in (among, *others):
        assert "Index Scan using duly_tasks_pkey" in plan
    for plan in (claim, beyond, among, *others):
        assert no_scan_or_sort(plan)


async def test_a_hot_plan_that_was_made_on_an_empty_table_is_good_on_a_full_one(new_database):
    """Such a plan, kept by a prepared statement, was five to ten times too slow."""
    with new_database("postgresql") as url:
        await migrate(url)
        connection = await asyncpg.connect(url, server_settings=PLANNER)
        plan = await connection.fetch("EXPLAIN " + postgres_statements.CLAIM, "q1", 100, a_token(), "w", LEASE, None)
        await connection.close()

    assert "Index Scan using duly_tasks_ready" in str(plan)
    assert no_scan_or_sort(str(plan))
