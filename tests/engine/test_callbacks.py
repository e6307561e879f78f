"""Callbacks: a final task is told to its address, signed, again and again if need be, and nowhere that is private."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from duly.domain.errors import Invalid, Misconfigured, UnknownType
from duly.domain.retry import Fail
from duly.domain.state import State
from duly.domain.webhook import key_of
from duly.engine import callbacks
from duly.engine.callback_rules import CallbackRules
from duly.engine.callbacks import Courier, callback_type, caller
from duly.engine.handlers import Served
from duly.engine.limits import Limits
from duly.links.guard import resolve
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.support.outage import Outage
from tests.support.receiver import receiving
from tests.support.serving import handlers_of
from tests.support.stage import RealClock, Stage, a_stage, a_worker

SECRET = "whsec_" + "c2VjcmV0LW9uZS0wMDAwMDAwMDAwMDAwMDAwMDAwMDA="
OLDER = "whsec_" + "c2VjcmV0LXR3by0xMTExMTExMTExMTExMTExMTExMTE="
HERE = CallbackRules(enabled=True, networks=(ip_network("127.0.0.0/8"),))
PUBLIC_ONLY = CallbackRules(enabled=True)


@asynccontextmanager
async def at_work(rules=HERE, secrets=(SECRET,), resolve=resolve, store=None, **given) -> AsyncIterator[Stage]:
    """A stage with a worker that delivers, under rules of its own: what was allowed at the submit may not be now."""

    async def greet(name: str) -> str:
        return f"hello {name}"

    async def refuse() -> None:
        raise Fail("no")

    handlers = handlers_of(greet=greet, refuse=refuse)
    store = store or MemoryStore(MemoryDatabase(), RealClock())
    courier = Courier([key_of(secret) for secret in secrets], lambda: caller(rules, resolve, "9.9"), store.clock)
    async with (
        a_stage(handlers, store, limits=Limits(callbacks=HERE)) as stage,
        a_worker(stage, handlers=Served(handlers, callback_type(courier)), **given),
    ):
        yield stage


async def delivery_of(stage, task_id):
    """The newest delivery of this task."""
    tasks = stage.store.tasks._database.tasks.values()
    return max((task for task in tasks if task.tags == (str(task_id),)), key=lambda task: task.id)


async def submitted(stage, receiver, type_name="greet", **given):
    payload = {"name": "Ada"} if type_name == "greet" else {}
    return await stage.submit(type_name, payload, callback_url=receiver.url, **given)


async def delivered(stage, task_id):
    """The task's delivery, once it is final."""
    await stage.ended(task_id)
    return await stage.ended((await delivery_of(stage, task_id)).id)


async def failing(stage, task_id):
    """The task's delivery, once it waits for its next try."""
    await stage.ended(task_id)
    return await stage.until((await delivery_of(stage, task_id)).id, State.SCHEDULED)


