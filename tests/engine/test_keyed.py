"""The lane of submits with a key: who waits for whom, and what a wait that was too long means."""

from datetime import timedelta

import pytest

from duly.domain.errors import TooMany
from duly.engine.keyed import KeyedLane

SOON = timedelta(milliseconds=20)


async def test_whose_key_somebody_else_has_waits_for_it_and_gives_up() -> None:
    lane = KeyedLane(2, SOON)

    async with lane.turn("one", SOON):
        with pytest.raises(TimeoutError):
            async with lane.turn("one", SOON):
                pass


async def test_who_finds_no_room_is_not_told_that_his_key_is_taken() -> None:
    """Once, a busy database had submits answered 409 key-in-flight whose keys nobody had ever used."""
    lane = KeyedLane(1, SOON)

    async with lane.turn("one", SOON):
        with pytest.raises(TooMany):
            async with lane.turn("another", SOON):
                pass

    async with lane.turn("another", SOON) as waited:
        assert not waited
