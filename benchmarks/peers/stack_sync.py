"""The stack that people build, synchronous: FastAPI, SQLAlchemy with psycopg, Celery on Redis.

A row is committed, then its id is handed to Celery; the worker marks it running, runs it, and stores the result.
"""

import os
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from benchmarks.harness import tally
from benchmarks.harness.command import serve
from celery import Celery
from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import JSON, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

URL = os.environ["BENCH_URL"].replace("postgresql://", "postgresql+psycopg://")
MODULE = "benchmarks.peers.stack_sync"
CHILDREN = os.environ.get("BENCH_CHILDREN", "4")

engine = create_engine(URL, pool_size=20, max_overflow=20)
Sessions = sessionmaker(engine, expire_on_commit=False)
celery_app = Celery("stack", broker=os.environ["BENCH_REDIS"])
celery_app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=16)


class Base(DeclarativeBase):
    pass


def now() -> datetime:
    return datetime.now(UTC)


class Row(Base):
    __tablename__ = "stack_tasks"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    type: Mapped[str]
    status: Mapped[str] = mapped_column(default="pending")
    payload: Mapped[dict] = mapped_column(JSON)
    result: Mapped[dict | None] = mapped_column(JSON)
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Submit(BaseModel):
    type: str
    payload: dict


class Task(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    type: str
    status: str
    result: dict | None = None
    error: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


def session() -> Iterator[Session]:
    with Sessions() as opened:
        yield opened


app = FastAPI()
Opened = Annotated[Session, Depends(session)]


@app.post("/tasks", status_code=202)
def submit(body: Submit, opened: Opened) -> Task:
    row = Row(type=body.type, payload=body.payload)
    opened.add(row)
    opened.commit()
    run.delay(str(row.id))
    return Task.model_validate(row)


@app.get("/tasks/{id_}")
def status(id_: uuid.UUID, opened: Opened) -> Task:
    row = opened.get(Row, id_)
    if row is None:
        raise HTTPException(404)
    return Task.model_validate(row)


@celery_app.task(name="run")
def run(id_: str) -> None:
    with Sessions() as opened:
        row = opened.get(Row, uuid.UUID(id_))
        row.status, row.started_at = "running", now()
        opened.commit()
        tally.count()
        row.result = tally.result(row.payload["number"])
        row.status, row.finished_at = "completed", now()
        opened.commit()


def work() -> None:
    arguments = ["-A", f"{MODULE}:celery_app", "worker", "-P", "prefork", "-c", CHILDREN, "--loglevel", "error"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    os.execv(sys.executable, [sys.executable, "-m", "celery", *arguments, *quiet])


def prepare() -> None:
    Base.metadata.create_all(engine)


def fill(tasks: int) -> None:
    prepare()
    with Sessions() as opened:
        for number in range(tasks):
            submit(Submit(type="noop", payload=tally.payload(number)), opened)


def _count(*where: object) -> int:
    with Sessions() as opened:
        return opened.scalar(select(func.count()).select_from(Row).where(*where))


def watch(tasks: int, processes: int) -> None:
    tally.watch(tasks, processes, lambda: _count(Row.status == "completed"))


def stored() -> None:
    print(_count())


def ids(file: str) -> None:
    with Sessions() as opened:
        Path(file).write_text("\n".join(str(id_) for id_ in opened.scalars(select(Row.id))))


if __name__ == "__main__":
    serve(prepare=prepare, fill=fill, work=work, watch=watch, stored=stored, ids=ids)
