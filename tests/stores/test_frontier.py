"""What a busy worker on PostgreSQL looks at, and what it does not forget."""

from datetime import UTC, datetime, timedelta

from duly.domain.task import Task
from duly.stores.sql.migrate import migrate
from duly.stores.sql.open import open_sql_store
from duly.stores.sql.postgres_frontier import LOOK_BACK_EVERY, PRECEDENCES, SLACK, WORTH_IT, Frontier
from duly.stores.sql.rows import CLAIMED_COLUMNS
from duly.stores.sql.types import EPOCH
from tests.support.builders import LEASE, WORKER, a_task

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


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

    frontier.moved("default", rows(WORTH_IT), WORTH_IT, everywhere=True)

    since = frontier.since("default")
    assert since is not None
    assert since[4] == AT - SLACK
    assert [since[precedence] for precedence in PRECEDENCES if precedence != 4] == [EPOCH] * 9
    assert frontier.since("another") is None


def test_a_claim_that_came_back_short_or_was_small_is_followed_by_one_everywhere() -> None:
    frontier = Frontier(Watch())

    frontier.moved("short", rows(WORTH_IT), WORTH_IT + 1, everywhere=True)
    frontier.moved("small", rows(WORTH_IT - 1), WORTH_IT - 1, everywhere=True)

    assert (frontier.since("short"), frontier.since("small")) == (None, None)


def test_every_now_and_then_a_busy_worker_looks_everywhere() -> None:
    watch = Watch()
    frontier = Frontier(watch)
    frontier.moved("default", rows(WORTH_IT), WORTH_IT, everywhere=True)

    watch.now += LOOK_BACK_EVERY
    frontier.moved("default", rows(WORTH_IT), WORTH_IT, everywhere=False)
    before = frontier.since("default")
    frontier.moved("default", rows(WORTH_IT), WORTH_IT, everywhere=True)

    assert before is None
    assert frontier.since("default") is not None


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
