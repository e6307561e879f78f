"""The same drain by everybody else, each in its best sensible configuration."""

from benchmarks.harness.crews import Crew, drain
from benchmarks.harness.places import both, postgresql, rabbitmq, redis
from benchmarks.harness.plan import Contestant, Scenario
from benchmarks.scenarios.drain import BOTH, DULY, QUESTION, SLOTS

TASKS = 10_000
FEW = 5_000
VOLATILE = "nothing: tasks and results in a Redis without AOF and snapshots"
STATUS = "status, no result; fsync at every commit"


def _peer(module: str, venv: str, **how: object) -> Crew:
    return Crew(module=f"benchmarks.peers.{module}", venv=venv, **how)


def _on_postgresql() -> list[Contestant]:
    two = {"place": postgresql, "commands": 2}
    return [
        drain(
            "procrastinate",
            _peer("procrastinate", "procrastinate", **two),
            FEW,
            "2 processes, `concurrency=100`, psycopg pool of 20, uvloop, `delete_jobs=never`; 5,000 tasks",
            STATUS,
        ),
        drain(
            "saq on postgresql",
            _peer("saq", "saq", **two),
            FEW,
            "2 processes, `concurrency=100`, psycopg pool of 20, uvloop; 5,000 tasks",
            BOTH,
        ),
    ]


def _oban_and_awa() -> list[Contestant]:
    two = {"place": postgresql, "commands": 2}
    return [
        drain(
            "oban",
            _peer("oban", "oban", **two),
            TASKS,
            "2 processes, queue limit 100, psycopg pool of 10, uvloop, Python 3.12; 10,000 tasks",
            STATUS,
        ),
        drain(
            "awa",
            _peer("awa", "awa", **two),
            TASKS,
            "2 processes, 256 workers each, filled by COPY; 10,000 tasks",
            STATUS,
        ),
    ]


def _dramatiq() -> list[Contestant]:
    return [
        drain(
            "dramatiq on redis",
            _peer("dramatiq", "dramatiq", place=redis),
            TASKS,
            "2 processes of 8 threads, results in Redis; 10,000 tasks",
            VOLATILE,
        ),
        drain(
            "dramatiq on rabbitmq",
            _peer("dramatiq", "dramatiq", place=both(redis, rabbitmq)),
            TASKS,
            "2 processes of 8 threads, confirms, results in Redis; 10,000 tasks",
            "persistent messages; results in a Redis that keeps nothing",
        ),
    ]


def _others_on_redis() -> list[Contestant]:
    return [
        drain(
            "taskiq",
            _peer("taskiq", "taskiq", place=redis),
            TASKS,
            "2 processes, Redis stream, 100 tasks at once each, results in Redis, uvloop; 10,000 tasks",
            VOLATILE,
        ),
        drain(
            "saq on redis",
            _peer("saq", "saq", place=redis, commands=2),
            TASKS,
            "2 processes, `concurrency=100`, uvloop; 10,000 tasks",
            VOLATILE,
        ),
        drain(
            "huey on redis",
            _peer("huey", "huey", place=redis, env={"BENCH_KIND": "process", "BENCH_WORKERS": "2"}),
            TASKS,
            "2 worker processes, blocking reads; 10,000 tasks",
            VOLATILE,
        ),
    ]


SCENARIO = Scenario(
    name="drain-peers",
    title="Drain of no-op tasks: the other peers",
    question=QUESTION,
    contestants=(
        drain("duly", DULY, 100_000, f"`duly worker --processes 2 --slots {SLOTS}`, PostgreSQL, log off", BOTH),
        *_on_postgresql(),
        *_oban_and_awa(),
        *_dramatiq(),
        *_others_on_redis(),
    ),
    needs=("postgresql", "rabbitmq", "redis"),
    rounds=2,
    minutes=7,
)
