"""The log: one form for every line, one line whatever is in it."""

import io
import json
import logging
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import structlog

from duly.domain.state import Reason
from duly.telemetry.lines import log_lines
from duly.telemetry.log import set_up

TASK = UUID("019a0000-0000-7000-8000-000000000001")


@pytest.fixture
def stream():
    """The stream that lines go to; what a test sets up globally is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def written(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_attempt_is_one_line_with_all_its_facts(stream):
    set_up("json", "info", stream)

    log_lines()(
        "task.settled",
        {
            "task": TASK,
            "type": "text.reverse",
            "attempt": 2,
            "queue": "default",
            "worker": "w-1",
            "outcome": "completed",
            "reason": None,
            "wait": timedelta(milliseconds=3),
            "run": timedelta(seconds=1.5),
        },
    )

    (line,) = written(stream)
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo == UTC
    assert line == {
        "event": "task.settled",
        "level": "info",
        "task": "019a0000-0000-7000-8000-000000000001",
        "type": "text.reverse",
        "attempt": 2,
        "queue": "default",
        "worker": "w-1",
        "outcome": "completed",
        "reason": None,
        "wait_seconds": 0.003,
        "run_seconds": 1.5,
    }


@pytest.mark.parametrize(
    ("event", "facts", "level"),
    [
        ("task.settled", {"outcome": "completed"}, "info"),
        ("task.settled", {"outcome": "cancelled"}, "info"),
        ("task.settled", {"outcome": "pending", "reason": "interrupted"}, "info"),
        ("task.settled", {"outcome": "scheduled", "reason": "snoozed"}, "info"),
        ("task.settled", {"outcome": "scheduled", "reason": "handler_error"}, "warning"),
        ("task.settled", {"outcome": "failed"}, "error"),
        ("lease.lost", {}, "warning"),
        ("write.refused", {}, "warning"),
        ("loop.stalled", {}, "warning"),
        ("loop.dead", {}, "error"),
        ("worker.started", {}, "info"),
        ("never.heard_of", {}, "info"),
    ],
)
def test_the_level_says_who_must_act(stream, event, facts, level):
    set_up("json", "debug", stream)

    log_lines()(event, facts)

    assert written(stream)[0]["level"] == level


@pytest.mark.mistake(5)
def test_what_users_hand_over_is_never_written(stream):
    set_up("json", "info", stream)

    log_lines()("task.settled", {"payload": "s3cret", "result": "s3cret", "progress": "s3cret", "attempt": 1})

    assert "s3cret" not in stream.getvalue()


def test_facts_of_any_kind_are_written_plainly(stream):
    set_up("json", "info", stream)
    at = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)

    log_lines()("x.happened", {"reason": Reason.POISON, "at": at, "queues": ("a", "b"), "event": "e", "odd": object})

    (line,) = written(stream)
    assert line["reason"] == "poison"
    assert line["at"] == "2026-11-22T10:30:00+00:00"
    assert line["queues"] == ["a", "b"]
    assert line["event_"] == "e"


def test_a_line_below_the_level_is_not_written(stream):
    set_up("json", "warning", stream)

    log_lines()("worker.started", {})
    logging.getLogger("users.own").info("hello")

    assert stream.getvalue() == ""


def test_a_users_own_log_line_carries_the_task_and_the_request(stream):
    set_up("json", "info", stream)

    with structlog.contextvars.bound_contextvars(task=str(TASK), request_id="r-1"):
        logging.getLogger("users.own").info("decoded %s", "it")

    (line,) = written(stream)
    assert (line["event"], line["task"], line["request_id"]) == ("decoded it", str(TASK), "r-1")
    assert line["logger"] == "users.own"


def test_uvicorns_lines_take_the_same_form(stream):
    own = logging.StreamHandler(stream)
    logging.getLogger("uvicorn").addHandler(own)
    set_up("json", "info", stream)

    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")

    (line,) = written(stream)
    assert line["event"] == "Invalid HTTP request received."


@pytest.mark.mistake(48)
def test_statements_and_their_payloads_are_not_written_even_at_debug(stream):
    set_up("json", "debug", stream)

    logging.getLogger("sqlalchemy.engine").info("INSERT … ('s3cret')")

    assert stream.getvalue() == ""


EVIL = "x\n2026-01-01 [info] forged\r\x1b[2J\x9b31m\u2028\u202egnirts\ud800\x00"


@pytest.mark.mistake(47)
@pytest.mark.parametrize("form", ["json", "console"])
def test_no_text_can_forge_a_line(stream, form):
    set_up(form, "info", stream)

    logging.getLogger("users.own").info("hello %s", EVIL)
    log_lines()("task.settled", {"reason": EVIL, EVIL: 1, "list": [EVIL]})

    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert all(character.isprintable() for line in text.splitlines() for character in line)


@pytest.mark.mistake(47)
def test_a_traceback_in_the_console_is_indented_and_cannot_forge_a_line(stream):
    set_up("console", "info", stream)

    logging.getLogger("users.own").error("it broke", exc_info=ValueError(EVIL))

    first, *others = stream.getvalue().split("\n")
    assert "it broke" in first
    assert all(line.startswith("    ") for line in others if line)
    assert "\x1b" not in stream.getvalue()


def test_auto_is_json_where_nobody_watches(stream):
    set_up("auto", "info", stream)

    log_lines()("worker.started", {})

    assert written(stream)[0]["event"] == "worker.started"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_auto_is_for_people_on_a_terminal(stream):
    terminal = Terminal()
    set_up("auto", "info", terminal)

    log_lines()("worker.started", {"slots": 3})

    assert not terminal.getvalue().startswith("{")
    assert "worker.started" in terminal.getvalue()


def test_a_log_that_cannot_be_written_never_stops_the_work(stream):
    set_up("json", "info", stream)
    emit = log_lines()
    stream.close()

    emit("worker.started", {})

    assert stream.closed
