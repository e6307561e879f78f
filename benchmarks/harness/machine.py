"""What figures mean nothing without: the machine, versions, the commit, and how durable the servers are."""

import os
import platform
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import psycopg
import pymysql
from benchmarks.harness.processes import ROOT
from sqlalchemy.engine import make_url

from tests.support.databases import MYSQL_URL, POSTGRES_URL

WRITES = 300
POSTGRES = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "autovacuum")
MARIADB = ("innodb_flush_log_at_trx_commit", "innodb_doublewrite", "innodb_buffer_pool_size", "log_bin")


def machine() -> dict[str, object]:
    """The hardware, and how long one durable write takes on it."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory GiB": round(psutil.virtual_memory().total / 2**30),
        "fdatasync of 8 kB, µs": round(_sync_seconds() * 1e6),
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Of this environment."""
    names = ["duly", "asyncpg", "sqlalchemy", "uvicorn", "uvloop", "fastapi", "asyncmy", "aiormq", "redis"]
    listed = _said("python", "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check")
    installed = dict(line.split("==", 1) for line in listed.splitlines() if "==" in line)
    lower = {name.lower(): number for name, number in installed.items()}
    return {"Python": platform.python_version()} | {name: lower[name] for name in names if name in lower}


def commit() -> dict[str, object]:
    """The last commit of what is measured and of what measures it; results are neither."""
    measured = ("--", "src", "benchmarks", ":!benchmarks/results")
    changed = _git("status", "--porcelain", *measured).strip()
    return {
        "commit": _git("log", "-1", "--abbrev=10", "--format=%h", *measured).strip(),
        "changed since": bool(changed),
    }


def servers(names: Sequence[str]) -> dict[str, str]:
    """Version and durability of each. Raises when a database does not wait for the disk."""
    known: Mapping[str, Callable[[], str]] = {
        "postgresql": _postgresql,
        "mariadb": _mariadb,
        "sqlite": lambda: f"SQLite {sqlite3.sqlite_version}, WAL, synchronous=FULL",
        "redis": lambda: f"{_first('redis-server', '--version')}; no AOF, no snapshots: keeps nothing",
        "rabbitmq": lambda: "RabbitMQ, durable queues, persistent messages",
    }
    return {name: known[name]() for name in names}


def load() -> dict[str, float]:
    """How busy the machine is, before we begin."""
    return {"load average": round(os.getloadavg()[0], 2)}


def _postgresql() -> str:
    with psycopg.connect(os.environ.get("DULY_TEST_POSTGRES_URL", POSTGRES_URL)) as connection:
        found = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in POSTGRES}
        version = connection.execute("SHOW server_version").fetchone()[0]
    if (found["fsync"], found["synchronous_commit"], found["full_page_writes"]) != ("on", "on", "on"):
        raise SystemExit(f"PostgreSQL does not wait for the disk, so nothing is measured: {found}")
    return f"PostgreSQL {version.split()[0]}; " + ", ".join(f"{name}={value}" for name, value in found.items())


def _mariadb() -> str:
    at = make_url(os.environ.get("DULY_TEST_MYSQL_URL", MYSQL_URL))
    connection = pymysql.connect(host=at.host, port=at.port or 3306, user=at.username, password=at.password or "")
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT version(), {', '.join(f'@@{name}' for name in MARIADB)}")
        version, *values = cursor.fetchone()
    found = dict(zip(MARIADB, values, strict=True))
    if found["innodb_flush_log_at_trx_commit"] != 1:
        raise SystemExit(f"MariaDB does not wait for the disk, so nothing is measured: {found}")
    return f"MariaDB {version.split('-')[0]}; " + ", ".join(f"{name}={value}" for name, value in found.items())


def _processor() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor()


def _sync_seconds() -> float:
    with tempfile.NamedTemporaryFile(dir=ROOT) as file:
        took = []
        for _ in range(WRITES):
            file.write(b"x" * 8192)
            file.flush()
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - begun)
    return sorted(took)[WRITES // 2]


def _git(*words: str) -> str:
    return _said("git", "-C", str(ROOT), *words)


def _first(*command: str) -> str:
    return re.sub(r" server | sha=.*", " ", _said(*command).strip()).strip()


def _said(*command: str) -> str:
    words = [sys.executable if word == "python" else word for word in command]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""
