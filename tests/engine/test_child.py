"""The inside of a process, looked at from within: what its parent's tests see from outside only."""

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest

from duly.domain.fact import Raised, Returned, Unstorable
from duly.domain.task import Task
from duly.engine import child
from duly.engine.cause import Cause
from duly.engine.limits import Limits
from tests.engine import work  # what the orders name
from tests.support.builders import a_running_task


class Inside:
    """Runs orders as a process does."""

    def __init__(self) -> None:
        self.ours, self.theirs = Pipe()
        self.lifeline, self.their_lifeline = Pipe()
        self.child = child._Child(self.theirs, Limits(), None)

    def run(self, name: str, **payload: Any) -> tuple[list[str], child.End]:
        """The reports and the end of one order."""
        self.child.run(an_order(name, **payload))
        return self.heard()

    def heard(self) -> tuple[list[str], child.End]:
        reports: list[str] = []
        while isinstance(message := self.ours.recv(), child.Report):
            reports.append(message.progress)
        return reports, message


def a_running(payload: dict[str, Any]) -> Task:
    return a_running_task()._replace(payload=json.dumps(payload))


def an_order(name: str, **payload: Any) -> child.Order:
    return child.Order(a_running(payload), "tests.engine.work", name, timedelta())


@pytest.fixture
def inside() -> Inside:
    return Inside()


def test_what_a_handler_returns_is_sent(inside: Inside) -> None:
    _, end = inside.run("act")

    assert isinstance(end.fact, Returned)
    assert not end.settled_inside


def test_what_a_handler_raises_is_sent_with_a_traceback_that_begins_in_it(inside: Inside) -> None:
    _, end = inside.run("act", how="exit")

    assert isinstance(end.fact, Raised)
    assert end.fact.failure.type == "SystemExit"
    assert (end.fact.failure.traceback or "").splitlines()[1].endswith("in act")


def test_reports_go_before_the_end(inside: Inside) -> None:
    reports, end = inside.run("steps", count=3)

    assert isinstance(end.fact, Returned)
    assert reports[-1] == '{"fraction":1,"note":"last"}'
    assert len(reports) == 7


def test_a_report_of_another_task_than_the_one_that_runs_is_not_sent(inside: Inside) -> None:
    """What an earlier handler had left running wrote its progress into the next task of the process."""
    inside.child._report(a_running({}), '"late"')
    reports, _ = inside.run("act")

    assert reports == []


def test_a_module_that_cannot_be_imported_fails_the_task_with_the_reason(inside: Inside) -> None:
    """It ended the process: three times, and the task was called poison."""
    order = replace(an_order("act"), module="tests.engine.no_such_module")
    inside.child.run(order)
    _, end = inside.heard()

    assert isinstance(end.fact, Raised)
    assert (end.fact.failure.type, end.fact.wait) == ("ModuleNotFoundError", None)


def test_a_payload_that_does_not_fit_is_told(inside: Inside) -> None:
    _, end = inside.run("act", how=7)

    assert isinstance(end.fact, Raised)
    assert end.fact.failure.type == "PayloadInvalid"


def test_a_result_that_is_too_large_is_told(inside: Inside) -> None:
    inside.child._limits = Limits(max_result=5)
    _, end = inside.run("act")

    assert isinstance(end.fact, Unstorable)


async def test_a_coroutine_is_cancelled_by_the_name_of_its_attempt(inside: Inside) -> None:
    order = an_order("sleep_async")
    running = asyncio.create_task(asyncio.to_thread(inside.child.run, order))
    assert isinstance(await asyncio.to_thread(inside.ours.recv), child.Report)

    threading.Thread(target=inside.child.watch, args=(inside.their_lifeline,), daemon=True).start()
    inside.lifeline.send(child.Ending(a_running({}).claim, Cause.CANCEL))
    inside.lifeline.send(child.Ending(order.task.claim, Cause.CANCEL))
    await running
    reports, end = inside.heard()
    _KEPT.append(inside.lifeline)

    assert reports == ['{"fraction":1,"note":"cancelled"}']
    assert isinstance(end.fact, Raised)
    assert end.fact.failure.type == "asyncio.exceptions.CancelledError"


async def test_a_cancel_that_comes_after_the_end_hits_nobody(inside: Inside) -> None:
    order = an_order("quick_async")
    await asyncio.to_thread(inside.child.run, order)
    told = work.LAST_RUNNING[-1]

    told.end(Cause.CANCEL)

    assert isinstance(inside.heard()[1].fact, Returned)


@pytest.fixture
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
def test_it_serves_until_its_parent_closes_the_line(inside: Inside) -> None:
    inside.ours.send(an_order("act"))
    closing = threading.Thread(target=_close_after, args=(inside.ours,))
    closing.start()

    child.serve(inside.theirs, inside.their_lifeline, Limits(), None)
    closing.join()
    signal.raise_signal(signal.SIGTERM)
    _KEPT.append(inside.lifeline)


def _close_after(ours: Connection) -> None:
    assert [type(ours.recv()) for _ in range(2)] == [child.Ready, child.End]
    ours.close()


_KEPT: list[Connection] = []
"""A lifeline that is closed ends the process that watches it: this one, here."""
