"""What is kept of an error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duly.domain.failure import MAX_MESSAGE, MAX_TRACEBACK, printable
from tests.support.builders import NOON, a_failure

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT, st.integers(7, 100))
def test_printable_text_is_never_too_long_and_always_utf8(text, longest):
    clean = printable(text, longest)

    clean.encode("utf-8")
    assert len(clean) <= longest


@given(st.text())
def test_text_that_fits_is_left_as_it_is(text):
    assert printable(text, 10_000) == text


def test_a_lone_surrogate_is_escaped():
    assert printable("a\ud800b", 100) == "a\\ud800b"


def test_long_text_loses_its_middle():
    assert printable("a" * 50 + "b" * 50, 15) == "aaaaa ... bbbbb"


@pytest.mark.parametrize("longest", [5, 6])
def test_text_is_cut_even_where_nothing_of_it_fits(longest):
    assert printable("a" * 50, longest) == " ... "


@given(ANY_TEXT, ANY_TEXT, st.none() | ANY_TEXT)
@pytest.mark.mistake(17)
def test_a_stored_error_is_json_in_ascii_that_every_reader_can_encode(type_, message, trace):
    text = a_failure(type_, message, traceback=trace).as_json(3, NOON)

    text.encode("ascii")
    assert "\0" not in text
    json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")


def test_a_stored_error_says_what_when_and_in_which_attempt():
    stored = json.loads(a_failure("KeyError", "'x'", traceback="Traceback …", retryable=True).as_json(3, NOON))

    assert stored == {
        "type": "KeyError",
        "message": "'x'",
        "traceback": "Traceback …",
        "attempt": 3,
        "at": "2026-06-01T12:00:00.123456Z",
        "retryable": True,
    }


def test_a_stored_error_has_a_size_limit():
    huge = a_failure("E" * 10_000, "m" * 100_000, traceback="t" * 1_000_000)

    stored = json.loads(huge.as_json(1, NOON))

    assert len(stored["type"]) <= 256
    assert len(stored["message"]) <= MAX_MESSAGE
    assert len(stored["traceback"]) <= MAX_TRACEBACK
