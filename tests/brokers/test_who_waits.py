"""The ends of tasks are rung where somebody waits, and nowhere else."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from duly.links import waiters
from duly.links.ringing import WiredBell
from duly.links.waiters import ASKED, BELIEVE, SAID, SAY_EVERY, Waiters
from tests.contracts.bells.houses import Open, bells
from tests.support.stage import becomes_true

SOON = timedelta(seconds=20)
NOT = timedelta(milliseconds=200)


@pytest.fixture(params=["postgresql", "redis"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    async with bells(request.param) as opening:
        yield opening


async def test_the_end_of_a_task_is_rung_only_where_somebody_waits(opened):
    async with opened() as bell, opened() as far, opened() as third:
        heard: list[str] = []
        with listening(third, heard), far.listen(["queue:mail"]) as mail:
            bell.ring(["task:1", "queue:mail"])
            assert await mail.wait(SOON)
            assert "task:1" not in heard

            with far.listen(["task:2"]) as ear:
                async with asyncio.timeout(SOON.total_seconds()):
                    while not await ear.wait(NOT):
                        bell.ring(["task:2"])
                await becomes_true(lambda: "task:2" in heard)  # each bell hears in its own time


async def test_who_comes_later_asks_who_waits(opened, monkeypatch):
    monkeypatch.setattr(waiters, "SAY_EVERY", 3600.0)  # nobody says it again unasked
    async with opened() as far:
        with far.listen(["task:1"]) as ear:
            await ear.wait(NOT)
            async with opened() as bell:
                async with asyncio.timeout(SOON.total_seconds()):
                    while not await ear.wait(NOT):
                        bell.ring(["task:1"])


@contextmanager
def listening(bell: WiredBell, heard: list[str]) -> Iterator[None]:
    """All topics that arrive at this bell from others."""
    ring = bell._local.ring

    def told(topics: Collection[str]) -> None:
        heard.extend(topics)
        ring(topics)

    bell._local.ring = told  # type: ignore[method-assign]
    try:
        yield
    finally:
        bell._local.ring = ring  # type: ignore[method-assign]


def test_waiting_is_said_now_and_then_and_believed_for_a_while():
    at = [100.0]
    sent: list[str] = []
    waiters = Waiters(sent.extend, now=lambda: at[0])
    waiters.say()
    assert sent == [], "nobody waits"

    with waiters.one_more(), waiters.one_more():
        assert sent == [SAID], "said once for both"
        at[0] += SAY_EVERY
        waiters.say()
        assert sent == [SAID, SAID]
        waiters.hear([ASKED])
        assert sent == [SAID, SAID, SAID]
    at[0] += SAY_EVERY
    waiters.say()
    assert len(sent) == 3, "they have gone"

    assert list(waiters.worth_sending(["task:1", "queue:a"])) == ["queue:a"]
    waiters.hear([SAID])
    assert list(waiters.worth_sending(["task:1", "queue:a"])) == ["task:1", "queue:a"]
    at[0] += BELIEVE
    assert list(waiters.worth_sending(["task:1", "queue:a"])) == ["queue:a"]
