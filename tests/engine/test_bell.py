"""The bell within one process."""

import asyncio
from datetime import timedelta
from threading import Thread

from duly.engine.bell import LocalBell
from duly.ports.bell import queue_topic

AT_ONCE = timedelta()
SOON = timedelta(seconds=10)


async def test_an_ear_hears_its_own_topics_only() -> None:
    bell = LocalBell()
    with bell.listen(["a", "b"]) as ear, bell.listen(["c"]) as other:
        bell.ring(["b", "z"])

        assert await ear.wait(SOON)
        assert not await other.wait(AT_ONCE)


async def test_a_ring_between_two_waits_is_kept_once() -> None:
    bell = LocalBell()
    with bell.listen(["a"]) as ear:
        bell.ring(["a"])
        bell.ring(["a"])
        await asyncio.sleep(0)

        assert await ear.wait(SOON)
        assert not await ear.wait(AT_ONCE)


async def test_it_may_be_rung_from_any_thread() -> None:
    bell = LocalBell()
    with bell.listen(["a"]) as ear:
        Thread(target=bell.ring, args=(["a"],)).start()

        assert await ear.wait(SOON)


async def test_all_may_be_woken_at_once() -> None:
    bell = LocalBell()
    with bell.listen(["a"]) as one, bell.listen(["b"]) as other:
        bell.ring_all()

        assert await one.wait(SOON)
        assert await other.wait(SOON)


async def test_who_has_left_leaves_nothing_behind() -> None:
    bell = LocalBell()
    with bell.listen(["a"]), bell.listen(["a"]):
        pass

    assert bell._ears == {}


def test_a_loop_that_is_closed_already_does_not_spoil_a_ring() -> None:
    bell = LocalBell()

    async def listen_for_ever() -> object:
        listening = bell.listen(["a"])
        listening.__enter__()
        return listening

    kept = asyncio.run(listen_for_ever())
    bell.ring(["a"])

    assert kept is not None


async def test_news_of_any_kind_is_no_news_of_callbacks() -> None:
    """On SQLite every commit rings, and each ring made a worker look for deliveries."""
    bell = LocalBell()
    with bell.listen([queue_topic("duly.system")]) as deliveries, bell.listen([queue_topic("mail")]) as tasks:
        bell.ring_all()

        assert await tasks.wait(SOON)
        assert not await deliveries.wait(AT_ONCE)
        bell.ring({queue_topic("duly.system")})
        assert await deliveries.wait(SOON)
