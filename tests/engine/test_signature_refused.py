"""What a signature refuses: arguments and results that cannot be kept, handlers that are no contract."""

import functools
import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from duly.domain.errors import Flaw, Invalid, Misconfigured, ResultInvalid
from duly.engine.context import Context
from duly.engine.signature import signature_of
from tests.engine.signatures import Label, giving, taking


@pytest.mark.mistake(4)
@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800", object(), b"\xff"])
def test_an_argument_that_json_cannot_carry_is_refused(value: object) -> None:
    with pytest.raises(Invalid):
        taking(Any).encode({"value": value})


def test_a_value_that_json_would_change_without_a_word_is_refused() -> None:
    """A SecretStr reached the handler as ten asterisks."""
    with pytest.raises(Invalid) as caught:
        taking(SecretStr).encode({"value": SecretStr("hunter2")})

    assert caught.value.flaws == (Flaw("/payload/value", "does not come back from JSON as it was given"),)


@pytest.mark.parametrize("value", [10**5_000, None], ids=["of many digits", "none"])
def test_a_simple_argument_that_no_worker_could_take_is_refused(value: object) -> None:
    """Of text and numbers nobody looks whether they come back, but a number may have more digits than are read."""
    with pytest.raises(Invalid):
        taking(int).encode({"value": value})


def test_a_value_that_can_be_told_from_others_by_its_identity_only_is_not_refused() -> None:
    class Thing(BaseModel):
        n: int

        __eq__ = object.__eq__
        __hash__ = object.__hash__

    assert taking(Thing).encode({"value": Thing(n=1)}) == '{"value":{"n":1}}'


@pytest.mark.mistake(21)
@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Any, math.nan),
        (dict[str, Any], {"deep": [math.inf]}),
        (float | None, math.nan),
        (Label | None, "not a label"),
        (Any, "\udfff"),
        (Any, object()),
        (Any, b"\xff"),
        (int, "7"),
        (list[int], 7),
        (None, "something"),
    ],
)
def test_a_result_that_cannot_be_kept_or_does_not_fit_is_refused(annotation: Any, value: object) -> None:
    with pytest.raises(ResultInvalid):
        giving(annotation).encode_result(value)


@pytest.mark.parametrize(("levels", "fits"), [(201, True), (202, False)])
def test_a_result_is_nested_no_deeper_than_it_can_be_read(levels: int, fits: bool) -> None:  # a case
    deep: list[Any] = []
    for _ in range(levels - 1):
        deep = [deep]

    with nullcontext() if fits else pytest.raises(ResultInvalid):
        giving(Any).encode_result(deep)


def test_a_result_in_a_circle_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)

    with pytest.raises(ResultInvalid):
        giving(Any).encode_result(circle)


def test_a_result_keeps_its_nul_characters() -> None:
    signature = giving(str)

    assert signature.encode_result("a\x00b") == '"a\\u0000b"'
    assert signature.result.validate_json('"a\\u0000b"') == "a\x00b"


def _positional(value: int, /) -> None: ...


def _many(*values: int) -> None: ...


def _options(**options: int) -> None: ...


def _session(session: int) -> None: ...


def _callback(value: Callable[[], int]) -> None: ...


def _unknown(value: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


def _broken(value: "1 +") -> None: ...  # type: ignore[syntax]  # noqa: F722


def _field(value: int = Field(gt=0)) -> None: ...


def _generator() -> Iterable[int]:
    yield 1


async def _async_generator() -> Any:
    yield 1


class Opaque:
    """Nothing that JSON has a form for."""


def _takes_opaque(value: Opaque) -> None: ...


def _gives_opaque() -> Opaque: ...


def _two_contexts(one: Context, two: Context) -> None: ...


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (_positional, "positional-only"),
        (_many, "args"),
        (_options, "kwargs"),
        (_session, "`session`"),
        (_callback, "JSON cannot carry"),
        (_unknown, "cannot be resolved"),
        (_broken, "cannot be resolved"),
        (_takes_opaque, "JSON cannot carry"),
        (_gives_opaque, "JSON cannot carry"),
        (_two_contexts, "JSON cannot carry"),
        (_field, "Annotated"),
        (_generator, "must be a function"),
        (_async_generator, "must be a function"),
        (functools.partial(_session, 1), "must be a function"),
        (Opaque, "must be a function"),
    ],
)
def test_a_handler_that_cannot_be_a_contract_is_refused_and_told_why(handler: Any, says: str) -> None:
    with pytest.raises(Misconfigured, match="Handler 'it'") as caught:
        signature_of(handler, "it")

    assert says in str(caught.value)
