"""Errors as answers: one table from error class to status, code and title."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from duly.api.errors import NotAcceptable, UnsupportedCoding, UnsupportedMediaType
from duly.domain import errors
from duly.domain.errors import DulyError, Flaw
from duly.domain.identity import Forbidden, Unauthorized
from duly.wire.problem import DOCS, MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Row:
    """What a class of errors is over HTTP."""

    status: int
    code: str
    title: str


INTERNAL = Row(500, "internal", "Something went wrong here")

TABLE: Mapping[type[DulyError], Row] = MappingProxyType(
    {
        errors.BadRequest: Row(400, "bad-request", "The request cannot be understood"),
        Unauthorized: Row(401, "unauthorized", "Say who you are"),
        Forbidden: Row(403, "forbidden", "This is not allowed"),
        errors.NotFound: Row(404, "not-found", "There is nothing here"),
        errors.TaskNotFound: Row(404, "task-not-found", "No such task"),
        errors.QueueNotFound: Row(404, "queue-not-found", "No such queue"),
        errors.TypeNotFound: Row(404, "type-not-found", "No such type"),
        NotAcceptable: Row(406, "not-acceptable", "The answer is JSON"),
        errors.IllegalMove: Row(409, "illegal-move", "The task's state does not allow this"),
        errors.NotFinished: Row(409, "not-finished", "The task has no result"),
        errors.KeyInFlight: Row(409, "key-in-flight", "The key is in an open transaction"),
        errors.KeyReused: Row(422, "key-reused", "The Idempotency-Key was used for another body"),
        errors.QueueFull: Row(429, "queue-full", "The queue is full"),
        errors.TooMany: Row(429, "too-many", "Too much at once"),
        errors.KeyTaken: Row(409, "key-taken", "A live task holds the key"),
        errors.TaskPurged: Row(410, "task-purged", "The task is gone"),
        errors.TooLarge: Row(413, "too-large", "Too large"),
        UnsupportedMediaType: Row(415, "unsupported-media-type", "The body must be JSON"),
        UnsupportedCoding: Row(415, "unsupported-media-type", "The body must be JSON"),
        errors.Invalid: Row(422, "invalid", "The request does not fit"),
        errors.UnknownType: Row(422, "unknown-type", "No handler has this type"),
        errors.RowInvalid: Row(422, "invalid", "The request does not fit"),
        errors.StoreUnavailable: Row(503, "store-unavailable", "The database cannot be reached"),
        errors.SchemaOutdated: Row(503, "store-unavailable", "The database needs a migration"),
    }
)
"""Errors that are not here are a fault of ours when they reach HTTP: 500."""

_ROUTING = MappingProxyType(
    {
        400: TABLE[errors.BadRequest],
        401: TABLE[Unauthorized],
        403: TABLE[Forbidden],
        404: TABLE[errors.NotFound],
        405: Row(405, "method-not-allowed", "This method is not allowed here"),
        406: TABLE[NotAcceptable],
        413: TABLE[errors.TooLarge],
        415: TABLE[UnsupportedMediaType],
        422: TABLE[errors.Invalid],
        429: TABLE[errors.TooMany],
    }
)
"""What the framework itself, or a dependency of the user's, raises as a status."""


def row_of(error: DulyError) -> Row | None:
    """The row of the nearest class, or None when it must not reach a client."""
    return next((TABLE[cls] for cls in type(error).__mro__ if cls in TABLE), None)


def problem(error: DulyError, row: Row, scope: Scope, /, **extra: object) -> Response:
    """The error as a problem document, with what its class knows beyond its message."""
    return _answer(row, scope, str(error), _members(error) | extra, _headers(error))


def internal_problem(scope: Scope) -> Response:
    """A fault of ours. The client learns nothing of it but that; the log has it under the request's id."""
    return _answer(INTERNAL, scope, None, {}, {})


def routing_problem(error: HTTPException, scope: Scope, headers: Mapping[str, str]) -> Response:
    """An error of the framework (no such route, wrong method) as a problem document."""
    status = error.status_code
    row = _ROUTING.get(status) or Row(status, f"http-{status}", HTTPStatus(status).phrase)
    return _answer(row, scope, _routing_detail(error, scope), {}, headers)


def _routing_detail(error: HTTPException, scope: Scope) -> str:
    if error.detail != HTTPStatus(error.status_code).phrase:  # somebody had something to say
        return str(error.detail)
    match error.status_code:
        case 404:
            return f"There is no route {scope['path']}."
        case 405:
            return f"{scope['method']} is not allowed here."
        case _:
            return str(error.detail)


def _answer(
    row: Row, scope: Scope, detail: str | None, members: Mapping[str, object], headers: Mapping[str, str]
) -> Response:
    document = {
        "type": DOCS + row.code,
        "title": row.title,
        "status": row.status,
        **({} if detail is None else {"detail": detail}),
        "instance": quote(scope["path"]),
        "code": row.code,
        **members,
    }
    return Response(json.dumps(document), row.status, dict(headers), media_type=MEDIA_TYPE)


def _members(error: DulyError) -> dict[str, object]:
    match error:
        case errors.Invalid():
            return {"errors": [_flaw(flaw) for flaw in error.flaws]}
        case errors.IllegalMove() | errors.NotFinished():
            return {"state": error.state}
        case _:
            return {}


def _challenge(error: Unauthorized | Forbidden) -> Mapping[str, str]:
    """RFC 6750 section 3: how to say who one is, and what was wrong with what was said."""
    match error:
        case Unauthorized(given=False):
            return {"www-authenticate": 'Bearer realm="duly"'}
        case Unauthorized():
            return {"www-authenticate": 'Bearer realm="duly", error="invalid_token"'}
        case Forbidden(scopes=()):
            return {}
        case _:
            needed = " ".join(error.scopes)
            return {"www-authenticate": f'Bearer realm="duly", error="insufficient_scope", scope="{needed}"'}


def _flaw(flaw: Flaw) -> dict[str, str]:
    return {"pointer": flaw.pointer, "detail": flaw.detail}


def _headers(error: DulyError) -> Mapping[str, str]:
    match error:
        case errors.StoreUnavailable() | errors.QueueFull() | errors.TooMany() | errors.KeyInFlight():
            return {"retry-after": str(max(1, math.ceil(error.retry_after.total_seconds())))}
        case Unauthorized() | Forbidden():
            return _challenge(error)
        case UnsupportedCoding():
            return {"accept-encoding": "identity"}
        case UnsupportedMediaType():
            return {"accept": "application/json"}
        case errors.SchemaOutdated():
            return {"retry-after": "30"}
        case _:
            return {}
