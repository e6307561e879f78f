"""The settings: what is read, what is refused, and in which words."""

# ruff: noqa: S104  # open addresses are what must be refused

from datetime import timedelta

import pytest

from duly.domain.amounts import rate_of
from duly.domain.errors import Misconfigured
from duly.settings import Settings, load_settings
from duly.settings_rules import check_bind, misspelt, public_docs, safe_url


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DULY_{name.upper()}", raising=False)
    return tmp_path


def test_without_any_variable_everything_has_a_default():
    settings = load_settings()

    assert settings.database_url == "sqlite:///duly.db"
    assert settings.queues == ("default",)
    assert settings.lease == timedelta(seconds=30)
    assert settings.retention_done == timedelta(days=7)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2", timedelta(seconds=2)),
        ("0.5", timedelta(milliseconds=500)),
        ("750ms", timedelta(milliseconds=750)),
        ("30s", timedelta(seconds=30)),
        ("1h30m", timedelta(minutes=90)),
        ("7 d", timedelta(days=7)),
        ("2W", timedelta(weeks=2)),
    ],
)
def test_a_duration_is_seconds_or_an_amount_with_a_unit(monkeypatch, text, meant):
    monkeypatch.setenv("DULY_LEASE", text)

    assert load_settings().lease == meant


@pytest.mark.parametrize("text", ["soon", "5x", "-1", "nan", "inf", "1e99", "5m and more"])
def test_a_duration_that_is_none_is_refused_with_the_name_of_its_variable(monkeypatch, text):
    monkeypatch.setenv("DULY_LEASE", text)

    with pytest.raises(Misconfigured, match=r"DULY_LEASE: .*is not a duration"):
        load_settings()


def test_every_bad_variable_is_named_at_once(monkeypatch):
    monkeypatch.setenv("DULY_SLOTS", "many")
    monkeypatch.setenv("DULY_PORT", "99999")

    with pytest.raises(Misconfigured) as caught:
        load_settings()

    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["DULY_PORT", "DULY_SLOTS"]


def test_queues_are_separated_by_commas_and_named_once(monkeypatch):
    monkeypatch.setenv("DULY_QUEUES", "media, default,media")

    assert load_settings().queues == ("media", "default")


def test_retention_may_differ_per_queue(monkeypatch):
    monkeypatch.setenv("DULY_RETENTION_QUEUES", "media=1d,mail=90d")

    assert load_settings().retention_queues == {"media": timedelta(days=1), "mail": timedelta(days=90)}


def test_a_retention_without_a_queue_is_refused(monkeypatch):
    monkeypatch.setenv("DULY_RETENTION_QUEUES", "1d")

    with pytest.raises(Misconfigured, match="DULY_RETENTION_QUEUES: give pairs such as"):
        load_settings()


def test_a_dot_env_file_is_read_and_the_environment_wins(empty_folder, monkeypatch):
    (empty_folder / ".env").write_text("DULY_SLOTS=7\nDULY_PORT=9000\nUNRELATED=1\n")
    monkeypatch.setenv("DULY_PORT", "9001")

    settings = load_settings()

    assert (settings.slots, settings.port) == (7, 9001)


def test_a_dot_env_file_that_is_not_text_is_refused(empty_folder):
    (empty_folder / ".env").write_bytes(b"DULY_SLOTS=\xff\xfe")

    with pytest.raises(Misconfigured, match=r"\.env: .*can't decode"):
        load_settings()


def test_the_command_line_wins_and_what_it_leaves_out_does_not(monkeypatch):
    monkeypatch.setenv("DULY_PORT", "9001")

    settings = load_settings({"port": None, "slots": 3})

    assert (settings.port, settings.slots) == (9001, 3)


@pytest.mark.parametrize("url", ["nonsense", "oracle://h/db", "sqlite://", "postgresql:///"])
def test_an_address_of_no_known_database_is_refused_without_showing_it(monkeypatch, url):
    monkeypatch.setenv("DULY_DATABASE_URL", url)

    with pytest.raises(Misconfigured, match="DULY_DATABASE_URL: it must look like"):
        load_settings()


def test_a_password_is_never_shown(monkeypatch):
    monkeypatch.setenv("DULY_DATABASE_URL", "postgresql://duly:s3cret/@h@db.example/duly?password=s3cret")

    settings = load_settings()

    assert "s3cret" not in repr(settings)
    assert safe_url(settings.database_url) == "postgresql://duly:***@db.example/duly?password=***"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://duly@corp:s3cret@db.example/duly", "postgresql://duly@corp:***@db.example/duly"),
        ("postgresql://db.example/duly?sslpassword=s3cret", "postgresql://db.example/duly?sslpassword=***"),
    ],
)
def test_neither_is_one_behind_an_at_sign_or_that_of_a_certificate(url, shown):
    assert safe_url(url) == shown


