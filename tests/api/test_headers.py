"""Headers as their RFCs have them."""

from datetime import timedelta

import pytest

from duly.api.errors import NotAcceptable
from duly.api.headers import check_accepts, last_event_id, none_match, preferred_wait, request_id, traceparent
from duly.domain.errors import BadRequest

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (["wait=10"], 10),
        (["WAIT = 10"], 10),
        (['wait="10"'], 10),
        (["wait=10; foo=bar"], 10),
        (["respond-async, wait=10"], 10),
        (["respond-async", "wait=10"], 10),
        (['return=minimal; foo="some, wait=3", wait=10'], 10),
        (["wait=5, wait=10"], 5),
        (["wait=61"], 60),
        (["wait=" + "9" * 500], 60),
        (["wait=" + "0" * 50 + "5"], 5),
        (["wait=0"], 0),
    ],
)
@pytest.mark.standard("RFC 7240", "2", "Of a preference that is given more than once, only the first instance counts.")
def test_a_preferred_wait_is_read_as_rfc_7240_has_it(given, seconds):
    assert preferred_wait(given) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "given", [[], [""], ["wait"], ["wait="], ["wait=-1"], ["wait=1.5"], ["wait=soon"], ["wait=²"], ["awaits=5"], ['"']]
)
@pytest.mark.standard("RFC 7240", "2", "A preference that the server does not know or cannot honour is ignored.")
def test_a_bad_preference_is_no_preference(given):
    assert preferred_wait(given) is None


@pytest.mark.parametrize(
    "given",
    [
        ['W/"3.0"'],
        ['"3.0"'],
        ["*"],
        [' W/"1.0" , W/"3.0" '],
        ['W/"1.0"', 'W/"3.0"'],
        [',,"3.0",'],
        ['"a,b","3.0"'],
    ],
)
@pytest.mark.standard("RFC 9110", "13.1.2", "If-None-Match compares entity tags weakly.")
def test_a_known_version_is_recognised(given):
    assert none_match(given, "3.0")


@pytest.mark.parametrize("given", [['W/"3.1"'], ['""'], ['"3.0x", "3"'], [""]])
def test_another_version_is_not(given):
    assert not none_match(given, "3.0")


@pytest.mark.parametrize("given", [["3.0"], ['w/"3.0"'], ['"3.0'], ['"1" "3.0"'], ['*, "3.0"'], ['W/ "3.0"']])
def test_what_is_no_list_of_entity_tags_is_a_bad_request(given):
    with pytest.raises(BadRequest, match="If-None-Match"):
        none_match(given, "3.0")


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/*",
        "text/html, application/json;q=0.1",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
    ],
)
@pytest.mark.standard(
    "RFC 9110", "12.5.1", "The most specific media range that fits decides; q=0 means not acceptable."
)
def test_json_is_acceptable(accept):
    check_accepts([accept], ["application/json"])


@pytest.mark.standard("RFC 9110", "5.3", "Accept in several fields is one list.")
@pytest.mark.parametrize("given", [[], ["text/html", "application/json"], ["application/json;q=0.1", "text/html"]])
def test_accept_may_stand_in_several_fields_or_in_none(given):
    """Of several fields the first alone was read: a client that took JSON was answered 406."""
    check_accepts(given, ["application/json"])


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "text/event-stream",
        "application/json;q=0",
        "application/json;q=0.000, */*",
        "application/*;q=0, */*;q=1",
        "application/xml",
        "nonsense",
    ],
)
def test_json_is_not_acceptable(accept):
    with pytest.raises(NotAcceptable):
        check_accepts([accept], ["application/json"])


@pytest.mark.parametrize("given", ["a", "a b", "x" * 128, "{}~"])
def test_a_printable_request_id_is_taken(given):
    assert request_id(given) == given


@pytest.mark.parametrize("given", [None, "", "x" * 129, "a\tb", "a\nb", "ä", "\x7f"])
def test_any_other_request_id_is_made_anew(given):
    made = request_id(given)

    assert made != given
    assert len(made) == 32


@pytest.mark.parametrize("given", [TRACE, f" {TRACE}\t"])
def test_a_trace_context_is_taken(given):
    assert traceparent([given]) == TRACE


@pytest.mark.parametrize("rest", ["", "-", "-what-the-future-brings", "-" + "x" * 4_000])
def test_a_trace_context_of_a_later_version_is_taken_as_far_as_this_one_goes(rest):
    """It was stored as it came: one that was too long for its column failed the submit."""
    assert traceparent(["cc-" + TRACE[3:] + rest]) == TRACE


@pytest.mark.parametrize(
    "given",
    [
        [],
        [TRACE, TRACE],
        [TRACE.upper()],
        [TRACE + "-more"],
        ["ff" + TRACE[2:]],
        [TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", "0" * 32)],
        [TRACE.replace("00f067aa0ba902b7", "0" * 16)],
        [TRACE[:-1]],
        ["' OR 1=1"],
    ],
)
def test_a_bad_trace_context_is_ignored(given):
    assert traceparent(given) is None


@pytest.mark.standard("RFC 9110", "15.5.7", "406: no form that the client accepts can be answered.")
@pytest.mark.parametrize("given", ["3 ", " 3", "\t3\t"])
def test_space_around_a_last_event_id_is_no_part_of_it(given):
    """The parser of a server takes away what stands before a value, not what follows it."""
    assert last_event_id(given) == 3


async def test_a_client_that_takes_no_json_is_answered_406(api):
    response = await api.client.get("/v1/tasks", headers={"accept": "text/html"})

    assert response.status_code == 406
    assert response.json()["code"] == "not-acceptable"
    assert response.headers["content-type"] == "application/problem+json"


async def test_every_answer_has_a_request_id(api):
    made = await api.client.get("/v1/types")
    taken = await api.client.get("/nowhere", headers={"x-request-id": "mine"})

    assert len(made.headers["x-request-id"]) == 32
    assert taken.headers["x-request-id"] == "mine"
