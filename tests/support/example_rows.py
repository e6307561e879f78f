"""An example's own rows and Duly's tasks, side by side in one PostgreSQL database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.support.processes import eventually


@dataclass(frozen=True)
class Rows:
    """What a test looks at, and does to it, behind the back of the example."""

    database: psycopg.Connection[Any]

    def count(self, table: str) -> int:
        return self.database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608

    def drain(self) -> None:
        """Wait until nothing is left to do."""
        left = "SELECT count(*) FROM duly_tasks WHERE state IN ('scheduled', 'pending', 'running')"
        eventually(lambda: self.database.execute(left).fetchone() == (0,))

    @contextmanager
    def refusing(self, rule: str) -> Iterator[None]:
        """The database refuses rows of the example that are not so."""
        self.database.execute(f"ALTER TABLE tasks ADD CONSTRAINT refusing CHECK ({rule}) NOT VALID")
        try:
            yield
        finally:
            self.database.execute("ALTER TABLE tasks DROP CONSTRAINT refusing")
