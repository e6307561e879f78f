"""``duly keys``: made, listed and revoked on the database itself."""

import json
import re

import pytest

from tests.support.service import a_place


@pytest.fixture
def place(tmp_path):
    made = a_place(tmp_path)
    made.migrate()
    return made


def test_a_key_is_printed_alone_so_that_a_script_can_take_it(place, duly):
    made = duly(place, "keys", "create", "shop", "--scope", "tasks:submit")

    assert made.code == 0
    assert re.fullmatch(r"duly_[a-z2-7]{12}_[A-Za-z0-9]{32}\n", made.out)
    assert "set DULY_AUTH=required" in made.err


def test_a_key_is_shown_once(place, duly):
    key = duly(place, "keys", "create", "shop", "--scope", "admin").out.strip()

    listed = duly(place, "keys", "list")

    assert key.rpartition("_")[0] in listed.out
    assert key.rpartition("_")[2] not in listed.out
    assert key.rpartition("_")[2].encode() not in (place.folder / "duly.db").read_bytes()


def test_a_key_has_the_scopes_queues_and_end_that_were_asked_for(place, duly):
    words = ("--scope", "tasks:submit", "--scope", "tasks:read", "--queue", "media", "--expires", "1d", "--json")
    made = json.loads(duly(place, "keys", "create", "shop", *words).out)

    listed = json.loads(duly(place, "keys", "list", "--json").out)["keys"][0]

    assert listed == {name: value for name, value in made.items() if name != "key"}
    assert listed["scopes"] == ["tasks:read", "tasks:submit"]
    assert listed["queues"] == ["media"]
    assert listed["expires_at"] > listed["created_at"]


@pytest.mark.parametrize("words", [(), ("--scope", "everything")])
def test_a_key_without_a_scope_that_exists_is_not_made(place, duly, words):
    refused = duly(place, "keys", "create", "shop", *words)

    assert refused.code == 2
    assert "tasks:submit" in refused.err
    assert json.loads(duly(place, "keys", "list", "--json").out) == {"keys": []}


@pytest.mark.parametrize("words", [("--expires", "0s"), ("--queue", ""), ("--queue", "media", "--queue", " ")])
def test_a_key_that_could_never_be_used_is_not_made(place, duly, words):
    refused = duly(place, "keys", "create", "shop", "--scope", "admin", *words)

    assert refused.code == 2
    assert words[0] in refused.err
    assert json.loads(duly(place, "keys", "list", "--json").out) == {"keys": []}


def test_a_revoked_key_stays_in_the_list(place, duly):
    key_id = duly(place, "keys", "create", "shop", "--scope", "admin").out.strip().rpartition("_")[0]

    revoked = duly(place, "keys", "revoke", key_id)

    assert (revoked.code, revoked.out) == (0, f"{key_id} (shop) is revoked.\n")
    assert "revoked" in duly(place, "keys", "list").out


def test_an_id_that_is_none_is_told_without_being_repeated(place, duly):
    """Somebody may paste the whole key."""
    refused = duly(place, "keys", "revoke", "duly_abcdefghijkl_SECRET")

    assert refused.code == 1
    assert "SECRET" not in refused.err
