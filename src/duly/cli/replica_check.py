"""What `duly doctor` says of the read replica. Nothing is lost without one: the database answers."""

import asyncio
from datetime import timedelta

from duly.cli.checks import Finding, Verdict
from duly.cli.table import span
from duly.domain.errors import DulyError, SchemaOutdated
from duly.engine.lists import newest
from duly.parts import open_replica
from duly.ports.store import Store
from duly.settings import Settings
from duly.settings_rules import safe_url

SOON = timedelta(seconds=5)
"""A replica that keeps up has by then what the database had when it was asked."""


async def about_replica(store: Store, settings: Settings) -> Finding:
    """Whether it answers, has the schema, and keeps up."""
    where = safe_url(settings.database_replica_url)
    try:
        replica = await open_replica(settings)
        try:
            return await _late(store, replica, where)
        finally:
            await replica.close()
    except SchemaOutdated:
        advice = "is it a replica of this database, and has it taken over the last migration?"
        return Finding(Verdict.FAIL, "replica", f"{where} has not this Duly's schema", advice)
    except DulyError as error:
        advice = "is it running, and is DULY_DATABASE_REPLICA_URL right? The database answers lists meanwhile"
        return Finding(Verdict.FAIL, "replica", f"{where} cannot be used: {error}", advice)


async def _late(store: Store, replica: Store, where: str) -> Finding:
    wanted = await newest(store)
    shown = await newest(replica)
    until = asyncio.get_running_loop().time() + SOON.total_seconds()
    while shown < wanted and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.1)  # a replica tells nobody what has arrived
        shown = await newest(replica)
    if shown >= wanted:
        return Finding(Verdict.OK, "replica", f"{where} has what the database has")
    detail = f"{where} is behind: its newest sign of life is {span(wanted - shown)} older than the database's"
    return Finding(
        Verdict.WARN, "replica", detail, "look at its replication; until it has caught up the database answers lists"
    )
