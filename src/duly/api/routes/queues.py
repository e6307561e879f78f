"""`/v1/queues`: what waits and runs, pause and resume."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.answers import json_response
from duly.api.query import parameters
from duly.api.rights import identity_of
from duly.domain.errors import QueueNotFound
from duly.engine.service import Service
from duly.wire.overview import Queue, Queues


class QueueRoutes:
    """The queues."""

    def __init__(self, get_service: Callable[[], Service]) -> None:
        self._service = get_service

    async def list(self, request: Request) -> Response:
        """Every queue that a task or a worker has ever used."""
        parameters(request, ())
        seen = identity_of(request).sees
        views = [view for view in await self._service().overview.queues() if seen(view.name)]
        return json_response(Queues(queues=[Queue.model_validate(view) for view in views]).model_dump_json())

    async def get(self, request: Request) -> Response:
        """One queue."""
        parameters(request, ())
        view = await self._service().overview.queue(_name(request))
        return json_response(Queue.model_validate(view).model_dump_json())

    async def pause(self, request: Request) -> Response:
        """Let no further task of the queue start. Those that run go on."""
        return await self._pause(request, paused=True)

    async def resume(self, request: Request) -> Response:
        """Let tasks of the queue start again."""
        return await self._pause(request, paused=False)

    async def _pause(self, request: Request, *, paused: bool) -> Response:
        parameters(request, ())
        view = await self._service().overview.pause(_name(request), paused)
        return json_response(Queue.model_validate(view).model_dump_json())

    def add_to(self, router: APIRouter) -> None:
        """Put the routes into a router."""
        router.add_api_route(
            "/v1/queues",
            self.list,
            methods=["GET"],
            tags=["queues"],
            operation_id="list_queues",
            responses=docs.responses({200: docs.answer(Queues, "By name.")}),
        )
        for move in (self.pause, self.resume):
            router.add_api_route(
                f"/v1/queues/{{queue:path}}/{move.__name__}",
                move,
                methods=["POST"],
                tags=["queues"],
                operation_id=f"{move.__name__}_queue",
                responses=docs.responses({200: docs.answer(Queue, "The queue as it is now.")}, "queue-not-found"),
                openapi_extra={"parameters": [_QUEUE]},
            )
        router.add_api_route(
            "/v1/queues/{queue:path}",
            self.get,
            methods=["GET"],
            tags=["queues"],
            operation_id="get_queue",
            responses=docs.responses({200: docs.answer(Queue, "The queue.")}, "queue-not-found"),
            openapi_extra={"parameters": [_QUEUE]},
        )


def _name(request: Request) -> str:
    name: str = request.path_params["queue"]
    if "\0" in name:
        raise QueueNotFound(name)
    return name


_QUEUE = docs.parameter("path", "queue", "Its name.")
