"""The API: ``uvicorn app.main:app --port 8005``."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Path
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import insert, select

from app import numbers
from app.settings import duly, settings
from app.table import database, prepare, rows
from app.tasks import reverse
from duly import State, use_log, use_problem_details, use_request_ids
from duly.domain.errors import TaskNotFound, TaskPurged

Status = Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED"]
WORDS: dict[State, Status] = {
    State.SCHEDULED: "PENDING",
    State.PENDING: "PENDING",
    State.RUNNING: "PROCESSING",
    State.COMPLETED: "COMPLETED",
    State.FAILED: "FAILED",
    State.CANCELLED: "FAILED",
}
Number = Annotated[int, Path(ge=1, lt=2**63)]
AnyText = Annotated[str, StringConstraints(max_length=100_000, pattern=r"^[^\x00]*$")]  # PostgreSQL keeps no NUL


class NewTask(BaseModel):
    model_config = ConfigDict(extra="forbid")

    input_data: AnyText


class ShownTask(BaseModel):
    id: int
    status: Status
    result: str | None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    use_log(settings)
    await prepare()
    async with duly.lifespan(app), numbers.redis:
        yield
    await database.dispose()


app = FastAPI(title="Reversal", lifespan=lifespan)
app.include_router(duly.health_router())
may_submit, may_read = [Depends(duly.guard("tasks:submit"))], [Depends(duly.guard("tasks:read"))]
app.include_router(duly.router())
app.include_router(duly.metrics_router(), dependencies=may_read)
use_problem_details(app)
use_request_ids(app, settings)


@app.post("/tasks", status_code=201, dependencies=may_submit, include_in_schema=False)
@app.post("/tasks/", status_code=201, dependencies=may_submit)
async def submit(new: NewTask, afterwards: BackgroundTasks) -> ShownTask:
    """Accept a text. Our row and the task commit together, before this is answered."""
    async with database.begin() as connection:
        task = await reverse.submit(session=connection, text=new.input_data)
        row = insert(rows).values(task_id=task.id, input_data=new.input_data).returning(rows.c.id)
        number = (await connection.execute(row)).scalar_one()
    afterwards.add_task(numbers.keep, number, task.id)
    return ShownTask(id=number, status="PENDING", result=None)


@app.get("/tasks/{number}", dependencies=may_read)
async def look(number: Number) -> ShownTask:
    """The task as it is, from Redis where that knows, else from the database."""
    task_id = await numbers.find(number)
    if task_id is None:
        raise HTTPException(404, f"There is no task {number}.")
    try:
        task = await duly.handle(task_id).task()
    except (TaskNotFound, TaskPurged):
        return await _remembered(number)
    return ShownTask(id=number, status=WORDS[task.state], result=json.loads(task.result or "null"))


async def _remembered(number: int) -> ShownTask:
    """What our own row tells, once Duly's retention is over."""
    async with database.connect() as connection:
        result = await connection.scalar(select(rows.c.result).where(rows.c.id == number))
    return ShownTask(id=number, status="FAILED" if result is None else "COMPLETED", result=result)
