"""Receivers that do not answer, or whose names nobody resolves, hold up nobody else."""

import asyncio
import socket
import threading
from datetime import timedelta
from ipaddress import ip_address

import pytest

from duly.engine.silent import MOST, SilentReceivers, StillSilent
from duly.links.guard import Unresolved, resolve
from tests.engine.delivery import at_work, delivered, submitted
from tests.support.receiver import receiving

NAME = "hooks.example"
ADDRESS, OTHER = f"https://{NAME}/done", f"https://{NAME}/other"


def _silent() -> SilentReceivers:
    receivers = SilentReceivers()
    with pytest.raises(TimeoutError), receivers.calling(ADDRESS):
        raise TimeoutError
    return receivers


async def test_a_receiver_that_hangs_does_not_hold_the_slots_of_all_others(monkeypatch: pytest.MonkeyPatch):
    """Each call to it held one of ten slots for 20 seconds, and its next ones took them again."""
    monkeypatch.setattr("duly.engine.callbacks.LONGEST_CALL", timedelta(seconds=1))
    never = asyncio.Event()
    async with receiving(waits_for=never) as hanging, receiving() as good, at_work() as stage:
        for number in range(40):
            await stage.submit("greet", {"name": "Ada"}, callback_url=f"{hanging.url}?of={number}")
        ended = await delivered(stage, await submitted(stage, good))
        called = len(hanging.calls)
        never.set()

    assert ended.state == "completed"
    assert called <= 11


async def test_names_that_nobody_resolves_leave_the_threads_of_the_loop_to_others(monkeypatch: pytest.MonkeyPatch):
    """Ten look-ups without an answer held all of them: a reconnect by name waited, and the end of the process."""
    answered = threading.Event()
    looked_up = socket.getaddrinfo

    def slow(host, *rest, **options):
        if host == NAME:
            answered.wait(20)
        return looked_up(host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    looking = [asyncio.create_task(resolve(NAME, 443)) for _ in range(40)]
    try:
        async with asyncio.timeout(5):
            await asyncio.to_thread(int)
            assert await resolve("127.0.0.1", 443) == [ip_address("127.0.0.1")]
    finally:
        looking.pop().cancel()
        answered.set()
        ends = await asyncio.gather(*looking, return_exceptions=True)
    assert {type(end) for end in ends} <= {Unresolved, list}


def test_a_silent_address_is_called_by_one_at_a_time_until_it_says_something():
    receivers = _silent()

    with receivers.calling(ADDRESS):
        with pytest.raises(StillSilent), receivers.calling(ADDRESS):
            pass
        with receivers.calling(OTHER), receivers.calling(OTHER):
            pass
    with receivers.calling(ADDRESS), receivers.calling(ADDRESS):
        pass


def test_a_refusal_is_a_sign_of_life():
    receivers = _silent()
    with pytest.raises(ConnectionError), receivers.calling(ADDRESS):
        raise ConnectionError

    with receivers.calling(ADDRESS), receivers.calling(ADDRESS):
        pass


def test_a_cancel_is_no_sign_of_life():
    receivers = _silent()
    with pytest.raises(asyncio.CancelledError), receivers.calling(ADDRESS):
        raise asyncio.CancelledError

    with receivers.calling(ADDRESS), pytest.raises(StillSilent), receivers.calling(ADDRESS):
        pass


def test_no_more_than_some_silent_addresses_are_remembered():
    receivers = SilentReceivers()
    for number in range(MOST + 1):
        with pytest.raises(TimeoutError), receivers.calling(f"{number}.example"):
            raise TimeoutError

    with receivers.calling("0.example"), receivers.calling("0.example"):
        pass
