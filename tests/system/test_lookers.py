"""Who shares the look for tasks that nobody rang for."""

from duly.assembly import migrate, open_core
from duly.assembly_worker import worker_parts
from duly.settings import Settings
from tests.support.serving import handlers_of


async def shares_looks(url: str) -> bool:
    settings = Settings(database_url=url)
    await migrate(settings)
    async with open_core(settings, handlers_of(), emit=lambda *_: None) as core:
        return worker_parts(core).lookers is core.crowd


async def test_workers_whose_bell_reaches_each_other_share_their_looks(postgres_url: str) -> None:
    assert await shares_looks(postgres_url)


async def test_where_no_bell_reaches_other_processes_each_worker_looks_as_often_as_it_was_told(mysql_url: str) -> None:
    assert not await shares_looks(mysql_url)
