"""How times, durations and text travel in JSON."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from duly.domain.moment import rfc3339

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def parse_time(text: str) -> datetime:
    """An RFC 3339 time, in UTC. Raises ValueError when it is none, or lies outside the years 1970 to 9998."""
    if not _RFC_3339.fullmatch(text):
        raise ValueError("a time is written as in 2026-11-22T10:30:00.123456Z (RFC 3339, with its offset from UTC)")
    try:
        at = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time lies outside the years 1970 to 9998") from error
    if not _FIRST <= at < _LAST:
        raise ValueError("the time lies outside the years 1970 to 9998")
    return at


def parse_seconds(value: object) -> timedelta:
    """A duration from a number of seconds. Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("a duration is a number of seconds")  # noqa: TRY004  # pydantic reports ValueErrors only
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError) as error:
        raise ValueError("the number of seconds is too large") from error


def _time(value: object) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, str):
        return parse_time(value)
    raise ValueError("a time is a string as RFC 3339 has it")


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


Time = Annotated[
    datetime,
    PlainValidator(_time),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""In JSON an RFC 3339 string, in UTC."""

Seconds = Annotated[
    timedelta,
    PlainValidator(parse_seconds),
    PlainSerializer(timedelta.total_seconds, return_type=float, when_used="json"),
    WithJsonSchema({"type": "number", "description": "seconds"}),
]
"""In JSON a number of seconds."""

Text = Annotated[str, Field(strict=True), AfterValidator(_without_nul)]
"""A string of ours: without NUL, because not every database can keep it."""
