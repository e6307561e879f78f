"""Database servers of the tests' own, set up as they come, which may be stopped, killed and started again."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql

from duly.torture.programs import program
from tests.support.processes import eventually
from tests.support.servers import free_port, missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How the server is run. ``graceful`` and ``immediate`` are the signals that end it so."""

    command: Sequence[str]
    account: str | None
    answers: Callable[[], bool]
    graceful: signal.Signals
    immediate: signal.Signals


class DatabaseServer:
    """One server on a folder and a port of its own."""

    def __init__(self, url: str, program: Program, log: Path) -> None:
        self.url = url
        self._program = program
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_as(self._program.account),
            )
        eventually(self._up)

    def stop(self, *, at_once: bool = False) -> None:
        """End it; all its connections break. At once: without finishing anything."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(self._program.immediate if at_once else self._program.graceful)
            process.wait(60)

    def restart(self, *, at_once: bool = False, away: float = 0) -> None:
        """End it, leave it away for so many seconds, and start it again."""
        self.stop(at_once=at_once)
        time.sleep(away)
        self.start()

    def break_connections(self) -> int:
        """Have it end all connections but ours, as a proxy or an operator does. Returns how many."""
        return (_break_postgres if self.url.startswith("postgresql") else _break_mariadb)(self.url)

    def _up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"The server ended by itself:\n{self._log.read_text()[-2000:]}"
        return self._program.answers()


@contextmanager
def postgres_server() -> Iterator[DatabaseServer]:
    """A PostgreSQL server, running; ended at the end."""
    account, port = _account("postgres"), free_port()
    with _folder(account) as folder:
        data, url = folder / "data", f"postgresql://postgres@127.0.0.1:{port}/postgres"
        _run(account, _installed("initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "-E", "UTF8")
        with _running(DatabaseServer(url, _postgres_program(folder, port, account), folder / "log")) as server:
            yield server


@contextmanager
def postgres_replica(of: DatabaseServer) -> Iterator[DatabaseServer]:
    """A streaming replica of this server, running; ended at the end. It takes no writes."""
    account, port = _account("postgres"), free_port()
    with _folder(account) as folder:
        data, url = folder / "data", f"postgresql://postgres@127.0.0.1:{port}/postgres"
        copy = ("--pgdata", str(data), "--write-recovery-conf", "--checkpoint=fast", "--dbname", of.url)
        _run(account, _installed("pg_basebackup"), *copy)
        with _running(DatabaseServer(url, _postgres_program(folder, port, account), folder / "log")) as server:
            yield server


@contextmanager
def mariadb_server() -> Iterator[DatabaseServer]:
    """A MariaDB server, running; ended at the end."""
    account, port = _account("mysql"), free_port()
    with _folder(account) as folder:
        data, url = f"--datadir={folder / 'data'}", f"mysql://root@127.0.0.1:{port}/duly"
        normal = "--auth-root-authentication-method=normal"
        _run(account, _installed("mariadb-install-db"), "--no-defaults", data, normal, "--skip-test-db")
        places = (
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder / 's'}",
            f"--pid-file={folder / 'p'}",
        )
        program = Program(
            command=(_installed("mariadbd"), "--no-defaults", data, *places),
            account=account,
            answers=lambda: _mariadb_answers(port),
            graceful=signal.SIGTERM,
            immediate=signal.SIGKILL,
        )
        with _running(DatabaseServer(url, program, folder / "log")) as server:
            yield server


def _postgres_program(folder: Path, port: int, account: str | None) -> Program:
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    places = ("-D", str(folder / "data"), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder))
    return Program(
        command=(_installed("postgres"), *places),
        account=account,
        answers=lambda: _postgres_answers(url),
        graceful=signal.SIGINT,
        immediate=signal.SIGQUIT,
    )


@contextmanager
def _running(server: DatabaseServer) -> Iterator[DatabaseServer]:
    try:
        server.start()
        yield server
    finally:
        server.stop(at_once=True)


def _postgres_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _break_postgres(url: str) -> int:
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {others}"  # type: ignore[arg-type]  # noqa: S608
        ).fetchone()
    return int(row[0]) if row else 0


def _mariadb_answers(port: int) -> bool:
    """Its database is made by the way."""
    try:
        with _mariadb(port) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE DATABASE IF NOT EXISTS duly")
    except pymysql.Error:
        return False
    return True


def _break_mariadb(url: str) -> int:
    with _mariadb(int(url.rpartition(":")[2].partition("/")[0])) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = 'duly'")
        ids = [row[0] for row in cursor.fetchall()]
        for id_ in ids:
            cursor.execute(f"KILL {int(id_)}")
    return len(ids)


def _mariadb(port: int) -> Any:
    return pymysql.connect(
        host="127.0.0.1", port=port, user="root", connect_timeout=2, autocommit=True, ssl_disabled=True
    )


def _installed(name: str) -> str:
    return program(name) or missing(f"{name} is not installed")


def _account(name: str) -> str | None:
    """No database server runs as root: the account that its package made."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(name)
    except KeyError:
        missing(f"there is no account {name}")
    return name


def _as(account: str | None) -> dict[str, Any]:
    return {} if account is None else {"user": account, "group": pwd.getpwnam(account).pw_gid, "extra_groups": []}


@contextmanager
def _folder(account: str | None) -> Iterator[Path]:
    """A temporary folder that this account may use: pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(prefix="duly-server-") as name:
        if account is not None:
            shutil.chown(name, account)
        yield Path(name)


def _run(account: str | None, *command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **_as(account))
    assert done.returncode == 0, done.stdout + done.stderr
