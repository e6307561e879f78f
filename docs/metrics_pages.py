"""The tables of metrics: every family that Duly has, as the code has it."""

import re
from collections.abc import Iterable

from duly.domain.families import OF_PROCESSES, OF_THE_SERVICE
from duly.domain.figures import Family, Kind

_TABLE = re.compile(r"^(## .*\n(?:(?!##|\|).*\n)*)\| metric \|.*\n(?:\|.*\n)+", re.MULTILINE)
HEAD = "| metric | kind | labels | |\n| --- | --- | --- | --- |\n"


def with_metrics(page: str) -> str:
    """The page with its two tables made anew: what each process counts, and what is so of the whole service."""
    tables = iter((OF_PROCESSES, OF_THE_SERVICE))
    return _TABLE.sub(lambda found: found[1] + HEAD + "".join(_rows(next(tables))), page)


def _rows(families: Iterable[Family]) -> Iterable[str]:
    for family in families:
        name = f"{family.name}_total" if family.kind is Kind.COUNTER else family.name
        kind = Kind.GAUGE if family.kind is Kind.SINCE else family.kind
        labels = ", ".join(f"`{label}`" for label in family.labels)
        yield f"| `{name}` | {kind} | {labels} | {family.help} |\n"
