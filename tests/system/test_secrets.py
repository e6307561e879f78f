"""What is secret stays out of logs, answers, command lines and the messages of commands, whatever goes wrong."""

import base64
import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import NAMESPACE_DNS, NAMESPACE_URL, uuid4

import httpx
import psutil
import psycopg
import pytest
from sqlalchemy.engine import make_url

from duly.assembly import migrate, open_core
from duly.domain.errors import Misconfigured
from duly.engine.handlers import Handlers
from duly.settings import load_settings
from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import Place, Running, a_place, answers

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

APP = """
from duly import Duly, Retry

duly = Duly()


@duly.task
async def echo(text: str) -> str:
    return text


@duly.task(retry=Retry(max_attempts=1))
def fail(text: str) -> None:
    raise ValueError(f"it went wrong with {text}")


@duly.task(executor="process", retry=Retry(max_attempts=1))
def far_away(text: str) -> None:
    raise ValueError(f"it went wrong with {text}")
"""

DATABASE, BROKER, CACHE, PAYLOAD, WRONG_KEY, CALLBACK_QUERY = (
    f"hush{number}{NAMESPACE_URL.hex}" for number in range(6)
)
TOKEN_SECRET = f"hush6{NAMESPACE_URL.hex}{NAMESPACE_URL.hex}"
CALLBACK = base64.b64encode(NAMESPACE_DNS.bytes * 2).decode()

SHOWN_TO_READERS = ("/v1/types", "/v1/queues", "/v1/workers", "/v1/stats", "/v1/capabilities")
SHOWN_TO_ALL = ("/health/live", "/health/ready", "/metrics", "/openapi.json", "/v1/tasks", "/nowhere")


@contextmanager
def own_role(url: str) -> Iterator[str]:
    """The address of this database for a user of its own, whose password is the test's secret."""
    role = f"duly_{uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{DATABASE}'")
        connection.execute(f'ALTER DATABASE "{make_url(url).database}" OWNER TO {role}')
        connection.execute(f"ALTER SCHEMA public OWNER TO {role}")
        try:
            yield make_url(url).set(username=role, password=DATABASE).render_as_string(hide_password=False)
        finally:
            connection.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
            connection.execute(f"DROP OWNED BY {role} CASCADE")
            connection.execute(f"DROP ROLE {role}")


def a_secretive_place(folder: Path, database_url: str) -> Place:
    """All its parts have passwords; those of broker and cache are wrong, so that their servers complain of them."""
    place = a_place(folder, APP)
    secretive = {
        "DULY_DATABASE_URL": database_url,
        "DULY_BROKER_URL": f"amqp://guest:{BROKER}@127.0.0.1:5672/",
        "DULY_CACHE_URL": f"redis://duly:{CACHE}@127.0.0.1:6379/0",
        "DULY_JWT_SECRET": TOKEN_SECRET,
        "DULY_CALLBACK_SECRETS": f"whsec_{CALLBACK}",
        "DULY_CALLBACK_NETWORKS": "127.0.0.0/8",
        "DULY_AUTH": "required",
        "DULY_LOG_LEVEL": "debug",
    }
    return Place(place.folder, {**place.env, **secretive})


def cut(url: str) -> None:
    """Have the database end its connections, so that the driver's own errors are logged."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND pid <> pg_backend_pid()",
            [make_url(url).username],
        )


def everything_in(url: str) -> str:
    """What a reader of the database reads."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [connection.execute(f'TABLE "{name}"').fetchall() for (name,) in tables]
    return "\n".join(str(row) for table in rows for row in table)


def asked(url: str, key: str) -> Iterator[httpx.Response]:
    """A day of a service: tasks that end well and badly, and clients that do everything wrong."""
    mine = {"authorization": f"Bearer {key}"}
    told = f"http://127.0.0.1:{free_port()}/told?token={CALLBACK_QUERY}"
    for type_name in ("echo", "fail", "far_away"):
        body = {"type": type_name, "payload": {"text": PAYLOAD}, "callback_url": told}
        httpx.post(f"{url}/v1/tasks", json=body, headers=mine | {"prefer": "wait=30"}, timeout=60).raise_for_status()
    for wrong in (f"Bearer duly_abcdefghijkl_{WRONG_KEY}", f"Basic {WRONG_KEY}", f"Bearer {WRONG_KEY}.{WRONG_KEY}.x"):
        yield httpx.get(f"{url}/v1/tasks", headers={"authorization": wrong})
    form = {"grant_type": "client_credentials", "client_id": "abcdefghijkl", "client_secret": WRONG_KEY}
    yield httpx.post(f"{url}/v1/token", data=form)
    for path in SHOWN_TO_ALL:
        yield httpx.get(url + path)
    for path in SHOWN_TO_READERS:
        yield httpx.get(url + path, headers=mine)
    yield httpx.post(f"{url}/v1/tasks", json={"type": "echo", "payload": {"text": 1}}, headers=mine)
    yield httpx.post(f"{url}/v1/tasks", content=b'{"type": "echo", ', headers=mine)


