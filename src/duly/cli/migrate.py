"""``duly migrate``: brings the database's schema up to date."""

import asyncio

from duly import assembly
from duly.cli.begin import begin
from duly.cli.output import say
from duly.settings_rules import safe_url


def migrate() -> None:
    """Make Duly's tables, or bring them up to date. Safe to run twice, and by several at once.

    [bold]duly migrate[/bold]

    [bold]DULY_DATABASE_URL=postgresql://me@db/shop duly migrate[/bold]
    """
    settings, _ = begin({})
    asyncio.run(assembly.migrate(settings))
    say(f"The schema of {safe_url(settings.database_url)} is up to date.")
