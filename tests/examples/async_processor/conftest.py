"""`examples/async_processor` as real processes: PostgreSQL, Celery, and two Redis servers of its own."""

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
from tests.support.servers import RedisServer, ended

API = "uvicorn app.main:app --reload --port {port}"
WORKER = "celery -A app.celery_app worker --loglevel=info"
SHORT = {"DULY_LEASE": "2s", "DULY_GRACE": "1s", "DULY_LOG_FORMAT": "json"}


@dataclass(frozen=True)
class Processor:
    """The running API, and what it runs on."""

    example: Example
    client: httpx.Client
    database: psycopg.Connection[Any]
    broker: RedisServer
    cache: RedisServer

    @property
    def redis(self) -> Redis:
        """What holds the results."""
        return Redis(port=self.cache.port)

    @contextmanager
    def worker(self, **env: str) -> Iterator[Part]:
        with self.example.started(WORKER, "worker.started", **env) as part:
            yield part

    def submit(self, **headers: str) -> str:
        """The id of a new task."""
        answer = self.client.post("/process", json={"data": {"input": 42, "operation": "compute"}}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()["task_id"]

    @property
    def rows(self) -> Rows:
        return Rows(self.database)


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processor]:
    broker, cache = (RedisServer(tmp_path_factory.mktemp(name)) for name in ("broker", "cache"))
    with postgres_database() as url, ended(broker), ended(cache):
        there = url.replace("postgresql:", "postgresql+asyncpg:")  # as such addresses are often written
        parts = {"DATABASE_URL": there, "CELERY_BROKER_URL": broker.url, "CELERY_RESULT_BACKEND": cache.url}
        example = an_example("async_processor", tmp_path_factory.mktemp("processor"), **SHORT, **parts)
        with example.serving(API) as client, psycopg.connect(url, autocommit=True) as database:
            yield Processor(example, client, database, broker, cache)


@pytest.fixture(scope="module")
def worker(processor: Processor) -> Iterator[Part]:
    with processor.worker() as part:
        yield part


@pytest.fixture
def worker_standing_still(worker: Part) -> Iterator[Callable[[], None]]:
    """The worker claims nothing until this is called."""
    with worker.standing_still() as go_on:
        yield go_on
