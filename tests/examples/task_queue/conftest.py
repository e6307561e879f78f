"""The example on MariaDB and a RabbitMQ of its own: where nobody is asked who they are, and with JWTs."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pymysql
import pytest
from pymysql.constants import CLIENT
from sqlalchemy import Engine, create_engine, make_url, text

from tests.docs.pages import ROOT
from tests.support.databases import blocking_url
from tests.support.example import Example, an_example, settled
from tests.support.servers import RabbitServer

SECRET = "a secret of forty characters or more, made by hand"  # noqa: S105
API = "env DULY_PORT={port} python -m api-service.main"
WORKER = "python -m worker-service.worker"
SAMPLE = {"title": "Sample Task", "description": "Process something", "metadata": {"priority": "high"}}
HINTS = "duly.hints.default"
INIT = ROOT / "examples" / "task_queue" / "db" / "init.sql"


@dataclass(frozen=True)
class Scene:
    """The example, running, and its parts from outside."""

    example: Example
    client: httpx.Client
    engine: Engine
    rabbit: RabbitServer

    def submit(self, **fields: object) -> str:
        answer = self.client.post("/api/tasks", json=SAMPLE | fields)
        assert answer.status_code == 202, answer.text
        return answer.json()["task_id"]

    def look(self, task_id: str) -> dict[str, Any]:
        return self.client.get(f"/api/tasks/{task_id}").json()

    def ended(self, task_id: str) -> dict[str, Any]:
        return settled(self.client, f"/api/tasks/{task_id}", "COMPLETED", "FAILED")

    def kinds(self, task_id: str) -> list[str]:
        """Duly's story of the task."""
        return [event["kind"] for event in self.client.get(f"/v1/tasks/{task_id}/events").json()["events"]]

    def in_broker(self, figure: str) -> int:
        """What RabbitMQ tells of the queue of hints."""
        queues = json.loads(self.rabbit.control("list_queues", "--formatter", "json", "name", figure))
        return next(queue[figure] for queue in queues if queue["name"] == HINTS)

    def rows(self, statement: str) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(statement)))

    @contextmanager
    def refusing(self, condition: str) -> Iterator[None]:
        """The database refuses to store a row for which this does not hold."""
        with self.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE tasks ADD CONSTRAINT refusing CHECK ({condition})"))
        try:
            yield
        finally:
            with self.engine.begin() as connection:
                connection.execute(text("ALTER TABLE tasks DROP CONSTRAINT refusing"))


def a_token(scope: str = "tasks:submit tasks:read tasks:control queues:control", secret: str = SECRET) -> str:
    return jwt.encode({"sub": "somebody", "scope": scope, "exp": time.time() + 600}, secret)


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    server = RabbitServer(tmp_path_factory.mktemp("rabbit"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def new_example(tmp_path_factory: pytest.TempPathFactory, new_database: Any, rabbit: RabbitServer) -> Any:
    """``with new_example() as (example, url)``: on a database in which db/init.sql was run, as on a first start."""

    @contextmanager
    def make(**env: str) -> Iterator[tuple[Example, str]]:
        with new_database("mysql") as url:
            at = make_url(url)
            connection = pymysql.connect(
                host=at.host,
                port=at.port or 3306,
                user=at.username,
                password=at.password or "",
                database=at.database,
                client_flag=CLIENT.MULTI_STATEMENTS,
            )
            with connection, connection.cursor() as cursor:
                cursor.execute(INIT.read_text())
            parts = {"DULY_DATABASE_URL": url, "DULY_BROKER_URL": rabbit.url, "DULY_SLOTS": "1"}
            example = an_example("task_queue", tmp_path_factory.mktemp("example"), **parts, **env)
            (example.folder / ".env").write_text((example.folder / ".env.example").read_text())
            yield example, url

    return make


@pytest.fixture(scope="module", params=["anonymous", "by JWT"])
def scene(request: pytest.FixtureRequest, new_example: Any, rabbit: RabbitServer) -> Iterator[Scene]:
    asked = request.param == "by JWT"
    with new_example(**({"DULY_JWT_SECRET": SECRET} if asked else {})) as (example, url):
        engine = create_engine(blocking_url(url))
        with example.started(WORKER, "worker.started"), example.serving(API) as client:
            if asked:
                client.headers["authorization"] = f"Bearer {a_token()}"
            yield Scene(example, client, engine, rabbit)
        engine.dispose()
