"""How often a store looks everywhere, and what it finds between."""

from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit, urlunsplit

from duly.domain.state import State
from duly.stores.sql import postgres_frontier
from duly.stores.sql import wakes as wakes_module
from duly.stores.sql.looks import LONGEST_PAUSE, PAUSE, SLOW, Looks
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from duly.stores.sql.wakes import SLACK, Wakes
from duly.stores.sql.wakes import SLOW as SLOW_SWEEP
from duly.torture.proxy import Mode, Proxy
from tests.support.builders import LEASE, WORKER, a_task

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
QUICK = 0.001


class Watch:
    """A counter that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_quick_looks_and_one_slow_one_are_followed_by_the_next_at_once() -> None:
    looks = Looks(Watch())

    looks.took(QUICK)
    looks.took(SLOW)

    assert looks.due


def test_slow_looks_pause_in_proportion_and_no_longer_than_a_limit() -> None:
    watch = Watch()
    looks = Looks(watch)
    looks.took(SLOW)
    looks.took(SLOW)
    due = [looks.due]
    watch.now += PAUSE * SLOW
    due.append(looks.due)

    looks.took(1_000)
    watch.now += LONGEST_PAUSE - 1
    due.append(looks.due)
    watch.now += 1
    due.append(looks.due)

    assert due == [False, True, False, True]


def test_between_slow_looks_a_sweep_begins_a_little_before_what_it_found_first() -> None:
    wakes = Wakes(Watch())
    wakes.found(AT, {State.SCHEDULED: AT + 60 * SECOND, State.RUNNING: AT + 30 * SECOND})
    before = wakes.since

    for _ in range(2):
        wakes.took(SLOW_SWEEP)

    assert before == {}
    assert wakes.since == {
        State.SCHEDULED: AT - SLACK,
        State.PENDING: AT - SLACK,
        State.RUNNING: AT + 30 * SECOND - SLACK,
    }


def test_where_nothing_sleeps_a_sweep_begins_no_earlier_than_before() -> None:
    wakes = Wakes(Watch())
    wakes.found(AT, {State.RUNNING: AT + 30 * SECOND})

    wakes.found(AT + SECOND, {})
    for _ in range(2):
        wakes.took(SLOW_SWEEP)

    assert wakes.since[State.RUNNING] == AT + 30 * SECOND - SLACK
    assert wakes.since[State.SCHEDULED] == AT + SECOND - SLACK


async def test_while_looks_are_slow_a_sweep_finds_what_is_due_and_in_the_end_what_was_late(new_database) -> None:
    with new_database("postgresql") as url:
        await migrate(url)
        store = await open_sql_store(url)
        watch = Watch()
        wakes = store.tasks._wakes = Wakes(watch)
        await store.tasks.add([a_task(run_at=datetime.now(UTC))])
        await store.tasks.claim("default", 1, WORKER, LEASE)
        await store.tasks.soonest()
        for _ in range(2):
            wakes.took(LONGEST_PAUSE)
        due = a_task(state=State.SCHEDULED, run_at=datetime.now(UTC))
        await store.tasks.add([due])
        seen, overdue = await store.tasks.soonest(), await store.tasks.overdue(State.SCHEDULED, 10)
        late = a_task(state=State.SCHEDULED, run_at=AT)
        await store.tasks.add([late])
        between = await store.tasks.overdue(State.SCHEDULED, 10)
        watch.now += LONGEST_PAUSE
        in_the_end = await store.tasks.overdue(State.SCHEDULED, 10)
        await store.close()

    assert set(seen) == {State.SCHEDULED, State.RUNNING}
    assert [[task.id for task in found] for found in (overdue, between, in_the_end)] == [
        [due.id],
        [due.id],
        [late.id, due.id],
    ]


async def test_a_database_that_is_far_away_is_looked_at_as_often_as_a_near_one(new_database, monkeypatch) -> None:
    slow = 0.15  # not for looks on a busy machine, but for the way there and back if it counted
    monkeypatch.setattr(postgres_frontier, "Looks", partial(Looks, slow=slow))
    monkeypatch.setattr(wakes_module, "SLOW", slow)
    with new_database("postgresql") as url:
        await migrate(url)
        address = urlsplit(url)
        proxy = Proxy(address.hostname or "", address.port or 5432, seconds=0.1)
        async with proxy.open():
            account, sign, _ = address.netloc.rpartition("@")
            far = urlunsplit(address._replace(netloc=f"{account}{sign}127.0.0.1:{proxy.own_port}"))
            store = await open_sql_store(far)
            proxy.turn(Mode.DELAY)
            for _ in range(3):
                await store.tasks.claim("default", 1, WORKER, LEASE)
                await store.tasks.soonest()
                await store.queues.ready(["default"])
            late = a_task(run_at=AT)
            await store.tasks.add([late])
            ready = await store.queues.ready(["default"])
            [claimed] = await store.tasks.claim("default", 1, WORKER, LEASE)
            await store.close()

    assert (ready, claimed.id) == ({"default"}, late.id)
    assert store.tasks._wakes.since == {}
