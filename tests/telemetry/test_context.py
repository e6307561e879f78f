"""What stands on every line: set by us, and by whoever binds the same name with structlog."""

from contextvars import Context, ContextVar

import pytest
from structlog.contextvars import bind_contextvars, get_contextvars

from duly.telemetry.context import REQUEST_ID, TASK


@pytest.mark.parametrize(("variable", "name"), [(REQUEST_ID, "request_id"), (TASK, "task")])
def test_a_handler_that_binds_the_same_name_has_the_last_word(variable: ContextVar[str], name: str) -> None:
    def bound() -> object:
        token = variable.set("ours")
        assert get_contextvars() == {name: "ours"}
        bind_contextvars(**{name: "theirs"})
        theirs = get_contextvars()
        variable.reset(token)
        return theirs

    assert Context().run(bound) == {name: "theirs"}


def test_nothing_is_bound_by_the_import() -> None:
    assert Context().run(get_contextvars) == {}
