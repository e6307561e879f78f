"""Tables and texts for people: plain, aligned, and safe to print whatever a task carries."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_UNPRINTABLE = re.compile("[^\\S ]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SCALES = ((86_400, "d"), (3_600, "h"), (60, "m"))


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The rows under their heads, each column as wide as it needs."""
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = [heads, *cells]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def shown(value: object) -> str:
    """A value as people read it; nothing in it can move the cursor or start a line."""
    match value:
        case None:
            return "-"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        case timedelta():
            return span(value)
        case list() | tuple():
            return ",".join(map(shown, value)) or "-"
        case _:
            return _UNPRINTABLE.sub(_escaped, str(value))


def span(length: timedelta) -> str:
    """A duration in its largest sensible unit."""
    seconds = length.total_seconds()
    for size, unit in _SCALES:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.1f}s" if seconds >= 1 else f"{seconds * 1000:.0f}ms"


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape", "backslashreplace").decode("ascii")
