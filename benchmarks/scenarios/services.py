"""The services that are compared over HTTP."""

from dataclasses import replace

from benchmarks.harness import tally
from benchmarks.harness.crews import Crew
from benchmarks.harness.places import both, postgresql, rabbitmq, redis
from benchmarks.harness.services import Service

PAYLOAD = tally.payload(1)
UVICORN = ("--port", "{port}", "--workers", "{processes}", "--no-access-log", "--log-level", "error")
DULY_API = ("duly", "api", "benchmarks.ours.app:duly", "--port", "{port}", "--processes", "{processes}")
DULY_WORKERS = ("duly", "worker", "benchmarks.ours.app:duly", "--slots", "500", "--processes", "2")

DULY = Service(
    crew=Crew(module="benchmarks.ours.tasks", place=postgresql, work=DULY_WORKERS),
    serve=DULY_API,
    path="/v1/tasks",
    body={"type": "bench.noop", "payload": PAYLOAD},
    batch_path="/v1/tasks/batch",
)
ASYNC = Service(
    crew=Crew(module="benchmarks.peers.stack_async", place=both(postgresql, rabbitmq), venv="stack_async", commands=2),
    serve=("uvicorn", "benchmarks.peers.stack_async:app", *UVICORN),
    path="/tasks",
    body={"type": "noop", "payload": PAYLOAD},
)
SYNC = Service(
    crew=Crew(module="benchmarks.peers.stack_sync", place=both(postgresql, redis), venv="stack_sync", processes=4),
    serve=("uvicorn", "benchmarks.peers.stack_sync:app", *UVICORN),
    path="/tasks",
    body={"type": "noop", "payload": PAYLOAD},
)

ALONE = replace(DULY, crew=replace(DULY.crew, work=(*DULY_WORKERS[:-1], "1"), processes=1))
"""With one worker process, as ``duly worker`` has unless it is told otherwise: it runs all that two cores accept."""

NAMED = {"duly": DULY, "async stack": ASYNC, "sync stack": SYNC}
HOW = {
    "duly": "`duly api`, PostgreSQL, no broker, log off",
    "async stack": "FastAPI and asyncpg (pool of 10), then aio-pika with confirms; uvloop and httptools",
    "sync stack": "FastAPI with `def` routes, SQLAlchemy and psycopg (pool of 20 + 20), then Celery on Redis",
}
KEEPS = {
    "duly": "the task, fsync before the answer",
    "async stack": "the row, fsync before the answer; persistent message, confirmed",
    "sync stack": "the row, fsync before the answer; the message in a Redis that keeps nothing",
}
