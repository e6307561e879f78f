"""What a user's own application takes from Duly: who is let in, health, and errors as problem documents."""

from collections.abc import Callable, Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from duly.api.body import MAX_FLAWS, pointer
from duly.api.problems import TABLE, internal_problem, problem, routing_problem, row_of
from duly.api.rights import Right, let_in, rate_fields
from duly.api.route import ProblemRoute
from duly.api.routes.health import HealthRoutes
from duly.api.routes.metrics import MetricsRoutes
from duly.domain.errors import BadRequest, DulyError, Flaw, Invalid
from duly.domain.identity import Forbidden, Identity, Scope
from duly.engine.quotas import Kind
from duly.engine.service import Service

BAD_REQUEST = 400

_KINDS = {Scope.SUBMIT: Kind.SUBMIT, Scope.READ: Kind.READ}
_BEARER = HTTPBearer(auto_error=False, scheme_name="bearer", description="An API key (`duly_…`) or a JWT.")


class Guard:
    """A dependency for routes of the user's own: it lets in whom Duly's own routes would let in."""

    def __init__(self, get_service: Callable[[], Service], scopes: Iterable[Scope]) -> None:
        wanted = tuple(scopes)
        self._service = get_service
        self._right = Right(wanted, next((_KINDS.get(scope, Kind.CONTROL) for scope in wanted), Kind.READ))

    async def __call__(
        self, request: Request, response: Response, _in_the_document: Annotated[object, Depends(_BEARER)]
    ) -> Identity:
        """Whoever asks. A key for some queues only is refused: Duly cannot know what such a route does with which.

        Raises Unauthorized, Forbidden, TooMany.
        """
        identity = await let_in(self._service(), request, self._right)
        if identity.queues is not None:
            raise Forbidden("This needs a key for all queues.")
        response.headers.update(rate_fields(request.scope))
        return identity


def health_router(get_service: Callable[[], Service]) -> APIRouter:
    """`/health/live` and `/health/ready`, which ask nobody who they are."""
    made = APIRouter(route_class=ProblemRoute)
    HealthRoutes(get_service).add_to(made)
    return made


def metrics_router(get_service: Callable[[], Service]) -> APIRouter:
    """`/metrics`, which asks nobody by itself."""
    made = APIRouter(route_class=ProblemRoute)
    MetricsRoutes(get_service).add_to(made)
    return made


def use_problem_details(app: FastAPI, *, invalid: Literal[400, 422] = 422) -> None:
    """Let a FastAPI application answer all its errors as Duly does: as problem documents (RFC 9457).

    Those are errors of Duly that its routes raise, requests that do not fit their models (with the status
    ``invalid``), every HTTPException, and faults, of which the client learns nothing.
    """

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, DulyError)  # noqa: S101  # registered for it alone
        return _answered(request, error, invalid)

    async def unfitting(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for it alone
        return _answered(request, _of_validation(error), invalid)

    app.add_exception_handler(DulyError, ours)
    app.add_exception_handler(RequestValidationError, unfitting)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _fault)


def _answered(request: Request, error: DulyError, invalid: int) -> Response:
    row = TABLE[BadRequest] if isinstance(error, Invalid) and invalid == BAD_REQUEST else row_of(error)
    if row is None:
        raise error
    response = problem(error, row, request.scope)
    response.headers.update(rate_fields(request.scope))
    return response


def _of_validation(error: RequestValidationError) -> BadRequest | Invalid:
    """What FastAPI found wrong. A flaw outside of the body has no pointer: it says where it is in words."""
    found = error.errors()[:MAX_FLAWS]
    if any(flaw["type"] == "json_invalid" for flaw in found):
        return BadRequest("The body is not JSON.")
    return Invalid("The request does not fit.", [_flaw(flaw["loc"], flaw["msg"]) for flaw in found])


def _flaw(place: tuple[int | str, ...], message: str) -> Flaw:
    where, *rest = place
    detail = message.removeprefix("Value error, ")
    if where == "body":
        return Flaw(pointer(tuple(rest)), detail)
    return Flaw("", f"{where} {'.'.join(map(str, rest))}: {detail}")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it alone
    return routing_problem(error, request.scope, error.headers or {})


async def _fault(request: Request, _error: Exception) -> Response:
    """The framework raises the error once more after this: the server logs it, and hangs up."""
    response = internal_problem(request.scope)
    response.headers["connection"] = "close"
    return response
