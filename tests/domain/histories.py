"""Whole lives of tasks, drawn by Hypothesis: every fact that the state allows, in any order, at any time."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import strategies as st

from duly.domain import fact as facts
from duly.domain.event import Kind, TaskEvent
from duly.domain.fact import Fact
from duly.domain.state import Reason, State
from duly.domain.task import Task
from duly.domain.transition import Change, claimed, decide
from tests.support.builders import LEASE, NOON, WORKER, a_failure, a_task, a_token

UNTOLD = {facts.Due: Kind.DUE, facts.RunNow: Kind.DUE, facts.Returned: Kind.COMPLETED}
"""What the ordinary path does without writing an event."""


@dataclass
class Life:
    """A task, what was stored of its story, and what truly happened: version, kind and time; and what it added."""

    task: Task
    now: datetime = NOON
    stored: list[TaskEvent] = field(default_factory=list)
    truth: list[tuple[int, Kind, datetime]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    added: list[Task] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.truth.append((1, Kind.SUBMITTED, self.now))
        self.tasks.append(self.task)

    def claim(self) -> None:
        self._become(claimed(self.task, a_token(), WORKER, self.now, LEASE))
        self.truth.append((self.task.version, Kind.CLAIMED, self.now))

    def decide(self, fact: Fact) -> None:
        change = decide(self.task, fact, self.now)
        if change is not None:
            self._write(change, UNTOLD.get(type(fact)))

    def _write(self, change: Change, untold: Kind | None) -> None:
        self.stored.extend(change.events)
        self.added.extend(change.adds)
        kind = change.events[0].kind if untold is None else untold
        self._become(change.after)
        self.truth.append((self.task.version, kind, self.now))

    def _become(self, task: Task) -> None:
        self.task = task
        self.tasks.append(task)


WAITS = st.sampled_from([timedelta(), timedelta(seconds=3), timedelta(minutes=7)])
STEPS = st.sampled_from([timedelta(), timedelta(microseconds=1), timedelta(seconds=2), LEASE, timedelta(minutes=10)])


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """A life of up to thirty facts."""
    delay = draw(WAITS)
    state = State.SCHEDULED if delay else State.PENDING
    expires_at = draw(st.sampled_from([None, None, NOON + timedelta(minutes=5)]))
    max_attempts = draw(st.integers(1, 4))
    callback_url = draw(st.sampled_from([None, "https://receiver.example/"]))
    given = {"expires_at": expires_at, "max_attempts": max_attempts, "callback_url": callback_url}
    life = Life(a_task(state=state, run_at=NOON + delay, **given))
    for _ in range(draw(st.integers(0, 30))):
        life.now += draw(STEPS)
        step = draw(st.sampled_from(_moves(life)))
        if step == "claim":
            life.claim()
        elif step != "wait":
            life.decide(_fact(step, life.task, draw(WAITS)))
    return life


def _moves(life: Life) -> list[str]:
    task, now = life.task, life.now
    match task.state:
        case State.SCHEDULED:
            due = ["due"] * 3 if task.run_at <= now else ["wait"]
            return [*due, "run_now", "cancel", "by_hand", *_expiry(task, now)]
        case State.PENDING:
            return ["claim"] * 5 + ["cancel", *_expiry(task, now)]
        case State.RUNNING:
            lost = ["lease"] * 4 if task.lease_until is not None and task.lease_until <= now else []
            settles = ["returned", "raised", "fail", "unstorable", "snoozed", "interrupted", "unhandled", "died"]
            return [*settles, "cancel", "stopped" if task.cancelling else "wait", *lost]
        case State.CANCELLED:
            return ["by_hand", "cancel"]
        case _:
            return ["by_hand", "wait"]


def _expiry(task: Task, now: datetime) -> list[str]:
    return ["expired"] if task.expires_at is not None and task.expires_at <= now else []


def _fact(step: str, task: Task, wait: timedelta) -> Fact:
    token = task.token or a_token()
    made: dict[str, Fact] = {
        "due": facts.Due(),
        "run_now": facts.RunNow(),
        "cancel": facts.CancelAsked(),
        "by_hand": facts.RetriedByHand(),
        "expired": facts.Expired(),
        "lease": facts.LeaseExpired(wait),
        "returned": facts.Returned(token, '"olleh"'),
        "raised": facts.Raised(token, a_failure(), wait),
        "fail": facts.Raised(token, a_failure(), None),
        "unstorable": facts.Unstorable(token, a_failure(), Reason.RESULT_INVALID),
        "snoozed": facts.Snoozed(token, wait),
        "interrupted": facts.Interrupted(token),
        "unhandled": facts.Unhandled(token, wait),
        "died": facts.ProcessDied(token, a_failure(), wait),
        "stopped": facts.Stopped(token),
    }
    return made[step]
