"""Batches in portions that fit one statement."""

from collections.abc import Iterator, Sequence

from duly.domain.transition import Change

MAX_STATEMENT_BYTES = 2 * 1024 * 1024
"""Results in one statement, at most, unless it is one alone: a packet of MySQL's holds 16 MiB, and quoting may double
them."""


def portions(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """The changes in their order, cut by the length of their results."""
    portion: list[Change] = []
    size = 0
    for change in changes:
        length = len(change.after.result or "")
        if portion and size + length > MAX_STATEMENT_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(change)
        size += length
    if portion:
        yield portion
