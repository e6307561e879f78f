"""Servers of the run's own, from the programs that are installed: each in a folder and on a port of its own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from duly.domain.errors import Misconfigured

SBIN = "/usr/local/sbin:/usr/sbin"
PATIENCE = 90.0
"""Seconds that a server may need to start, or to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How a server is run. ``hello`` is sent to its port; any answer means that it is up."""

    name: str
    command: Sequence[str]
    url: str
    port: int
    hello: bytes
    folder: Path
    env: Mapping[str, str] | None = None
    account: str | None = None
    graceful: signal.Signals = signal.SIGTERM


@dataclass
class Server:
    """One server; its methods block."""

    program: Program
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.program.url

    def start(self) -> None:
        """Start it, and wait until it answers. Raises Misconfigured when it does not."""
        program = self.program
        with (program.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603  # a program that we chose
                program.command,
                env=program.env,
                cwd=program.folder,
                user=program.account,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = (program.folder / "output").read_text(errors="replace")[-1000:]
                raise Misconfigured(f"{program.name} did not start:\n{tail}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as its operator does."""
        if self._process is not None:
            self._process.send_signal(self.program.graceful)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it without a word, with all its processes, as a lost machine."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            top = psutil.Process(self._process.pid)
            family = [top, *top.children(recursive=True)]
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(family[1:], PATIENCE)
        self._process.wait()

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.program.port), 1) as link:
            link.settimeout(2)
            link.sendall(self.program.hello)
            return bool(link.recv(1))
        return False


def postgresql(folder: Path) -> Server:
    """A PostgreSQL without passwords; it may be killed, not the machine, so it need not wait for the disk."""
    program, account, port = _found("postgres"), _account("postgres"), free_port()
    data = _handed_over(folder, account) / "data"
    initdb = str(Path(program).resolve().with_name("initdb"))
    _run([initdb, "-D", str(data), "-U", "postgres", "--auth=trust", "-E", "UTF8", "--no-sync"], folder, account)
    settings = ("fsync=off", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}")
    options = [word for setting in settings for word in ("-c", setting)]
    return Server(
        Program(
            name="PostgreSQL",
            command=(program, "-D", str(data), "-p", str(port), *options),
            url=f"postgresql://postgres@127.0.0.1:{port}/postgres",
            port=port,
            hello=b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
            folder=folder,
            account=account,
            graceful=signal.SIGINT,
        )
    )


def mariadb(folder: Path) -> Server:
    """A MariaDB without passwords."""
    program, account, port = _found("mariadbd", "mysqld"), _account("mysql"), free_port()
    data = f"--datadir={_handed_over(folder, account) / 'data'}"
    normal = "--auth-root-authentication-method=normal"
    _run([_found("mariadb-install-db"), "--no-defaults", data, normal, "--skip-test-db"], folder, account)
    (folder / "init.sql").write_text("CREATE DATABASE IF NOT EXISTS duly;\n")
    places = (f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 's'}", f"--pid-file={folder / 'p'}")
    options = (f"--init-file={folder / 'init.sql'}",)
    return Server(
        Program(
            name="MariaDB",
            command=(program, "--no-defaults", data, *places, *options),
            url=f"mariadb://root@127.0.0.1:{port}/duly",
            port=port,
            hello=b"",
            folder=folder,
            account=account,
        )
    )


def redis(folder: Path) -> Server:
    """A Redis that keeps nothing."""
    port = free_port()
    at = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder))
    return Server(
        Program(
            name="Redis",
            command=(_found("redis-server", "valkey-server"), *at, "--save", ""),
            url=f"redis://127.0.0.1:{port}/0",
            port=port,
            hello=b"PING\r\n",
            folder=folder,
        )
    )


def rabbitmq(folder: Path) -> Server:
    """A RabbitMQ node."""
    plain, port = Path("/usr/lib/rabbitmq/bin"), free_port()
    program = str(plain / "rabbitmq-server") if plain.is_dir() else _found("rabbitmq-server")
    env = {
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "RABBITMQ_NODENAME": f"duly{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_MNESIA_BASE": str(folder / "db"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    url, hello = f"amqp://guest:guest@127.0.0.1:{port}/", b"AMQP\x00\x00\x09\x01"
    return Server(Program(name="RabbitMQ", command=(program,), url=url, port=port, hello=hello, folder=folder, env=env))


SERVERS: Mapping[str, Callable[[Path], Server]] = {
    "postgresql": postgresql,
    "mariadb": mariadb,
    "redis": redis,
    "rabbitmq": rabbitmq,
}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def program(name: str) -> str | None:
    """Where it is: on the path, where servers are and an ordinary user's path does not lead, or Debian's PostgreSQL."""
    newest = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or shutil.which(name, path=SBIN) or next(map(str, newest), None)


def _found(*names: str) -> str:
    """Raises Misconfigured."""
    for name in names:
        if found := program(name):
            return found
    raise Misconfigured(f"{names[0]} is not installed here: install it, or give the address of a server to torture.")


def _account(name: str) -> str | None:
    """No database server runs as root: the account that its package made."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(name).pw_name
    except KeyError:
        raise Misconfigured(f"There is no account {name}, and the server does not run as root.") from None


def _handed_over(folder: Path, account: str | None) -> Path:
    if account is not None:
        shutil.chown(folder, account)
    return folder


def _run(command: Sequence[str], folder: Path, account: str | None) -> None:
    done = subprocess.run(  # noqa: S603  # a program that we chose
        command, cwd=folder, user=account, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    if done.returncode:
        raise Misconfigured(f"{command[0]}: {done.stdout}{done.stderr}")
