"""An application's own tables beside Duly's: submits by name in its transaction, and SELECTs over both."""

import asyncio

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, insert, select
from sqlalchemy.orm import Session

from duly import Duly, Settings
from duly.domain.errors import Invalid
from tests.support.databases import blocking_url


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def url(request, new_database):
    with new_database(request.param) as url:
        yield url


@pytest.fixture
def duly(url):
    duly = Duly(Settings(database_url=url))

    @duly.task
    def receipt(order: int) -> int:
        return order

    return duly


@pytest.fixture
def orders(duly):
    return Table("orders", MetaData(), Column("id", Integer, primary_key=True), Column("task", duly.table.c.id.type))


@pytest.fixture
def engine(url, duly, orders):
    asyncio.run(duly.migrate(orders.metadata.create_all))
    engine = create_engine(blocking_url(url))
    yield engine
    engine.dispose()


def test_a_submit_by_name_and_the_applications_row_commit_together_or_not_at_all(duly, orders, engine):
    with duly.blocking() as blocking:
        for number in (1, 2):
            with Session(engine) as session:
                handle = duly.submit_in(session, "receipt", {"order": number}, queue="print")
                session.execute(insert(orders).values(id=number, task=handle.id))
                session.commit() if number == 1 else session.rollback()

        with Session(engine) as session:
            joined = select(orders.c.id, duly.table.c.state, duly.table.c.queue)
            found = session.execute(joined.join(duly.table, duly.table.c.id == orders.c.task)).all()
            stored = session.scalars(select(duly.table.c.id)).all()

        assert found == [(1, "pending", "print")]
        assert len(stored) == 1
        assert blocking.handle(duly.handle(stored[0])).status() == "pending"


@pytest.mark.parametrize(("name", "payload"), [("odd", {}), ("receipt", {"order": "x"})])
def test_a_submit_by_name_that_does_not_fit_leaves_the_transaction_usable(duly, orders, engine, name, payload):
    with duly.blocking(), Session(engine) as session:
        session.execute(insert(orders).values(id=1))
        with pytest.raises(Invalid):
            duly.submit_in(session, name, payload)
        session.commit()

        assert session.scalars(select(orders.c.id)).all() == [1]
