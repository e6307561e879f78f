"""The floor on SQLite: one table, one connection, WAL, synchronous=FULL, whole batches in one transaction each."""

import json
import os
import sqlite3
import time
from uuid import uuid4

from benchmarks.harness import tally
from benchmarks.harness.command import serve

BATCH = 100
SCHEMA = """
CREATE TABLE floor_tasks (
    id BLOB PRIMARY KEY, queue TEXT NOT NULL, name TEXT NOT NULL, status INTEGER NOT NULL, priority INTEGER NOT NULL,
    attempt INTEGER NOT NULL, max_attempts INTEGER NOT NULL, run_at REAL NOT NULL, created_at REAL NOT NULL,
    started_at REAL, finished_at REAL, lease_until REAL, worker TEXT, payload TEXT NOT NULL, result TEXT
) WITHOUT ROWID;
CREATE INDEX floor_ready ON floor_tasks (queue, priority DESC, run_at, id) WHERE status = 0;
"""
INSERT = "INSERT INTO floor_tasks VALUES (?, 'bench', 'noop', 0, 0, 0, 3, ?, ?, NULL, NULL, NULL, NULL, ?, NULL)"
CLAIM = """
UPDATE floor_tasks SET status = 1, attempt = attempt + 1, started_at = ?1, lease_until = ?1 + 30, worker = ?2
WHERE id IN (
    SELECT id FROM floor_tasks WHERE queue = 'bench' AND status = 0 AND run_at <= ?1
    ORDER BY priority DESC, run_at, id LIMIT ?3
)
RETURNING id, attempt, payload
"""
SETTLE = "UPDATE floor_tasks SET status = 2, result = ?, finished_at = ? WHERE id = ? AND status = 1 AND attempt = ?"


def connect() -> sqlite3.Connection:
    connection = sqlite3.connect(os.environ["BENCH_URL"].removeprefix("sqlite:///"), isolation_level=None, timeout=30)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;")
    return connection


def add(connection: sqlite3.Connection, numbers: range) -> None:
    now = time.time()
    rows = [(time.time_ns().to_bytes(8) + uuid4().bytes[:8], now, now, json.dumps(tally.payload(n))) for n in numbers]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(INSERT, rows)
    connection.execute("COMMIT")


def prepare() -> None:
    connect().executescript(SCHEMA)


def fill(tasks: int) -> None:
    prepare()
    connection = connect()
    for start in range(0, tasks, 500):
        add(connection, range(start, min(start + 500, tasks)))


def work() -> None:
    connection, worker = connect(), str(uuid4())
    while True:
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute(CLAIM, (time.time(), worker, BATCH)).fetchall()
        connection.execute("COMMIT")
        done = [(call(payload), time.time(), id_, attempt) for id_, attempt, payload in rows]
        if done:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(SETTLE, done)
            connection.execute("COMMIT")
        else:
            time.sleep(0.005)


def call(payload: str) -> str:
    tally.count()
    return json.dumps(tally.result(json.loads(payload)["number"]))


def watch(tasks: int, processes: int) -> None:
    connection = connect()
    count = "SELECT count(*) FROM floor_tasks WHERE status = 2"
    tally.watch(tasks, processes, lambda: connection.execute(count).fetchone()[0])


if __name__ == "__main__":
    serve(prepare=prepare, fill=fill, work=work, watch=watch)
