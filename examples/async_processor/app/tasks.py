"""The slow work, which the Celery workers run."""

import asyncio
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue
from sqlalchemy import Update, func, update

from app.settings import duly, options
from app.table import database, rows
from duly import Context, Retry

__all__ = ["Data", "duly", "process"]


class Data(BaseModel):
    """What a client may send along. All of it is kept with the task."""

    model_config = ConfigDict(extra="allow")

    input: JsonValue = None
    operation: Literal["compute"] = "compute"


def compute() -> int:
    """Add up all numbers below a million."""
    return sum(range(1_000_000))


OPERATIONS = {"compute": compute}


@duly.task(retry=Retry(max_attempts=3))
async def process(ctx: Context, data: Data) -> int:
    """Compute. Our row and the task's completion commit together, or neither does."""
    await asyncio.sleep(options.demo_delay)
    try:
        result = await asyncio.to_thread(OPERATIONS[data.operation])
        async with database.begin() as connection:
            await connection.execute(_ended(ctx, status="completed", result=result, error_message=None))
            await ctx.complete_in(connection, result)
    except Exception as error:
        if ctx.failures + 1 == ctx.max_attempts:  # the last one: our table tells it too
            async with database.begin() as connection:
                await connection.execute(_ended(ctx, status="failed", error_message=str(error)))
        raise
    return result


def _ended(ctx: Context, **values: object) -> Update:
    unless_done = rows.c.status != "completed"
    return update(rows).where(rows.c.task_id == ctx.task_id, unless_done).values(completed_at=func.now(), **values)
