"""Problem details (RFC 9457), where one rule holds for every route."""

import pytest

from duly.wire.problem import DOCS, Problem
from tests.support.builders import a_task_id


@pytest.fixture
async def problem(api):
    return await api.client.get(f"/v1/tasks/{a_task_id(1)}")


@pytest.mark.standard("RFC 9457", "3.1.1", "type is an absolute URI that identifies the kind of problem.")
async def test_the_type_is_the_address_of_its_page(problem):
    assert problem.json()["type"] == f"{DOCS}task-not-found"


@pytest.mark.standard("RFC 9457", "3.1.3", "title is the same for every occurrence of the kind.")
async def test_the_title_does_not_change_with_the_occurrence(api, problem):
    other = await api.client.get(f"/v1/tasks/{a_task_id(2)}/result")

    assert problem.json()["title"] == other.json()["title"] == "No such task"


@pytest.mark.standard("RFC 9457", "3.1.4", "detail is about this occurrence, for people.")
async def test_the_detail_is_about_this_occurrence(problem):
    assert problem.json()["detail"] == f"There is no task {a_task_id(1)}."


@pytest.mark.standard(
    "RFC 9457", "3.2", "Extension members may add to a problem; a client ignores those it does not know."
)
async def test_the_code_is_an_extension_that_clients_may_rely_on(problem):
    assert problem.json()["code"] == "task-not-found"
    assert Problem.model_validate(problem.json() | {"new": 1}).code == "task-not-found"
