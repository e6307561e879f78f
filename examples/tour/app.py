"""The handlers that `make run` serves: real work on real input, typed by their signatures."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from pydantic import Base64Bytes, Field, HttpUrl, StringConstraints

from duly import Context, Duly, Fail, Retry, RetryAfter
from duly.links.guard import Refused
from tour import pictures, primes, summary, tables, texts, web

Text = Annotated[str, StringConstraints(min_length=1, max_length=500_000)]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Top = Annotated[int, Field(ge=1, le=100)]
Note = Annotated[str, StringConstraints(max_length=500)]

duly = Duly()


class Stopped(Exception):
    """The attempt should end: somebody asked for the task's cancel."""


class OnPurpose(Exception):
    """The failure of a handler that fails on purpose."""


@duly.task(name="text.statistics")
def text_statistics(text: Text, top: Top = 10) -> texts.Statistics:
    """Count words, sentences and paragraphs, and name the words that carry most of the meaning."""
    return texts.statistics(text, top)


@duly.task(name="text.reverse")
async def text_reverse(text: Text) -> texts.Reversed:
    """Turn a text round, from its last character to its first."""
    return texts.reverse(text)


@duly.task(name="text.summary", timeout=timedelta(minutes=5), retry=Retry(never=(summary.TooManySentences,)))
def text_summary(ctx: Context, text: ShortText, sentences: Annotated[int, Field(ge=1, le=50)] = 3) -> summary.Summary:
    """Pick the sentences that say most of what the text says (TextRank)."""
    return summary.summarise(text, sentences, _telling(ctx))


@duly.task(name="csv.aggregate", timeout=timedelta(minutes=5), retry=Retry(never=(tables.UnknownColumn, tables.NotCsv)))
def csv_aggregate(
    ctx: Context, source: tables.Inline | tables.Sample, group_by: Column, value: Column, top: Top = 20
) -> tables.Totals:
    """Group the rows of a CSV table by one column and sum up another."""
    return tables.aggregate(tables.text_of(source), group_by, value, top, _telling(ctx))


@duly.task(name="image.thumbnail", queue="media", retry=Retry(never=(pictures.NotAPicture, pictures.TooManyPixels)))
def image_thumbnail(
    image: Annotated[Base64Bytes, Field(min_length=1)],
    longest_side: Annotated[int, Field(ge=16, le=1024)] = 320,
    form: pictures.Format = "jpeg",
) -> pictures.Thumbnail:
    """Make a small upright copy of a photograph, without the camera's notes in it."""
    return pictures.thumbnail(image, longest_side, form)


@duly.task(name="primes.count", executor="process", timeout=timedelta(minutes=10))
def primes_count(ctx: Context, below: Annotated[int, Field(ge=0, le=2_000_000_000)]) -> primes.Primes:
    """Count the primes below a number: work for a processor, so it has a process of its own."""
    return primes.count(below, _telling(ctx))


@duly.task(name="web.fetch", queue="web", timeout=timedelta(seconds=30), retry=Retry(max_attempts=4))
async def web_fetch(url: Annotated[HttpUrl, Field(max_length=2_000)]) -> web.Fetched:
    """Fetch a page from the public network; a server that is unwell is asked again."""
    return await fetch(str(url), web.Limits())


@duly.task(name="demo.fail", retry=Retry(max_attempts=3))
async def demo_fail(note: Note = "as asked") -> None:
    """Fail on purpose, three times, and stay failed."""
    raise OnPurpose(note)


@duly.task(name="demo.unlucky", retry=Retry(max_attempts=5))
async def demo_unlucky(ctx: Context, times: Annotated[int, Field(ge=0, le=4)] = 2) -> str:
    """Fail on purpose so many times, then succeed."""
    if ctx.failures < times:
        raise OnPurpose(f"failure {ctx.failures + 1} of {times}")
    return f"succeeded after {ctx.failures} failures"


async def fetch(url: str, limits: web.Limits) -> web.Fetched:
    """Get a page, and say of what goes wrong whether trying again can help."""
    try:
        return await web.fetch(url, limits)
    except (Refused, web.Unusable) as error:
        raise Fail(str(error)) from error
    except web.Unwell as error:
        if error.pause is None:
            raise
        raise RetryAfter(error.pause, str(error)) from error


def _telling(ctx: Context) -> Callable[[float, str], None]:
    """Passes progress on, and ends the work when its cancel was asked for."""

    def tell(fraction: float, note: str) -> None:
        if ctx.cancelled:
            raise Stopped
        ctx.progress_sync(fraction, note)

    return tell
