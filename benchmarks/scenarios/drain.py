"""Drain: tasks that wait in the store are run by two worker processes."""

from benchmarks.harness.crews import Crew, drain
from benchmarks.harness.places import both, postgresql, rabbitmq
from benchmarks.harness.plan import Goal, Scenario

TASKS = 100_000
SLOTS = "1000"
QUESTION = "All tasks are stored first. From the moment that all processes run handlers to the last outcome stored."
WORKER = ("duly", "worker", "benchmarks.ours.app:duly", "--slots", SLOTS)
BOTH = "status and result, fsync at every commit"

DULY = Crew(module="benchmarks.ours.tasks", place=postgresql, work=(*WORKER, "--processes", "2"))
FLOOR = Crew(module="benchmarks.floors.postgresql", place=postgresql, commands=2)
PGQUEUER = Crew(module="benchmarks.peers.pgqueuer", place=postgresql, commands=2, venv="pgqueuer")
CELERY = Crew(module="benchmarks.peers.celery", place=both(postgresql, rabbitmq), venv="celery")

SCENARIO = Scenario(
    name="drain",
    title="Drain of 100,000 no-op tasks on PostgreSQL, 2 worker processes",
    question=QUESTION,
    contestants=(
        drain("duly", DULY, TASKS, f"`duly worker --processes 2 --slots {SLOTS}`, log off", BOTH),
        drain(
            "bare loop",
            FLOOR,
            TASKS,
            "one table, partial index, batches of 500, asyncpg, 2 processes; claims and settles durable",
            BOTH,
        ),
        drain(
            "pgqueuer",
            PGQUEUER,
            TASKS,
            "2 processes, `batch_size=500`, `max_concurrent_tasks=1000`, asyncpg pool of 4, uvloop, durable tables",
            "status, no result; fsync at every commit",
        ),
        drain(
            "celery",
            CELERY,
            4_000,
            "prefork `-c 2`, `acks_late`, prefetch 64, RabbitMQ, database backend (psycopg); 4,000 tasks",
            "persistent messages; status and result in PostgreSQL, fsync at every commit",
        ),
    ),
    goals=(
        Goal(figure="tasks/s", of="duly", against="pgqueuer", least=2, stretch=3),
        Goal(figure="tasks/s", of="duly", against="celery", least=20),
        Goal(figure="tasks/s", of="duly", against="bare loop", least=0.5, stretch=0.65),
    ),
    minutes=6,
)
