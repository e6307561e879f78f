"""What is submitted: tasks of every kind that the tour has, in about the proportions of real use."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

INPUTS = Path(__file__).parents[2] / "examples" / "tour" / "inputs"


@dataclass(frozen=True, slots=True)
class Item:
    """A task to be, and how it must end: its state, its reason, and what its result must satisfy."""

    type: str
    payload: dict[str, Any]
    state: str = "completed"
    reason: str | None = None
    fits: Callable[[Any], bool] = lambda _: True

    @property
    def body(self) -> dict[str, Any]:
        return {"type": self.type, "payload": self.payload}


def a_mix(count: int, random: Random) -> list[Item]:
    """So many items in random order; one in 2,500, but at least one, kills its worker."""
    poisons = max(1, count // 2500)
    kinds = list(WEIGHTS)
    chosen = random.choices(kinds, weights=[WEIGHTS[kind] for kind in kinds], k=count - poisons)
    items = [kind(random) for kind in chosen] + [_poison()] * poisons
    random.shuffle(items)
    return items


def _reverse(random: Random) -> Item:
    text = f"{random.randbytes(8).hex()} and so on"
    return Item("text.reverse", {"text": text}, fits=lambda result: result["text"] == text[::-1])


def _statistics(_: Random) -> Item:
    return Item("text.statistics", {"text": (INPUTS / "gettysburg.txt").read_text()})


def _summary(_: Random) -> Item:
    text = (INPUTS / "gettysburg.txt").read_text()
    return Item("text.summary", {"text": text, "sentences": 2}, fits=lambda result: len(result["sentences"]) == 2)


def _record(random: Random) -> Item:
    number = random.randrange(1_000_000)
    return Item("job.record", {"number": number}, fits=lambda result: result == number)


def _table(random: Random) -> Item:
    rows = [(f"group {random.randrange(9)}", random.randrange(1000)) for _ in range(200)]
    source = {"csv_text": "name,amount\n" + "".join(f"{name},{amount}\n" for name, amount in rows)}
    payload = {"source": source, "group_by": "name", "value": "amount"}
    total = sum(amount for _, amount in rows)
    return Item(
        "csv.aggregate", payload, fits=lambda result: sum(group["total"] for group in result["largest_groups"]) == total
    )


def _large_table(_: Random) -> Item:
    payload = {"source": {"sample": "journeys"}, "group_by": "from_station", "value": "minutes"}
    return Item("csv.aggregate", payload, fits=lambda result: result["rows"] == 100_000)


def _thumbnail(_: Random) -> Item:
    image = base64.b64encode((INPUTS / "dusk.jpg").read_bytes()).decode()
    payload = {"image": image, "longest_side": 160}
    return Item("image.thumbnail", payload, fits=lambda result: max(result["width"], result["height"]) == 160)


def _primes(_: Random) -> Item:
    return Item("primes.count", {"below": 1_000_000}, fits=lambda result: result["count"] == 78_498)


def _fail(_: Random) -> Item:
    return Item("demo.fail", {}, "failed", "handler_error")


def _unlucky(_: Random) -> Item:
    return Item("demo.unlucky", {"times": 1}, fits=lambda result: result == "succeeded after 1 failures")


def _fetch(_: Random) -> Item:
    return Item("web.fetch", {"url": "http://127.0.0.1/"}, "failed", "handler_error")


def _poison() -> Item:
    return Item("job.poison", {}, "failed", "poison")


WEIGHTS: dict[Callable[[Random], Item], float] = {
    _reverse: 45,
    _record: 20,
    _statistics: 15,
    _table: 8,
    _summary: 3,
    _thumbnail: 3,
    _primes: 2,
    _unlucky: 2,
    _fail: 1,
    _fetch: 0.8,
    _large_table: 0.2,
}
