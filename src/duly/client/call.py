"""One request and how its answer is read, without sending anything."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from duly.client.errors import RemoteError, Subject, error_of
from duly.domain.errors import DulyError, Invalid

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[bytes], T]
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    subject: Subject = field(default_factory=Subject)
    patience: timedelta = timedelta()
    """How long the service may take because it was asked to wait."""
    follows: int | None = None
    """For a stream: the version after which it is to go on; 0 for all."""
    takes_key: bool = False
    """Whether an Idempotency-Key makes a repeat of it safe."""
    idempotency_key: str | None = None
    repeatable: bool = False
    """Whether it does no more when it is sent twice, though it is no GET."""

    @property
    def safe(self) -> bool:
        """Whether it may be sent again when nobody knows what became of it."""
        return self.method == "GET" or self.repeatable or self.idempotency_key is not None

    @property
    def headers(self) -> dict[str, str]:
        """What the request must say of itself."""
        headers = {"Accept": "application/json" if self.follows is None else "text/event-stream"}
        if self.follows:
            headers["Last-Event-ID"] = str(self.follows)
        if self.body is not None:
            headers["Content-Type"] = "application/json"
        if self.follows is None and (seconds := int(self.patience.total_seconds())):
            headers["Prefer"] = f"wait={seconds}"  # whole seconds only (RFC 7240)
        if self.idempotency_key is not None:
            headers["Idempotency-Key"] = json.dumps(self.idempotency_key)  # a string of RFC 8941
        return headers

    def result(self, answer: Answer) -> T:
        """What the answer says. Raises the error that it stands for."""
        if not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own classes
            raise self.error(answer)
        try:
            return self.read(answer.body)
        except ValidationError as error:
            raise RemoteError(answer.status, "not-understood", str(error)) from error

    def error(self, answer: Answer) -> DulyError:
        """The error that an answer stands for."""
        return error_of(answer.status, answer.body, answer.retry_after, self.subject)


def reader(model: type[M]) -> Callable[[bytes], M]:
    """Reads a body as this model."""
    return model.model_validate_json


def dumps(value: object) -> bytes:
    """As JSON in ASCII; models, dates, UUIDs and the like in their usual form. NaN is refused, never made null."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain).encode("ascii")
    except (TypeError, ValueError) as error:
        raise Invalid(f"This cannot be sent as JSON: {error}") from error


def _plain(value: object) -> Any:
    match value:
        case timedelta():
            return value.total_seconds()
        case BaseModel():
            return value.model_dump(mode="python")
        case _:
            return _AnyValue(value=value).model_dump(mode="json")["value"]


class _AnyValue(BaseModel):
    value: Any
