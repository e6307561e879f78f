"""Callbacks: a final task is told to its address, signed, again and again if need be, and nowhere that is private."""

import asyncio
import json
from datetime import timedelta
from ipaddress import ip_address

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from duly.domain.errors import Invalid, Misconfigured, UnknownType
from duly.domain.state import State
from duly.engine.callback_rules import CallbackRules
from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.engine.delivery import SECRET, at_work, delivered, failing, submitted
from tests.support.outage import Outage
from tests.support.receiver import receiving
from tests.support.serving import handlers_of
from tests.support.stage import RealClock

OLDER = "whsec_" + "c2VjcmV0LXR3by0xMTExMTExMTExMTExMTExMTExMTE="

PUBLIC_ONLY = CallbackRules(enabled=True)


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


@pytest.mark.standard("Standard Webhooks", "2.2", "Each endpoint may have a secret of its own.")
async def test_a_receiver_cannot_sign_what_another_believes():
    own = f"127.0.0.1={OLDER}"
    async with receiving() as receiver, at_work(secrets=(SECRET, own)) as stage:
        await submitted(stage, receiver)
        (call,) = await receiver.told()

    assert Webhook(OLDER).verify(call.body, call.headers)["type"] == "task.completed"
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(call.body, call.headers)


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
