"""A batch in which the form of some items is wrong: the others are looked at too, so that each bad item is named."""

from collections.abc import Callable

from duly.api.body import fitted
from duly.domain.errors import Flaw, Invalid
from duly.engine.submitting import flaws_of_item
from duly.wire.submit import Submit

_TASKS = "/tasks/"


def with_others(error: Invalid, body: object, check: Callable[[Submit], object], most: int) -> Invalid:
    """The error, with what ``check`` (raises Invalid) blames in items whose form is right; in the order of the batch.

    A body that is no batch, or one of more than ``most`` items, has no others.
    """
    items = body.get("tasks") if isinstance(body, dict) else None
    if not isinstance(items, list) or len(items) > most:
        return error
    flaws, blamed = list(error.flaws), {_item(flaw) for flaw in error.flaws}
    for index, item in enumerate(items):
        if index in blamed:
            continue
        try:
            check(fitted(Submit, item))
        except Invalid as found:
            flaws += flaws_of_item(index, found, len(flaws))
    return Invalid(str(error), sorted(flaws, key=_item))


def _item(flaw: Flaw) -> int:
    """Which item it blames; -1: none."""
    number = flaw.pointer.removeprefix(_TASKS).partition("/")[0]
    return int(number) if flaw.pointer.startswith(_TASKS) and number.isdecimal() else -1
