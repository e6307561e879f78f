"""Many callers, one batch."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from duly.domain.errors import RowInvalid, StoreUnavailable, TooMany
from duly.engine.background import in_background
from duly.engine.gather import CROWD, MAX_WAITING, Gather
from duly.ports.store import MAX_BATCH_BYTES

Flush = Callable[[Sequence[int]], Awaitable[Sequence[int]]]


class Gate:
    """A flush that answers with the tenfold, and only when the gate is open."""

    def __init__(self, *bad: int) -> None:
        self.open = asyncio.Event()
        self.entered = asyncio.Event()
        self.batches: list[list[int]] = []
        self._bad = bad

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.entered.set()
        await self.open.wait()
        for item in items:
            if item in self._bad:
                raise RowInvalid(f"{item} is bad")
        return [item * 10 for item in items]


@asynccontextmanager
async def gathering(flush: Flush, lanes: int = 1, size: int = 1) -> AsyncIterator[Gather[int, int]]:
    gather = Gather[int, int](flush, lambda _: size)
    async with in_background(lambda *_: None, *(gather.run() for _ in range(lanes))), asyncio.timeout(10):
        yield gather


async def started(gather: Gather[int, int], items: Sequence[int]) -> list[asyncio.Task[int]]:
    """One caller for each item, waiting in this order."""
    callers = [asyncio.ensure_future(gather(item)) for item in items]
    await asyncio.sleep(0)
    return callers


async def ended(callers: Sequence[asyncio.Task[int]]) -> list[int | BaseException]:
    await asyncio.wait(callers)
    return [caller.exception() or caller.result() for caller in callers]


async def test_what_gathers_while_a_batch_is_written_is_the_next_batch() -> None:
    gate = Gate()
    async with gathering(gate) as gather:
        first = await started(gather, [1])
        await gate.entered.wait()
        rest = await started(gather, [2, 3, 4])

        gate.open.set()

        assert await ended(first + rest) == [10, 20, 30, 40]
        assert gate.batches == [[1], [2, 3, 4]]


async def test_a_caller_that_leaves_does_not_cancel_the_batch_of_the_others() -> None:
    gate = Gate()
    async with gathering(gate) as gather:
        leaver, stayer = await started(gather, [1, 2])
        await gate.entered.wait()

        leaver.cancel()
        await asyncio.wait([leaver])
        gate.open.set()

        assert await ended([stayer]) == [20]
        assert gate.batches == [[1, 2]]


async def test_only_the_caller_of_a_bad_row_sees_its_error() -> None:
    gate = Gate(3)
    gate.open.set()
    async with gathering(gate) as gather:
        answers = await ended(await started(gather, [1, 2, 3, 4, 5]))

        assert [answer for answer in answers if not isinstance(answer, BaseException)] == [10, 20, 40, 50]
        assert isinstance(answers[2], RowInvalid)


async def test_two_bad_rows_each_find_their_own_caller() -> None:
    gate = Gate(1, 4)
    gate.open.set()
    async with gathering(gate) as gather:
        answers = await ended(await started(gather, [1, 2, 3, 4]))

        assert [str(answer) for answer in answers] == ["1 is bad", "20", "30", "4 is bad"]


async def test_an_outage_is_told_to_every_caller_of_the_batch() -> None:
    async def away(_: Sequence[int]) -> list[int]:
        raise StoreUnavailable("away")

    async with gathering(away) as gather:
        answers = await ended(await started(gather, [1, 2]))

        assert [type(answer) for answer in answers] == [StoreUnavailable, StoreUnavailable]


async def test_a_fault_of_one_batch_does_not_end_the_lane() -> None:
    """A flush that raised something unforeseen ended the lane: every later caller waited for ever."""
    faults = [ZeroDivisionError("a fault of ours")]

    async def flush(items: Sequence[int]) -> Sequence[int]:
        if faults:
            raise faults.pop()
        return items

    async with gathering(flush) as gather:
        (first,) = await ended(await started(gather, [1]))

        assert isinstance(first, ZeroDivisionError)
        assert await gather(2) == 2


async def test_a_flush_that_answers_for_too_few_leaves_nobody_waiting() -> None:
    async def flush(items: Sequence[int]) -> Sequence[int]:
        return items[:1]

    async with gathering(flush) as gather:
        answers = await ended(await started(gather, [1, 2]))

        assert answers[0] == 1
        assert isinstance(answers[1], ValueError)


async def test_a_batch_has_500_rows_at_most() -> None:
    gate = Gate()
    gate.open.set()
    async with gathering(gate) as gather:
        callers = await started(gather, range(1, 1102))

        answers = await ended(callers)

        assert answers == [item * 10 for item in range(1, 1102)]
        assert [len(batch) for batch in gate.batches] == [500, 500, 101]


async def test_a_batch_has_4_mebibytes_at_most_but_one_row_alone_may_have_more() -> None:
    gate = Gate()
    gate.open.set()
    async with gathering(gate, size=MAX_BATCH_BYTES // 2) as gather:
        await ended(await started(gather, [1, 2, 3]))
    huge = Gate()
    huge.open.set()
    async with gathering(huge, size=MAX_BATCH_BYTES + 1) as gather:
        await ended(await started(gather, [1, 2]))

    assert gate.batches == [[1, 2], [3]]
    assert huge.batches == [[1], [2]]


async def test_two_lanes_write_two_batches_at_once() -> None:
    gate = Gate()
    async with gathering(gate, lanes=2) as gather:
        first = await started(gather, [1])
        await gate.entered.wait()
        gate.entered.clear()
        second = await started(gather, [2])
        await gate.entered.wait()

        gate.open.set()

        assert await ended(first + second) == [10, 20]
        assert gate.batches == [[1], [2]]


async def test_nobody_is_left_waiting_when_it_ends() -> None:
    """Whoever had gathered behind the batch under way waited for ever."""
    gate = Gate()
    async with gathering(gate) as gather:
        callers = await started(gather, [1])
        await gate.entered.wait()
        callers += await started(gather, [2, 3])

    answers = await ended(callers)

    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3


async def test_nobody_is_left_waiting_when_it_ends_while_a_batch_is_halved() -> None:
    at_half = asyncio.Event()

    async def flush(items: Sequence[int]) -> Sequence[int]:
        if len(items) > 1:
            raise RowInvalid("one of them is bad")
        at_half.set()
        return await asyncio.Event().wait() and items

    async with gathering(flush) as gather:
        callers = await started(gather, [1, 2])
        await at_half.wait()

    answers = await ended(callers)

    assert [type(answer) for answer in answers] == [StoreUnavailable] * 2


async def test_who_comes_after_its_end_is_told_so() -> None:
    gate = Gate()
    async with gathering(gate) as gather:
        await asyncio.sleep(0)

    with pytest.raises(StoreUnavailable, match="closing"):
        await gather(1)


async def test_beyond_20000_waiting_a_new_caller_is_refused_at_once() -> None:
    gather = Gather[int, int](Gate(), lambda _: 1)
    callers = await started(gather, range(MAX_WAITING))

    with pytest.raises(TooMany, match="Too many"):
        await gather(1)

    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)


async def test_after_a_crowd_who_comes_while_it_is_written_goes_with_the_next_batch() -> None:
    gate = Gate()
    async with gathering(gate, lanes=2) as gather:
        crowd = await started(gather, range(CROWD))
        await gate.entered.wait()
        few = await started(gather, [10])
        few += await started(gather, [11])
        assert gate.batches == [list(range(CROWD))], "the other lane leaves them together"

        gate.open.set()

        await ended(crowd + few)
        assert gate.batches == [list(range(CROWD)), [10, 11]]


async def test_a_batch_that_takes_long_holds_up_nobody_else() -> None:
    gate = Gate()
    async with gathering(gate, lanes=2) as gather:
        crowd = await started(gather, range(CROWD))
        await gate.entered.wait()
        gate.entered.clear()
        late = await started(gather, [10])
        await gate.entered.wait()

        assert gate.batches == [list(range(CROWD)), [10]]
        gate.open.set()
        await ended(crowd + late)


async def test_a_few_do_not_wait_for_each_other() -> None:
    gate = Gate()
    async with gathering(gate, lanes=2) as gather:
        first = await started(gather, [1])
        await gate.entered.wait()
        second = await started(gather, [2])
        await asyncio.sleep(0)

        assert gate.batches == [[1], [2]]
        gate.open.set()
        await ended(first + second)


@pytest.fixture
def patience(monkeypatch) -> None:
    """As long as it says, whatever else the machine is doing."""
    monkeypatch.setattr("duly.engine.gather.PATIENCE", (0.0005, 10))


async def a_crowd(gather: Gather[int, int], gate: Gate, seconds: float) -> None:
    """Comes, and its batch takes so long."""
    callers = await started(gather, range(CROWD))
    await asyncio.sleep(seconds)
    gate.open.set()
    await ended(callers)


@pytest.mark.usefixtures("patience")
async def test_after_a_crowd_that_took_long_as_many_are_waited_for() -> None:
    gate = Gate()
    few, rest = range(CROWD, CROWD + 2), range(CROWD + 2, CROWD * 2)
    async with gathering(gate, lanes=2) as gather:
        await a_crowd(gather, gate, 0.4)

        early = await started(gather, few)
        await asyncio.sleep(0.01)
        callers = early + await started(gather, rest)

        assert await ended(callers) == [item * 10 for item in range(CROWD, CROWD * 2)]
    assert gate.batches == [[*range(CROWD)], [*few, *rest]]


async def test_nobody_is_waited_for_long_after_a_batch_that_took_for_ever() -> None:
    gate = Gate()
    async with gathering(gate) as gather:
        await a_crowd(gather, gate, 2)

        async with asyncio.timeout(0.5):
            assert await ended(await started(gather, [8])) == [80]


@pytest.mark.usefixtures("patience")
async def test_half_as_long_as_it_took_and_no_longer() -> None:
    gate = Gate()
    async with gathering(gate) as gather:
        await a_crowd(gather, gate, 0.1)

        assert await ended(await started(gather, [8, 9])) == [80, 90]
        assert await ended(await started(gather, [10])) == [100]
    assert gate.batches[1:] == [[8, 9], [10]]
