"""The same drain on SQLite and on MariaDB."""

from dataclasses import replace

from benchmarks.harness.crews import Crew, drain
from benchmarks.harness.places import mariadb, sqlite
from benchmarks.harness.plan import Goal, Scenario
from benchmarks.scenarios.drain import BOTH, DULY, QUESTION, SLOTS, TASKS, WORKER

ON_FILE = replace(DULY, place=sqlite, work=WORKER, processes=1)
ON_MARIADB = replace(DULY, place=mariadb)
FILE_FLOOR = Crew(module="benchmarks.floors.sqlite", place=sqlite, processes=1)
MARIADB_FLOOR = Crew(module="benchmarks.floors.mariadb", place=mariadb, commands=2)
HUEY = Crew(module="benchmarks.peers.huey", place=sqlite, venv="huey", processes=1)
FULL = "status and result, WAL with synchronous=FULL"

SQLITE = Scenario(
    name="drain-sqlite",
    title="Drain of 100,000 no-op tasks on SQLite, 1 worker process",
    question=QUESTION,
    contestants=(
        drain("duly", ON_FILE, TASKS, f"`duly worker --slots {SLOTS}`, log off", FULL),
        drain("bare loop", FILE_FLOOR, TASKS, "one table, partial index, batches of 100, one connection", FULL),
        drain(
            "huey",
            HUEY,
            10_000,
            "`SqliteHuey(fsync=True)`, 4 threads, polling every millisecond; 10,000 tasks",
            "result, WAL with synchronous=FULL; a task that was taken is no longer in the file",
        ),
    ),
    goals=(
        Goal(figure="tasks/s", of="duly", against="bare loop", least=0.5, stretch=0.7),
        Goal(figure="tasks/s", of="duly", against="huey", least=5),
    ),
    needs=("sqlite",),
    minutes=4,
)

MARIADB = Scenario(
    name="drain-mariadb",
    title="Drain of 100,000 no-op tasks on MariaDB, 2 worker processes",
    question=QUESTION,
    contestants=(
        drain("duly", ON_MARIADB, TASKS, f"`duly worker --processes 2 --slots {SLOTS}`, log off", BOTH),
        drain(
            "bare loop",
            MARIADB_FLOOR,
            TASKS,
            "one table, one index, batches of 500, asyncmy, 2 processes; claims and settles durable",
            BOTH,
        ),
    ),
    goals=(Goal(figure="tasks/s", of="duly", against="bare loop", least=0.6, stretch=0.7),),
    needs=("mariadb",),
    minutes=5,
)
