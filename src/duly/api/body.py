"""Bodies: read up to a limit, parsed strictly, checked against a model."""

import asyncio
from datetime import timedelta
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from duly.api.errors import UnsupportedCoding, UnsupportedMediaType
from duly.api.fields import fields_of
from duly.api.headers import is_json
from duly.api.inbox import Inbox
from duly.domain.errors import BadRequest, Flaw, Invalid, TooLarge

M = TypeVar("M", bound=BaseModel)

PATIENCE = timedelta(seconds=60)
"""A body that takes longer to arrive is given up."""

MAX_FLAWS = 1_000
"""So many of what is wrong are named: one for each task of a batch."""


async def read_model(request: Request, model: type[M], limit: int) -> M:
    """The body as the model has it. Raises UnsupportedMediaType, TooLarge, BadRequest, Invalid."""
    return fitted(model, await read_json(request, limit))


async def read_json(request: Request, limit: int) -> object:
    """The body, parsed. Raises UnsupportedMediaType, TooLarge, BadRequest."""
    check_media_type(request)
    return parsed(await read_bytes(request, limit))


def check_media_type(request: Request) -> None:
    """Raises UnsupportedMediaType unless the body says that it is plain JSON."""
    fields = fields_of(request.scope)
    given = fields.first(b"content-type")
    if given is None or not is_json(given):
        raise UnsupportedMediaType(f"The body must be application/json, not {(given or 'of no type')[:200]}.")
    if any(coding.strip().lower() != "identity" for coding in fields.all(b"content-encoding")):
        raise UnsupportedCoding("Bodies are read without a content coding.")


async def read_bytes(request: Request, limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be over the limit, BadRequest when it ends early."""
    declared = fields_of(request.scope).first(b"content-length") or ""
    if declared.isdecimal() and (len(declared) > 18 or int(declared) > limit):  # noqa: PLR2004  # digits of an int64
        raise _too_large(limit)
    inbox = request.receive
    if isinstance(inbox, Inbox) and (whole := inbox.whole()) is not None:
        if len(whole) > limit:
            raise _too_large(limit)
        return whole
    return await _received(request, limit)


async def _received(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise _too_large(limit)
                chunks.append(chunk)
    except TimeoutError as error:
        raise BadRequest(f"The body did not arrive within {PATIENCE.total_seconds():.0f} seconds.") from error
    except ClientDisconnect as error:
        raise BadRequest("The body ended early.") from error
    return b"".join(chunks)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is over the limit of {limit} bytes.")


def parsed(body: bytes) -> object:
    """The JSON value. NaN, infinities, lone surrogates and nesting beyond 200 levels raise BadRequest."""
    try:
        value: object = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise BadRequest(f"The body is not JSON as it is read here: {error}.") from error
    return value


def fitted(model: type[M], value: object) -> M:
    """The value as the model has it. Raises Invalid, with a JSON pointer to each place that does not fit."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FLAWS]
        flaws = [Flaw(pointer(e["loc"]), e["msg"].removeprefix("Value error, ")) for e in found]
        raise Invalid("The body does not fit.", flaws) from error


def pointer(place: tuple[int | str, ...]) -> str:
    """A place in a body as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)
