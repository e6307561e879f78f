"""Broker: what is announced is taken, in order, shared, and nothing is left behind."""

import asyncio
import random
import time
from datetime import timedelta

import pytest

from duly.ports.broker import MAX_IDS
from tests.support.hints import AT_ONCE, SOON, a_hint, all_taken, ids_of


async def test_what_is_announced_is_taken_as_it_was_said(broker):
    hint = a_hint("mail", priority=7, ids=MAX_IDS)
    await broker.announce([hint])

    async with broker.subscribe(["mail"]) as subscription:
        taken = await subscription.take(MAX_IDS, SOON)

    assert taken == [hint]


async def test_the_highest_priority_comes_first_whenever_it_was_announced(broker):
    hints = [a_hint(priority=priority) for priority in range(10)]
    for hint in random.sample(hints, 10):
        await broker.announce([hint])

    async with broker.subscribe(["default"]) as subscription:
        taken = [hint for _ in range(10) for hint in await subscription.take(1, SOON)]

    assert [hint.priority for hint in taken] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]


async def test_one_take_returns_the_highest_priority_first(broker):
    hints = [a_hint(priority=priority) for priority in (0, 9, 4)]
    await broker.announce(hints)

    async with broker.subscribe(["default"]) as subscription:
        taken = await all_taken(subscription, 3)

    assert [hint.priority for hint in taken] == [9, 4, 0]


async def test_a_high_priority_overtakes_a_backlog(broker):
    await broker.announce([a_hint(priority=1) for _ in range(20)])
    async with broker.subscribe(["default"]) as subscription:
        await subscription.take(1, SOON)
        await broker.announce([urgent := a_hint(priority=9)])

        taken = [hint for _ in range(4) for hint in await subscription.take(1, SOON)]

    assert urgent in taken


async def test_within_a_priority_the_oldest_comes_first(broker):
    hints = [a_hint() for _ in range(5)]
    for hint in hints:
        await broker.announce([hint])

    async with broker.subscribe(["default"]) as subscription:
        taken = [hint for _ in range(5) for hint in await subscription.take(1, SOON)]

    assert taken == hints


async def test_a_take_returns_about_as_many_ids_as_asked(broker):
    await broker.announce([a_hint(ids=40) for _ in range(5)])

    async with broker.subscribe(["default"]) as subscription:
        taken = await subscription.take(100, SOON)
        rest = await all_taken(subscription, 200 - len(ids_of(taken)))

    assert 40 <= len(ids_of(taken)) <= 120
    assert len(set(ids_of(taken + rest))) == 200


async def test_a_backlog_of_small_messages_is_gathered(broker):
    for _ in range(50):
        await broker.announce([a_hint()])

    async with broker.subscribe(["default"]) as subscription:
        await subscription.take(1, SOON)
        taken = await subscription.take(40, SOON)

    assert 5 <= len(taken) <= 40


async def test_a_take_waits_for_the_first_hint_and_no_longer(broker):
    async with broker.subscribe(["default"]) as subscription, asyncio.TaskGroup() as group:
        await subscription.take(1, AT_ONCE)
        began = time.monotonic()
        waiting = group.create_task(subscription.take(100, timedelta(seconds=30)))
        await asyncio.sleep(0.05)
        await broker.announce([hint := a_hint()])

        assert await waiting == [hint]
        assert time.monotonic() - began < 20


async def test_a_take_that_hears_nothing_returns_nothing_in_time(broker):
    async with broker.subscribe(["default"]) as subscription:
        await subscription.take(1, AT_ONCE)
        began = time.monotonic()
        taken = await subscription.take(1, timedelta(milliseconds=300))

    assert taken == []
    assert 0.25 < time.monotonic() - began < 20


async def test_a_take_that_may_not_wait_looks_and_returns(broker):
    async with broker.subscribe(["default"]) as subscription:
        assert await subscription.take(1, timedelta()) == []


async def test_several_queues_are_heard_at_once(broker):
    hints = [a_hint(queue) for queue in ("mail", "reports", "default")]
    async with broker.subscribe(["mail", "reports", "default"]) as subscription:
        await subscription.take(1, AT_ONCE)
        await broker.announce(hints)

        taken = await all_taken(subscription, 3)

    assert set(ids_of(taken)) == set(ids_of(hints))
    assert {hint.queue for hint in taken} == {"mail", "reports", "default"}


async def test_no_queue_starves_beside_a_full_one(broker):
    await broker.announce([a_hint("full") for _ in range(100)])
    await broker.announce([lone := a_hint("lone")])

    async with broker.subscribe(["full", "lone"]) as subscription:
        taken = [hint for _ in range(12) for hint in await subscription.take(1, SOON)]

    assert lone in taken


