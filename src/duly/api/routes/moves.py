"""`/v1/tasks/{id}/cancel`, `/retry` and `DELETE`: what a person may do with a task."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.answers import task_response
from duly.api.body import check_media_type, fitted, parsed, read_bytes
from duly.api.query import parameters, task_id
from duly.api.rights import permitted
from duly.domain.task import Task
from duly.engine.service import Service
from duly.engine.tasks import UNCHANGED
from duly.wire import task as wire
from duly.wire.encode import View
from duly.wire.submit import Again


class MoveRoutes:
    """Moves by hand."""

    def __init__(self, get_service: Callable[[], Service]) -> None:
        self._service = get_service

    async def cancel(self, request: Request) -> Response:
        """Cancel a task that waits, at once; ask one that runs to stop. Asked again, the answer is the same."""
        service = self._service()
        parameters(request, ())
        task = await service.tasks.cancel(task_id(request))
        return await task_response(service, task, permitted(request, View.FULL), _status_of_cancel(task))

    async def retry(self, request: Request) -> Response:
        """Run a task again from the start, under its id; its history is kept. The payload may be replaced."""
        service = self._service()
        parameters(request, ())
        payload = await _replacement(request, service.limits.max_body)
        task = await service.tasks.retry(task_id(request), payload)
        return await task_response(service, task, permitted(request, View.FULL))

    async def delete(self, request: Request) -> Response:
        """Delete a task that is final."""
        parameters(request, ())
        await self._service().tasks.delete(task_id(request))
        return Response(status_code=204)

    def add_to(self, router: APIRouter) -> None:
        """Put the routes into a router."""
        router.add_api_route(
            "/v1/tasks/{task_id:task}/cancel",
            self.cancel,
            methods=["POST"],
            tags=["tasks"],
            operation_id="cancel_task",
            responses=_CANCEL_ANSWERS,
            openapi_extra={"parameters": [docs.TASK_ID]},
        )
        router.add_api_route(
            "/v1/tasks/{task_id:task}/retry",
            self.retry,
            methods=["POST"],
            tags=["tasks"],
            operation_id="retry_task",
            responses=_RETRY_ANSWERS,
            openapi_extra={"parameters": [docs.TASK_ID], **docs.body(Again, required=False)},
        )
        router.add_api_route(
            "/v1/tasks/{task_id:task}",
            self.delete,
            methods=["DELETE"],
            tags=["tasks"],
            operation_id="delete_task",
            status_code=204,
            responses=_DELETE_ANSWERS,
            openapi_extra={"parameters": [docs.TASK_ID]},
        )


def _status_of_cancel(task: Task) -> int:
    return 200 if task.final else 202


async def _replacement(request: Request, limit: int) -> object:
    body = await read_bytes(request, limit)
    if not body:
        return UNCHANGED
    check_media_type(request)
    again = fitted(Again, parsed(body))
    return again.payload if "payload" in again.model_fields_set else UNCHANGED


_CANCEL_ANSWERS = docs.responses(
    {
        200: docs.answer(wire.Task, "It is cancelled: no handler starts."),
        202: docs.answer(wire.Task, "It runs, and was asked to stop.", {"Retry-After": docs.RETRY_AFTER}),
    },
    "task-not-found",
    "illegal-move",
    "task-purged",
)

_RETRY_ANSWERS = docs.responses(
    {200: docs.answer(wire.Task, "It is pending again.", {"Retry-After": docs.RETRY_AFTER})},
    "task-not-found",
    "illegal-move",
    "key-taken",
    "task-purged",
    "too-large",
    "unsupported-media-type",
    "invalid",
    "unknown-type",
)

_DELETE_ANSWERS = docs.responses(
    {204: docs.answer(None, "It is gone.")}, "task-not-found", "illegal-move", "task-purged"
)
