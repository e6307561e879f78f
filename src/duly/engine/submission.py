"""What somebody wants done, and the task that it becomes."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from duly.domain.errors import Flaw, Invalid, Misconfigured, TooLarge, UnknownType
from duly.domain.making import LATER, READY, of
from duly.domain.retry import LONGEST_WAIT
from duly.domain.task import HIGHEST_PRIORITY, LOWEST_PRIORITY, Task, TaskId
from duly.domain.uuid7 import text_of
from duly.engine.handlers import Handlers, TaskType, check_name
from duly.engine.jsontext import Encoded, encoded, size_of
from duly.engine.limits import Limits

MAX_TAGS = 20
MAX_TEXT = 200
MAX_ATTEMPTS = 1_000


class Submission(NamedTuple):
    """A type, a payload, and what differs from the type's defaults (None: the default).

    A tuple, because each task needs one.
    """

    type: str
    payload: object
    """Any JSON value, or one that is Encoded."""
    queue: str | None = None
    priority: int | None = None
    delay: timedelta | None = None
    run_at: datetime | None = None
    max_attempts: int | None = None
    timeout: timedelta | None = None
    """For each attempt."""
    expires_at: datetime | None = None
    """Expiry ends waiting, not running."""
    key: str | None = None
    """Unique per type while not final."""
    tags: tuple[str, ...] = ()
    request_id: str | None = None
    traceparent: str | None = None
    callback_url: str | None = None
    """Told each time that the task has become final."""


_CHOICES = slice(Submission._fields.index("queue"), Submission._fields.index("request_id"))
_NO_CHOICE = Submission("", None)[_CHOICES]


def to_task(wanted: Submission, handlers: Handlers, limits: Limits, task_id: TaskId, now: datetime) -> Task:
    """The new task, ready to be stored. Raises UnknownType, TooLarge, Invalid (naming every place).

    Its fields stand in the order of Task's: by name it would take twice as long.
    """
    known = handlers.find(wanted.type)
    if known is None:
        raise UnknownType(wanted.type)
    text, run_at = _payload(wanted, known, limits, now), _run_at(wanted, now)
    return of(
        (
            task_id,
            text_of(task_id),
            known.name,
            wanted.queue or known.queue,
            known.priority if wanted.priority is None else wanted.priority,
            text,
            wanted.max_attempts or known.retry.max_attempts,
            wanted.timeout or known.timeout or limits.timeout,
            run_at,
            now,
            None if wanted.expires_at is None else wanted.expires_at.astimezone(UTC),
            wanted.key,
            wanted.tags,
            wanted.request_id,
            wanted.traceparent,
            wanted.callback_url,
            *(LATER if run_at > now else READY),
        )
    )


def _run_at(wanted: Submission, now: datetime) -> datetime:
    if wanted.run_at is None and not wanted.delay:
        return now
    return max(wanted.run_at or now + (wanted.delay or timedelta()), now).astimezone(UTC)


def payload_text(payload: object, known: TaskType, limits: Limits) -> str:
    """The payload as it is stored. Raises Invalid when it does not fit the type, TooLarge."""
    try:
        text = payload.text if isinstance(payload, Encoded) else encoded(payload)
    except ValueError as error:
        raise Invalid("The payload cannot be stored as JSON.", [Flaw("/payload", str(error))]) from error
    if size_of(text) > limits.max_body:
        raise TooLarge(f"The payload is over the limit of {limits.max_body} bytes.")
    if not (isinstance(payload, Encoded) and payload.checked):
        known.signature.decode(text)
    return text


def _payload(wanted: Submission, known: TaskType, limits: Limits, now: datetime) -> str:
    """The text of the payload, once all else was looked at too."""
    found = _flaws(wanted, limits, now)
    try:
        text = payload_text(wanted.payload, known, limits)
    except Invalid as error:
        raise Invalid(str(error), [*found, *error.flaws]) from error
    if found:
        raise Invalid("The submission does not fit.", found)
    return text


def _flaws(wanted: Submission, limits: Limits, now: datetime) -> list[Flaw]:
    if wanted[_CHOICES] == _NO_CHOICE and wanted.callback_url is None:
        return []  # nothing that could be wrong, as with most
    found: list[Flaw] = []
    if wanted.delay is not None and wanted.run_at is not None:
        found.append(Flaw("/run_at", "give either delay or run_at, not both"))
    if wanted.delay is not None and not timedelta() <= wanted.delay <= LONGEST_WAIT:
        found.append(Flaw("/delay", f"a delay is 0 to {LONGEST_WAIT.total_seconds():.0f} seconds"))
    if wanted.priority is not None and not LOWEST_PRIORITY <= wanted.priority <= HIGHEST_PRIORITY:
        found.append(Flaw("/priority", f"a priority is {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}"))
    if wanted.max_attempts is not None and not 1 <= wanted.max_attempts <= MAX_ATTEMPTS:
        found.append(Flaw("/max_attempts", f"attempts are 1 to {MAX_ATTEMPTS}"))
    if wanted.timeout is not None and not timedelta() < wanted.timeout <= LONGEST_WAIT:
        found.append(Flaw("/timeout", "a time-out is over 0 seconds and at most a year"))
    if wanted.callback_url is not None and (flaw := limits.callbacks.flaw(wanted.callback_url)):
        found.append(Flaw("/callback_url", flaw))
    return found + _time_flaws(wanted, now) + _text_flaws(wanted)


def _time_flaws(wanted: Submission, now: datetime) -> list[Flaw]:
    found: list[Flaw] = []
    for name, time in (("run_at", wanted.run_at), ("expires_at", wanted.expires_at)):
        if time is not None and time.tzinfo is None:
            found.append(Flaw(f"/{name}", "a time needs its offset from UTC, such as Z"))
        elif time is not None and time > now + LONGEST_WAIT:
            found.append(Flaw(f"/{name}", "a time is at most a year ahead"))
    if not found and wanted.expires_at is not None and wanted.expires_at <= now:
        found.append(Flaw("/expires_at", "lies in the past"))
    return found


def _text_flaws(wanted: Submission) -> list[Flaw]:
    found: list[Flaw] = []
    if wanted.queue is not None:
        try:
            check_name("queue", wanted.queue)
        except Misconfigured as error:
            found.append(Flaw("/queue", str(error)))
    if wanted.key is not None and not _plain(wanted.key):
        found.append(Flaw("/key", f"a key is 1 to {MAX_TEXT} characters without control characters"))
    if len(wanted.tags) > MAX_TAGS:
        found.append(Flaw("/tags", f"at most {MAX_TAGS} tags"))
    for index, tag in enumerate(wanted.tags[:MAX_TAGS]):
        if not _plain(tag):
            found.append(Flaw(f"/tags/{index}", f"a tag is 1 to {MAX_TEXT} characters without control characters"))
    return found


def _plain(text: str) -> bool:
    return 1 <= len(text) <= MAX_TEXT and text.isprintable()
