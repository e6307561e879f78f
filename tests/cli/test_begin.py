"""How a process begins, and what ends it: settings count from the command line, then the app, then the environment."""

import asyncio
import sys

import pytest

from duly.app import Duly
from duly.assembly import migrate
from duly.cli.begin import begin_app, opened
from duly.settings import Settings
from tests.support.telling import Told

APP = """
from duly import Duly
from duly.settings import Settings

plain = Duly()
own = Duly(Settings(slots=3, queues=("own",)))


@plain.task(queue="media")
async def thumbnail() -> None:
    pass
"""


@pytest.fixture
def folder(tmp_path, duly, monkeypatch):
    """An app in a folder of its own; ``duly`` puts back what a beginning leaves behind."""
    (tmp_path / "app.py").write_text(APP)
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("app", None)
    return tmp_path


def test_the_apps_own_settings_win_over_the_environment(folder, monkeypatch):
    monkeypatch.setenv("DULY_SLOTS", "9")
    monkeypatch.setenv("DULY_LEASE", "7s")

    _, settings, _ = begin_app("app:own", folder, {"slots": None})

    assert (settings.slots, settings.queues, settings.lease.total_seconds()) == (3, ("own",), 7)


def test_the_command_line_wins_over_all(folder):
    _, settings, _ = begin_app("app:own", folder, {"slots": 5, "queues": "a,b"})

    assert (settings.slots, settings.queues) == (5, ("a", "b"))


def test_without_a_word_about_queues_all_that_handlers_name_are_served(folder):
    _, settings, _ = begin_app("app:plain", folder, {"queues": None})

    assert settings.queues == ("default", "media")


def test_queues_of_the_environment_are_all_that_is_served(folder, monkeypatch):
    monkeypatch.setenv("DULY_QUEUES", "mail")

    _, settings, _ = begin_app("app:plain", folder, {})

    assert settings.queues == ("mail",)


@pytest.mark.mistake(45)
async def test_a_process_whose_background_has_failed_ends(tmp_path):
    """Once it stayed, and refused what it was asked until somebody restarted it."""
    settings, stop = Settings(database_url=f"sqlite:///{tmp_path / 'duly.db'}"), asyncio.Event()
    await migrate(settings)

    async with opened(Duly(), settings, stop, Told()) as core, asyncio.timeout(20):
        core.service.failed.set()

        await stop.wait()
