"""`examples/reversal` as real processes: PostgreSQL, a Redis of its own, and RabbitMQ at the end of a wire."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from redis import Redis

from tests.support.databases import postgres_database
from tests.support.example import Example, Part, an_example
from tests.support.example_rows import Rows
from tests.support.forwarding import Wire, a_wire
from tests.support.servers import RedisServer, ended, shared_rabbitmq_url

API = "uvicorn app.main:app --port {port}"
WORKER = "duly worker app.tasks:duly"
SHORT = {"DULY_LEASE": "2s", "DULY_GRACE": "1s", "DULY_POLL_INTERVAL": "200ms", "DULY_LOG_FORMAT": "json"}


@dataclass(frozen=True)
class Reversal:
    """The running API, and what it runs on."""

    example: Example
    client: httpx.Client
    database: psycopg.Connection[Any]
    cache: RedisServer
    wire: Wire

    @property
    def redis(self) -> Redis:
        return Redis(port=self.cache.port)

    @contextmanager
    def worker(self, **env: str) -> Iterator[Part]:
        with self.example.started(WORKER, "worker.started", **env) as part:
            yield part

    def submit(self, text: str = "hello") -> str:
        """The path of a new task."""
        answer = self.client.post("/tasks/", json={"input_data": text})
        assert answer.status_code == 201, answer.text
        return f"/tasks/{answer.json()['id']}"

    @property
    def rows(self) -> Rows:
        return Rows(self.database)


@pytest.fixture(scope="module")
def reversal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reversal]:
    cache = RedisServer(tmp_path_factory.mktemp("redis"))
    with postgres_database() as url, ended(cache), a_wire(shared_rabbitmq_url()) as wire:
        parts = {
            "DATABASE_URL": url,
            "DULY_DATABASE_REPLICA_URL": url,
            "DULY_BROKER_URL": wire.url,
            "DULY_CACHE_URL": cache.url,
        }
        example = an_example("reversal", tmp_path_factory.mktemp("reversal"), **SHORT, **parts)
        with example.serving(API) as client, psycopg.connect(url, autocommit=True) as database:
            yield Reversal(example, client, database, cache, wire)


@pytest.fixture(scope="module")
def worker(reversal: Reversal) -> Iterator[Part]:
    with reversal.worker() as part:
        yield part


@pytest.fixture
def worker_standing_still(worker: Part) -> Iterator[Callable[[], None]]:
    """The worker claims nothing until this is called."""
    with worker.standing_still() as go_on:
        yield go_on
