"""A handler's signature as a contract."""

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, Json, SecretStr, computed_field
from typing_extensions import TypedDict

from duly.domain.errors import Flaw, Invalid, Misconfigured, ResultInvalid
from duly.engine.context import Context
from duly.engine.signature import Signature, signature_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 9


class Point(TypedDict):
    x: int
    y: int


@dataclass(frozen=True)
class Size:
    width: int
    height: int = 1


class Label(BaseModel):
    text: str
    sizes: list[Size] = []


class Aliased(BaseModel):
    model_config = ConfigDict(serialize_by_alias=False)

    text_length: int = Field(alias="textLength")


def taking(annotation: Any, **more: Any) -> Signature:
    """The signature of a handler with one parameter, ``value``, of this type."""

    def handler(value: Any) -> None:
        """Takes it."""

    handler.__annotations__["value"] = annotation
    handler.__defaults__ = (more["default"],) if "default" in more else None
    return signature_of(handler, "handler")


def giving(annotation: Any) -> Signature:
    """The signature of a handler that returns this type."""

    def handler() -> None:
        """Gives it."""

    handler.__annotations__["return"] = annotation
    return signature_of(handler, "handler")


VALUES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**63), 2**63)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (str, st.text()),
    (bytes, st.text().map(str.encode)),
    (Base64Bytes, st.binary()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False, places=6)),
    (UUID, st.uuids()),
    (datetime, st.datetimes(timezones=st.just(UTC))),
    (date, st.dates()),
    (time, st.times()),
    (timedelta, st.timedeltas(timedelta(days=-9999), timedelta(days=9999))),
    (IPv4Address, st.ip_addresses(v=4)),
    (PurePosixPath, st.from_regex(r"[a-z/]{1,20}", fullmatch=True).map(PurePosixPath)),
    (Colour, st.sampled_from(Colour)),
    (Level, st.sampled_from(Level)),
    (Literal["a", 7], st.sampled_from(["a", 7])),
    (int | None, st.none() | st.integers(-99, 99)),
    (list[str], st.lists(st.text())),
    (set[int], st.sets(st.integers(-99, 99))),
    (tuple[int, str], st.tuples(st.integers(-99, 99), st.text())),
    (dict[str, Decimal], st.dictionaries(st.text(), st.decimals(allow_nan=False, allow_infinity=False, places=2))),
    (dict[int, str], st.dictionaries(st.integers(-99, 99), st.text())),
    (Json[list[int]], st.lists(st.integers(-99, 99))),
    (Point, st.fixed_dictionaries({"x": st.integers(-99, 99), "y": st.integers(-99, 99)})),
    (Size, st.builds(Size, st.integers(-99, 99), st.integers(-99, 99))),
    (Label, st.builds(Label, text=st.text(), sizes=st.lists(st.builds(Size, st.integers(-99, 99)), max_size=3))),
    (Aliased, st.integers(-99, 99).map(lambda n: Aliased(textLength=n))),
    (Any, st.recursive(st.none() | st.booleans() | st.integers(-99, 99) | st.text(), st.lists)),
]


@pytest.mark.mistake(4)
@pytest.mark.parametrize(("annotation", "values"), VALUES, ids=lambda value: str(value)[:30])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_python_submits_is_what_the_handler_gets(annotation: Any, values: Any, data: st.DataObject) -> None:
    value = data.draw(values)
    signature = taking(annotation)

    taken = signature.decode(signature.encode({"value": value}))["value"]

    assert taken == value
    assert type(taken) is type(value)


@pytest.mark.parametrize(("annotation", "values"), VALUES, ids=lambda value: str(value)[:30])
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_the_handler_returns_is_what_the_caller_gets(annotation: Any, values: Any, data: st.DataObject) -> None:
    if "Json" in str(annotation):
        return  # a result is not JSON within JSON
    value = data.draw(values)
    signature = giving(annotation)

    assert signature.result.validate_json(signature.encode_result(value)) == value


@settings(deadline=None)
@given(text=st.text())
def test_what_is_stored_is_ascii_without_nul(text: str) -> None:
    stored = taking(str).encode({"value": text})

    assert stored.isascii()
    assert "\x00" not in stored


def _names(*, schema: str, copy: int, json: str, model_config: str, _private: str, self: str, cls: str) -> None:
    """Names that pydantic's models know, or that are private there."""


