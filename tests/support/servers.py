"""Servers of the test's own, from the installed programs: each in a temporary folder, on a free port, ended by its id.

For tests that kill, restart or cut off a server. A program that is not installed skips its tests, unless
DULY_TEST_REQUIRE_ALL=1, when they fail.
"""

import os
import pwd
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from duly.torture.programs import program
from tests.support.processes import eventually, standing_still

REDIS_URL = "redis://127.0.0.1:6379/0"
RABBITMQ_URL = "amqp://guest:guest@127.0.0.1:5672/"
PATIENCE = 100.0


def shared_redis_url() -> str:
    return os.environ.get("DULY_TEST_REDIS_URL", REDIS_URL)


def shared_rabbitmq_url() -> str:
    return os.environ.get("DULY_TEST_RABBITMQ_URL", RABBITMQ_URL)


def missing(what: str) -> NoReturn:
    if os.environ.get("DULY_TEST_REQUIRE_ALL") == "1":
        pytest.fail(what)
    pytest.skip(what)


class RedisServer:
    """A Redis that keeps nothing."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._program = _program("redis-server", "valkey-server")
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        at = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder))
        self._process = _started([self._program, *at, "--save", "", *self._options], self._folder)
        _until_answers(self.port, b"PING\r\n", self._process)

    def kill(self) -> None:
        """Without a word, as a lost machine."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """It still holds its connections, and answers nobody."""
        assert self._process is not None
        pid = self._process.pid
        os.kill(pid, signal.SIGSTOP)
        eventually(lambda: standing_still(pid), PATIENCE)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class RabbitServer:
    """A RabbitMQ node."""

    def __init__(self, folder: Path) -> None:
        self._programs = _rabbitmq_programs()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}/"
        self._env = {
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "RABBITMQ_NODENAME": f"duly{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "db"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
        }

    def start(self) -> None:
        self._process = _started([str(self._programs / "rabbitmq-server")], self._folder, self._env)
        _until_answers(self.port, b"AMQP\x00\x00\x09\x01", self._process)

    def kill(self) -> None:
        """Without a word. What was started is a script: the node is in its process group."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def freeze(self) -> None:
        """It still holds its connections, and answers nobody."""
        assert self._process is not None
        leader = self._process.pid
        os.killpg(leader, signal.SIGSTOP)
        eventually(lambda: all(map(standing_still, _group(leader))), PATIENCE)

    def thaw(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def control(self, *command: str) -> str:
        """What rabbitmqctl says."""
        done = subprocess.run(
            [str(self._programs / "rabbitmqctl"), "--quiet", *command],
            env=self._env,
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE,
        )
        return done.stdout

    def cut_all(self) -> None:
        """Close every connection from the broker's side."""
        self.control("close_all_connections", "cut by a test")


class PostgresServer:
    """A PostgreSQL without passwords, and without fsync unless ``settings`` ("fsync=on") say otherwise."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self._settings = settings
        self._postgres = _program("postgres", *_newest_postgres("postgres"))
        self._folder = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._user = "postgres" if os.getuid() == 0 else None
        self._folder.mkdir()
        if self._user is not None:
            _hand_over(folder, self._user)
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        initdb = Path(self._postgres).resolve().with_name("initdb")
        command = [str(initdb), "--pgdata", str(self._folder), "--auth", "trust", "--username", "postgres", "--no-sync"]
        subprocess.run(command, user=self._user, cwd=self._folder, check=True, capture_output=True, timeout=PATIENCE)

    def start(self) -> None:
        settings = (
            "fsync=off",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self._folder}",
            *self._settings,
        )
        options = [word for setting in settings for word in ("-c", setting)]
        command = [self._postgres, "-D", str(self._folder), "-p", str(self.port), *options]
        self._process = _started(command, self._folder.parent, user=self._user, cwd=self._folder)
        _until_answers(self.port, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", self._process)

    def kill(self) -> None:
        """At once (SIGQUIT): its children go with it."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()


Own = RedisServer | RabbitServer | PostgresServer


@contextmanager
def ended(server: Own) -> Iterator[Own]:
    """The server, started; killed at the end."""
    try:
        server.start()
        yield server
    finally:
        server.kill()


def free_port() -> int:
    """One that is free now, and that no system gives to whoever asks for any: it is taken seconds later only."""
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _group(leader: int) -> list[int]:
    """What still runs of its process group."""
    members: list[int] = []
    for one in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(one.pid) == leader and one.status() != psutil.STATUS_ZOMBIE:
                members.append(one.pid)
    return members


def _program(*names: str) -> str:
    for name in names:
        found = program(name)
        if found is not None:
            return found
    missing(f"{names[0]} is not installed")


def _newest_postgres(name: str) -> list[str]:
    return [str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)]


def _rabbitmq_programs() -> Path:
    """Debian's scripts in the PATH insist on the system's own node; those beside them do not."""
    plain = Path("/usr/lib/rabbitmq/bin")
    return plain if plain.is_dir() else Path(_program("rabbitmq-server")).parent


def _hand_over(folder: Path, user: str) -> None:
    owner = pwd.getpwnam(user)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    for path in folder.parents:
        if path.owner() != "root" or path == Path("/tmp"):  # noqa: S108  # where pytest puts its folders
            break
        path.chmod(path.stat().st_mode | 0o011)


def _started(
    command: list[str],
    folder: Path,
    env: dict[str, str] | None = None,
    *,
    user: str | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    with (folder / "output").open("ab") as output:
        return subprocess.Popen(
            command,
            env=env,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            user=user,
            cwd=cwd or folder,
            start_new_session=True,
        )


def _until_answers(port: int, hello: bytes, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as link:
            link.settimeout(2)
            link.sendall(hello)
            if link.recv(1):
                return
        time.sleep(0.05)
    pytest.fail(f"nothing answered on port {port} within {PATIENCE} s")
