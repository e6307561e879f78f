"""Many rows at once in Duly's table on PostgreSQL: copies of one real task, made by the database itself."""

import asyncio

from benchmarks.harness import tally
from benchmarks.harness.command import serve
from benchmarks.ours.tasks import completed, engine, fill, prepare
from sqlalchemy import text

from duly.stores.sql.rows import values_columns

NEW_ID = """
(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
 || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid
"""
FINISHED = {
    "id": NEW_ID,
    "state": "'completed'",
    "attempt": "1",
    "version": "3",
    "started_at": "now()",
    "finished_at": "now()",
    "result": """'{"number": 1, "note": "the work of a handler that does nothing"}'""",
    "wake_at": "NULL",
}
WAITING = {"id": NEW_ID}


def crowd(finished: int, waiting: int) -> None:
    """So many of each; then the planner's statistics are made, as autovacuum would."""
    prepare()
    asyncio.run(fill(1))
    with engine().begin() as connection:
        for values, count in ((WAITING, waiting - 1), (FINISHED, finished)):
            connection.execute(text(_copies(values)), {"count": count})
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE duly_tasks"))


def pace(tasks: int, processes: int) -> None:
    """How fast handlers are called while there is more to do: no store is asked."""
    tally.pace(tasks, processes)


def outcomes() -> None:
    """How many are stored."""
    print(completed())


def _copies(values: dict[str, str]) -> str:
    names = values_columns()
    chosen = ", ".join(values.get(name, f't."{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    copied = f"SELECT {chosen} FROM (SELECT * FROM duly_tasks LIMIT 1) t, generate_series(1, :count)"
    return f"INSERT INTO duly_tasks ({columns}) {copied}"


if __name__ == "__main__":
    serve(crowd=crowd, pace=pace, outcomes=outcomes)
