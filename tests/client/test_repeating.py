"""What a client sends again by itself, and what it does not."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from duly.client import AsyncClient, Client, ServiceUnreachable, Submit
from duly.client.calls import get, retry
from duly.client.repeating import pause_before
from duly.domain.errors import KeyInFlight, KeyReused, QueueFull, StoreUnavailable, TooMany
from duly.domain.state import State
from tests.client.test_waiting import ID, a_task

AT_ONCE = {"retry-after": "0"}


def problem(status, code, **headers):
    body = {"type": "x", "title": "No", "status": status, "code": code, "detail": "No."}
    return httpx.Response(status, json=body, headers=AT_ONCE | headers)


def a_good_answer(status=202):
    return httpx.Response(status, text=a_task(State.PENDING).model_dump_json())


class Service(httpx.BaseTransport):
    """Gives these answers in turn; an exception is raised. Remembers the requests."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.requests = []

    def handle_request(self, request):
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def keys(self):
        return [request.headers.get("idempotency-key") for request in self.requests]


@pytest.mark.mistake(3)
@pytest.mark.standard("Idempotency-Key draft", "2.3", "A client repeats a request under the key that it made for it.")
def test_a_submit_whose_answer_was_lost_is_repeated_under_its_own_key():
    service = Service(httpx.ReadError("cut off"), problem(503, "store-unavailable"), a_good_answer())

    with Client(over=service) as client:
        task = client.submit("text.reverse", {"text": "a"})

    assert task.id == ID
    assert len(set(service.keys)) == 1
    assert len(service.keys[0]) == 34


def test_each_submit_has_a_key_of_its_own_and_the_callers_key_comes_first():
    service = Service(*(a_good_answer() for _ in range(3)))

    with Client(over=service) as client:
        client.submit("text.reverse", {"text": "a"})
        client.submit("text.reverse", {"text": "a"})
        client.submit("text.reverse", {"text": "a"}, idempotency_key="mine")

    assert len(set(service.keys)) == 3
    assert service.keys[2] == '"mine"'


def test_without_retries_nothing_is_sent_again_and_no_key_is_made():
    service = Service(problem(503, "store-unavailable"))

    with Client(over=service, retries=0) as client, pytest.raises(StoreUnavailable):
        client.submit("text.reverse", {"text": "a"})

    assert service.keys == [None]


def test_after_the_last_retry_the_error_is_raised():
    service = Service(*(httpx.ConnectError("refused") for _ in range(3)))

    with Client(over=service) as client, pytest.raises(ServiceUnreachable):
        client.get(ID)

    assert len(service.requests) == 3


def test_a_retry_by_hand_whose_outcome_is_unknown_is_not_sent_again():
    service = Service(httpx.ReadError("cut off"))

    with Client(over=service) as client, pytest.raises(ServiceUnreachable):
        client.retry(ID)

    assert len(service.requests) == 1


def test_what_was_refused_before_anything_was_done_is_sent_again_whatever_it_is():
    service = Service(problem(429, "too-many"), a_good_answer(200))

    with Client(over=service) as client:
        assert client.retry(ID).id == ID


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_that_says_that_the_service_is_away_is_asked_again(status):
    """It says so in HTML: each restart of the service broke the calls, waits and streams of all clients behind one."""
    page = [httpx.Response(status, html="<h1>Bad Gateway</h1>", headers=AT_ONCE) for _ in range(5)]
    service = Service(page[0], page[1], a_good_answer(), *page[2:])

    with Client(over=service) as client:
        assert client.submit("text.reverse", {"text": "a"}).id == ID
        with pytest.raises(StoreUnavailable, match=f"answered {status}: <h1>Bad"):
            client.get(ID)

    assert len(set(service.keys[:3])) == 1


def test_a_proxy_that_wants_less_is_asked_later_whatever_was_to_be_done():
    service = Service(httpx.Response(429, html="<h1>Slow down</h1>", headers=AT_ONCE), a_good_answer(200))

    with Client(over=service) as client:
        assert client.retry(ID).id == ID


def test_a_retry_by_hand_that_a_proxy_lost_is_not_sent_again():
    service = Service(httpx.Response(504))

    with Client(over=service) as client, pytest.raises(StoreUnavailable, match="answered 504: an empty answer"):
        client.retry(ID)

    assert len(service.requests) == 1


@pytest.mark.parametrize("status_code", [(422, "key-reused")])
def test_what_would_be_refused_again_is_not_sent_again(status_code):
    service = Service(problem(*status_code))

    with Client(over=service) as client, pytest.raises(KeyReused):
        client.submit("text.reverse", {"text": "a"})

    assert len(service.requests) == 1


async def test_the_asynchronous_client_repeats_too():
    answers = [problem(429, "queue-full"), a_good_answer()]

    async with AsyncClient(over=httpx.MockTransport(lambda _: answers.pop(0))) as client:
        assert (await client.submit("text.reverse", {"text": "a"})).id == ID


def test_many_are_repeated_under_one_key():
    many = httpx.Response(202, text=f'{{"tasks":[{a_task(State.PENDING).model_dump_json()}]}}')
    service = Service(problem(503, "store-unavailable"), many)

    with Client(over=service) as client:
        client.submit_many([Submit(type="text.reverse", payload={"text": "a"})])

    assert len(set(service.keys)) == 1
    assert None not in service.keys


@pytest.mark.standard(
    "RFC 9110", "10.2.3", "A client waits for as long as Retry-After says, in seconds or up to a date."
)
@pytest.mark.parametrize(
    "error", [kind("x", timedelta(seconds=7)) for kind in (TooMany, StoreUnavailable, KeyInFlight)]
)
def test_no_sooner_than_the_service_wants_is_it_asked_again(error):
    assert pause_before(get(ID), error, 0) == timedelta(seconds=7)


@pytest.mark.mistake(27)
def test_a_service_that_says_nothing_is_asked_again_later_each_time_and_not_by_all_at_once():
    away = ServiceUnreachable("http://x", "away")

    pauses = [[pause_before(get(ID), away, failures).total_seconds() for _ in range(50)] for failures in range(3)]

    for row, (low, high) in zip(pauses, [(0.1, 0.3), (0.2, 0.6), (0.4, 1.2)], strict=True):
        assert low <= min(row) < max(row) <= high


def test_who_is_to_stay_away_for_long_is_told_so_at_once():
    with pytest.raises(QueueFull):
        pause_before(retry(ID), QueueFull("q", 1, timedelta(seconds=31)), 0)


@pytest.mark.parametrize(
    ("given", "longest"),
    [
        ("7", timedelta(seconds=7)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", timedelta()),
        ("soon", timedelta(seconds=1)),
        ("9" * 5000, timedelta(days=1)),
        ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", timedelta(seconds=1)),
    ],
)
def test_retry_after_is_seconds_or_a_date_that_has_passed(given, longest):
    assert told_to_wait(given) == longest


def test_retry_after_is_a_date_to_come():
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)

    assert timedelta(minutes=58) <= told_to_wait(in_an_hour) <= timedelta(hours=1)


def told_to_wait(given):
    service = Service(problem(429, "too-many", **{"retry-after": given}))
    with Client(over=service, retries=0) as client, pytest.raises(TooMany) as caught:
        client.queues()
    return caught.value.retry_after
