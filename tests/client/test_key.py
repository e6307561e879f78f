"""How a client says who it is."""

import httpx
import pytest

from duly.client import AsyncClient, Client
from duly.domain.errors import Misconfigured
from duly.domain.identity import Forbidden, Unauthorized

KEY = "duly_abcdefghijkl_" + "s" * 32


class Service(httpx.BaseTransport):
    """Remembers what it was told, and answers with no queues or with a problem."""

    def __init__(self, status=200, code=""):
        self.status = status
        self.code = code
        self.told = []

    def handle_request(self, request):
        self.told.append(request.headers.get("authorization"))
        problem = {"type": "x", "title": "No", "status": self.status, "code": self.code, "detail": "No."}
        return httpx.Response(self.status, json={"queues": []} if self.status == 200 else problem)


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv("DULY_KEY", raising=False)


def _told(**given):
    service = Service()
    with Client(over=service, **given) as client:
        client.queues()
    return service.told[0]


def test_without_a_key_nothing_is_sent():
    assert _told() is None


def test_a_key_is_sent_as_a_bearer_credential():
    assert _told(key=KEY) == f"Bearer {KEY}"


def test_the_key_of_the_environment_is_sent_unless_another_is_given(monkeypatch):
    monkeypatch.setenv("DULY_KEY", KEY)

    assert _told() == f"Bearer {KEY}"
    assert _told(key="other") == "Bearer other"
    assert _told(key="") is None
    assert _told(headers={"Authorization": "Basic x"}) == "Basic x"


async def test_the_asynchronous_client_sends_it_too():
    told = []

    def answer(request):
        told.append(request.headers["authorization"])
        return httpx.Response(200, json={"queues": []})

    async with AsyncClient(key=KEY, over=httpx.MockTransport(answer)) as client:
        await client.queues()

    assert told == [f"Bearer {KEY}"]


@pytest.mark.mistake(48)
@pytest.mark.parametrize("key", ["se cret", "secret\n", "sécret"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_told(key):
    with pytest.raises(Misconfigured) as refused:
        Client(key=key)

    assert key.strip() not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "code", "error"), [(401, "unauthorized", Unauthorized), (403, "forbidden", Forbidden)]
)
def test_a_refusal_has_the_name_that_it_has_at_the_service(status, code, error):
    with Client(over=Service(status, code), key=KEY) as client, pytest.raises(error) as refused:
        client.queues()

    assert KEY not in str(refused.value)
