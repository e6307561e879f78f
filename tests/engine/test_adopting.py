"""Claims that a worker finds under its name although nobody has answered it."""

from duly.stores.memory.database import MemoryDatabase
from duly.stores.memory.store import MemoryStore
from tests.support.outage import Outage
from tests.support.serving import handlers_of
from tests.support.stage import RealClock, at_work


async def test_a_claim_whose_attempt_was_broken_is_not_adopted() -> None:
    """Once, the handler began a second time under the same claim when the answer to another claim was lost."""
    starts, store = 0, Outage(MemoryStore(MemoryDatabase(), RealClock()))

    async def counted() -> None:
        nonlocal starts
        starts += 1

    async with at_work(handlers_of(counted=counted), store, sweeping=False) as stage:
        store.faults["apply"] = [ZeroDivisionError(), ZeroDivisionError()]
        await stage.submit("counted")
        await stage.told.until("attempt.broken")
        store.lost["claim"] = 1
        await stage.ran("counted")

    assert starts == 2
