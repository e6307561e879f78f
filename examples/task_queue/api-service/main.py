"""The API: ``python -m api-service.main``, or ``uvicorn api-service.main:app``, in the example's folder."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Row

from duly import State, use_log, use_problem_details, use_request_ids
from duly.settings_rules import check_bind
from handlers import TASKS, Task, duly, process, settings, transaction

PRIORITIES = {"high": 8, "normal": 5, "low": 2}
Status = Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED"]
STATUSES: dict[str, Status] = {
    State.SCHEDULED: "PENDING",
    State.PENDING: "PENDING",
    State.RUNNING: "PROCESSING",
    State.COMPLETED: "COMPLETED",
    State.FAILED: "FAILED",
    State.CANCELLED: "FAILED",
}
TEXT_BYTES = 65_535


def fits_column(text: str) -> str:
    """What MySQL's TEXT takes."""
    if len(text.encode()) > TEXT_BYTES:
        raise ValueError(f"at most {TEXT_BYTES} bytes of UTF-8")
    return text


class Metadata(BaseModel):
    """Anything, but a priority is one of three words."""

    model_config = ConfigDict(extra="allow")

    priority: Literal["high", "normal", "low"] = "normal"


def is_json(metadata: Metadata) -> Metadata:
    """JSON has no NaN, though Python's parser reads one."""
    json.dumps(metadata.model_dump(), allow_nan=False)
    return metadata


class NewTask(BaseModel):
    title: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    description: Annotated[str, StringConstraints(min_length=1), AfterValidator(fits_column)]
    metadata: Annotated[Metadata, AfterValidator(is_json)] = Field(default_factory=Metadata)


class Submitted(BaseModel):
    task_id: UUID
    message: str = "Task submitted successfully"


class ShownTask(BaseModel):
    task_id: UUID
    title: str
    description: str
    status: Status
    metadata: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    use_log(settings)
    await duly.migrate()
    async with duly.lifespan(app):
        yield


app = FastAPI(title="Task queue", lifespan=lifespan)
may_submit, may_read = [Depends(duly.guard("tasks:submit"))], [Depends(duly.guard("tasks:read"))]
app.include_router(duly.health_router())
app.include_router(duly.metrics_router(), dependencies=may_read)
app.include_router(duly.router())
use_problem_details(app, invalid=400)
use_request_ids(app, settings)


@app.post("/api/tasks", status_code=202, dependencies=may_submit)
async def submit(new: NewTask) -> Submitted:
    """Accept a task. Its row and Duly's task commit together, before this is answered; RabbitMQ hears of it after."""
    handler = process.options(priority=PRIORITIES[new.metadata.priority])
    async with transaction() as session:
        handle = await handler.submit(session=session)
        details = new.metadata.model_dump(exclude_unset=True)
        session.add(Task(id=str(handle.id), title=new.title, description=new.description, details=details))
    return Submitted(task_id=handle.id)


@app.get("/api/tasks/{task_id}", dependencies=may_read)
async def task(task_id: str) -> ShownTask:
    """The row, with the status that Duly knows: it never stays PROCESSING when a worker is lost."""
    async with transaction() as session:
        row = (await session.execute(TASKS.where(Task.id == task_id))).one_or_none()
    if row is None:
        raise HTTPException(404, f"There is no task {task_id}.")
    return _shown(row)


def _shown(row: Row[Any]) -> ShownTask:
    task = row.Task
    without_duly: Status = "COMPLETED" if task.completed_at else "FAILED"  # past its retention
    ended_at = task.completed_at or row.finished_at
    return ShownTask(
        task_id=UUID(task.id),
        title=task.title,
        description=task.description,
        status=STATUSES.get(row.state, without_duly),
        metadata=task.details,
        created_at=task.created_at,
        updated_at=max(task.updated_at, ended_at or task.updated_at),  # a cancel does not touch the row
        completed_at=ended_at,
    )


if __name__ == "__main__":
    check_bind(settings)
    uvicorn.run(app, host=settings.host, port=settings.port)
