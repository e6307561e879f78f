"""What a busy worker on PostgreSQL looks at, and what it does not forget."""

from datetime import UTC, datetime, timedelta

from duly.domain.moment import EPOCH
from duly.domain.task import Task
from duly.stores.sql.claimed import CLAIMED_COLUMNS
from duly.stores.sql.looks import LONGEST_PAUSE, PAUSE, SLOW
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from duly.stores.sql.postgres_frontier import FURTHER_BACK, LOOK_BACK_EVERY, PRECEDENCES, SLACK, WORTH_IT, Frontier
from tests.support.builders import LEASE, WORKER, a_task

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
QUICK, LONG = 0.001, 10.0


class Watch:
    """A counter that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def rows(count: int, last: datetime = AT, precedence: int = 4) -> list[tuple[object, ...]]:
    values = {"precedence": precedence, "run_at": last}
    return [tuple(values.get(name) for name in CLAIMED_COLUMNS)] * count


def test_a_full_claim_is_followed_by_one_that_begins_a_little_before_its_end() -> None:
    frontier = Frontier(Watch())

    frontier.moved("default", rows(WORTH_IT), WORTH_IT)

    since = frontier.since("default")
    assert since is not None
    assert since[4] == AT - SLACK
    assert [since[precedence] for precedence in PRECEDENCES if precedence != 4] == [EPOCH] * 9
    assert frontier.since("another") is None


def test_a_claim_that_came_back_short_or_was_small_is_followed_by_one_everywhere() -> None:
    frontier = Frontier(Watch())

    frontier.moved("short", rows(WORTH_IT), WORTH_IT + 1)
    frontier.moved("small", rows(WORTH_IT - 1), WORTH_IT - 1)

    assert (frontier.since("short"), frontier.since("small")) == (None, None)


def test_every_now_and_then_a_busy_worker_looks_everywhere() -> None:
    watch = Watch()
    frontier = Frontier(watch)
    frontier.moved("default", rows(WORTH_IT), WORTH_IT)

    watch.now += LOOK_BACK_EVERY
    before = frontier.since("default")
    frontier.looked_everywhere(["default"], QUICK)
    frontier.moved("default", rows(WORTH_IT), WORTH_IT)

    assert before is None
    assert frontier.since("default") is not None


def test_while_looks_everywhere_are_slow_a_short_claim_is_followed_by_another_from_where_it_ended() -> None:
    watch = Watch()
    frontier = Frontier(watch)
    frontier.moved("default", rows(3), WORTH_IT)

    frontier.looked_everywhere(["default"], SLOW)
    after_one = frontier.since("default")
    frontier.looked_everywhere(["default"], SLOW)
    after_two = frontier.since("default")
    watch.now += LOOK_BACK_EVERY
    after_a_second = [frontier.since("default"), frontier.since("default")]
    watch.now += PAUSE * SLOW
    after_the_pause = frontier.since("default")

    assert after_one is None
    assert after_two is not None
    assert after_two[4] == AT - SLACK
    assert [since[4] for since in after_a_second if since] == [AT - FURTHER_BACK, AT - SLACK]
    assert after_the_pause is None


def test_a_look_everywhere_is_not_slow_for_the_tasks_that_it_brings() -> None:
    """Large payloads take long wherever they are looked for."""
    frontier = Frontier(Watch())
    frontier.moved("default", rows(3), WORTH_IT)
    frontier.looked_onwards("default", LONG, WORTH_IT)

    for _ in range(2):
        frontier.looked_everywhere(["default"], LONG, WORTH_IT)
    of_many = frontier.since("default")
    for _ in range(2):
        frontier.looked_everywhere(["default"], LONG, 1)
    of_one = frontier.since("default")

    assert of_many is None
    assert of_one is not None


def test_where_nothing_was_ever_found_a_slow_look_tells_where_the_next_begins() -> None:
    frontier = Frontier(Watch())
    for _ in range(2):
        frontier.looked_everywhere(["default"], SLOW)
    before = frontier.since("default")

    frontier.found_no_more("default", AT)

    assert before is None
    assert frontier.since("default") == [AT - SLACK] * 10


async def test_a_worker_whose_looks_are_slow_finds_what_is_new_and_in_the_end_what_fell_behind(new_database) -> None:
    with new_database("postgresql") as url:
        await migrate(url)
        store = await open_sql_store(url)
        watch = Watch()
        frontier = store.tasks._lane._frontier = Frontier(watch)
        frontier.looked_everywhere(["default"], LONG)
        nothing = await store.tasks.claim("default", 5, WORKER, LEASE)
        for _ in range(2):
            frontier.looked_everywhere(["default"], LONG)
        new, behind = a_task(run_at=datetime.now(UTC)), a_task(run_at=AT)
        await store.tasks.add([new, behind])
        ready = await store.queues.ready(["default", "empty"])
        first = await store.tasks.claim("default", 5, WORKER, LEASE)
        watch.now += LONGEST_PAUSE
        second = await store.tasks.claim("default", 5, WORKER, LEASE)
        await store.close()

    assert nothing == []
    assert ready == {"default"}
    assert [[task.id for task in claimed] for claimed in (first, second)] == [[new.id], [behind.id]]


async def test_what_waited_through_a_pause_is_found_at_once_when_it_ends(new_database) -> None:
    with new_database("postgresql") as url:
        await migrate(url)
        store = await open_sql_store(url)
        frontier = store.tasks._lane._frontier
        waiting = a_task(run_at=AT)
        await store.tasks.add([waiting])
        await store.queues.declare(["default"])
        await store.queues.pause("default", True)
        frontier.looked_everywhere(["default"], LONG)
        paused = await store.tasks.claim("default", 5, WORKER, LEASE)
        for _ in range(2):
            frontier.looked_everywhere(["default"], LONG)
        await store.queues.pause("default", False)
        resumed = await store.tasks.claim("default", 5, WORKER, LEASE)
        await store.close()

    assert paused == []
    assert [task.id for task in resumed] == [waiting.id]


async def test_a_queue_that_a_full_claim_has_emptied_is_not_ready(new_database) -> None:
    with new_database("postgresql") as url:
        await migrate(url)
        store = await open_sql_store(url)
        await store.tasks.add([a_task() for _ in range(WORTH_IT)])
        claimed = await store.tasks.claim("default", WORTH_IT, WORKER, LEASE)
        ready = await store.queues.ready(["default"])
        await store.close()

    assert (len(claimed), ready) == (WORTH_IT, set())


async def test_a_busy_worker_takes_the_urgent_first_and_within_a_second_what_fell_behind(new_database) -> None:
    def waiting(count: int, **given: object) -> list[Task]:
        return [a_task(**({"run_at": AT + SECOND * number} | given)) for number in range(count)]

    with new_database("postgresql") as url:
        await migrate(url)
        store = await open_sql_store(url)
        watch = store.tasks._lane._frontier._now = Watch()
        await store.tasks.add(waiting(4 * WORTH_IT))
        first = await store.tasks.claim("default", WORTH_IT, WORKER, LEASE)
        urgent, behind = waiting(1, priority=9), waiting(1, run_at=AT - SECOND)
        await store.tasks.add([*urgent, *behind])
        second = await store.tasks.claim("default", WORTH_IT, WORKER, LEASE)
        watch.now += LOOK_BACK_EVERY
        third = await store.tasks.claim("default", WORTH_IT, WORKER, LEASE)
        await store.close()

    assert [task.run_at for task in first] == [AT + SECOND * number for number in range(WORTH_IT)]
    assert second[0].id == urgent[0].id
    assert [task.run_at for task in second[1:]] == [AT + SECOND * (WORTH_IT + number) for number in range(WORTH_IT - 1)]
    assert third[0].id == behind[0].id