def command_lines(*commands: Running) -> str:
    found = [psutil.Process(command.process.pid) for command in commands]
    with contextlib.suppress(psutil.NoSuchProcess):
        found += [child for process in list(found) for child in process.children(recursive=True)]
    return "\n".join(" ".join(process.cmdline()) for process in found if process.is_running())


@pytest.mark.mistake(5, 48)
def test_no_secret_is_told_in_a_whole_run_and_none_of_ours_is_stored(tmp_path, postgres_url):
    with own_role(postgres_url) as database_url:
        place = a_secretive_place(tmp_path, database_url)
        said = [
            place.run("migrate"),
            place.run("keys", "create", "shop", "--scope", "admin"),
            place.run("keys", "list"),
        ]
        key = next(word for word in said[1].stdout.split() if word.startswith("duly_") and word.count("_") > 1)
        url = f"http://127.0.0.1:{free_port()}"
        with (
            place.duly("api", "app:duly", "--port", url.rpartition(":")[2]) as api,
            place.duly("worker", "app:duly") as worker,
        ):
            eventually(lambda: answers(url))
            eventually(lambda: worker.said("worker.started"))
            shown = [f"{answer.text}\n{answer.headers}" for answer in asked(url, key)]
            cut(database_url)
            eventually(lambda: answers(url))
            shown.append(command_lines(api, worker))
            said.append(place.run("doctor"))
            assert (worker.stop(), api.stop()) == (0, 0)
            logs = [api.log.read_text(), worker.log.read_text()]
        kept = everything_in(database_url)

    told = [*shown, *logs, *(run.stdout + run.stderr for run in said)]
    secrets = (DATABASE, BROKER, CACHE, TOKEN_SECRET, CALLBACK, PAYLOAD, WRONG_KEY, CALLBACK_QUERY)
    assert [secret for secret in secrets if any(secret in text for text in told)] == []
    assert [secret for secret in (*secrets, key) if secret in kept] == [PAYLOAD, CALLBACK_QUERY]
    once = [text for text in told if key in text]
    assert once == [said[1].stdout + said[1].stderr]
    assert "task.settled" in logs[1]
    assert "identity.refused" in logs[0]
    assert "unavailable" in logs[0] + logs[1]


@pytest.mark.mistake(48)
@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_command_that_cannot_reach_its_database_tells_no_password(tmp_path, scheme):
    place = a_place(tmp_path, APP)

    ran = place.run("doctor", DULY_DATABASE_URL=f"{scheme}://duly:{DATABASE}@127.0.0.1:{free_port()}/duly")

    assert ran.returncode != 0
    assert scheme in ran.stdout + ran.stderr
    assert DATABASE not in ran.stdout + ran.stderr


@pytest.mark.mistake(48)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", f"postgres+psycopg://duly:{DATABASE}@db/duly"),
        ("broker_url", f"kafka://duly:{DATABASE}@broker"),
        ("cache_url", f"memcached://duly:{DATABASE}@cache"),
        ("bell_url", f"gong://duly:{DATABASE}@bell"),
        ("limits_url", f"abacus://duly:{DATABASE}@limits"),
        ("database_replica_url", f"mysql://duly:{DATABASE}@replica/duly"),
        ("callback_secrets", f"whsec_{DATABASE}!"),
        ("jwt_secret", DATABASE[:8]),
    ],
)
async def test_a_setting_that_is_refused_is_named_without_what_is_in_it(tmp_path, name, value):
    overrides = {"database_url": f"sqlite:///{tmp_path / 'duly.db'}"}
    await migrate(load_settings(overrides))

    with pytest.raises(Misconfigured) as refused:
        async with open_core(load_settings(overrides | {name: value}), Handlers()):
            """It is not opened."""

    assert f"DULY_{name.upper()}" in str(refused.value)
    assert DATABASE[:8] not in str(refused.value)
