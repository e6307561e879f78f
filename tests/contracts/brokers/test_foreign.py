"""Messages that are not ours: put aside, counted, and no reason to crash."""

import asyncio
import json
from datetime import timedelta

import pytest

from tests.support.builders import a_task_id
from tests.support.hints import SOON, a_hint

ID = a_task_id().hex

FOREIGN = {
    "empty": b"",
    "garbage": b"\x00\xff\xfe garbage \x80",
    "no JSON": b"{'count':1}",
    "a number": b"17",
    "nothing": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "deep": b"[" * 5000,
    "huge": b'{"count":1,"queue":"default","priority":5,"ids":["' + b"0" * 300_000 + b'"]}',
    "a lie about its count": b'{"count":99999999999999999999999999,',
    "no ids": json.dumps({"queue": "default", "priority": 5, "ids": []}).encode(),
    "ids of another form": json.dumps({"queue": "default", "priority": 5, "ids": [1, None]}).encode(),
    "an id that is none": json.dumps({"queue": "default", "priority": 5, "ids": ["x" * 32]}).encode(),
    "a true priority": json.dumps({"queue": "default", "priority": True, "ids": [ID]}).encode(),
    "a priority beyond": json.dumps({"queue": "default", "priority": 10, "ids": [ID]}).encode(),
    "another queue's": json.dumps({"queue": "other", "priority": 5, "ids": [ID]}).encode(),
    "infinity": b'{"queue":"default","priority":Infinity,"ids":[]}',
    "a Celery message": json.dumps([[1], {}, {"callbacks": None}]).encode(),
}


@pytest.mark.mistake(46)
async def test_messages_that_are_not_ours_are_put_aside_and_counted(wired_home):
    async with wired_home.open() as broker, broker.subscribe(["default"]) as subscription:
        await broker.announce([first := a_hint()])
        for body in FOREIGN.values():
            await wired_home.put("default", body)
        await broker.announce([last := a_hint(priority=0)])

        taken = []
        while last not in taken:
            taken += await subscription.take(10, SOON)
        async with asyncio.timeout(20):
            while wired_home.told.counted["hint.refused"] < len(FOREIGN):  # what is refused may come after the last
                taken += await subscription.take(10, timedelta(milliseconds=50))

        facts = await broker.facts()

    assert taken == [first, last]
    assert wired_home.told.counted["hint.refused"] == len(FOREIGN)
    assert any(f"{len(FOREIGN)} " in warning and "put aside" in warning for warning in facts.warnings)
    kept = {body[:1000] for body in await wired_home.dead_letters()}
    assert kept == {body[:1000] for body in FOREIGN.values()}


async def test_a_refusal_is_told_with_its_cause_and_without_its_content(wired_home):
    async with wired_home.open() as broker, broker.subscribe(["default"]) as subscription:
        await broker.announce([a_hint()])
        await wired_home.put("default", b'{"secret": "hunter2"}')
        await broker.announce([a_hint(priority=0)])
        await subscription.take(1, SOON)
        await subscription.take(2, SOON)

    [(name, facts)] = wired_home.told.events
    assert name == "hint.refused"
    assert facts["queue"] == "default"
    assert facts["bytes"] == 21
    assert "hunter2" not in str(facts)
