"""What stands on every line: set by us, and by whoever binds the same name with structlog."""

from contextvars import Context, ContextVar

import pytest
from structlog.contextvars import bind_contextvars, get_contextvars, unbind_contextvars

from duly.telemetry.context import REQUEST_ID, TASK, request_id


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


def test_the_request_id_is_whoever_bound_it_last_and_nothing_once_it_was_taken_away() -> None:
    def told() -> list[str | None]:
        seen = [request_id()]
        bind_contextvars(request_id="theirs")
        seen.append(request_id())
        unbind_contextvars("request_id")
        return [*seen, request_id()]

    assert Context().run(told) == [None, "theirs", None]
