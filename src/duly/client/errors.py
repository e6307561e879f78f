"""Makes errors of problem documents: the same classes that the service raised.

DulyError
├── RemoteError                 an answer that this client does not understand
└── StoreUnavailable
    └── ServiceUnreachable      no answer at all
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError

from duly.domain import errors
from duly.domain.errors import DulyError
from duly.domain.identity import Forbidden, Unauthorized
from duly.wire.problem import Problem

_SHOWN = 200
_TIMED = (errors.StoreUnavailable, errors.QueueFull, errors.TooMany, errors.KeyInFlight)
"""Errors that say when to come back."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request was about: a task's id or a queue's name, and what was to be done with it."""

    name: str = ""
    move: str = ""


class RemoteError(DulyError):
    """The service answered with an error that this client has no class for. ``code`` is as the service gave it."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"The service answered {status} ({code}): {detail}")
        self.status = status
        self.code = code
        self.detail = detail


class ServiceUnreachable(errors.StoreUnavailable):
    """No answer came from the service. What was asked for may or may not have happened."""

    code = "service-unreachable"

    def __init__(self, url: str, detail: str) -> None:
        super().__init__(f"No answer from Duly at {url}: {detail}. Is it running, and is this its address?")
        self.url = url


def error_of(status: int, body: bytes, retry_after: timedelta | None, subject: Subject) -> DulyError:
    """The error that an answer of 400 or above stands for."""
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        return _timed(_not_ours(status, body), retry_after)
    make = _BY_CODE.get(problem.code)
    if make is None:
        return RemoteError(status, problem.code, problem.detail or problem.title)
    error = make(problem, subject)
    error.args = (problem.detail or problem.title,)
    return _timed(error, retry_after)


def _timed(error: DulyError, retry_after: timedelta | None) -> DulyError:
    if isinstance(error, _TIMED) and retry_after is not None:
        error.retry_after = retry_after
    return error


def _not_ours(status: int, body: bytes) -> DulyError:
    """What a proxy before the service says: of a service that is away, or to whoever asks too much."""
    text = body[:_SHOWN].decode("utf-8", "replace").strip() or "an empty answer"
    told = f"Something before the service answered {status}: {text}"
    match status:
        case 429:
            return errors.TooMany(told)
        case 502 | 503 | 504:
            return errors.StoreUnavailable(told)
        case _:
            return RemoteError(status, "not-a-problem", text)


def _flaws(problem: Problem) -> list[errors.Flaw]:
    return [errors.Flaw(flaw.pointer, flaw.detail) for flaw in problem.errors or ()]


def _invalid(problem: Problem, _: Subject) -> DulyError:
    return errors.Invalid(problem.detail or "", _flaws(problem))


def _unknown_type(problem: Problem, subject: Subject) -> DulyError:
    error = errors.UnknownType(subject.name)
    error.flaws = tuple(_flaws(problem)) or error.flaws
    return error


def _illegal_move(problem: Problem, subject: Subject) -> DulyError:
    return errors.IllegalMove(subject.name, problem.state or "", subject.move)


_BY_CODE: Mapping[str, Callable[[Problem, Subject], DulyError]] = {
    "bad-request": lambda problem, _: errors.BadRequest(problem.detail),
    "unauthorized": lambda problem, _: Unauthorized(problem.detail or ""),
    "forbidden": lambda problem, _: Forbidden(problem.detail or ""),
    "invalid": _invalid,
    "unknown-type": _unknown_type,
    "too-large": lambda problem, _: errors.TooLarge(problem.detail),
    "task-not-found": lambda _, subject: errors.TaskNotFound(subject.name),
    "queue-not-found": lambda _, subject: errors.QueueNotFound(subject.name),
    "type-not-found": lambda _, subject: errors.TypeNotFound(subject.name),
    "task-purged": lambda _, subject: errors.TaskPurged(subject.name),
    "illegal-move": _illegal_move,
    "not-finished": lambda problem, subject: errors.NotFinished(subject.name, problem.state or ""),
    "key-taken": lambda _, subject: errors.KeyTaken(subject.name, ""),
    "key-in-flight": lambda _, subject: errors.KeyInFlight(subject.name),
    "key-reused": lambda _, subject: errors.KeyReused(subject.name),
    "queue-full": lambda _, subject: errors.QueueFull(subject.name, 0),
    "too-many": lambda problem, _: errors.TooMany(problem.detail or ""),
    "store-unavailable": lambda problem, _: errors.StoreUnavailable(problem.detail or ""),
}