async def test_two_subscriptions_share_and_neither_hears_twice(broker):
    hints = [a_hint() for _ in range(60)]
    async with broker.subscribe(["default"]) as one, broker.subscribe(["default"]) as other:
        await asyncio.gather(one.take(1, AT_ONCE), other.take(1, AT_ONCE))
        await broker.announce(hints)

        shares = []
        for _ in range(60):
            shares.append(ids_of(await one.take(5, AT_ONCE)))
            shares.append(ids_of(await other.take(5, AT_ONCE)))
            if sum(map(len, shares)) >= 60:
                break

    assert sorted(task_id for share in shares for task_id in share) == sorted(ids_of(hints))
    assert sum(map(len, shares[::2])) > 0
    assert sum(map(len, shares[1::2])) > 0


async def test_what_is_announced_twice_is_heard_twice_and_harms_nobody(broker):
    hint = a_hint()
    await broker.announce([hint, hint])
    await broker.announce([hint])

    async with broker.subscribe(["default"]) as subscription:
        taken = await all_taken(subscription, 3)

    assert ids_of(taken) == list(hint.ids) * 3


async def test_nothing_to_announce_is_no_error(broker):
    await broker.announce([])


async def test_a_hint_reaches_a_process_that_opened_the_broker_by_itself(home):
    hint = a_hint()
    async with home.open() as announcer, home.open() as worker:
        await announcer.announce([hint])
        async with worker.subscribe(["default"]) as subscription:
            assert await subscription.take(1, SOON) == [hint]


async def test_a_paused_queue_is_left_alone_and_taken_up_again(broker):
    async with broker.subscribe(["default", "paused"]) as subscription:
        await subscription.take(1, AT_ONCE)
        await subscription.consume(["default"])
        await broker.announce([paused := a_hint("paused"), other := a_hint()])

        assert await subscription.take(10, SOON) == [other]
        assert await subscription.take(10, AT_ONCE) == []
        assert await broker.depths(["paused"]) == {"paused": 1}

        await subscription.consume(["default", "paused"])
        assert await subscription.take(10, SOON) == [paused]


async def test_what_was_held_back_of_a_paused_queue_is_given_back(broker):
    await broker.announce([a_hint("paused") for _ in range(6)])
    async with broker.subscribe(["paused"]) as subscription, broker.subscribe(["paused"]) as other:
        taken = await subscription.take(1, SOON)
        await subscription.consume([])

        assert await subscription.take(1, AT_ONCE) == []
        taken += await all_taken(other, 5)

    assert len(set(ids_of(taken))) == 6


async def test_a_take_that_waits_hears_of_a_queue_that_is_added(broker):
    async with broker.subscribe(["default"]) as subscription, asyncio.TaskGroup() as group:
        await subscription.take(1, AT_ONCE)
        waiting = group.create_task(subscription.take(1, timedelta(seconds=20)))
        await asyncio.sleep(0.05)
        await subscription.consume(["default", "new"])
        await broker.announce([hint := a_hint("new")])

        assert await asyncio.wait_for(waiting, 15) == [hint]


async def test_with_every_queue_paused_a_take_waits_its_time(broker):
    async with broker.subscribe([]) as subscription:
        assert await subscription.take(1, AT_ONCE) == []


async def test_queues_may_be_chosen_before_the_first_take(broker):
    await broker.announce([hint := a_hint("second")])
    async with broker.subscribe(["first"]) as subscription:
        await subscription.consume(["second"])

        assert await subscription.take(1, SOON) == [hint]


async def test_depths_count_what_waits(broker):
    await broker.announce([a_hint("mail"), a_hint("mail", priority=9), a_hint("reports", ids=100)])

    assert await broker.depths(["mail", "reports", "nobody"]) == {"mail": 2, "reports": 1, "nobody": 0}
    assert await broker.depths([]) == {}


async def test_nothing_is_left_unacknowledged_after_a_subscription_ends(broker):
    await broker.announce([a_hint() for _ in range(10)])
    async with broker.subscribe(["default"]) as subscription:
        taken = await subscription.take(3, SOON)

    async with broker.subscribe(["default"]) as subscription:
        rest = await all_taken(subscription, 10 - len(taken))

    assert len(set(ids_of(taken + rest))) == 10
    assert await broker.depths(["default"]) == {"default": 0}


async def test_a_take_that_is_cancelled_leaves_the_subscription_usable(broker):
    async with broker.subscribe(["default"]) as subscription:
        await subscription.take(1, AT_ONCE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(subscription.take(1, SOON), 0.05)
        await broker.announce([hint := a_hint()])

        assert await subscription.take(1, SOON) == [hint]


async def test_a_broker_says_what_it_is(broker, home):
    facts = await broker.facts()

    assert facts.kind == home.kind
    assert facts.version


async def test_a_broker_may_be_closed_twice(broker):
    await broker.close()
    await broker.close()


@pytest.mark.parametrize(
    "queue",
    ["a b", "a:b", "a.b", "a/b", "ünï-ço∂é", "'quoted\"", "dead-letters", "*", "#", "日本" * 100, "x" * 200],
)
async def test_a_queue_may_have_any_name_that_duly_allows(broker, queue):
    await broker.announce([hint := a_hint(queue), a_hint(f"{queue[:-1]}?")])

    assert (await broker.depths([queue]))[queue] == 1
    async with broker.subscribe([queue]) as subscription:
        assert await subscription.take(1, SOON) == [hint]
