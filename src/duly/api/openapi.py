"""One schema per registered type in `/openapi.json`: what may be submitted is a discriminated union on ``type``."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from fastapi import FastAPI
from pydantic import JsonValue

from duly.api.auth_docs import with_security
from duly.api.docs import Json, schema_of
from duly.api.rights import OPEN
from duly.engine.handlers import Handlers, TaskType
from duly.wire.problem import MEDIA_TYPE, Problem
from duly.wire.submit import Batch, Submit

_COMPONENTS = "#/components/schemas/"
_DEFINITIONS = "#/$defs/"


@dataclass(frozen=True, slots=True)
class _Described:
    """A type and the names of its schemas."""

    type: TaskType
    slug: str

    def reference(self, what: str) -> Json:
        return {"$ref": f"{_COMPONENTS}{what}.{self.slug}"}


def describe_types(app: FastAPI, handlers: Handlers, *, asked: bool = False, opened: Collection[str] = OPEN) -> None:
    """Let the application's `/openapi.json` show the registered types. It may be the user's own, with our router in it.

    ``asked``: clients must say who they are, but for the operations ``opened``. FastAPI's own way to
    change the document: a function that is put in the place of ``app.openapi``.
    """
    plain = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            app.openapi_schema = _with_types(with_security(plain(), asked=asked, opened=opened), handlers)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation has it


def _with_types(document: Json, types: Iterable[TaskType]) -> Json:
    """The document with problems by reference and, where types are registered, the schemas of each. Changes it."""
    operations = {operation["operationId"]: operation for operation in _operations(document)}
    schemas: Json = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = schema_of(Problem)
    for operation in operations.values():
        for response in operation["responses"].values():
            if MEDIA_TYPE in response.get("content", {}):
                response["content"][MEDIA_TYPE] = {"schema": {"$ref": f"{_COMPONENTS}Problem"}}
    described = list(_described(types))
    if described:
        _add_schemas(schemas, described)
        _use_schemas(operations, described)
    return document


def _described(types: Iterable[TaskType]) -> Iterator[_Described]:
    """Names of components allow fewer characters than names of types do."""
    taken: set[str] = set()
    for one in types:
        slug = re.sub(r"[^A-Za-z0-9._-]", "_", one.name)
        while slug in taken:
            slug += "_"
        taken.add(slug)
        yield _Described(one, slug)


def _add_schemas(schemas: Json, described: list[_Described]) -> None:
    for one in described:
        _add_hoisted(schemas, f"Payload.{one.slug}", one.type.payload_schema)
        _add_hoisted(schemas, f"Result.{one.slug}", one.type.result_schema)
        schemas[f"Submit.{one.slug}"] = _submit(one)
        schemas[f"Task.{one.slug}"] = _task(one)
    schemas["Submit"] = _union("Submit", described)
    schemas["Batch"] = schema_of(Batch)
    schemas["Batch"]["properties"]["tasks"]["items"] = {"$ref": f"{_COMPONENTS}Submit"}


def _add_hoisted(schemas: Json, name: str, schema: Json) -> None:
    """A JSON Schema refers to its own definitions; in the document they stand beside it, under names of their own."""
    definitions = schema.pop("$defs", {})
    schemas[name] = _renamed(schema, name)
    for inner, definition in definitions.items():
        schemas[f"{name}.{_slug(inner)}"] = _renamed(definition, name)


def _renamed(schema: JsonValue, name: str) -> JsonValue:
    match schema:
        case str() if schema.startswith(_DEFINITIONS):
            return f"{_COMPONENTS}{name}.{_slug(schema.removeprefix(_DEFINITIONS))}"
        case dict():
            return {key: _renamed(value, name) for key, value in schema.items()}
        case list():
            return [_renamed(value, name) for value in schema]
        case _:
            return schema


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def _submit(one: _Described) -> Json:
    schema = schema_of(Submit)
    schema["title"] = f"Submit {one.type.name}"
    schema["description"] = one.type.description
    schema["properties"] |= {"type": {"const": one.type.name}, "payload": one.reference("Payload")}
    schema.pop("example", None)
    return schema


def _task(one: _Described) -> Json:
    result = {"anyOf": [one.reference("Result"), {"type": "null"}]}
    return {
        "title": f"Task {one.type.name}",
        "description": one.type.description,
        "allOf": [{"$ref": f"{_COMPONENTS}Task"}],
        "properties": {"type": {"const": one.type.name}, "payload": one.reference("Payload"), "result": result},
        "required": ["type", "payload", "result"],
    }


def _union(what: str, described: list[_Described]) -> Json:
    mapping = {one.type.name: one.reference(what)["$ref"] for one in described}
    return {
        "oneOf": [one.reference(what) for one in described],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }


def _use_schemas(operations: Mapping[str, Json], described: list[_Described]) -> None:
    submit, batch = operations["submit_task"], operations["submit_tasks"]
    submit["requestBody"]["content"]["application/json"]["schema"] = {"$ref": f"{_COMPONENTS}Submit"}
    batch["requestBody"]["content"]["application/json"]["schema"] = {"$ref": f"{_COMPONENTS}Batch"}
    for status in ("200", "202"):
        _answer(submit, status, _union("Task", described))
    known = [one.reference("Task") for one in described]
    _answer(operations["get_task"], "200", {"anyOf": [*known, {"$ref": f"{_COMPONENTS}Task"}]})
    results = [one.reference("Result") for one in described]
    other = {"description": "What a handler returned that this process does not know."}
    _answer(operations["get_result"], "200", {"anyOf": [*results, other]})


def _answer(operation: Json, status: str, schema: Json) -> None:
    operation["responses"][status].setdefault("content", {})["application/json"] = {"schema": schema}


def _operations(document: Json) -> Iterator[Json]:
    for path in document["paths"].values():
        yield from (operation for operation in path.values() if "operationId" in operation)
