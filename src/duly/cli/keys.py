"""``duly keys``: makes, lists and revokes API keys, on the database itself: nobody needs a key to make the first."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

import typer

from duly import assembly
from duly.cli.begin import begin
from duly.cli.exits import FAILED
from duly.cli.options import AsJson, parse_duration
from duly.cli.output import complain, say
from duly.cli.table import table
from duly.domain.errors import Misconfigured
from duly.domain.identity import ApiKey, Scope
from duly.domain.moment import rfc3339
from duly.engine.identity_keys import NewKey, new_key
from duly.ports.store import Store
from duly.settings import Settings
from duly.settings_rules import auth_required

R = TypeVar("R")

LONGEST_NAME = 255

KeyName = Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, or what for.", show_default=False)]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="Its visible part: duly_ and 12 letters.", show_default=False)]


def build() -> typer.Typer:
    """The group of commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Make, list and revoke API keys, on the database itself.",
    )
    group.command("create")(create)
    group.command("list")(list_)
    group.command("revoke")(revoke)
    return group


def create(
    name: KeyName,
    *,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; may be repeated.")] = None,
    queue: Annotated[list[str] | None, typer.Option(help="Only in this queue; may be repeated.")] = None,
    expires: Annotated[timedelta | None, typer.Option(parser=parse_duration, help="After this: 12h, 90d.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: once, because it is kept nowhere.

    [bold]duly keys create shop --scope tasks:submit --scope tasks:read[/bold]

    [bold]duly keys create thumbnails --scope tasks:submit --queue media --expires 90d[/bold]
    """
    scopes = _checked(name, scope)
    _check_bounds(queue or (), expires)
    settings, _ = begin({"log_level": "error"})

    async def make(store: Store) -> NewKey:
        made = new_key(name, scopes, now=store.clock.now(), queues=queue, lives=expires)
        await store.keys.add(made.key)
        return made

    made = _on_store(settings, make)
    say(json.dumps(_facts(made.key) | {"key": made.text}) if as_json else made.text)
    if not as_json:
        complain(f"This is shown once. Revoke it with: duly keys revoke {made.key.id}")
    if not auth_required(settings):
        complain("Nobody is asked for a key yet: set DULY_AUTH=required.")


def _checked(name: str, scopes: list[Scope] | None) -> list[Scope]:
    if not scopes:
        raise Misconfigured(f"Say what the key may do: --scope, one or more of {', '.join(Scope)}.")
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Misconfigured(f"A key's name has 1 to {LONGEST_NAME} characters.")
    return scopes


def _check_bounds(queues: Sequence[str], expires: timedelta | None) -> None:
    """A key that could never be used is no key: most likely a variable of the shell was empty."""
    if not all(queue.strip() for queue in queues):
        raise Misconfigured("--queue is empty: give the name of a queue.")
    if expires is not None and expires <= timedelta():
        raise Misconfigured("--expires is a time to come, such as 12h or 90d.")


def list_(*, as_json: AsJson = False) -> None:
    """List the keys, also those that have expired or were revoked.

    [bold]duly keys list[/bold]
    """
    settings, _ = begin({"log_level": "error"})

    async def look(store: Store) -> tuple[datetime, list[ApiKey]]:
        return store.clock.now(), await store.keys.all()

    now, keys = _on_store(settings, look)
    say(json.dumps({"keys": [_facts(key) for key in keys]}) if as_json else _table(keys, now))


def revoke(key_id: KeyId, *, as_json: AsJson = False) -> None:
    """Make a key useless, within five seconds everywhere.

    [bold]duly keys revoke duly_abcdefghijkl[/bold]
    """
    settings, _ = begin({"log_level": "error"})
    key = _on_store(settings, lambda store: store.keys.revoke(key_id))
    if key is None:
        complain("duly: There is no key with this id: it is the part before the last _, as in `duly keys list`.")
        raise typer.Exit(FAILED)
    say(json.dumps(_facts(key)) if as_json else f"{key.id} ({key.name}) is revoked.")


def _on_store(settings: Settings, ask: Callable[[Store], Awaitable[R]]) -> R:
    async def run() -> R:
        async with assembly.open_store(settings) as store:
            return await ask(store)

    return asyncio.run(run())


def _table(keys: Sequence[ApiKey], now: datetime) -> str:
    heads = ("ID", "NAME", "SCOPES", "QUEUES", "STATE", "CREATED (UTC)", "EXPIRES (UTC)", "LAST USED (UTC)")
    rows = [
        (
            key.id,
            key.name,
            sorted(key.scopes),
            "all" if key.queues is None else sorted(key.queues),
            _state(key, now),
            key.created_at,
            key.expires_at,
            key.last_used_at,
        )
        for key in keys
    ]
    return table(heads, rows)


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "valid" if key.valid(now) else "expired"


def _facts(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "queues": None if key.queues is None else sorted(key.queues),
        "created_at": rfc3339(key.created_at),
        "expires_at": _time(key.expires_at),
        "last_used_at": _time(key.last_used_at),
        "revoked_at": _time(key.revoked_at),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
