"""Streams of a task's events, read to their end."""

import json
from dataclasses import dataclass

SSE = {"accept": "text/event-stream"}


@dataclass(frozen=True)
class Event:
    id: str | None
    name: str
    data: dict


def events_in(text: str) -> list[Event]:
    """As the standard has it: blocks end with an empty line; one without data is no event."""
    blocks = [dict(line.partition(": ")[::2] for line in block.split("\n")) for block in text.split("\n\n")]
    return [Event(b.get("id"), b["event"], json.loads(b["data"])) for b in blocks if "data" in b]


STREAM = "text/event-stream"
