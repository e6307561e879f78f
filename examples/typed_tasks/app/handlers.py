"""The four types of tasks. Each writes its result and its own completion in one transaction."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeVar

from pydantic import Base64Bytes, Field, StringConstraints
from pydantic_core import to_jsonable_python
from sqlalchemy import update
from sqlalchemy.orm import Session

from app import images, texts
from app.settings import duly, options
from app.table import Task, engine
from duly import Context, Retry

TaskType = Literal["text_processing", "ai_summarization", "batch_processing", "image_processing"]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500_000)]
Item = Text | int | float
R = TypeVar("R")


class Stopped(Exception):
    """Somebody asked for the task's cancel, or its worker has to stop."""


RETRY = Retry(
    max_attempts=options.max_attempts,
    initial=timedelta(seconds=options.first_retry),
    never=(images.NotAPicture,),
)


@duly.task(retry=RETRY)
def text_processing(ctx: Context, text: Text, top: Annotated[int, Field(ge=1, le=100)] = 10) -> texts.Counts:
    """Count words, sentences and characters, and the most frequent words."""
    demo_pause()
    return complete(ctx, texts.count(text, top))


@duly.task(retry=RETRY)
def ai_summarization(ctx: Context, text: Text, sentences: Annotated[int, Field(ge=1, le=50)] = 3) -> texts.Summary:
    """Pick the sentences that say most of what the text says."""
    demo_pause()
    return complete(ctx, texts.summarise(text, sentences))


@duly.task(retry=RETRY, timeout=timedelta(minutes=30))
def batch_processing(ctx: Context, items: Annotated[list[Item], Field(min_length=1, max_length=10_000)]) -> texts.Batch:
    """Count each item of a list, and tell how far it is."""
    counted = []
    for number, item in enumerate(items, start=1):
        if ctx.cancelled:
            raise Stopped
        demo_pause()
        counted.append(texts.count(str(item), top=3))
        ctx.progress_sync(number / len(items), f"{number} of {len(items)} items")
    return complete(ctx, texts.batch(counted))


@duly.task(retry=RETRY)
def image_processing(
    ctx: Context,
    image: Annotated[Base64Bytes, Field(min_length=1)],
    longest_side: Annotated[int, Field(ge=16, le=1024)] = 320,
) -> images.Thumbnail:
    """Make a thumbnail of a picture, given in base64."""
    demo_pause()
    return complete(ctx, images.thumbnail(image, longest_side))


def complete(ctx: Context, result: R) -> R:
    """Our row and the task's completion commit together: a worker killed before that leaves both as they were."""
    done = {"result": to_jsonable_python(result), "completed_at": datetime.now(UTC)}
    with Session(engine) as session, session.begin():
        session.execute(update(Task).where(Task.duly_id == ctx.task_id).values(done))
        ctx.complete_in_sync(session, result)
    return result


def demo_pause() -> None:
    """Nothing, unless TASKS_DEMO_DELAY says otherwise."""
    time.sleep(options.demo_delay)
