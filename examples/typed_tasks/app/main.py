"""The API: ``python -m app.main``, or ``uvicorn app.main:app``."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

import uvicorn
from fastapi import Depends, FastAPI, Form, HTTPException, Path, Query, UploadFile
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from sqlalchemy import Row
from sqlalchemy.orm import Session

from app.handlers import TaskType
from app.settings import duly, settings
from app.table import STATUS, TASKS, Task, engine, prepare
from duly import use_log, use_problem_details, use_request_ids
from duly.settings_rules import check_bind

Status = Literal["pending", "running", "completed", "failed"]
Priority = Annotated[int, Field(ge=0, le=9, description="9 is run first.")]


class NewTask(BaseModel):
    model_config = ConfigDict(extra="forbid")

    task_type: TaskType
    payload: dict[str, JsonValue]
    priority: Priority = 5


class ShownTask(BaseModel):
    id: int
    task_type: str
    payload: dict[str, JsonValue]
    status: Status
    result: JsonValue
    error: str | None
    retries: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    progress: dict[str, JsonValue] | None = None
    """There only while a handler tells of it."""


class TaskList(BaseModel):
    tasks: list[ShownTask]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    use_log(settings)
    await prepare()
    async with duly.lifespan(app):
        yield


app = FastAPI(title="Typed tasks", lifespan=lifespan)
may_submit, may_read = [Depends(duly.guard("tasks:submit"))], [Depends(duly.guard("tasks:read"))]
app.include_router(duly.health_router())
app.include_router(duly.metrics_router(), dependencies=may_read)
app.include_router(duly.router())
use_problem_details(app)
use_request_ids(app, settings)


@app.post("/tasks/", status_code=201, response_model_exclude_unset=True, dependencies=may_submit)
def submit(new: NewTask) -> ShownTask:
    """Accept a task. Its row and the task itself commit together, before this is answered."""
    return _submitted(new.task_type, new.payload, new.priority)


@app.post("/tasks/image", status_code=201, response_model_exclude_unset=True, dependencies=may_submit)
def submit_image(
    file: UploadFile, longest_side: Annotated[int, Form()] = 320, priority: Annotated[Priority, Form()] = 5
) -> ShownTask:
    """Accept an uploaded picture for ``image_processing``."""
    image = base64.b64encode(file.file.read(settings.max_body)).decode("ascii")
    return _submitted("image_processing", {"image": image, "longest_side": longest_side}, priority)


@app.get("/tasks/{task_id:int}", response_model_exclude_unset=True, dependencies=may_read)
def task(task_id: Annotated[int, Path(lt=2**63)]) -> ShownTask:
    """The task as it is now."""
    with Session(engine) as session:
        return _found(session, task_id)


@app.get("/tasks/", response_model_exclude_unset=True, dependencies=may_read)
def tasks(
    status: Status | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, lt=2**63)] = 0,
) -> TaskList:
    """Tasks, newest first."""
    wanted = TASKS if status is None else TASKS.where(STATUS.in_([status]))
    with Session(engine) as session:
        return TaskList(tasks=[_shown(row) for row in session.execute(wanted.limit(limit).offset(offset))])


def _submitted(task_type: str, payload: dict[str, Any], priority: int) -> ShownTask:
    with Session(engine) as session, session.begin():
        handle = duly.submit_in(session, task_type, payload, priority=priority)
        row = Task(duly_id=handle.id, task_type=task_type, payload=payload)
        session.add(row)
        session.flush()
        return _found(session, row.id)


def _found(session: Session, task_id: int) -> ShownTask:
    row = session.execute(TASKS.where(Task.id == task_id)).one_or_none()
    if row is None:
        raise HTTPException(404, f"There is no task {task_id}.")
    return _shown(row)


def _shown(row: Row[Any]) -> ShownTask:
    mine, error = row.Task, json.loads(row.error or "null")
    progress = {"progress": json.loads(row.progress)} if row.progress else {}
    return ShownTask(
        id=mine.id,
        task_type=mine.task_type,
        payload=mine.payload,
        status=row.status,
        result=mine.result,
        error=error and f"{error['type']}: {error['message']}",
        retries=max((row.attempt or 0) - 1, 0),
        created_at=mine.created_at,
        started_at=row.started_at,
        completed_at=mine.completed_at or row.finished_at,
        **progress,
    )


if __name__ == "__main__":
    check_bind(settings)
    uvicorn.run(app, host=settings.host, port=settings.port)
