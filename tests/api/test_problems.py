"""Every error is a problem document from one table."""

import inspect

import pytest

from duly.api import errors as http_errors
from duly.api.problems import TABLE, row_of
from duly.domain import errors
from duly.domain.errors import DulyError
from duly.wire.problem import Problem
from tests.support.builders import a_task_id

NEVER_OVER_HTTP = {
    errors.DulyError: "the root: a fault of ours",
    errors.ClaimLost: "told to workers",
    errors.TaskFailed: "raised by the client",
    errors.TaskCancelled: "raised by the client",
    errors.ResultInvalid: "becomes the task's error",
    errors.ResultTooLarge: "becomes the task's error",
    errors.BrokerUnavailable: "costs time only: the database answers",
    errors.CacheUnavailable: "costs time only: the database answers",
    errors.Misconfigured: "ends a process at its start",
}

CODES = {
    "bad-request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not-found": 404,
    "task-not-found": 404,
    "queue-not-found": 404,
    "type-not-found": 404,
    "not-acceptable": 406,
    "illegal-move": 409,
    "not-finished": 409,
    "key-in-flight": 409,
    "key-taken": 409,
    "task-purged": 410,
    "too-large": 413,
    "unsupported-media-type": 415,
    "invalid": 422,
    "key-reused": 422,
    "queue-full": 429,
    "too-many": 429,
    "unknown-type": 422,
    "store-unavailable": 503,
}


def _all_errors() -> list[type[DulyError]]:
    classes = [*vars(errors).values(), *vars(http_errors).values()]
    return [cls for cls in classes if inspect.isclass(cls) and issubclass(cls, DulyError)]


@pytest.mark.parametrize("error", _all_errors())
def test_every_error_is_in_the_table_or_never_reaches_http(error):
    assert (error in TABLE) != (error in NEVER_OVER_HTTP)


def test_the_table_has_the_statuses_of_the_contract():
    assert {row.code: row.status for row in TABLE.values()} == CODES


@pytest.mark.parametrize("error", [cls for cls in TABLE if cls not in (errors.RowInvalid, errors.SchemaOutdated)])
def test_a_code_is_the_same_in_python_and_over_http(error):
    assert TABLE[error].code == error.code


def test_a_subclass_is_answered_as_its_nearest_class():
    class OddType(errors.UnknownType):
        pass

    assert row_of(OddType("odd")) == TABLE[errors.UnknownType]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", f"/v1/tasks/{a_task_id(1)}", 404, "task-not-found"),
        ("GET", "/v1/tasks/no-uuid", 404, "task-not-found"),
        ("GET", "/v1/tasks/%00", 404, "task-not-found"),
        ("GET", f"/v1/tasks/{{{a_task_id(1)}}}", 404, "task-not-found"),
        ("GET", f"/v1/tasks/{a_task_id(1)}/result", 404, "task-not-found"),
        ("GET", f"/v1/tasks/{a_task_id(1)}/events", 404, "task-not-found"),
        ("POST", f"/v1/tasks/{a_task_id(1)}/cancel", 404, "task-not-found"),
        ("POST", f"/v1/tasks/{a_task_id(1)}/retry", 404, "task-not-found"),
        ("DELETE", f"/v1/tasks/{a_task_id(1)}", 404, "task-not-found"),
        ("GET", "/v1/queues/nowhere", 404, "queue-not-found"),
        ("POST", "/v1/queues/nowhere/pause", 404, "queue-not-found"),
        ("POST", "/v1/queues/a%00b/pause", 404, "queue-not-found"),
        ("GET", "/v1/types/nobody", 404, "type-not-found"),
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/v1/tasks/", 404, "not-found"),
        ("GET", "/v1/types%0A", 404, "not-found"),
        ("POST", "/v1/tasks%0A", 404, "not-found"),
        ("GET", "/v1/queues/default%0A", 404, "not-found"),
        ("GET", "/health/live%0A", 404, "not-found"),
        ("PUT", "/v1/tasks", 405, "method-not-allowed"),
        ("GET", "/v1/tasks?offset=10", 400, "bad-request"),
    ],
)
@pytest.mark.standard("RFC 9457", "3", "A problem is application/problem+json.")
@pytest.mark.standard("RFC 9457", "3.1.2", "The member status is the status of the answer.")
@pytest.mark.standard("RFC 9457", "3.1.5", "instance names the request.")
async def test_what_is_wrong_is_a_problem_document(api, method, path, status, code):
    response = await api.client.request(method, path)

    problem = Problem.model_validate_json(response.content)
    assert response.status_code == problem.status == status
    assert response.headers["content-type"] == "application/problem+json"
    assert problem.code == code
    assert problem.type.endswith(f"/{code}")
    assert problem.instance == path.partition("?")[0].replace("{", "%7B").replace("}", "%7D")
    assert problem.title
    assert problem.detail


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/tasks", "GET, HEAD, POST"),
        (f"/v1/tasks/{a_task_id(1)}", "DELETE, GET, HEAD"),
        ("/v1/tasks/batch", "POST"),
        ("/v1/tasks/retry", "POST"),
        ("/v1/queues/default/pause", "POST"),
        ("/health/live", "GET, HEAD"),
    ],
)
@pytest.mark.standard("RFC 9110", "15.5.6", "405 has an Allow field with the methods that the resource takes.")
async def test_a_wrong_method_is_told_the_right_ones(api, path, allowed):
    response = await api.client.put(path)

    assert response.status_code == 405
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/metrics", "/v1/tasks/stream"])
async def test_what_is_not_built_yet_is_a_plain_problem(api, path):
    response = await api.client.post(path)

    assert response.status_code in (404, 405)
    assert response.headers["content-type"] == "application/problem+json"
