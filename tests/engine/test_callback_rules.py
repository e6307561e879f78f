"""Which callback addresses are refused at the submit already."""

from ipaddress import ip_address, ip_network

import pytest

from duly.engine.callback_rules import MAX_URL, CallbackRules
from duly.links.guard import network_of, permitted

RULES = CallbackRules(enabled=True)
INSIDE = CallbackRules(enabled=True, networks=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")))


@pytest.mark.parametrize(
    "url",
    [
        "https://receiver.example/done",
        "http://receiver.example:8080/done?of=1",
        "https://empfänger.example/fertig",
        "https://1.1.1.1/",
        "https://[2606:4700::1111]/",
        "https://receiver.example/" + "x" * (MAX_URL - 25),
    ],
)
def test_an_address_that_may_be_public_is_taken(url):
    assert RULES.flaw(url) is None


@pytest.mark.mistake(47)
@pytest.mark.parametrize(
    ("url", "flaw"),
    [
        ("", "begins with"),
        ("receiver.example/done", "begins with"),
        ("//receiver.example/done", "begins with"),
        ("ftp://receiver.example/", "begins with"),
        ("file:///etc/passwd", "begins with"),
        ("gopher://receiver.example/", "begins with"),
        ("https://", "begins with"),
        ("https:///done", "begins with"),
        ("https://ada:secret@receiver.example/", "no user"),
        ("https://ada@receiver.example/", "no user"),
        ("https://receiver.example/#top", "no fragment"),
        ("https://receiver.example:99999/", "a port"),
        ("https://receiver.example:0/", "a port"),
        ("https://receiver.example:x/", "no address"),
        ("https://[::1/", "no address"),
        ("https://receiver.example/" + "x" * (MAX_URL - 24), "at most 2000"),
        ("https://receiver.example/a b", "without spaces"),
        ("https://receiver.example/\r\nhost: x", "printable"),
        ("https://receiver.example/\ud800", "printable"),
        ("http://127.0.0.1/", "not a public one"),
        ("http://127.1/", "not a public one"),
        ("http://0x7f000001/", "not a public one"),
        ("http://2130706433/", "not a public one"),
        ("http://localhost/", "not a public one"),
        ("http://LOCALHOST./", "not a public one"),
        ("http://duly.localhost/", "not a public one"),
        ("http://10.0.0.1/", "not a public one"),
        ("http://169.254.169.254/latest/meta-data/", "not a public one"),
        ("http://[::1]/", "not a public one"),
        ("http://[::ffff:127.0.0.1]/", "not a public one"),
        ("http://[64:ff9b::7f00:1]/", "not a public one"),
        ("http://[fe80::1]/", "not a public one"),
        ("http://[fd12::1]/", "not a public one"),
    ],
)
def test_an_address_that_is_obviously_wrong_is_refused(url, flaw):
    assert flaw in (RULES.flaw(url) or "")


def test_networks_that_were_allowed_may_be_called():
    assert INSIDE.flaw("http://10.1.2.3:8000/done") is None
    assert INSIDE.flaw("http://[fd12::1]/done") is None
    assert INSIDE.flaw("http://[::ffff:10.0.0.1]/") is None
    assert INSIDE.flaw("http://192.168.0.1/") is not None
    assert INSIDE.flaw("http://localhost/") is not None


def test_without_a_secret_there_are_no_callbacks():
    assert "DULY_CALLBACK_SECRETS" in (CallbackRules().flaw("https://receiver.example/") or "")


def test_where_only_some_hosts_have_a_secret_no_other_is_called():
    rules = CallbackRules(enabled=True, hosts=frozenset({"hooks.shop.example"}))

    assert rules.flaw("https://Hooks.Shop.example.:8443/done") is None
    assert "DULY_CALLBACK_SECRETS" in (rules.flaw("https://shop.example/done") or "")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("10.9.9.9", True), ("::ffff:10.9.9.9", True), ("11.0.0.1", True), ("192.168.0.1", False), ("::1", False)],
)
def test_what_a_network_allows_is_judged_by_the_address_within(address, allowed):
    assert permitted(ip_address(address), [network_of("10.0.0.0/8")]) is allowed


@pytest.mark.parametrize("text", ["10.0.0.1/8", "inside", "10.0.0.0/99", ""])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match="no network"):
        network_of(text)
