"""The slow work: ``duly worker app.tasks:duly``."""

import asyncio
from datetime import timedelta

from sqlalchemy import update

from app.settings import duly, options
from app.table import database, rows
from duly import Context, Retry

__all__ = ["duly", "reverse"]


@duly.task(name="text.reverse", retry=Retry(max_attempts=3, longest=timedelta(seconds=30)))
async def reverse(ctx: Context, text: str) -> str:
    """Turn a text round. Our row and the task's completion commit together, or neither does."""
    await asyncio.sleep(options.demo_delay)
    result = text[::-1]
    async with database.begin() as connection:
        await connection.execute(update(rows).where(rows.c.task_id == ctx.task_id).values(result=result))
        await ctx.complete_in(connection, result)
    return result
