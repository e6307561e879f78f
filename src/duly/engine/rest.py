"""The rest of what was begun by hand, awaited as if it had been awaited from its beginning."""

from collections.abc import Callable, Generator
from types import coroutine
from typing import Any


@coroutine
def rest_of(
    go_on: Callable[[], object], throw: Callable[[BaseException], object], waited: object
) -> Generator[Any, Any, Any]:
    """``waited`` is what it waits for now; each of the others takes one step more, and gives what it waits for then."""
    error = here = None
    while True:
        try:
            yield waited
        except BaseException as thrown:  # noqa: BLE001  # given to what was begun, outside of this clause
            here = thrown.__traceback__
            error = thrown.with_traceback(None if here is None else here.tb_next)
        try:
            waited = go_on() if error is None else throw(error)
        except StopIteration as end:
            return end.value
        finally:
            error = here = None  # else they would hold this frame, which they know
