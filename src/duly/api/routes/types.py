"""`/v1/types`: what may be submitted."""

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.answers import json_response
from duly.api.query import parameters
from duly.engine.handlers import Handlers, TaskType
from duly.wire import task_type as wire


class TypeRoutes:
    """The registered types."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    async def list(self, request: Request) -> Response:
        """Every registered type, with the JSON Schemas of its payload and result and its defaults."""
        parameters(request, ())
        types = wire.TaskTypes(types=[_shown(one) for one in self._handlers])
        return json_response(types.model_dump_json())

    async def get(self, request: Request) -> Response:
        """One type."""
        parameters(request, ())
        return json_response(_shown(self._handlers.get(request.path_params["type"])).model_dump_json())

    def add_to(self, router: APIRouter) -> None:
        """Put the routes into a router."""
        router.add_api_route(
            "/v1/types",
            self.list,
            methods=["GET"],
            tags=["types"],
            operation_id="list_types",
            responses=docs.responses({200: docs.answer(wire.TaskTypes, "By name.")}),
        )
        router.add_api_route(
            "/v1/types/{type:path}",
            self.get,
            methods=["GET"],
            tags=["types"],
            operation_id="get_type",
            responses=docs.responses({200: docs.answer(wire.TaskType, "The type.")}, "type-not-found"),
            openapi_extra={"parameters": [docs.parameter("path", "type", "Its name.")]},
        )


def _shown(one: TaskType) -> wire.TaskType:
    retry = one.retry
    return wire.TaskType(
        name=one.name,
        description=one.description,
        executor=one.executor,
        payload_schema=one.payload_schema,
        result_schema=one.result_schema,
        defaults=wire.Defaults(
            queue=one.queue,
            priority=one.priority,
            max_attempts=retry.max_attempts,
            timeout=one.timeout,
            retry=wire.RetryPolicy(
                initial=retry.initial, factor=retry.factor, longest=retry.longest, jitter=retry.jitter
            ),
        ),
    )
