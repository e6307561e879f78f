"""`GET /v1/tasks`: one page of tasks, newest first."""

from collections.abc import Callable, Mapping
from itertools import repeat
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.answers import json_response, reasons_to_wait, tasks_json
from duly.api.cursor import encode_cursor
from duly.api.query import FILTERS, VIEWS, parameters, task_query, view_of
from duly.api.rights import narrowed, permitted
from duly.domain.query import MAX_PAGE
from duly.domain.state import State
from duly.engine.service import Service
from duly.wire.task import TaskPage


class ListRoutes:
    """Many tasks."""

    def __init__(self, get_service: Callable[[], Service]) -> None:
        self._service = get_service

    async def page(self, request: Request) -> Response:
        """List tasks, newest first.

        A page may be short, even empty, while `next` is set: only so many rows are looked at for one page.
        """
        service = self._service()
        given = parameters(request, (*FILTERS, "limit", "cursor", "view"))
        view = permitted(request, view_of(given))
        page = await service.tasks.page(narrowed(request, task_query(given)))
        reasons = await reasons_to_wait(service, page.tasks)
        cursor = None if page.next is None else encode_cursor(page.next)
        following = "null" if cursor is None else f'"{cursor}"'
        text = f'{{"tasks":[{tasks_json(page.tasks, reasons, repeat(view))}],"next":{following}}}'
        return json_response(text, 200, {} if cursor is None else {"link": _link(request, given, cursor)})

    def add_to(self, router: APIRouter) -> None:
        """Put the route into a router."""
        router.add_api_route(
            "/v1/tasks",
            self.page,
            methods=["GET"],
            tags=["tasks"],
            operation_id="list_tasks",
            responses=docs.responses({200: docs.answer(TaskPage, "One page.", {"Link": docs.LINK})}),
            openapi_extra={"parameters": _PARAMETERS},
        )


def _link(request: Request, given: Mapping[str, str], cursor: str) -> str:
    query = urlencode({**given, "cursor": cursor})
    return f'<{quote(request.scope["path"])}?{query}>; rel="next"'


_PARAMETERS = [
    docs.parameter("query", "state", "Tasks in this state.", {"type": "string", "enum": [s.value for s in State]}),
    docs.parameter("query", "type", "Tasks of this type."),
    docs.parameter("query", "queue", "Tasks of this queue."),
    docs.parameter("query", "tag", "Tasks with this tag."),
    docs.parameter("query", "key", "Tasks with this key."),
    docs.parameter("query", "created_after", "Inclusive.", {"type": "string", "format": "date-time"}),
    docs.parameter("query", "created_before", "Exclusive.", {"type": "string", "format": "date-time"}),
    docs.parameter(
        "query", "limit", "Tasks on a page.", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 50}
    ),
    docs.parameter("query", "cursor", "`next` of the page before."),
    docs.parameter(
        "query",
        "view",
        "`basic` leaves payload, result and traceback out.",
        {"type": "string", "enum": list(VIEWS), "default": "full"},
    ),
]
