"""``duly doctor``: finds what is wrong, and says what to do."""

import asyncio
import json
import os
from dataclasses import asdict

import typer

from duly import assembly
from duly.cli.begin import begin
from duly.cli.checks import Finding, Verdict, about_settings, about_store, no_file, unopened
from duly.cli.exits import FAILED
from duly.cli.options import AsJson
from duly.cli.output import say
from duly.cli.part_checks import about_parts
from duly.cli.table import shown
from duly.domain.errors import DulyError
from duly.settings import Settings


def doctor(*, as_json: AsJson = False) -> None:
    """Look whether everything is in order, and say what to do where it is not. Exit 1 when something must be done.

    [bold]duly doctor[/bold]

    [bold]DULY_DATABASE_URL=postgresql://me@db/shop duly doctor --json[/bold]
    """
    settings, _ = begin({"log_level": "error"})
    findings = about_settings(settings, os.environ)
    findings += no_file(settings) or asyncio.run(_examine(settings))
    if as_json:
        say(json.dumps({"findings": [asdict(finding) for finding in findings]}))
    else:
        say("\n".join(map(_line, findings)))
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise typer.Exit(FAILED)


async def _examine(settings: Settings) -> list[Finding]:
    try:
        async with assembly.open_store(settings) as store:
            found = [finding async for finding in about_store(store, settings)]
            return found + [finding async for finding in about_parts(store, settings)]
    except DulyError as error:
        return unopened(settings, error)


def _line(finding: Finding) -> str:
    advice = f"\n{'':17}-> {shown(finding.advice)}" if finding.advice else ""
    return f"{finding.verdict:<5} {finding.subject:<11}{shown(finding.detail)}{advice}"
