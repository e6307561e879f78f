"""A service in processes of its own, on one pair."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.pairs.brokers import Broker, broker_of

from tests.support.processes import eventually
from tests.support.service import Place, Running, answers, free_port

APP = ("benchmarks.pairs.app:duly", "--app-dir", str(Path(__file__).parents[2]))


@contextmanager
def a_broker(kind: str, folder: Path) -> Iterator[Broker]:
    """A broker of this kind in the folder, running."""
    own = folder / "broker"
    own.mkdir()
    broker = broker_of(kind, own)
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


def a_place(folder: Path, database: str, broker: Broker, **env: str) -> Place:
    """The folder and its settings; none of the caller's own gets in."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("DULY_")}
    own = {"DULY_DATABASE_URL": database, "DULY_LOG_FORMAT": "json"}
    return Place(folder, {**others, **own, **broker.env, **env})


@contextmanager
def an_api(place: Place) -> Iterator[tuple[str, Running]]:
    """An API process, once it answers, and its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with place.duly("api", *APP, "--port", str(port)) as running:
        eventually(partial(answers, url), 120)
        yield url, running


@contextmanager
def workers(place: Place, *arguments: str) -> Iterator[Running]:
    """``duly worker``, once it claims."""
    with place.duly("worker", *APP, *arguments) as running:
        eventually(lambda: running.said("worker.started"), 120)
        yield running
