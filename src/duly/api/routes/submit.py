"""`POST /v1/tasks` and `/v1/tasks/batch`: accepted after the commit, never before."""

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from duly.api import docs
from duly.api.answers import json_response, reasons_to_wait, task_response, tasks_json
from duly.api.batch import with_others
from duly.api.body import fitted, read_json
from duly.api.door import REQUEST_ID
from duly.api.fields import fields_of
from duly.api.headers import preferred_wait, traceparent
from duly.api.once import once_key
from duly.api.presence import while_present
from duly.api.query import parameters
from duly.api.rights import (
    check_accepted,
    check_submits,
    count_tasks,
    identity_of,
    permitted_of,
    permitted_of_all,
    still_let_in,
)
from duly.domain.errors import Invalid, StoreUnavailable
from duly.engine.jsontext import received
from duly.engine.service import Service
from duly.engine.submission import Submission
from duly.engine.submitting import Accepted
from duly.wire.submit import Batch, Submit
from duly.wire.task import Task, Tasks

_quoted = lru_cache(maxsize=64)(quote)

REPLAYED = {"idempotency-replayed": "true"}


class SubmitRoutes:
    """How tasks come in."""

    def __init__(self, get_service: Callable[[], Service]) -> None:
        self._service = get_service

    async def submit(self, request: Request) -> Response:
        """Submit a task.

        The answer is sent after the commit. A task whose `key` is held by one that is not final is not made again:
        the one already there is the answer. After a 503 the outcome is unknown.
        """
        service = self._service()
        parameters(request, ())
        body = await read_json(request, service.limits.max_body)
        once = once_key(request, body)
        wanted = _submission(fitted(Submit, body), request.scope[REQUEST_ID], _trace(request))
        check_submits(request, service, [wanted])
        accepted = await service.tasks.submit(wanted, once)
        check_accepted(request, accepted)
        wait = preferred_wait(fields_of(request.scope).all(b"prefer"))
        if wait and not accepted.task.final:
            accepted = await _finished(service, request, accepted, wait)
        return await _accepted(service, request, accepted, wait)

    async def submit_many(self, request: Request) -> Response:
        """Submit many tasks in one transaction: all are accepted, or none."""
        service = self._service()
        parameters(request, ())
        body = await read_json(request, service.limits.max_body)
        wanted = self._batch(request, service, body)
        check_submits(request, service, wanted)
        await count_tasks(request, service, len(wanted))
        within = identity_of(request).queues
        accepted = await service.tasks.submit_many(wanted, once_key(request, body), within)
        tasks = [one.task for one in accepted]
        reasons = await reasons_to_wait(service, tasks)
        text = f'{{"tasks":[{tasks_json(tasks, reasons, permitted_of_all(request, accepted))}]}}'
        if any(one.replayed for one in accepted):
            return json_response(text, 200, REPLAYED)
        return json_response(text, 202)

    def _batch(self, request: Request, service: Service, body: object) -> list[Submission]:
        """What is wanted. Raises Invalid with each bad item, whether its form is wrong or what it says."""
        name, trace = request.scope[REQUEST_ID], _trace(request)
        try:
            return [_submission(one, name, trace) for one in fitted(Batch, body).tasks]
        except Invalid as error:

            def check(one: Submit) -> None:
                wanted = _submission(one, name, trace)
                check_submits(request, service, [wanted])
                service.tasks.make(wanted)

            raise with_others(error, body, check, service.limits.max_batch_items) from error

    def add_to(self, router: APIRouter) -> None:
        """Put the routes into a router."""
        router.add_api_route(
            "/v1/tasks",
            self.submit,
            methods=["POST"],
            tags=["tasks"],
            operation_id="submit_task",
            status_code=202,
            responses=_SUBMIT_ANSWERS,
            openapi_extra={
                "parameters": _SUBMIT_PARAMETERS,
                **docs.body(Submit),
                **docs.calls_back("/callback_url"),
            },
        )
        router.add_api_route(
            "/v1/tasks/batch",
            self.submit_many,
            methods=["POST"],
            tags=["tasks"],
            operation_id="submit_tasks",
            status_code=202,
            responses=_BATCH_ANSWERS,
            openapi_extra={
                "parameters": [docs.IDEMPOTENCY_KEY, docs.TRACE, docs.NAMED],
                **docs.body(Batch),
                **docs.calls_back("/tasks/0/callback_url"),
            },
        )


def _trace(request: Request) -> str | None:
    return traceparent(fields_of(request.scope).all(b"traceparent"))


def _submission(wanted: Submit, request_id: str, trace: str | None) -> Submission:
    return Submission(
        type=wanted.type,
        payload=received(wanted.payload),
        queue=wanted.queue,
        priority=wanted.priority,
        delay=wanted.delay,
        run_at=wanted.run_at,
        max_attempts=wanted.max_attempts,
        timeout=wanted.timeout,
        expires_at=wanted.expires_at,
        key=wanted.key,
        tags=wanted.tags,
        callback_url=wanted.callback_url,
        request_id=request_id,
        traceparent=trace,
    )


async def _finished(service: Service, request: Request, accepted: Accepted, wait: timedelta) -> Accepted:
    """The task once it is final, or as it is then. It is committed: an outage while waiting changes no answer.

    Whoever is not let in any more learns of it what was told when it was committed.
    """
    try:
        task = await while_present(request, service.tasks.ended(accepted.task, wait))
    except StoreUnavailable:
        return accepted
    return accepted._replace(task=task) if await still_let_in(request, service) else accepted


async def _accepted(service: Service, request: Request, accepted: Accepted, wait: timedelta | None) -> Response:
    headers = {"location": f"{_quoted(request.scope['path'])}/{accepted.task.id_text}"}
    if wait and accepted.task.final:
        headers["preference-applied"] = f"wait={wait.total_seconds():.0f}"
    if accepted.replayed:
        headers |= REPLAYED
    status = 202 if accepted.created and not accepted.task.final else 200
    return await task_response(service, accepted.task, permitted_of(request, accepted), status, headers)


_REFUSALS = ("key-in-flight", "key-taken", "task-purged", "key-reused", "queue-full")
_PROBLEMS = ("too-large", "unsupported-media-type", "invalid", "unknown-type", *_REFUSALS)

_SUBMIT_PARAMETERS = [docs.IDEMPOTENCY_KEY, docs.WAIT, docs.TRACE, docs.NAMED]

_BATCH_ANSWERS = docs.responses(
    {
        202: docs.answer(Tasks, "All are committed; in the order of the batch."),
        200: docs.answer(
            Tasks,
            "All were accepted before under this Idempotency-Key; as they are now.",
            {"Idempotency-Replayed": docs.REPLAYED},
        ),
    },
    *_PROBLEMS,
)

_SUBMIT_ANSWERS = docs.responses(
    {
        202: docs.answer(Task, "The task is committed.", {"Location": docs.LOCATION, "Retry-After": docs.RETRY_AFTER}),
        200: docs.answer(
            Task,
            "The task is final (`Prefer: wait` was satisfied), its key is held by this live task, or it was accepted "
            "before under this Idempotency-Key.",
            {
                "Location": docs.LOCATION,
                "Retry-After": docs.RETRY_AFTER,
                "Preference-Applied": docs.PREFERENCE_APPLIED,
                "Idempotency-Replayed": docs.REPLAYED,
            },
        ),
    },
    *_PROBLEMS,
)
