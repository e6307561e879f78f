"""What `/openapi.json` says of a route: its answers, its problems, its headers and its parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, JsonValue

from duly.api.problems import INTERNAL, TABLE
from duly.wire.callback import CallbackEvent
from duly.wire.problem import MEDIA_TYPE

Json = dict[str, Any]

_TITLES = {row.code: row for row in TABLE.values()} | {INTERNAL.code: INTERNAL}
_EVERYWHERE = (
    "bad-request",
    "unauthorized",
    "forbidden",
    "not-acceptable",
    "too-many",
    "internal",
    "store-unavailable",
)

REQUEST_ID: Json = {"schema": {"type": "string"}, "description": "The request's id, taken or made."}
RETRY_AFTER: Json = {"schema": {"type": "integer"}, "description": "Seconds until it is worth asking again."}
CHALLENGE: Json = {"schema": {"type": "string"}, "description": "How to say who you are, or what is needed (RFC 6750)."}
TAKEN: Json = {"schema": {"type": "string"}, "description": "`application/json`, when the body was something else."}
TAKEN_CODING: Json = {"schema": {"type": "string"}, "description": "`identity`, when the body was in a content coding."}
RATE_LIMIT: Json = {
    "schema": {"type": "string"},
    "description": "What is left, where requests are counted (IETF draft).",
}
RATE_LIMIT_POLICY: Json = {"schema": {"type": "string"}, "description": "How much is allowed in which time."}
COMMON: Mapping[str, Json] = {
    "X-Request-Id": REQUEST_ID,
    "RateLimit": RATE_LIMIT,
    "RateLimit-Policy": RATE_LIMIT_POLICY,
}
LOCATION: Json = {"schema": {"type": "string"}, "description": "Where the task is."}
ETAG: Json = {"schema": {"type": "string"}, "description": 'W/"version.progress_seq"'}
NO_CACHE: Json = {"schema": {"type": "string"}, "description": "`no-cache`, on streams."}
NO_STORE: Json = {"schema": {"type": "string"}, "description": "`no-store`: they are of this moment."}
UNBUFFERED: Json = {
    "schema": {"type": "string"},
    "description": "`no`, on streams: proxies are to pass events on at once.",
}
VARY: Json = {"schema": {"type": "string"}, "description": "`Accept` chooses between story and stream."}
LINK: Json = {"schema": {"type": "string"}, "description": 'The next page: rel="next".'}
REPLAYED: Json = {
    "schema": {"type": "string", "enum": ["true"]},
    "description": "Accepted before, under this Idempotency-Key.",
}
PREFERENCE_APPLIED: Json = {"schema": {"type": "string"}, "description": "wait=N, when the answer was waited for."}


def answer(model: type[BaseModel] | None, description: str, headers: Mapping[str, Json] | None = None) -> Json:
    """One good answer."""
    described: Json = {"description": description, "headers": {**COMMON, **(headers or {})}}
    return described if model is None else {"model": model, **described}


def responses(good: Mapping[int, Json], *codes: str) -> dict[int | str, Json]:
    """All answers of a route: the good ones, the problems with these codes, and those that any route may answer."""
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *_EVERYWHERE):
        by_status.setdefault(_TITLES[code].status, []).append(code)
    bad = {status: _problem(status, found) for status, found in sorted(by_status.items())}
    return dict((*good.items(), *bad.items()))


def _problem(status: int, codes: Sequence[str]) -> Json:
    headers = dict(COMMON)
    if status in (409, 429, 503):
        headers["Retry-After"] = RETRY_AFTER
    if status in (401, 403):
        headers["WWW-Authenticate"] = CHALLENGE
    if "unsupported-media-type" in codes:
        headers |= {"Accept": TAKEN, "Accept-Encoding": TAKEN_CODING}
    described = "; ".join(f"`{code}`: {_TITLES[code].title}" for code in codes)
    return {"description": described, "headers": headers, "content": {MEDIA_TYPE: {"schema": dict(_PROBLEM)}}}


def body(model: type[BaseModel], *, required: bool = True) -> Json:
    """A request body as the model has it."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": schema_of(model)}}}}


def calls_back(pointer: str) -> Json:
    """The request that is sent to the ``callback_url`` at this place of the body."""
    request: Json = {
        "summary": "A task has become final.",
        "description": "Signed as Standard Webhooks has it.",
        "parameters": [parameter("header", name, described) for name, described in _SIGNED.items()],
        "responses": {"2XX": {"description": "Done."}, "410": {"description": "Not sent again."}},
        **body(CallbackEvent),
    }
    return {"callbacks": {"final": {f"{{$request.body#{pointer}}}": {"post": request}}}}


def parameter(where: str, name: str, description: str, schema: Json | None = None) -> Json:
    """One parameter of a path, a query or a header."""
    return {
        "in": where,
        "name": name,
        "required": where == "path",
        "description": description,
        "schema": schema or ({"type": "string", "minLength": 1} if where == "query" else {"type": "string"}),
    }


def schema_of(model: type[BaseModel]) -> Json:
    """The model's JSON Schema with its definitions put in where they are used: it needs nothing around it."""
    schema: dict[str, JsonValue] = model.model_json_schema(mode="validation")
    definitions = schema.pop("$defs", {})
    assert isinstance(definitions, dict)  # noqa: S101  # it is by JSON Schema; tells the type checker so
    return {name: _inlined(value, definitions) for name, value in schema.items()}


def _inlined(schema: JsonValue, definitions: Mapping[str, JsonValue]) -> JsonValue:
    match schema:
        case {"$ref": str(reference)}:
            return _inlined(definitions[reference.rpartition("/")[2]], definitions)
        case dict():
            return {name: _inlined(value, definitions) for name, value in schema.items()}
        case list():
            return [_inlined(value, definitions) for value in schema]
        case _:
            return schema


_SIGNED: Mapping[str, str] = {
    "webhook-id": "The event's id, the same at every attempt.",
    "webhook-timestamp": "The time of this attempt, in seconds since 1970.",
    "webhook-signature": "`v1,` and the signature in base64, one for each secret, separated by spaces.",
}

_PROBLEM: Json = {"title": "Problem", "type": "object", "description": "RFC 9457, with a stable `code`."}
"""In short, because it stands at every status of every route; ``openapi.describe_types`` puts in the whole."""

TASK_ID = parameter("path", "task_id", "The task's id.", {"type": "string", "format": "uuid"})
LAST_EVENT_ID = parameter(
    "header", "Last-Event-ID", "The id of the last event that you have: a stream goes on after it."
)
WAIT = parameter("header", "Prefer", "`wait=N`: answer when the task is final, or after N seconds (60 at most).")
IDEMPOTENCY_KEY = parameter(
    "header",
    "Idempotency-Key",
    "Your own name of this submit, new for each: repeated with the same body within 24 hours, it makes no new task.",
    {"type": "string", "minLength": 1, "maxLength": 257},
)
TRACE = parameter("header", "traceparent", "W3C trace context; stored with the task and handed to its handler.")
NAMED = parameter("header", "X-Request-Id", "Your own id of the request: printable, at most 128 characters.")
