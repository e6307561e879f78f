"""A payload that fits a handler, made from its JSON Schema: for a line that people can paste."""

from collections.abc import Mapping, Sequence

_BY_TYPE: Mapping[str, object] = {"string": "hello", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def sample(schema: object, definitions: Mapping[str, object] | None = None) -> object:
    """Something of this schema, with what it requires only; not checked against patterns and formats."""
    if not isinstance(schema, Mapping):
        return None
    known = schema.get("$defs", {}) if definitions is None else definitions
    match schema:
        case {"examples": [first, *_]} | {"default": first} | {"const": first} | {"enum": [first, *_]}:
            return first
        case {"$ref": str(reference)}:
            return sample(known.get(reference.rpartition("/")[2]), known)
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]}:
            return sample(first, known)
        case {"type": "object"} | {"properties": _}:
            return _object(schema, known)
        case {"type": "array"}:
            return [sample(schema.get("items"), known)]
        case {"type": "string"}:
            return _string(schema)
        case {"type": "integer" | "number"}:
            return schema.get("minimum", _BY_TYPE[str(schema["type"])])
        case _:
            return _BY_TYPE.get(str(schema.get("type")))


def easiest(schemas: Mapping[str, object]) -> str | None:
    """The name of the schema that asks for least, and that a short text can satisfy."""
    return min(schemas, key=lambda name: (_effort(schemas[name]), name), default=None)


def _object(schema: Mapping[str, object], known: Mapping[str, object]) -> dict[str, object]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping) or not isinstance(required, Sequence):
        return {}
    return {str(name): sample(properties.get(name), known) for name in required}


def _string(schema: Mapping[str, object]) -> str:
    match schema.get("format"):
        case "uri":
            return "https://example.org/"
        case "base64" | "binary":
            return "aGVsbG8="
        case _:
            return "hello"


def _effort(schema: object) -> tuple[int, int]:
    """How many fields it requires, and how many of them are no plain text."""
    if not isinstance(schema, Mapping):
        return (99, 99)
    required, properties = schema.get("required", ()), schema.get("properties", {})
    plain = [
        name for name in required if properties.get(name, {}).keys() <= {"type", "title", "minLength", "maxLength"}
    ]
    hard = len(required) - len([name for name in plain if properties[name].get("type") == "string"])
    return (hard, abs(len(required) - 1))
