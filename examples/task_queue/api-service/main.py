"""The API: ``python -m api-service.main``, or ``uvicorn api-service.main:app``, in the example's folder."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from duly import State, use_log, use_problem_details, use_request_ids
from duly.domain.errors import TaskNotFound, TaskPurged
from duly.settings_rules import check_bind
from handlers import Task, duly, process, settings, transaction

PRIORITIES = {"high": 8, "normal": 5, "low": 2}
STATUSES = {
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
    status: Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED"]
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
        row = await session.get(Task, task_id)
    if row is None:
        raise HTTPException(404, f"There is no task {task_id}.")
    status, ended_at = await _state_of(row)
    return ShownTask(
        task_id=UUID(row.id),
        title=row.title,
        description=row.description,
        status=status,
        metadata=row.details,
        created_at=row.created_at.replace(tzinfo=UTC),
        updated_at=row.updated_at.replace(tzinfo=UTC),
        completed_at=row.completed_at.replace(tzinfo=UTC) if row.completed_at else ended_at,
    )


async def _state_of(row: Task) -> tuple[Any, datetime | None]:
    try:
        run = await duly.handle(row.id).task()
    except (TaskPurged, TaskNotFound):  # its retention is over: what the worker wrote, or else it failed
        return ("COMPLETED" if row.completed_at else "FAILED"), None
    return STATUSES[run.state], run.finished_at


if __name__ == "__main__":
    check_bind(settings)
    uvicorn.run(app, host=settings.host, port=settings.port)