@pytest.mark.standard(
    "Standard Webhooks", "2.2", "The content that is signed is the id, the timestamp and the payload, joined by stops."
)
async def test_the_reference_library_accepts_what_is_sent():
    async with receiving() as receiver, at_work() as stage:
        task_id = await submitted(stage, receiver)
        (call,) = await receiver.told()

    event = Webhook(SECRET).verify(call.body, call.headers)
    assert event["type"] == "task.completed"
    assert event["data"]["id"] == str(task_id)
    assert event["data"]["result"] == "hello Ada"
    with pytest.raises(WebhookVerificationError):
        Webhook(OLDER).verify(call.body, call.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(call.body + b" ", call.headers)


@pytest.mark.standard("Standard Webhooks", "2.3", "`webhook-id` is the id of the event, the same at every attempt.")
@pytest.mark.standard("Standard Webhooks", "2.1", "`webhook-timestamp` is the time of the attempt, in whole seconds.")
async def test_a_delivery_that_is_tried_again_keeps_its_id_and_its_body_and_has_a_new_timestamp():
    async with receiving(500, 204) as receiver, at_work() as stage:
        task_id = await submitted(stage, receiver)
        delivery = await failing(stage, task_id)
        stage.store.clock.ahead += timedelta(hours=1)
        first, second = await receiver.told(2)
        ended = await stage.ended(delivery.id)

    assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(delivery.id)
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 3600
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert (ended.state, ended.failures, ended.result) == (State.COMPLETED, 1, '{"status":204}')


@pytest.mark.standard("Standard Webhooks", "2.3", "With two keys both signatures are sent, delimited by a space.")
async def test_while_secrets_are_changed_each_of_them_is_good():
    async with receiving() as receiver, at_work(secrets=(SECRET, OLDER)) as stage:
        await submitted(stage, receiver)
        (call,) = await receiver.told()

    assert len(call.headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, OLDER):
        assert Webhook(secret).verify(call.body, call.headers)["type"] == "task.completed"


@pytest.mark.standard("Standard Webhooks", "1.1", "The payload is sent in the body of a POST, as JSON.")
async def test_a_callback_is_a_post_of_json_that_says_who_sends_it():
    async with receiving() as receiver, at_work() as stage:
        await submitted(stage, receiver)
        (call,) = await receiver.told()

    assert call.path == "/told"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["user-agent"] == "duly/9.9"
    assert json.loads(call.body).keys() == {"type", "timestamp", "data"}


async def test_failed_expired_and_cancelled_tasks_are_told_too():
    async with receiving() as receiver, at_work() as stage:
        later = timedelta(hours=1)
        await submitted(stage, receiver, "refuse")
        await receiver.told(1)
        await stage.tasks.cancel(await submitted(stage, receiver, delay=later))
        await receiver.told(2)
        await submitted(stage, receiver, delay=later, expires_at=stage.store.clock.now() + timedelta(minutes=1))
        stage.store.clock.ahead += timedelta(minutes=2)
        calls = await receiver.told(3)

    told = [json.loads(call.body) for call in calls]
    assert [event["type"] for event in told] == ["task.failed", "task.cancelled", "task.failed"]
    assert [event["data"]["reason"] for event in told] == ["handler_error", "cancelled", "expired"]


async def test_a_task_that_is_retried_by_hand_is_told_of_once_more():
    async with receiving() as receiver, at_work() as stage:
        task_id = await submitted(stage, receiver)
        await receiver.told(1)
        await stage.tasks.retry(task_id)
        first, second = await receiver.told(2)

    assert first.headers["webhook-id"] != second.headers["webhook-id"]
    assert [json.loads(call.body)["data"]["version"] for call in (first, second)] == [3, 6]


@pytest.mark.standard("Standard Webhooks", "3.3", "410 Gone: the receiver wants no more; nothing is sent again.")
async def test_a_receiver_that_is_gone_is_not_called_again():
    async with receiving(410) as receiver, at_work() as stage:
        delivery = await delivered(stage, await submitted(stage, receiver))

    assert (delivery.state, delivery.attempt, len(receiver.calls)) == (State.FAILED, 1, 1)
    assert "410" in delivery.error


@pytest.mark.standard("Standard Webhooks", "3.3", "3xx is a failure: redirects are not followed.")
@pytest.mark.mistake(47)
async def test_a_redirect_is_not_followed():
    async with receiving() as elsewhere, receiving((302, {"location": elsewhere.url})) as receiver, at_work() as stage:
        delivery = await failing(stage, await submitted(stage, receiver))

    assert "answered 302" in delivery.error
    assert elsewhere.calls == []


@pytest.mark.standard("Standard Webhooks", "3.3", "Any status but 2xx is a failure, to be tried again.")
@pytest.mark.parametrize("status", [400, 404, 422, 500, 502, 504])
async def test_whatever_is_no_success_is_tried_again(status):
    async with receiving(status) as receiver, at_work() as stage:
        delivery = await failing(stage, await submitted(stage, receiver))

    assert (delivery.failures, delivery.max_attempts) == (1, 10)
    assert f"answered {status}" in delivery.error


@pytest.mark.standard("Standard Webhooks", "3.3", "`Retry-After` is heeded when the next attempt is planned.")
@pytest.mark.parametrize(("asked", "wait"), [("3600", 3600), ("Fri, 31 Dec 2100 23:59:59 GMT", 12 * 3600)])
async def test_a_receiver_may_say_when_to_come_back(asked, wait):
    async with receiving((429, {"retry-after": asked})) as receiver, at_work() as stage:
        before = stage.store.clock.now()
        delivery = await failing(stage, await submitted(stage, receiver))

    assert timedelta() <= delivery.run_at - before - timedelta(seconds=wait) < timedelta(minutes=1)


async def test_a_pause_that_makes_no_sense_is_not_heeded():
    async with receiving((503, {"retry-after": "soon"})) as receiver, at_work() as stage:
        delivery = await failing(stage, await submitted(stage, receiver))

    assert "answered 503" in delivery.error


async def test_a_receiver_that_cannot_be_reached_is_called_again():
    async with receiving() as receiver:
        pass
    async with at_work() as stage:
        delivery = await failing(stage, await submitted(stage, receiver))

    assert "cannot be reached" in delivery.error


async def test_a_name_that_does_not_resolve_is_looked_up_again_later():
    async with at_work() as stage:
        task_id = await stage.submit("greet", {"name": "Ada"}, callback_url="http://nowhere.invalid/")
        delivery = await failing(stage, task_id)

    assert "cannot be resolved" in delivery.error


@pytest.mark.standard("Standard Webhooks", "3.4", "A receiver has a limited time to answer.")
async def test_a_receiver_that_says_nothing_is_left_after_the_time_limit(monkeypatch):
    monkeypatch.setattr(callbacks, "LONGEST_CALL", timedelta(seconds=1))
    asked = asyncio.Event()

    async def silent(reader, writer):
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server, at_work() as stage:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        delivery = await failing(stage, await stage.submit("greet", {"name": "Ada"}, callback_url=url))

    assert asked.is_set()
    assert delivery.reason == "handler_error"


async def test_of_an_answer_without_end_nothing_but_the_head_is_read():
    closed = asyncio.Event()

    async def endless(reader, writer):
        await reader.readuntil(b"}}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n" + bytes(100_000))
        await reader.read()  # until the other side has left
        writer.close()
        closed.set()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    async with server, at_work() as stage:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        delivery = await delivered(stage, await stage.submit("greet", {"name": "Ada"}, callback_url=url))
        async with asyncio.timeout(10):
            await closed.wait()

    assert delivery.state is State.COMPLETED


@pytest.mark.mistake(47)
@pytest.mark.standard("Standard Webhooks", "3.7", "Callbacks do not reach internal networks.")
@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["0.0.0.0"],  # noqa: S104  an address to refuse
        ["::1"],
        ["::"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["64:ff9b:1::a00:1"],
        ["fe80::1"],
        ["fd12:3456::1"],
        ["2002:7f00:1::"],
        ["ff02::1"],
        ["93.184.216.34", "10.0.0.1"],
    ],
)
async def test_a_name_that_leads_to_a_private_address_is_not_called(addresses):
    async def private(_host, _port):
        return [ip_address(address) for address in addresses]

    async with receiving() as receiver, at_work(PUBLIC_ONLY, resolve=private) as stage:
        url = f"http://inside.example:{receiver.port}/"
        delivery = await delivered(stage, await stage.submit("greet", {"name": "Ada"}, callback_url=url))

    assert (delivery.state, delivery.attempt, receiver.calls) == (State.FAILED, 1, [])
    assert "not a public address" in delivery.error


