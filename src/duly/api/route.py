"""A route whose errors are problem documents, in this service and inside a user's own application."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.routing import Match
from starlette.types import Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from duly.api.door import REQUEST_ID
from duly.api.fields import fields_of
from duly.api.headers import JSON, check_accepts, request_id
from duly.api.inbox import Inbox
from duly.api.problems import problem, row_of
from duly.api.rights import rate_fields
from duly.domain.errors import DulyError

Answerer = Callable[[Request], Coroutine[Any, Any, Response]]
Guard = Callable[[Request], Coroutine[Any, Any, None]]


class TaskIdConvertor(StringConvertor):
    """What ``{task_id:task}`` takes: ``/v1/tasks/retry`` is a resource of its own, which knows no GET."""

    regex = "(?!(?:batch|retry)$)[^/]+"


register_url_convertor("task", TaskIdConvertor())


class ProblemRoute(APIRoute):
    """Answers the errors that the table knows. Others, and what the user's dependencies raise, pass on.

    Where no Door stands before it (in a user's application), it gives the request its id itself.
    """

    def get_route_handler(self) -> Answerer:
        """The route as FastAPI makes it, with its errors answered."""
        return self._answering(super().get_route_handler())

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See Route. A path that ends in a line feed is no path of ours: ``$`` in a pattern also fits before one."""
        if scope["type"] == "http" and scope["path"].endswith("\n"):
            return Match.NONE, {}
        return super().matches(scope)

    def _answering(self, answer: Answerer) -> Answerer:
        offered = (JSON, *(name for name in self.responses.get(200, {}).get("content", {}) if name != JSON))

        async def answered(request: Request) -> Response:
            with_id = _with_problems if REQUEST_ID in request.scope else _with_id
            response = await with_id(answer, offered, request)
            return _bare(response) if request.method == "HEAD" else response

        return answered


class DirectRoute(ProblemRoute):
    """For our own application, whose endpoints take a request and give a response, and are guarded by Entry alone.

    What FastAPI would do between a route and such an endpoint takes longer than the endpoint, so it is left out.
    """

    def get_route_handler(self) -> Answerer:
        """Entry, then the endpoint."""
        guards: list[Guard] = [guard.dependency for guard in self.dependencies if guard.dependency is not None]

        async def answer(request: Request) -> Response:
            for guard in guards:
                await guard(request)
            response: Response = await self.endpoint(request)
            return response

        self._answer = self._answering(answer)
        return self._answer

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. A wrong method is left to FastAPI."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        response = await self._answer(Request(scope, Inbox(receive), send))
        await response(scope, receive, send)


def answer_heads(router: APIRouter) -> None:
    """Let each route that answers GET answer HEAD too: the same without its content (RFC 9110 section 9.3.2)."""
    for route in list(router.routes):
        if isinstance(route, APIRoute) and "GET" in (route.methods or ()):
            router.add_api_route(
                route.path,
                route.endpoint,
                methods=["HEAD"],
                operation_id=route.operation_id,
                responses=route.responses,
                include_in_schema=False,
            )


def _bare(response: Response) -> Response:
    """Its status and its fields, Content-Length too, without its content. A stream is not begun."""
    bare = Response(status_code=response.status_code)
    bare.raw_headers = response.raw_headers
    return bare


async def _with_problems(answer: Answerer, offered: Sequence[str], request: Request) -> Response:
    try:
        check_accepts(fields_of(request.scope).all(b"accept"), offered)
        response = await answer(request)
    except DulyError as error:
        row = row_of(error)
        if row is None:
            raise
        response = problem(error, row, request.scope)
    if fields := rate_fields(request.scope):
        response.headers.update(fields)
    return response


async def _with_id(answer: Answerer, offered: Sequence[str], request: Request) -> Response:
    name = request_id(fields_of(request.scope).first(b"x-request-id"))
    request.scope[REQUEST_ID] = name
    with bound_contextvars(request_id=name):
        response = await _with_problems(answer, offered, request)
    response.headers["x-request-id"] = name
    return response
