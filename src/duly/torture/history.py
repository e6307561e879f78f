"""All that was recorded of one run, put in order."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from duly.domain.state import FINAL, State
from duly.torture.records import (
    CALLBACKS,
    CLIENTS,
    EFFECTS,
    FAULTS,
    PROCESSES,
    Delivery,
    Effect,
    Fault,
    Final,
    Json,
    Move,
    ProcessSign,
    Rate,
    Read,
    Record,
    Submit,
    Terms,
    read,
    read_final,
    read_terms,
)

OK, ACCEPTED = 200, 202
CLIENT_ERROR, SERVER_ERROR = 400, 500


@dataclass(frozen=True, slots=True)
class Sight:
    """A task as somebody saw it, in an answer to whatever was asked."""

    id: str
    version: int
    state: State
    attempt: int
    reason: str | None
    sent: float
    answered: float
    source: Submit | Read | Move

    @property
    def final(self) -> bool:
        """Whether it had ended."""
        return self.state in FINAL


@dataclass(frozen=True, slots=True)
class Settled:
    """A worker's own word, after its commit, that it has settled a claim."""

    id: str
    attempt: int
    outcome: str
    at: str
    log: str


@dataclass(frozen=True)
class History:
    """One run."""

    terms: Terms
    submits: Sequence[Submit] = ()
    reads: Sequence[Read] = ()
    moves: Sequence[Move] = ()
    effects: Sequence[Effect] = ()
    signs: Sequence[ProcessSign] = ()
    faults: Sequence[Fault] = ()
    rates: Sequence[Rate] = ()
    deliveries: Sequence[Delivery] = ()
    settles: Sequence[Settled] = ()
    final: Final = field(default_factory=lambda: Final(tasks=[]))

    @cached_property
    def tasks(self) -> dict[str, Json]:
        """The final table, by id."""
        return {task["id"]: task for task in self.final.tasks}

    @cached_property
    def own_tasks(self) -> dict[str, Json]:
        """The same without Duly's own tasks."""
        return {id_: task for id_, task in self.tasks.items() if not str(task["type"]).startswith("duly.")}

    @cached_property
    def sights(self) -> dict[str, list[Sight]]:
        """Every sight of each task, in the order of the answers."""
        by_task: defaultdict[str, list[Sight]] = defaultdict(list)
        answers: list[Submit | Read | Move] = [*self.submits, *self.reads, *self.moves]
        for record in answers:
            if (seen := sight(record)) is not None:
                by_task[seen.id].append(seen)
        for seen_of in by_task.values():
            seen_of.sort(key=lambda one: one.answered)
        return dict(by_task)

    @cached_property
    def moves_of(self) -> dict[str, list[Move]]:
        """The moves of each task, in the order in which they were sent."""
        by_task: defaultdict[str, list[Move]] = defaultdict(list)
        for move in sorted(self.moves, key=lambda move: move.sent):
            by_task[move.id].append(move)
        return dict(by_task)

    @cached_property
    def starts(self) -> dict[str, list[Effect]]:
        """The starts of handlers of each task, in order."""
        by_task: defaultdict[str, list[Effect]] = defaultdict(list)
        for effect in sorted(self.effects, key=lambda effect: effect.t):
            if effect.what == "start":
                by_task[effect.id].append(effect)
        return dict(by_task)

    @cached_property
    def ends(self) -> dict[tuple[str, int], list[Effect]]:
        """The ends of handlers by task and attempt."""
        by_claim: defaultdict[tuple[str, int], list[Effect]] = defaultdict(list)
        for effect in self.effects:
            if effect.what == "end":
                by_claim[effect.id, effect.attempt].append(effect)
        return dict(by_claim)

    def retries(self, task_id: str, after: float, before: float) -> list[Move]:
        """The retries by hand of the task that may have taken effect between these times."""
        return [
            move
            for move in self.moves_of.get(task_id, ())
            if move.move == "retry" and maybe(move) and move.sent < before and (move.answered or before) > after
        ]


def maybe(asked: Submit | Move) -> bool:
    """Whether what was asked may have happened: anything but a refusal."""
    return asked.status is None or asked.status < CLIENT_ERROR or asked.status >= SERVER_ERROR


def sight(record: Submit | Read | Move) -> Sight | None:
    """What this answer showed of a task; None: nothing."""
    task: dict[str, Any] | None = record.task
    if task is None or record.answered is None or "version" not in task:
        return None
    return Sight(
        id=task["id"],
        version=task["version"],
        state=State(task["state"]),
        attempt=task["attempt"],
        reason=task["reason"],
        sent=record.sent,
        answered=record.answered,
        source=record,
    )


def load(folder: Path) -> History:
    """Read a run's folder. Raises Unreadable, and OSError when the run has no end."""
    records = [record for path in sorted(folder.glob(CLIENTS)) for record in read(path)]
    records += [record for name in (EFFECTS, PROCESSES, FAULTS, CALLBACKS) for record in read(folder / name)]
    final = read_final(folder)
    logs = (folder / name for name in final.logs)
    return history(records, read_terms(folder), final, [one for log in logs for one in settles_in(log)])


def settles_in(log: Path) -> Iterator[Settled]:
    """What a process told of its settles, if its log is in JSON. Lines of anything else are passed over."""
    if not log.exists():
        return
    with log.open(errors="replace") as lines:
        for line in lines:
            if '"task.settled"' in line and (told := _parsed(line)) is not None:
                yield Settled(told["task"], told["attempt"], told["outcome"], told["timestamp"], log.name)


def _parsed(line: str) -> Json | None:
    """None for the last line of a process that was killed while it wrote."""
    try:
        parsed = json.loads(line)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) and parsed.get("event") == "task.settled" else None


def history(records: Sequence[Record], terms: Terms, final: Final, settles: Sequence[Settled] = ()) -> History:
    """The records by their kind."""
    return History(
        terms=terms,
        submits=[one for one in records if isinstance(one, Submit)],
        reads=[one for one in records if isinstance(one, Read)],
        moves=[one for one in records if isinstance(one, Move)],
        effects=[one for one in records if isinstance(one, Effect)],
        signs=[one for one in records if isinstance(one, ProcessSign)],
        faults=[one for one in records if isinstance(one, Fault)],
        rates=[one for one in records if isinstance(one, Rate)],
        deliveries=[one for one in records if isinstance(one, Delivery)],
        settles=settles,
        final=final,
    )