@pytest.mark.mistake(47)
async def test_the_name_is_looked_up_once_and_the_address_that_was_judged_is_called():
    looked_up = []

    async def rebinding(host, _port):
        looked_up.append(host)
        return [ip_address("127.0.0.1" if len(looked_up) == 1 else "127.9.9.9")]

    async with receiving() as receiver, at_work(resolve=rebinding) as stage:
        url = f"http://receiver.example:{receiver.port}/told"
        await delivered(stage, await stage.submit("greet", {"name": "Ada"}, callback_url=url))

    assert looked_up == ["receiver.example"]
    assert receiver.calls[0].headers["host"] == f"receiver.example:{receiver.port}"


@pytest.mark.mistake(29)
async def test_a_delivery_that_failed_can_be_looked_at_and_sent_again_by_hand():
    async with receiving(410, 204) as receiver, at_work() as stage:
        failed = await delivered(stage, await submitted(stage, receiver))
        await stage.tasks.retry(failed.id)
        again = await stage.ended(failed.id)

    assert again.state is State.COMPLETED
    assert receiver.calls[0].headers["webhook-id"] == receiver.calls[1].headers["webhook-id"]


async def test_without_a_secret_a_worker_sends_nothing_and_says_what_is_missing():
    async with receiving() as receiver, at_work(secrets=()) as stage:
        delivery = await failing(stage, await submitted(stage, receiver))

    assert "DULY_CALLBACK_SECRETS" in delivery.error
    assert receiver.calls == []


