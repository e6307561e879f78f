"""`/v1/tasks/{id}`: look, wait, fetch the result or the story."""

import json
from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.answers import etag, json_response, retry_after, task_response
from duly.api.fields import fields_of
from duly.api.headers import STREAM, last_event_id, none_match, preferred_wait, prefers_stream, seen_version
from duly.api.presence import while_present
from duly.api.problems import TABLE, problem
from duly.api.query import parameters, task_id
from duly.api.rights import check_still_let_in, permitted, scope_of, still_let_in
from duly.api.stream import EventStream, Places, events_of
from duly.domain.errors import NotFinished
from duly.domain.state import State
from duly.domain.task import Task
from duly.engine.service import Service
from duly.wire import task as wire
from duly.wire.encode import View, error_json, story_json
from duly.wire.story import Story

BY_ACCEPT = {"vary": "Accept"}


class TaskRoutes:
    """One task."""

    def __init__(self, get_service: Callable[[], Service]) -> None:
        self._service = get_service
        self._places = Places()

    async def get(self, request: Request) -> Response:
        """Look at a task, or wait for its end."""
        service = self._service()
        parameters(request, ())
        fields = fields_of(request.scope)
        wait = preferred_wait(fields.all(b"prefer"))
        known = fields.all(b"if-none-match")
        if wait:
            task = await while_present(request, service.tasks.wait(task_id(request), wait))
            await check_still_let_in(request, service)
        else:
            task = await service.tasks.get(task_id(request), seen_version(known))
        headers = {"etag": etag(task)}
        if wait:
            headers["preference-applied"] = f"wait={wait.total_seconds():.0f}"
        if known and none_match(known, task.validator):
            return _not_modified(service, task, headers)
        return await task_response(service, task, permitted(request, View.FULL), 200, headers)

    async def result(self, request: Request) -> Response:
        """The bare result of a completed task."""
        service = self._service()
        parameters(request, ())
        task = await service.tasks.get(task_id(request))
        if task.state is State.COMPLETED:
            return json_response(task.result or "null")
        return _no_result(service, request, task)

    async def events(self, request: Request) -> Response:
        """The task's story, oldest first; with `Accept: text/event-stream`, its changes as they happen.

        A stream begins with the task as it is, or after `Last-Event-ID`, and ends after the final state. Whoever has
        seen that already is answered 204, which tells a browser to connect no more.
        """
        service = self._service()
        parameters(request, ())
        if prefers_stream(request.headers.getlist("accept")):
            return await self._stream(service, request)
        return json_response(story_json(await service.tasks.story(task_id(request))), 200, BY_ACCEPT)

    async def _stream(self, service: Service, request: Request) -> Response:
        last = last_event_id(request.headers.get("last-event-id"))
        task = await service.tasks.get(task_id(request), (last or 0, 0))
        if task.final and last == task.version:
            return Response(status_code=204)
        name, limits = scope_of(request), service.limits
        asked = service.access is not None
        self._places.check(name, limits.max_streams, limits.max_streams_each if asked else limits.max_streams)
        let_in = partial(still_let_in, request, service)
        return EventStream(events_of(service, task, last, permitted(request, View.FULL), let_in), self._places, name)

    def add_to(self, router: APIRouter) -> None:
        """Put the routes into a router."""
        router.add_api_route(
            "/v1/tasks/{task_id:task}",
            self.get,
            methods=["GET"],
            tags=["tasks"],
            operation_id="get_task",
            responses=_GET_ANSWERS,
            openapi_extra={"parameters": [docs.TASK_ID, docs.WAIT, _IF_NONE_MATCH]},
        )
        router.add_api_route(
            "/v1/tasks/{task_id:task}/result",
            self.result,
            methods=["GET"],
            tags=["tasks"],
            operation_id="get_result",
            responses=_RESULT_ANSWERS,
            openapi_extra={"parameters": [docs.TASK_ID]},
        )
        router.add_api_route(
            "/v1/tasks/{task_id:task}/events",
            self.events,
            methods=["GET"],
            tags=["tasks"],
            operation_id="get_events",
            responses=_EVENTS_ANSWERS,
            openapi_extra={"parameters": [docs.TASK_ID, docs.LAST_EVENT_ID]},
        )


def _not_modified(service: Service, task: Task, headers: dict[str, str]) -> Response:
    if not task.final:
        headers["retry-after"] = str(retry_after(service, task))
    return Response(status_code=304, headers=headers)


def _no_result(service: Service, request: Request, task: Task) -> Response:
    missing = NotFinished(task.id, task.state)
    if task.error is None:
        response = problem(missing, TABLE[NotFinished], request.scope)
    else:
        error = json.loads(error_json(task.error, permitted(request, View.FULL)))
        response = problem(missing, TABLE[NotFinished], request.scope, error=error)
    if not task.final:
        response.headers["retry-after"] = str(retry_after(service, task))
    return response


_IF_NONE_MATCH = docs.parameter("header", "If-None-Match", "ETags that you have: answered 304 when nothing changed.")

_GET_ANSWERS = docs.responses(
    {
        200: docs.answer(
            wire.Task,
            "The task as it is.",
            {"ETag": docs.ETAG, "Retry-After": docs.RETRY_AFTER, "Preference-Applied": docs.PREFERENCE_APPLIED},
        ),
        304: docs.answer(None, "You have this version already.", {"ETag": docs.ETAG, "Retry-After": docs.RETRY_AFTER}),
    },
    "task-not-found",
    "task-purged",
)

_EVENTS_ANSWERS = docs.responses(
    {
        200: docs.answer(
            Story,
            "All that happened to the task. As a stream: one event for each version, its `id` the version, its name "
            "the state, its data the task; `progress` in between.",
            {"Cache-Control": docs.NO_CACHE, "X-Accel-Buffering": docs.UNBUFFERED, "Vary": docs.VARY},
        )
        | {"content": {STREAM: {"schema": {"type": "string"}}}},
        204: docs.answer(None, "A stream would have nothing new, now or later: you have seen the final state."),
    },
    "task-not-found",
    "task-purged",
)

_RESULT_ANSWERS = docs.responses(
    {200: docs.answer(None, "What the handler returned.")}, "task-not-found", "not-finished", "task-purged"
)
