"""The example as it comes, on SQLite where nobody is asked who they are, and on PostgreSQL and Redis with JWTs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from sqlalchemy import Engine, create_engine, text

from tests.support.databases import blocking_url
from tests.support.example import Example, an_example, settled
from tests.support.servers import RedisServer

SECRET = "a secret of forty characters or more, made by hand"  # noqa: S105
API = "env DULY_PORT={port} python -m app.main"
WORKER = "python -m app.workers.worker"
ANONYMOUS = "sqlite, anonymous"


@dataclass
class Scene:
    """The example, running, and its database from outside."""

    example: Example
    client: httpx.Client
    engine: Engine
    redis: RedisServer | None
    made: list[int] = field(default_factory=list)

    def submit(self, task_type: str, payload: object, **more: object) -> dict[str, Any]:
        answer = self.client.post("/tasks/", json={"task_type": task_type, "payload": payload, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def ended(self, task: dict[str, Any]) -> dict[str, Any]:
        return settled(self.client, f"/tasks/{task['id']}", "completed", "failed")

    def count(self, table: str) -> int:
        with self.engine.connect() as connection:
            return connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608

    @contextmanager
    def refusing(self, moment: str, word: str) -> Iterator[None]:
        """The database refuses to insert a row whose payload, or to update one whose result, holds this word."""
        column = {"INSERT": "payload", "UPDATE": "result"}[moment]
        add, drop = TRIGGERS[self.engine.dialect.name]
        with self.engine.begin() as connection:
            connection.exec_driver_sql(add.format(moment=moment, column=column, word=word))
        try:
            yield
        finally:
            with self.engine.begin() as connection:
                connection.exec_driver_sql(drop)


TRIGGERS = {
    "sqlite": (
        """CREATE TRIGGER refusing BEFORE {moment} ON tasks WHEN instr(NEW.{column}, '{word}') > 0
           BEGIN SELECT RAISE(ABORT, 'refused'); END""",
        "DROP TRIGGER refusing",
    ),
    "postgresql": (
        "ALTER TABLE tasks ADD CONSTRAINT refusing CHECK (coalesce(strpos({column}::text, '{word}'), 0) = 0)",
        "ALTER TABLE tasks DROP CONSTRAINT refusing",
    ),
}


def a_token(scope: str = "tasks:submit tasks:read tasks:control queues:control", secret: str = SECRET) -> str:
    return jwt.encode({"sub": "somebody", "scope": scope, "exp": time.time() + 600}, secret)


@pytest.fixture(scope="module", params=[ANONYMOUS, "postgresql, redis, by JWT"])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_database: Any
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    kind = request.param.partition(",")[0]
    with new_database(kind) as url, _redis(kind, folder) as redis:
        example = an_example("typed_tasks", folder, DULY_DATABASE_URL=url, TASKS_FIRST_RETRY="0.05", DULY_SLOTS="1")
        env = {"DULY_JWT_SECRET": SECRET, "DULY_BROKER_URL": redis.url} if redis else {}
        (example.folder / ".env").write_text((example.folder / ".env.example").read_text())
        engine = create_engine(blocking_url(url))
        with example.started(WORKER, **env), example.serving(API, **env) as client:
            if redis:
                client.headers["authorization"] = f"Bearer {a_token()}"
            yield Scene(example, client, engine, redis)
        engine.dispose()


@contextmanager
def _redis(kind: str, folder: Path) -> Iterator[RedisServer | None]:
    if kind == "sqlite":
        yield None
        return
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
