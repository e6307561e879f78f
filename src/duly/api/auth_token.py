"""``POST /v1/token``: OAuth 2 client credentials (RFC 6749 section 4.4), an API key's id and the key itself."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.body import read_bytes
from duly.api.problems import TABLE, problem
from duly.api.query import parameters
from duly.api.rights import address_of
from duly.domain.errors import BadRequest, DulyError, NotFound
from duly.domain.identity import Scope, Unauthorized, scopes_named
from duly.engine.service import Service
from duly.wire.token import Token

LIMIT = 8_192
NOT_STORED = {"cache-control": "no-store", "pragma": "no-cache"}
FORM = "application/x-www-form-urlencoded"


class OAuthError(DulyError):
    """A refusal as RFC 6749 section 5.2 has it; ``error`` is its code there."""

    code = "bad-request"

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error = error


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks. ``basic``: said in the Authorization header."""

    id: str
    secret: str
    basic: bool


class TokenRoutes:
    """Short-lived tokens for those who hold a key."""

    def __init__(self, get_service: Callable[[], Service]) -> None:
        self._service = get_service

    async def create(self, request: Request) -> Response:
        """Exchange an API key for a short-lived token.

        The client's id is the part of the key that is shown, its secret the whole key: in the form, or in an
        `Authorization: Basic` header. `scope` may ask for less than the key holds.
        """
        try:
            return await self._granted(request)
        except OAuthError as error:
            about = {"error": error.error, "error_description": str(error)}
            response = problem(error, TABLE[BadRequest], request.scope, **about)
        except Unauthorized as error:
            about = {"error": "invalid_client", "error_description": str(error)}
            response = problem(error, TABLE[Unauthorized], request.scope, **about)
            response.headers["www-authenticate"] = 'Basic realm="duly"'
        response.headers.update(NOT_STORED)
        return response

    async def _granted(self, request: Request) -> Response:
        access = self._service().access
        if access is None:
            raise NotFound("This service asks nobody who they are: it gives no tokens.")
        parameters(request, ())
        form = await _form(request)
        client = _client(request, form)
        if form.get("grant_type") != "client_credentials":
            word = "unsupported_grant_type" if form.get("grant_type") else "invalid_request"
            raise OAuthError(word, "grant_type must be client_credentials.")
        granted = await access.grant(client.id, client.secret, _scopes(form), address_of(request))
        if not granted.scopes:
            raise OAuthError("invalid_scope", "The key holds none of these scopes.")
        shown = Token(
            access_token=granted.token,
            expires_in=int(granted.lifetime.total_seconds()),
            scope=" ".join(sorted(granted.scopes)),
        )
        return Response(shown.model_dump_json(), 200, NOT_STORED, media_type="application/json")

    def add_to(self, router: APIRouter) -> None:
        """Put the route into a router."""
        router.add_api_route(
            "/v1/token",
            self.create,
            methods=["POST"],
            tags=["service"],
            operation_id="create_token",
            responses=_ANSWERS,
            openapi_extra=_BODY,
        )


async def _form(request: Request) -> dict[str, str]:
    """Each parameter once (section 3.2). Raises OAuthError, TooLarge."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise OAuthError("invalid_request", f"The body must be {FORM}.")
    body = await read_bytes(request, LIMIT)
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise OAuthError("invalid_request", "The body cannot be read as a form.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "A parameter is given twice.")
    return {name: value for name, value in form.items() if value}


def _client(request: Request, form: dict[str, str]) -> Client:
    """One way to say it, not two (section 2.3). Raises OAuthError, Unauthorized."""
    header = request.headers.getlist("authorization")
    if header and "client_secret" in form:
        raise OAuthError("invalid_request", "The client says twice who it is.")
    if header:
        return _basic(header)
    if "client_id" not in form or "client_secret" not in form:
        raise Unauthorized("Send client_id and client_secret.")
    return Client(form["client_id"], form["client_secret"], basic=False)


def _basic(header: list[str]) -> Client:
    """Both parts are form-encoded inside (section 2.3.1); of our keys no character changes by that."""
    scheme, _, encoded = header[0].strip().partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        text = ""
    name, colon, secret = text.partition(":")
    if len(header) > 1 or scheme.lower() != "basic" or not colon:
        raise Unauthorized("Authorization must be Basic, with the id and the key.", given=True)
    return Client(unquote_plus(name), unquote_plus(secret), basic=True)


def _scopes(form: dict[str, str]) -> frozenset[Scope] | None:
    if "scope" not in form:
        return None
    words = form["scope"].split()
    found = scopes_named(words)
    if len(found) != len(set(words)):
        raise OAuthError("invalid_scope", f"There are the scopes {', '.join(Scope)}.")
    return found


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "const": "client_credentials"},
                        "scope": {"type": "string", "description": "Less than the key holds, separated by spaces."},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string", "format": "password"},
                    },
                }
            }
        },
    }
}
_ANSWERS = docs.responses(
    {200: docs.answer(Token, "The token.")}, "bad-request", "unauthorized", "not-found", "too-large"
)
