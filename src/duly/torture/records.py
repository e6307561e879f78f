"""What is written down while Duly is tortured: one JSON line for each fact, one file for each writer.

All times are ``time.monotonic()`` seconds of one machine, comparable across its processes. ``None`` as an answer's
time or status means that there was no answer: what was asked may have happened, or may still happen.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError

Json = dict[str, Any]

CLIENTS = "client-*.jsonl"
EFFECTS = "effects.jsonl"
PROCESSES = "processes.jsonl"
FAULTS = "faults.jsonl"
CALLBACKS = "callbacks.jsonl"
FINAL = "final.json"
TERMS = "terms.json"
"""The files of a run's folder. Each client has one of its own: ``client-<name>.jsonl``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """One try of a submit. The item of a batch has a line too; its key is the batch's and its index."""

    what: Literal["submit"] = "submit"
    client: str
    sent: float
    answered: float | None
    status: int | None
    key: str | None
    """The Idempotency-Key."""
    body: Json
    task: Json | None
    attempt_no: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One task as it was seen; a stream has one line for each event, ``sent`` being when the stream was asked for."""

    what: Literal["read"] = "read"
    client: str
    sent: float
    answered: float | None
    status: int | None
    id: str | None
    """None for a list's line that tells only that the list was not answered."""
    task: Json | None = None
    etag: str | None = None
    since: str | None = None
    """The If-None-Match that was sent."""
    via: Literal["get", "wait", "stream", "list"] = "get"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One try of an operator's move."""

    what: Literal["move"] = "move"
    client: str
    sent: float
    answered: float | None
    status: int | None
    id: str
    move: Literal["cancel", "retry", "run"]
    task: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The start or the end of a handler, written by the handler itself.

    One that is about to kill its own process says so by an end: ``killing``. Only such a task may ever be poison.
    """

    what: Literal["start", "end"]
    t: float
    id: str
    attempt: int
    pid: int
    process_start: float
    """When the process was made, as psutil tells it: pids are used again."""
    type: str
    queue: str
    token: str | None = None
    how: Literal["returned", "raised", "cancelled", "killing"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSign:
    """What the driver did to a process, or saw of it: write down those of every child that a signal reached too."""

    what: Literal["started", "killed", "stopped", "continued", "ended"]
    t: float
    pid: int
    role: str
    process_start: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault, from its first moment to the moment when all was given back.

    ``detail`` says on what: the ``link`` (store, broker, cache, joined by +) or the ``server``. A line without an end
    is of the same fault as it began.
    """

    what: Literal["fault"] = "fault"
    name: str
    scenario: str
    began: float
    ended: float | None
    detail: Json = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many tasks had become final so far."""

    what: Literal["rate"] = "rate"
    t: float
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One callback as the receiver got it. The headers' names are in lower case."""

    what: Literal["delivery"] = "delivery"
    t: float
    id: str | None
    webhook_id: str | None
    headers: dict[str, str]
    body: str
    status: int
    """What the receiver answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """Every task at the end, the story of those that have one to tell, and the log files of all processes."""

    tasks: list[Json]
    events: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])
    logs: list[str] = field(default_factory=list[str])
    at: float | None = None
    """When reading them began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the processes were told, in seconds, and so what they can be held to."""

    lease: float
    renewal: float
    """Between two renewals of a claim."""
    grace: float
    """How long a handler may still run after it was asked to stop."""
    callback_secrets: list[str] = field(default_factory=list[str])
    blocking: list[str] = field(default_factory=lambda: ["torture.blocking"])
    """Types whose handlers sit in a thread and look at nothing: nobody can stop them."""
    store: str = ""
    broker: str = ""
    seed: int = 0
    began: float | None = None
    ended: float | None = None
    """When the load began and ended."""


Record = Submit | Read | Move | Effect | ProcessSign | Fault | Rate | Delivery
_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="what")])
_FINAL = TypeAdapter(Final)
_TERMS = TypeAdapter(Terms)
_BEGINNING = '{"what"'


class Unreadable(Exception):
    """A line in the middle of a record that is none: the record cannot be judged by."""

    def __init__(self, path: Path, number: int) -> None:
        super().__init__(f"{path}, line {number}: not a record.")


class Pen:
    """Appends records to one file, each in one write: several processes may share the file, and any may be killed."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, record: Record) -> None:
        """Blocks for as long as the file system takes; nothing is flushed to disk."""
        os.write(self._file, _RECORD.dump_json(record) + b"\n")


def read(path: Path) -> Iterator[Record]:
    """All records of a file. What a killed writer began is left out, also when the next one wrote on behind it.

    A file that is not there has no records. Raises Unreadable.
    """
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        record = _parsed(line) or _parsed(_BEGINNING + line.rpartition(_BEGINNING)[2])
        if record is not None:
            yield record
        elif number < len(lines):
            raise Unreadable(path, number)


def _parsed(line: str) -> Record | None:
    try:
        return _RECORD.validate_json(line)
    except ValidationError:
        return None


def write_final(folder: Path, final: Final) -> None:
    """Write the end of a run."""
    (folder / FINAL).write_bytes(_FINAL.dump_json(final))


def read_final(folder: Path) -> Final:
    """The end of a run. Raises OSError when the run had none."""
    return _FINAL.validate_json((folder / FINAL).read_bytes())


def write_terms(folder: Path, terms: Terms) -> None:
    """Write what the run's processes were told; again at the end, with its times."""
    (folder / TERMS).write_bytes(_TERMS.dump_json(terms))


def read_terms(folder: Path) -> Terms:
    """What the run's processes were told. Raises OSError when nobody wrote it."""
    return _TERMS.validate_json((folder / TERMS).read_bytes())
