"""What the commands say when something is wrong, and how they exit."""

import shlex
import socket
import subprocess
import sys

import pytest

from tests.support.service import a_place


@pytest.fixture
def place(tmp_path):
    return a_place(tmp_path)


@pytest.fixture
def migrated(place):
    place.migrate()
    return place


def test_migrate_may_be_run_twice(place, duly):
    duly(place, "migrate")
    again = duly(place, "migrate")

    assert again.code == 0
    assert "is up to date" in again.out


@pytest.mark.parametrize("command", [("api", "app:duly", "--port", "0"), ("worker", "app:duly")])
def test_a_database_without_a_schema_is_refused(place, duly, command):
    refused = duly(place, *command)

    assert refused.code == 1
    assert "Run `duly migrate` first." in refused.err
    assert "Traceback" not in refused.err


def test_a_taken_port_is_told_in_one_sentence(migrated, duly):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        api = duly(migrated, "api", "app:duly", "--port", str(port))
        dev = duly(migrated, "dev", "app:duly", "--port", str(port))

    assert (api.code, dev.code) == (1, 1)
    assert f"127.0.0.1:{port} is taken by another program. Choose another port: --port {port + 1}" in api.err
    assert "is taken by another program" in dev.err
    assert "Traceback" not in api.err + dev.err


@pytest.mark.mistake(47)
def test_an_open_address_is_refused(migrated, duly):
    api = duly(migrated, "api", "app:duly", "--host", "0.0.0.0", "--port", "0")  # noqa: S104 - it is refused

    assert api.code == 2
    assert "DULY_ALLOW_ANONYMOUS=true" in api.err


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("app", "'app' names no app: write module:attribute"),
        ("nowhere:duly", "There is no module 'nowhere': looked in"),
        ("app:other", "has no 'other'. There is app:duly."),
        ("app:reverse", "is of type Handler, not Duly. There is app:duly."),
    ],
)
def test_an_app_that_cannot_be_found_is_told_with_what_is_there(migrated, duly, reference, told):
    worker = duly(migrated, "worker", reference)

    assert worker.code == 2
    assert told in worker.err
    assert "Traceback" not in worker.err


def test_an_app_that_cannot_be_imported_shows_the_users_own_lines_only(migrated, duly):
    (migrated.folder / "broken.py").write_text("import json\n\njson.loads('no')\n")

    worker = duly(migrated, "worker", "broken:duly")

    assert worker.code == 2
    assert "The module 'broken' was found, but importing it failed" in worker.err
    assert 'broken.py", line 3' in worker.err
    assert "importlib" not in worker.err


def test_a_bad_setting_is_told_in_one_sentence(migrated, duly):
    worker = duly(migrated, "worker", "app:duly", DULY_LEASE="soon")

    assert worker.code == 2
    assert worker.err.startswith("duly: DULY_LEASE: 'soon' is not a duration")
    assert len(worker.err.splitlines()) == 1


@pytest.mark.mistake(48)
def test_a_database_that_is_away_is_told_without_its_password(migrated, duly):
    doctor = duly(migrated, "doctor", DULY_DATABASE_URL="postgresql://duly:s3cret@127.0.0.1:1/duly")

    assert doctor.code == 1
    assert "fail  database" in doctor.out
    assert "s3cret" not in doctor.out + doctor.err


def test_doctor_finds_nothing_wrong_with_a_new_database(migrated, duly):
    doctor = duly(migrated, "doctor")

    assert doctor.code == 0
    assert "warn  workers" in doctor.out
    assert "ok    write" in doctor.out


def test_doctor_sends_those_without_a_schema_to_migrate(place, duly):
    doctor = duly(place, "doctor")

    assert doctor.code == 1
    assert "run `duly migrate`" in doctor.out
    assert not (place.folder / "duly.db").exists()


def test_doctor_finds_a_file_whose_name_is_escaped_in_its_address(place, duly):
    """It said that there was none, and sent to `duly migrate` for ever."""
    url = f"sqlite:///{place.folder}/a%20shop.db"
    duly(place, "migrate", DULY_DATABASE_URL=url)

    doctor = duly(place, "doctor", DULY_DATABASE_URL=url)

    assert doctor.code == 0


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://duly@db.example:port/duly", "cannot be read"),
        ("postgresql://duly@127.0.0.1:1/duly?sslmode=safe", "`sslmode` parameter must be one of"),
        ("mysql://duly@127.0.0.1:1/duly?safe=true", "unexpected keyword argument 'safe'"),
        ("mysql://duly@127.0.0.1:1/duly?ssl=true", "ssl argument must be"),
    ],
)
@pytest.mark.parametrize("command", [("migrate",), ("worker", "app:duly")])
def test_an_address_that_a_driver_cannot_use_is_told_in_one_sentence(place, duly, url, told, command):
    """It was a traceback, or passed for a value that the database cannot keep."""
    refused = duly(place, *command, DULY_DATABASE_URL=url)

    assert refused.code == 2
    assert told in refused.err
    assert len(refused.err.splitlines()) == 1


def test_a_command_does_its_work_without_the_standard_streams(place):
    """A daemon may have none: Python has None in their place, and whatever wrote to one of them failed."""
    command = f"exec {shlex.quote(sys.executable)} -m duly migrate <&- >&- 2>&-"

    ended = subprocess.run(["sh", "-c", command], cwd=place.folder, env=place.env, check=False)

    assert ended.returncode == 0


@pytest.mark.parametrize(("url", "told"), [("http://127.0.0.1:1", "No answer"), ("http://duly.invalid", "A proxy")])
def test_a_proxy_that_cannot_be_used_is_told_and_on_this_machine_not_asked_for(place, duly, url, told):
    """Where the environment names a SOCKS proxy every command was a traceback, and `duly dev` ended."""
    listed = duly(place, "list", "--url", url, ALL_PROXY="foo://127.0.0.1:1")

    assert told in listed.err
    assert "Traceback" not in listed.err
