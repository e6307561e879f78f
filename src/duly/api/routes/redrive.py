"""`POST /v1/tasks/retry`: dead letters, done again by filter."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.answers import json_response
from duly.api.body import read_model
from duly.api.cursor import decode_cursor, encode_cursor
from duly.api.query import parameters
from duly.api.rights import narrowed
from duly.domain.query import TaskQuery
from duly.domain.state import State
from duly.engine.service import Service
from duly.wire.redrive import Redrive, Redriven


class RedriveRoutes:
    """Many tasks again."""

    def __init__(self, get_service: Callable[[], Service]) -> None:
        self._service = get_service

    async def retry(self, request: Request) -> Response:
        """Retry failed or cancelled tasks, newest first, under their ids; their histories are kept.

        The counts are exact: a task that somebody else retried meanwhile is left alone and not counted. After a 503
        some may have been retried; the same request again does the rest.
        """
        service = self._service()
        parameters(request, ())
        wanted = await read_model(request, Redrive, service.limits.max_body)
        done = await service.tasks.redrive(narrowed(request, _query(wanted)))
        cursor = None if done.next is None else encode_cursor(done.next)
        answer = Redriven(retried=done.retried, skipped=done.skipped, next=cursor)
        return json_response(answer.model_dump_json())

    def add_to(self, router: APIRouter) -> None:
        """Put the route into a router."""
        router.add_api_route(
            "/v1/tasks/retry",
            self.retry,
            methods=["POST"],
            tags=["tasks"],
            operation_id="retry_tasks",
            responses=docs.responses(
                {200: docs.answer(Redriven, "What was done.")}, "too-large", "unsupported-media-type", "invalid"
            ),
            openapi_extra=docs.body(Redrive),
        )


def _query(wanted: Redrive) -> TaskQuery:
    which = wanted.filter
    return TaskQuery(
        state=State(which.state),
        type=which.type,
        queue=which.queue,
        tag=which.tag,
        error_type=which.error_type,
        created_after=which.created_after,
        created_before=which.created_before,
        before=None if wanted.cursor is None else decode_cursor(wanted.cursor),
        limit=wanted.limit,
    )