def test_parameters_may_have_any_name() -> None:
    signature = signature_of(_names, "handler")
    arguments = {
        "schema": "s", "copy": 1, "json": "j", "model_config": "m", "_private": "p", "self": "me", "cls": "c",
    }  # fmt: skip

    assert signature.decode(signature.encode(arguments)) == arguments
    assert list(signature.payload.model_json_schema(by_alias=True)["properties"]) == list(arguments)


def test_what_is_not_given_takes_its_default_when_the_task_runs() -> None:
    signature = taking(int, default=320)

    assert signature.encode({}) == "{}"
    assert signature.decode("{}") == {"value": 320}


def test_a_default_that_can_be_changed_is_not_shared_between_tasks() -> None:
    signature = taking(list[int], default=[])

    first = signature.decode("{}")["value"]
    assert isinstance(first, list)
    first.append(1)

    assert signature.decode("{}") == {"value": []}


def test_a_parameter_without_annotation_takes_anything() -> None:
    def handler(value) -> None:  # type: ignore[no-untyped-def]
        """Takes it."""

    assert signature_of(handler, "handler").decode('{"value": {"a": [1]}}') == {"value": {"a": [1]}}


def test_the_context_is_no_part_of_the_payload() -> None:
    def handler(text: str, ctx: Context) -> None:
        """Takes both."""

    signature = signature_of(handler, "handler")

    assert (signature.parameters, signature.context) == (("text",), "ctx")


def test_a_constraint_is_kept_and_names_its_place() -> None:
    signature = taking(Annotated[int, Field(gt=0)])

    with pytest.raises(Invalid) as caught:
        signature.decode('{"value": 0}')

    assert caught.value.flaws == (Flaw("/payload/value", "Input should be greater than 0"),)


def test_each_flaw_of_a_payload_has_its_own_pointer() -> None:
    def handler(label: Label, size: Size, table: dict[str, int]) -> None:
        """Takes all."""

    with pytest.raises(Invalid) as caught:
        signature_of(handler, "handler").decode(
            '{"label": {"sizes": [{"width": 1}, {"width": "x"}]}, "table": {"a/b~c": "no"}, "more": 1}'
        )

    assert [flaw.pointer for flaw in caught.value.flaws] == [
        "/payload/label/text",
        "/payload/label/sizes/1/width",
        "/payload/size",
        "/payload/table/a~1b~0c",
        "/payload/more",
    ]


def test_an_argument_that_the_handler_does_not_have_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        taking(int).encode({"valeu": 1})

    assert caught.value.flaws == (Flaw("/payload/valeu", "unexpected argument"),)


def test_an_argument_that_does_not_fit_is_refused_before_anything_is_stored() -> None:
    with pytest.raises(Invalid) as caught:
        taking(int).encode({"value": "seven"})

    assert [flaw.pointer for flaw in caught.value.flaws] == ["/payload/value"]


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


def test_a_result_in_a_circle_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)

    with pytest.raises(ResultInvalid):
        giving(Any).encode_result(circle)


def test_a_result_keeps_its_nul_characters() -> None:
    signature = giving(str)

    assert signature.encode_result("a\x00b") == '"a\\u0000b"'
    assert signature.result.validate_json('"a\\u0000b"') == "a\x00b"


def test_a_result_is_written_under_the_names_that_its_schema_promises() -> None:
    """It was written under the fields' own names, and refused because it did not fit its own schema."""
    signature = giving(Aliased)

    assert signature.encode_result(Aliased(textLength=3)) == '{"textLength":3}'


def test_a_result_shows_its_computed_fields() -> None:
    class Area(BaseModel):
        side: int

        @computed_field  # type: ignore[prop-decorator]
        @property
        def area(self) -> int:
            return self.side**2

    assert giving(Area).encode_result(Area(side=3)) == '{"side":3,"area":9}'


def test_a_handler_without_a_return_annotation_may_return_anything_that_json_carries() -> None:
    def handler():  # type: ignore[no-untyped-def]
        """Gives it."""

    assert signature_of(handler, "handler").encode_result({"at": datetime(2026, 1, 1, tzinfo=UTC)}) == (
        '{"at":"2026-01-01T00:00:00Z"}'
    )


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
