"""The API: ``uvicorn app.main:app --reload``."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy import insert, select

from app.settings import duly, settings
from app.table import database, prepare, rows
from app.tasks import Data, process
from duly import State, use_log, use_problem_details, use_request_ids
from duly.domain.errors import TaskNotFound, TaskPurged

Status = Literal["pending", "completed", "failed"]
ENDED: dict[State, Status] = {State.COMPLETED: "completed", State.FAILED: "failed", State.CANCELLED: "failed"}


class Wanted(BaseModel):
    data: Data | None = None


class Accepted(BaseModel):
    task_id: UUID
    status: Literal["pending"] = "pending"
    message: str = "Task queued for processing"


class Result(BaseModel):
    task_id: UUID
    status: Status
    result: int | None
    error_message: str | None
    created_at: datetime
    completed_at: datetime | None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    use_log(settings)
    await prepare()
    async with duly.lifespan(app):
        yield
    await database.dispose()


app = FastAPI(title="Async processor", lifespan=lifespan)
app.include_router(duly.health_router())
may_submit, may_read = [Depends(duly.guard("tasks:submit"))], [Depends(duly.guard("tasks:read"))]
app.include_router(duly.router())
app.include_router(duly.metrics_router(), dependencies=may_read)
use_problem_details(app)
use_request_ids(app, settings)


@app.get("/health")
async def health() -> dict[str, str]:
    """Whether this process answers and a write to the database works now."""
    await duly.service.store.check()
    return {"status": "healthy"}


@app.post("/process", dependencies=may_submit)
async def submit(wanted: Wanted | None = None) -> Accepted:
    """Accept a computation. Our row and the task commit together, before this is answered."""
    data = (wanted and wanted.data) or Data()
    async with database.begin() as connection:
        task = await process.submit(session=connection, data=data)
        await connection.execute(insert(rows).values(task_id=task.id))
    return Accepted(task_id=task.id)


@app.get("/results/{task_id}", dependencies=may_read)
async def look(task_id: str) -> Result:
    """The task as it is, from Redis where that knows, else from the database."""
    try:
        task = await duly.handle(task_id).task()
    except ValueError:
        raise _unknown(task_id) from None
    except (TaskNotFound, TaskPurged):
        return await _remembered(UUID(task_id))
    status = ENDED.get(task.state, "pending")
    error = json.loads(task.error) if status == "failed" and task.error else None
    return Result(
        task_id=task.id,
        status=status,
        result=json.loads(task.result or "null"),
        error_message=f"{error['type']}: {error['message']}" if error else None,
        created_at=task.created_at,
        completed_at=task.finished_at,
    )


async def _remembered(task_id: UUID) -> Result:
    """What our own row tells, once Duly's retention is over."""
    async with database.connect() as connection:
        row = (await connection.execute(select(rows).where(rows.c.task_id == task_id))).mappings().one_or_none()
    if row is None:
        raise _unknown(task_id)
    ended: Status = "completed" if row["status"] == "completed" else "failed"
    return Result.model_validate({**row, "status": ended})


def _unknown(task_id: object) -> HTTPException:
    return HTTPException(404, f"There is no task {task_id}.")