async def test_a_worker_that_is_busy_delivers_all_the_same():
    async with receiving() as receiver, at_work(slots=1) as stage:
        gate = asyncio.Event()

        async def hold() -> None:
            await gate.wait()

        for task_type in handlers_of(hold=hold):
            stage.handlers.add(task_type)
        held = await stage.submit("hold")
        await stage.until(held, State.RUNNING)
        await stage.tasks.cancel(await submitted(stage, receiver))
        (call,) = await receiver.told()
        gate.set()

    assert json.loads(call.body)["type"] == "task.cancelled"


async def test_a_worker_that_names_dulys_own_queue_serves_it_once():
    async with receiving() as receiver, at_work(queues=("duly.system",)) as stage:
        await stage.tasks.cancel(await submitted(stage, receiver))
        await receiver.told()

    assert len(receiver.calls) == 1


@pytest.mark.mistake(47)
async def test_nobody_but_duly_submits_what_duly_signs():
    async with receiving() as receiver, at_work() as stage:
        forged = {"url": receiver.url, "event": {"type": "task.completed"}}
        with pytest.raises(UnknownType):
            await stage.submit("duly.callback", forged)
        with pytest.raises(Invalid, match="does not fit"):
            await stage.submit("greet", {"name": "Ada"}, queue="duly.system")
        told = await delivered(stage, await submitted(stage, receiver))
        with pytest.raises(UnknownType):
            await stage.tasks.retry(told.id, forged)

    assert len(receiver.calls) == 1


def test_the_names_of_duly_are_not_free():
    async def mine() -> None:
        """Wants to be Duly's."""

    with pytest.raises(Misconfigured, match="Duly's own"):
        handlers_of(**{"duly.callback": mine})


@pytest.mark.mistake(15)
async def test_a_claim_whose_answer_was_lost_starts_no_delivery_twice():
    """Both intakes of a worker claim under its name: what one looks for, the other may just be running."""
    store = Outage(MemoryStore(MemoryDatabase(), RealClock()))
    answering = asyncio.Event()
    async with receiving(waits_for=answering) as receiver, at_work(store=store) as stage:
        await stage.tasks.cancel(await submitted(stage, receiver, delay=timedelta(hours=1)))
        await receiver.told()
        store.lost["claim"] = 1
        greeted = await stage.ran("greet", {"name": "Bob"})
        answering.set()
        (delivery,) = [task for task in store.store.tasks._database.tasks.values() if task.queue == "duly.system"]
        ended = await stage.ended(delivery.id)

    assert (greeted.state, greeted.attempt, greeted.crashes) == (State.COMPLETED, 1, 0)
    assert (ended.state, ended.attempt, len(receiver.calls)) == (State.COMPLETED, 1, 1)
    assert store.calls["claims"] == 1