@pytest.mark.parametrize("url", ["sqlite:///duly.db", "postgresql://postgres@127.0.0.1:5432/duly", "mysql://h/db?a=b"])
def test_an_address_without_a_password_is_shown_as_it_is(url):
    assert safe_url(url) == url


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "127.example.org"])
def test_an_open_address_is_refused_until_somebody_says_so(monkeypatch, host):
    with pytest.raises(Misconfigured, match="DULY_ALLOW_ANONYMOUS=true"):
        check_bind(load_settings({"host": host}))

    monkeypatch.setenv("DULY_ALLOW_ANONYMOUS", "true")
    check_bind(load_settings({"host": host}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_loopback_is_always_served(host):
    check_bind(load_settings({"host": host}))


def test_a_misspelt_variable_is_found_with_what_was_meant():
    found = misspelt({"DULY_SLOT": "3", "DULY_SLOTS": "3", "DULY_URL": "", "DULY_TEST_X": "", "PATH": ""})

    assert found == {"DULY_SLOT": "DULY_SLOTS"}


def test_every_setting_says_what_it_is_for():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_with_identity_other_addresses_are_served():
    check_bind(load_settings({"host": "192.0.2.1", "auth": "required"}))
    check_bind(load_settings({"host": "192.0.2.1", "jwt_secret": "s" * 32}))

    with pytest.raises(Misconfigured, match="DULY_AUTH=required"):
        check_bind(load_settings({"host": "192.0.2.1", "jwt_secret": "s" * 32, "auth": "none"}))


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, "public"),
        ({"auth": "required"}, "public"),
        ({"auth": "required", "host": "192.0.2.1"}, "admin"),
        ({"allow_anonymous": True, "host": "192.0.2.1"}, "public"),
        ({"docs": "off"}, "off"),
    ],
)
def test_the_pages_of_the_api_are_public_where_nobody_is_asked_or_on_loopback(given, shown):
    assert public_docs(load_settings(given)) == shown


@pytest.mark.mistake(48)
def test_a_secret_is_neither_shown_nor_short(monkeypatch):
    assert "s" * 32 not in repr(load_settings({"jwt_secret": "s" * 32}))
    monkeypatch.setenv("DULY_JWT_SECRET", "hunter2")

    with pytest.raises(Misconfigured, match="DULY_JWT_SECRET") as refused:
        load_settings()

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("rate", ["many", "0/1m", "5", "5/0s", "5/", "-1/1m", "5/x"])
def test_a_rate_that_is_none_is_refused(monkeypatch, rate):
    monkeypatch.setenv("DULY_LIMIT_READ", rate)

    with pytest.raises(Misconfigured, match="DULY_LIMIT_READ"):
        load_settings()


def test_a_rate_is_a_number_in_a_time():
    assert rate_of("600/1m") == (600, timedelta(minutes=1))
    assert rate_of("") is None


SECRET = "whsec_" + "c2VjcmV0LW9uZS0wMDAwMDAwMDAwMDAwMDAwMDAwMDA="


def test_callbacks_have_secrets_and_networks(monkeypatch):
    monkeypatch.setenv("DULY_CALLBACK_SECRETS", f"{SECRET}, {SECRET}")
    monkeypatch.setenv("DULY_CALLBACK_NETWORKS", "10.0.0.0/8, fd00::/8")

    settings = load_settings()

    assert settings.callback_secrets == (SECRET, SECRET)
    assert settings.callback_networks == ("10.0.0.0/8", "fd00::/8")
    assert "whsec_" not in repr(settings)


@pytest.mark.mistake(48)
def test_a_callback_secret_that_is_none_is_refused_without_being_shown(monkeypatch):
    monkeypatch.setenv("DULY_CALLBACK_SECRETS", "hunter2")

    with pytest.raises(Misconfigured, match=r"DULY_CALLBACK_SECRETS: .*openssl rand") as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)


def test_a_network_that_is_none_is_refused(monkeypatch):
    monkeypatch.setenv("DULY_CALLBACK_NETWORKS", "10.0.0.1/8")

    with pytest.raises(Misconfigured, match=r"DULY_CALLBACK_NETWORKS: .*no network"):
        load_settings()
