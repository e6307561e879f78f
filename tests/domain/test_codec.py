"""codec: a task comes back exactly as it was, and nothing else comes back at all."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.domain.codec import FORM, decode, encode
from duly.domain.state import Reason, State
from duly.domain.task import Task
from tests.support.builders import NOON, a_running_task, a_task

NAMES = set(Task._fields)

times = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # given a zone
counts = st.integers(0, 2**31)
texts = st.text()
maybe = st.none() | texts

tasks = st.builds(
    a_task,
    id=st.uuids(),
    type=texts,
    queue=texts,
    priority=st.integers(0, 9),
    payload=texts,
    max_attempts=counts,
    timeout=st.timedeltas(timedelta(), timedelta(days=10_000)),
    run_at=times,
    created_at=times,
    state=st.sampled_from(State),
    reason=st.none() | st.sampled_from(Reason),
    attempt=counts,
    failures=counts,
    crashes=counts,
    version=counts,
    progress_seq=counts,
    progress=maybe,
    result=maybe,
    error=maybe,
    cancelling=st.booleans(),
    token=st.none() | st.uuids(),
    worker=maybe,
    lease_until=st.none() | times,
    started_at=st.none() | times,
    finished_at=st.none() | times,
    expires_at=st.none() | times,
    key=maybe,
    tags=st.lists(texts).map(tuple),
    request_id=maybe,
    traceparent=maybe,
    callback_url=maybe,
)


@given(tasks)
def test_a_task_comes_back_exactly_as_it_was(task):
    back = decode(encode(task))

    assert back == task
    assert all(type(getattr(back, name)) is type(getattr(task, name)) for name in NAMES)


def test_every_field_of_a_task_travels():
    names = NAMES
    changed = {"tags": ("a",), "state": State.FAILED, "reason": Reason.POISON, "cancelling": True}
    task = a_running_task(**changed)

    assert {name for name in names if getattr(decode(encode(task)), name) == getattr(task, name)} == names


def test_a_time_keeps_its_microseconds_whatever_its_zone():
    late = datetime(2026, 6, 1, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=14)))

    back = decode(encode(a_task(run_at=late)))

    assert back.run_at == late
    assert back.run_at.microsecond == 999999
    assert back.run_at.tzinfo is UTC
    assert back.created_at == NOON


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"\xff",
        b"null",
        b"{}",
        b"[]",
        b"[1]",
        b"[9" + encode(a_task())[2:],
        encode(a_task())[:-1],
        encode(a_task())[:-1] + b",1]",
        b"[" * 5000,
        json.dumps([FORM, *json.loads(encode(a_task()))[1:9], "dreaming", *json.loads(encode(a_task()))[10:]]).encode(),
        json.dumps([FORM, "no id", *json.loads(encode(a_task()))[2:]]).encode(),
        json.dumps([FORM, 17, *json.loads(encode(a_task()))[2:]]).encode(),
        json.dumps([*json.loads(encode(a_task()))[:8], 10**30, *json.loads(encode(a_task()))[9:]]).encode(),
    ],
)
def test_what_is_no_task_of_this_form_is_refused(written):
    with pytest.raises(ValueError):  # noqa: PT011  # whichever
        decode(written)
