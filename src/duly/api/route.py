"""A route whose errors are problem documents, in this service and inside a user's own application."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.convertors import StringConvertor, register_url_convertor
from structlog.contextvars import bound_contextvars

from duly.api.door import REQUEST_ID
from duly.api.headers import JSON, check_accepts, request_id
from duly.api.problems import problem, row_of
from duly.api.rights import rate_fields
from duly.domain.errors import DulyError

Answerer = Callable[[Request], Coroutine[Any, Any, Response]]


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
        answer = super().get_route_handler()
        offered = (JSON, *(name for name in self.responses.get(200, {}).get("content", {}) if name != JSON))

        async def accepted(request: Request) -> Response:
            check_accepts(request.headers.get("accept"), offered)
            return await answer(request)

        async def answered(request: Request) -> Response:
            if REQUEST_ID in request.scope:
                return await _with_problems(accepted, request)
            return await _with_id(accepted, request)

        return answered


async def _with_problems(answer: Answerer, request: Request) -> Response:
    try:
        response = await answer(request)
    except DulyError as error:
        row = row_of(error)
        if row is None:
            raise
        response = problem(error, row, request.scope)
    response.headers.update(rate_fields(request.scope))
    return response


async def _with_id(answer: Answerer, request: Request) -> Response:
    name = request_id(request.headers.get("x-request-id"))
    request.scope[REQUEST_ID] = name
    with bound_contextvars(request_id=name):
        response = await _with_problems(answer, request)
    response.headers["x-request-id"] = name
    return response
