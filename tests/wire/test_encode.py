"""What is embedded as stored text equals what the models would write."""

import json
from datetime import timedelta

import pytest

from duly.domain.event import Kind
from duly.domain.failure import Failure
from duly.domain.state import Reason, State
from duly.wire.encode import View, story_json, task_json, waiting_json
from duly.wire.story import Story
from duly.wire.task import Task, Waiting
from tests.support.builders import NOON, a_running_task, a_task, a_task_id, an_event

FIELDS = [
    "id", "type", "queue", "state", "reason", "priority", "payload", "result", "error", "progress", "attempt",
    "failures", "max_attempts", "run_at", "created_at", "started_at", "finished_at", "expires_at", "key", "tags",
    "version", "waiting",
]  # fmt: skip

ERROR = Failure("ValueError", 'a "quoted" \u00fc', "Traceback: x", retryable=True).as_json(2, NOON)

TASKS = [
    a_task(),
    a_running_task(progress='{"fraction":0.5,"note":"h\\u00e4lf"}', progress_seq=3),
    a_task(state=State.FAILED, reason=Reason.HANDLER_ERROR, error=ERROR, finished_at=NOON, failures=5),
    a_task(key='k"\\/\u2028', tags=("a", "\u00fc\U0001f600"), expires_at=NOON + timedelta(days=1), type="t\u00ffpe"),
    a_task(state=State.COMPLETED, result="[]", started_at=NOON, finished_at=NOON),
]


@pytest.mark.parametrize("task", TASKS)
def test_the_fast_encoding_of_a_task_is_what_the_model_writes(task):
    waiting = Waiting(reason="not_due", detail="later", until=NOON)

    written = task_json(task, waiting.model_dump_json())

    assert json.loads(written) == json.loads(Task.model_validate_json(written).model_dump_json())


def test_a_task_has_the_fields_of_the_contract_in_its_order():
    assert list(json.loads(task_json(a_task()))) == FIELDS


def test_a_task_reads_as_the_contract_shows_it():
    task = a_task(id=a_task_id(1), tags=("demo",), expires_at=NOON.replace(microsecond=0))

    assert json.loads(task_json(task)) == {
        "id": str(a_task_id(1)),
        "type": "text.reverse",
        "queue": "default",
        "state": "pending",
        "reason": None,
        "priority": 5,
        "payload": {"text": "hello"},
        "result": None,
        "error": None,
        "progress": None,
        "attempt": 0,
        "failures": 0,
        "max_attempts": 5,
        "run_at": "2026-06-01T12:00:00.123456Z",
        "created_at": "2026-06-01T12:00:00.123456Z",
        "started_at": None,
        "finished_at": None,
        "expires_at": "2026-06-01T12:00:00.000000Z",
        "key": None,
        "tags": ["demo"],
        "version": 1,
        "waiting": None,
    }


def test_stored_json_is_shown_letter_by_letter():
    payload = '{"z":123456789012345678901234567890,"a":"\\u0000\\u00e9","n":1.10}'

    assert f'"payload":{payload},' in task_json(a_task(payload=payload))


def test_an_error_has_its_time_as_the_contract_writes_it():
    shown = json.loads(task_json(a_task(error=ERROR)))["error"]

    assert shown == {
        "type": "ValueError",
        "message": 'a "quoted" ü',
        "traceback": "Traceback: x",
        "attempt": 2,
        "at": "2026-06-01T12:00:00.123456Z",
        "retryable": True,
    }


def test_the_discreet_view_has_no_traceback():
    shown = json.loads(task_json(a_task(error=ERROR), view=View.DISCREET))

    assert "traceback" not in shown["error"]
    assert shown["payload"] == {"text": "hello"}


def test_the_basic_view_has_no_payload_result_or_traceback():
    shown = json.loads(task_json(a_task(error=ERROR, result="1"), view=View.BASIC))

    assert shown.keys() == set(FIELDS) - {"payload", "result"}
    assert "traceback" not in shown["error"]


def test_the_fast_encoding_of_a_story_is_what_the_model_writes():
    events = [
        an_event(a_task(), Kind.SUBMITTED),
        an_event(a_task(), worker='w"1', detail={"n": 1, "t": None, "u": "ü"}),
    ]

    written = story_json(events)

    assert json.loads(written) == json.loads(Story.model_validate_json(written).model_dump_json())


@pytest.mark.parametrize("until", [None, NOON])
def test_the_fast_encoding_of_a_reason_to_wait_is_what_the_model_writes(until):
    detail = 'The queue "\u00fc" is paused.'

    written = waiting_json("queue_paused", detail, until)

    assert json.loads(written) == json.loads(
        Waiting(reason="queue_paused", detail=detail, until=until).model_dump_json()
    )
