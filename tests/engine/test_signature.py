"""A handler's signature as a contract."""

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
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, Json, computed_field
from typing_extensions import TypedDict

from duly.domain.errors import Flaw, Invalid
from duly.engine.context import Context
from duly.engine.signature import signature_of
from tests.engine.signatures import Label, Size, giving, taking


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 9


class Point(TypedDict):
    x: int
    y: int


class Aliased(BaseModel):
    model_config = ConfigDict(serialize_by_alias=False)

    text_length: int = Field(alias="textLength")


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
    def handler(value: int = 320) -> int:
        return value

    signature = signature_of(handler, "handler")

    assert signature.encode({}) == "{}"
    assert handler(**signature.decode("{}")) == 320  # type: ignore[arg-type]


def test_a_default_that_asks_for_it_is_checked_when_the_task_runs() -> None:
    signature = taking(Annotated[int, Field(validate_default=True)], default="320")

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
