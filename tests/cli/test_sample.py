"""A payload to paste, made from a handler's schema."""

import pytest
from pydantic import BaseModel, TypeAdapter

from duly.cli.sample import easiest, sample


class Point(BaseModel):
    x: int
    y: float
    label: str = "p"


class Shape(BaseModel):
    points: list[Point]
    closed: bool
    name: str | None


@pytest.mark.parametrize("model", [Point, Shape])
def test_a_sample_fits_its_schema(model):
    adapter = TypeAdapter(model)

    made = sample(adapter.json_schema())

    assert adapter.validate_python(made)


def test_only_what_is_required_is_given():
    assert sample(Point.model_json_schema()) == {"x": 1, "y": 1.5}


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"examples": ["ab"], "type": "string"}, "ab"),
        ({"enum": ["jpeg", "png"]}, "jpeg"),
        ({"const": 7}, 7),
        ({"type": "string", "format": "uri"}, "https://example.org/"),
        ({"type": "integer", "minimum": 16}, 16),
        ({"type": "array", "items": {"type": "null"}}, [None]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "hello"),
        ({"type": "object"}, {}),
        (True, None),
        ({}, None),
    ],
)
def test_each_form_of_a_schema_has_its_sample(schema, made):
    assert sample(schema) == made


def test_the_easiest_type_asks_for_one_text():
    picture = {"properties": {"image": {"type": "string", "format": "base64"}}, "required": ["image"]}
    text = {"properties": {"text": {"type": "string"}}, "required": ["text"]}
    nothing = {"properties": {}}

    assert easiest({"picture": picture, "nothing": nothing, "text": text}) == "text"
    assert easiest({}) is None
