"""Times, durations and text at the door."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from duly.wire.submit import Submit
from duly.wire.values import parse_seconds, parse_time


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-22T10:30:00Z", datetime(2026, 11, 22, 10, 30, tzinfo=UTC)),
        ("2026-11-22t10:30:00.5z", datetime(2026, 11, 22, 10, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-11-22T10:30:00.123456789+02:00", datetime(2026, 11, 22, 8, 30, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_a_time_is_rfc_3339_with_any_offset(text, at):
    assert parse_time(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22",
        "2026-11-22T10:30:00",
        "20261122T103000Z",
        "2026-11-22 10:30:00Z",
        "2026-02-30T10:30:00Z",
        "2026-11-22T24:30:00Z",
        "2026-W01-1T10:30:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "1764585000",
        "",
    ],
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match=r"time|day|hour"):
        parse_time(text)


@pytest.mark.parametrize("value", ["5", True, None, float("nan"), float("inf"), 1e300, 10**400, [1]])
def test_what_is_no_number_of_seconds_is_refused(value):
    with pytest.raises(ValueError, match="seconds"):
        parse_seconds(value)


def test_seconds_may_have_a_fraction():
    assert parse_seconds(1.5) == timedelta(milliseconds=1500)


@pytest.mark.parametrize("field", ["type", "queue", "key"])
def test_nul_in_a_field_of_ours_is_refused(field):
    with pytest.raises(ValidationError, match="NUL"):
        Submit.model_validate({"type": "t", "payload": None} | {field: "a\0b"})


def test_nul_in_a_payload_is_kept():
    assert Submit.model_validate({"type": "t", "payload": "a\0b"}).payload == "a\0b"
