"""Celery: its own broker, results through its database backend (or in Redis)."""

import os
import sys

import sqlalchemy
from benchmarks.harness import tally
from benchmarks.harness.command import serve
from celery import Celery

RESULTS = os.environ["BENCH_URL"]
CHILDREN = os.environ.get("BENCH_CHILDREN", "2")
MODULE = "benchmarks.peers.celery"

app = Celery(
    "bench",
    broker=os.environ.get("BENCH_AMQP") or os.environ["BENCH_REDIS"],
    backend=f"db+{RESULTS.replace('postgresql://', 'postgresql+psycopg://')}",
)
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
    task_send_sent_event=False,
    broker_connection_retry_on_startup=True,
    result_expires=None,
)


@app.task(name="noop")
def noop(number: int, text: str) -> dict:
    del text
    tally.count()
    return tally.result(number)


def prepare() -> None:
    """The backend makes its tables at the first use: not by two processes at once."""
    app.backend.ResultSession().close()


def fill(tasks: int) -> None:
    prepare()
    with app.producer_or_acquire() as producer:
        for number in range(tasks):
            noop.apply_async(kwargs=tally.payload(number), producer=producer)


def work() -> None:
    arguments = ["-A", MODULE, "worker", "-P", "prefork", "-c", CHILDREN, "--loglevel", "error"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    os.execv(sys.executable, [sys.executable, "-m", "celery", *arguments, *quiet])


def watch(tasks: int, processes: int) -> None:
    engine = sqlalchemy.create_engine(RESULTS.replace("postgresql://", "postgresql+psycopg://"))
    count = sqlalchemy.text("SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'")

    def done() -> int:
        with engine.connect() as connection:
            return connection.execute(count).scalar_one()

    tally.watch(tasks, processes, done)


if __name__ == "__main__":
    serve(prepare=prepare, fill=fill, work=work, watch=watch)
