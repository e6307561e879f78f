"""Whatever a client puts into a header or a cursor, it is understood, left out, or refused: never a fault of ours."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duly.api.cursor import decode_cursor, encode_cursor
from duly.api.errors import NotAcceptable
from duly.api.headers import (
    LONGEST_WAIT,
    check_accepts,
    idempotency_key,
    last_event_id,
    none_match,
    preferred_wait,
    prefers_stream,
    request_id,
    seen_version,
    traceparent,
)
from duly.client.transport import _retry_after
from duly.domain.errors import BadRequest
from duly.engine.callbacks import LONGEST_PAUSE, _pause

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

VALUES = st.text(st.characters(max_codepoint=0xFF, exclude_characters="\0\r\n"), max_size=300)
"""What a header can be once a server has read it: any byte as a character, but for NUL and the ends of lines."""

LIKELY = st.text(st.sampled_from('wait=019 ;,"\\W/*.-aft \t'), max_size=60)
"""Made of what the parsers look for, so that they get far."""

FIELDS = st.lists(st.one_of(VALUES, LIKELY), max_size=4)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)

STRICT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


@given(FIELDS)
@example(["wait=" + "9" * 5_000])
@example(['wait="' + "9" * 5_000 + '"'])
def test_a_preferred_wait_is_none_or_between_nothing_and_its_limit(values):
    wait = preferred_wait(values)

    assert wait is None or timedelta() <= wait <= LONGEST_WAIT


@given(st.integers(0, 10**40))
def test_a_wait_in_whole_seconds_is_taken_up_to_its_limit(number):
    assert preferred_wait([f"respond-async, wait={number}"]) == timedelta(seconds=min(number, 60))


@given(FIELDS)
@example(['"' * 299])
@example([",".join(['W/""'] * 70)])
def test_if_none_match_is_a_list_of_tags_or_refused(values):
    try:
        matches = none_match(values, "3.0")
    except BadRequest:
        matches = False

    assert not matches or "*" in ",".join(values) or '"3.0"' in ",".join(values)


@given(FIELDS)
def test_what_a_reader_says_that_it_has_seen_is_two_numbers(values):
    version, progress = seen_version(values)

    assert version >= 0
    assert progress >= 0


@given(st.integers(1, 10**9 - 1), st.integers(0, 10**9 - 1))
def test_our_own_validator_is_known_again_among_others(version, progress):
    ours = f'W/"{version}.{progress}"'

    assert none_match([f'"other", {ours}'], f"{version}.{progress}")
    assert seen_version([ours]) == (version, progress)


@given(st.lists(st.one_of(VALUES, LIKELY, PRINTABLE), max_size=2))
def test_an_idempotency_key_is_short_and_printable_or_refused(values):
    try:
        key = idempotency_key(values)
    except BadRequest:
        return

    assert (key is None) == (values == [])
    assert key is None or (1 <= len(key) <= 255 and key.isascii() and key.isprintable())


@given(PRINTABLE)
def test_every_printable_idempotency_key_can_be_sent_in_quotes(key):
    quoted = key.replace("\\", "\\\\").replace('"', '\\"')

    assert idempotency_key([f'"{quoted}"']) == key


@given(
    st.one_of(FIELDS, st.from_regex(r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?\Z").map(lambda v: [v]))
)
def test_a_traceparent_is_of_the_form_that_is_stored_or_left_out(values):
    kept = traceparent(values)

    assert kept is None or STRICT.fullmatch(kept)


@given(st.from_regex(STRICT, fullmatch=True))
def test_every_traceparent_of_this_version_is_kept_as_it_is(value):
    assert traceparent([value]) == value


@given(VALUES)
def test_an_accept_header_is_understood_or_nothing_is_acceptable(value):
    prefers_stream([value])
    try:
        check_accepts([value], ["application/json"])
    except NotAcceptable as error:
        assert len(str(error)) < 400  # noqa: PT017  # not always raised


@given(st.one_of(st.none(), VALUES, LIKELY))
def test_a_last_event_id_is_a_version_or_refused(value):
    try:
        seen = last_event_id(value)
    except BadRequest:
        return

    assert seen is None or 0 <= seen < 10**10


@given(st.one_of(st.none(), VALUES))
def test_a_request_id_is_short_and_printable(value):
    kept = request_id(value)

    assert 1 <= len(kept) <= 128
    assert kept.isascii()
    assert kept.isprintable()


@given(st.uuids())
def test_a_cursor_gives_back_what_it_was_made_of(position):
    assert decode_cursor(encode_cursor(position)) == position


@given(st.one_of(st.text(max_size=40), st.text(st.sampled_from("AQID-_+/=09"), min_size=28, max_size=28)))
@example("AQ" + "A" * 26)
@example("=" * 28)
@example("\N{ARABIC-INDIC DIGIT ONE}" * 28)
def test_a_made_up_cursor_is_refused(text):
    with pytest.raises(BadRequest):
        decode_cursor(text)


@given(st.uuids(), st.integers(0, 27), st.characters())
def test_a_cursor_with_one_character_changed_is_refused_or_the_same(position, place, character):
    cursor = encode_cursor(position)
    changed = cursor[:place] + character + cursor[place + 1 :]

    try:
        found = decode_cursor(changed)
    except BadRequest:
        return
    assert found == position


@given(st.one_of(VALUES, LIKELY, st.integers(-(10**400), 10**400).map(str)))
@example("9" * 5_000)
@example("Fri, 31 Dec 9999 23:59:59 GMT")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
def test_what_a_service_or_a_receiver_says_of_coming_back_is_a_bounded_time_or_nothing(value):
    told, asked = _pause(value, NOON), _retry_after(value)

    assert told is None or timedelta() <= told <= LONGEST_PAUSE
    assert asked is None or asked >= timedelta()


def test_a_cursor_tells_no_id():
    assert UUID("0199f0f0-0000-7000-8000-000000000001").hex not in encode_cursor(
        UUID("0199f0f0-0000-7000-8000-000000000001")
    )
