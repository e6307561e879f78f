"""A handler's signature as a contract: what its payload and its result must look like."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import IOBase
from types import GenericAlias
from typing import Annotated, Any, NamedTuple, NotRequired, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PydanticSchemaGenerationError,
    TypeAdapter,
    ValidationError,
    create_model,
    with_config,
)
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import SchemaSerializer
from typing_extensions import TypedDict

from duly.domain.errors import Flaw, Invalid, Misconfigured, ResultInvalid
from duly.engine.context import Context
from duly.engine.jsontext import encoded, plain

_REFUSED = {
    inspect.Parameter.POSITIONAL_ONLY: "a positional-only parameter",
    inspect.Parameter.VAR_POSITIONAL: "*args",
    inspect.Parameter.VAR_KEYWORD: "**kwargs",
}

_STRICT_FLOATS = ConfigDict(ser_json_inf_nan="constants")
"""NaN and the infinities stay what they are, so that they are refused; pydantic would make null of them."""

_CLOSED = _STRICT_FLOATS | ConfigDict(extra="forbid")

_ANY = {"type": "any"}
_FITTING: Sequence[tuple[Mapping[str, object], str]] = (
    (_ANY, ""),
    ({"type": "none"}, "null"),
    ({"type": "list", "items_schema": _ANY}, "["),
    ({"type": "dict", "keys_schema": _ANY, "values_schema": _ANY}, "{"),
    ({"type": "dict", "keys_schema": {"type": "str"}, "values_schema": _ANY}, "{"),
)
"""What pydantic makes of annotations that say little, and how the JSON begins that fits them."""

SHALLOW = 400
"""Characters of JSON that cannot be nested too deeply: pydantic reads 201 levels."""

SIMPLE: Sequence[object] = (str, int, bool)
"""What JSON carries as it is."""

LEGIBLE = 4_000
"""Characters of JSON in which no number has too many digits: pydantic reads 4,300."""

MOST_FLAWS = 100
"""So many places of one payload are named: each item of a long list may be wrong."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Checks, encodes and decodes the payloads and results of one handler.

    Values in Python are what the handler takes and gives (bytes, datetimes, models); in JSON they are what pydantic
    makes of them. Payload fields that the signature does not name are refused.
    """

    parameters: tuple[str, ...]
    """Names of the payload's fields, in the order of the signature."""
    fields: tuple[str, ...]
    """What ``payload`` calls them."""
    context: str | None
    """The name of the parameter that takes the Context, if there is one."""
    payload: type[BaseModel]
    """Its fields are called ``field_0``, ``field_1``, … and have the parameters' names as aliases."""
    arguments: "Arguments | None"
    """Do what it does, in half the time; None: a default is pydantic's to see to."""
    result: TypeAdapter[Any]
    fitting: str | None
    """A result whose text begins like this fits, if it is not nested too deeply; None: each must be looked at."""
    carrier: TypeAdapter[Any]
    """Has the result as its one item."""
    simple: Sequence[object] | None
    """The types of the parameters, where none has another than those of SIMPLE: arguments of exactly these types come
    back from their JSON as they are, and nobody need look."""

    def encode(self, arguments: Mapping[str, object]) -> str:
        """The stored payload for these arguments, as the handler would take them. Raises Invalid."""
        complete = tuple(arguments) == self.parameters
        if not complete:
            self._check_names(arguments)
        try:
            quick = self.arguments and _carried(self.arguments.carrier.serializer, arguments, as_given=True)
            text = quick or self._encoded(arguments)
        except ValueError as error:
            raise Invalid("The arguments cannot be stored as JSON.", [Flaw("/payload", str(error))]) from error
        simple = complete and [*map(type, arguments.values())] == self.simple
        if not simple or quick is None or len(text) > LEGIBLE:
            _check_faithful(arguments, self.decode(text))
        return text

    def _check_names(self, arguments: Mapping[str, object]) -> None:
        unknown = [Flaw(f"/payload/{name}", "unexpected argument") for name in arguments if name not in self.parameters]
        if unknown:
            raise Invalid("The arguments do not fit the handler's signature.", unknown)

    def _encoded(self, arguments: Mapping[str, object]) -> str:
        given = {name: arguments[of] for name, of in zip(self.fields, self.parameters, strict=True) if of in arguments}
        model = self.payload.model_construct(None, **given)  # not checked yet
        return encoded(
            model.model_dump(mode="json", by_alias=True, exclude_unset=True, round_trip=True, warnings=False)
        )

    def decode(self, text: str) -> dict[str, object]:
        """The arguments for the handler, where they are not its own defaults.

        Raises Invalid, with one flaw for each place that does not fit.
        """
        try:
            if self.arguments is not None:
                arguments: dict[str, object] = self.arguments.adapter.validator.validate_json(text)
                return arguments
            model = self.payload.__pydantic_validator__.validate_json(text)
        except ValidationError as error:
            raise Invalid("The payload does not fit the handler's signature.", flaws(error, "/payload")) from error
        return dict(zip(self.parameters, model.__dict__.values(), strict=True))  # pydantic keeps the order of fields

    def encode_result(self, value: object) -> str:
        """The stored result. Raises ResultInvalid when JSON cannot carry it or it does not fit the annotation."""
        try:
            text = _carried(self.carrier.serializer, value, as_given=False)
            if text is None:
                [dumped] = self.carrier.dump_python((value,), mode="json", by_alias=True, warnings=False)
                text = encoded(dumped)
            if self.fitting is None or len(text) > SHALLOW or not text.startswith(self.fitting):
                self.result.validator.validate_json(text, strict=True)
        except ValidationError as error:
            places = "; ".join(f"{flaw.pointer or '/'}: {flaw.detail}" for flaw in flaws(error, ""))
            raise ResultInvalid(f"The result does not fit the handler's return annotation: {places}") from error
        except BaseException as error:  # serializers and validators may be the user's own
            raise ResultInvalid(f"The result cannot be stored as JSON: {type(error).__name__}: {error}") from error
        return text


class Arguments(NamedTuple):
    """A payload as a dictionary, by the parameters' names. What is missing there the function itself fills in."""

    adapter: TypeAdapter[dict[str, object]]
    carrier: TypeAdapter[Any]
    """Has it as its one item."""


def _carried(carrier: SchemaSerializer, value: object, *, as_given: bool) -> str | None:
    """The value as ``plain`` has it. None: look closer.

    A payload is kept as it was given, without what defaults and computed fields would add; a result is shown with them.
    """
    try:
        text = carrier.to_json((value,), by_alias=True, exclude_unset=as_given, round_trip=as_given, warnings=False)
    except ValueError:  # it has what text cannot have
        return None
    return plain(text[1:-1])


def flaws(error: ValidationError, prefix: str) -> list[Flaw]:
    """What pydantic found, as JSON pointers below the prefix: the first MOST_FLAWS."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_FLAWS]
    return [Flaw(prefix + "".join(f"/{_escaped(part)}" for part in e["loc"]), e["msg"]) for e in found]


def _check_faithful(given: Mapping[str, object], taken: Mapping[str, object]) -> None:
    """Refuse what JSON changes without a word: a SecretStr comes as ten asterisks, an open file as its lines."""
    changed = [name for name, value in given.items() if not _came_back(value, taken[name])]
    if changed:
        flaws = [Flaw(f"/payload/{name}", "does not come back from JSON as it was given") for name in changed]
        raise Invalid("The arguments cannot be stored as JSON.", flaws)


def _came_back(given: object, taken: object) -> bool:
    """What was converted on the way is of another type, and some things can be told apart by their identity only."""
    kind = type(given)
    if kind is type(taken):
        return kind.__eq__ is object.__eq__ or given == taken
    return not isinstance(given, IOBase)


def signature_of(function: Callable[..., object], name: str) -> Signature:
    """Read the function's parameters and annotations. Raises Misconfigured when they cannot be a contract."""
    if not inspect.isroutine(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise Misconfigured(f"Handler {name!r} must be a function, `def` or `async def`, that returns its result.")
    hints = _hints(function, name)
    parameters = inspect.signature(function).parameters.values()
    context = next((p.name for p in parameters if hints.get(p.name) is Context), None)
    taken = [p for p in parameters if p.name != context]
    for parameter in taken:
        _check(parameter, name)
    try:
        payload = _payload_model(name, taken, hints)
        arguments = _arguments(payload, taken, hints)
        returned = hints.get("return", Any)
        kinds = [hints.get(parameter.name, Any) for parameter in taken]
        result: TypeAdapter[Any] = TypeAdapter(returned)
        result.json_schema(mode="serialization")
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise Misconfigured(f"Handler {name!r} has an annotation that JSON cannot carry: {error}") from error
    return Signature(
        parameters=tuple(p.name for p in taken),
        fields=tuple(f"field_{index}" for index in range(len(taken))),
        context=context,
        payload=payload,
        arguments=arguments,
        result=result,
        fitting=next((text for schema, text in _FITTING if schema == result.core_schema), None),
        carrier=_carrier(returned),
        simple=kinds if all(kind in SIMPLE for kind in kinds) else None,
    )


def _check(parameter: inspect.Parameter, name: str) -> None:
    if parameter.kind in _REFUSED:
        raise Misconfigured(f"Handler {name!r} has {_REFUSED[parameter.kind]}: a payload has named fields only.")
    if parameter.name == "session":
        raise Misconfigured(f"Handler {name!r}: `session` is what submit() takes; call the parameter otherwise.")
    if isinstance(parameter.default, FieldInfo):
        raise Misconfigured(
            f"Handler {name!r}: Field() is no default for {parameter.name!r}: write Annotated[..., Field(...)], "
            "so that the function can be called too."
        )


def _hints(function: Callable[..., object], name: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise Misconfigured(f"Handler {name!r} has an annotation that cannot be resolved: {error}") from error


def _payload_model(name: str, parameters: list[inspect.Parameter], hints: Mapping[str, Any]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for index, parameter in enumerate(parameters):
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        field = Field(default, alias=parameter.name, title=_title(parameter.name))
        fields[f"field_{index}"] = (hints.get(parameter.name, Any), field)
    model = create_model(f"{name}.payload", __config__=_CLOSED, **fields)
    model.model_json_schema()
    return model


def _carrier(kind: object) -> TypeAdapter[Any]:
    """Inside a tuple things are written under our own rules about NaN."""
    carried: Any = GenericAlias(tuple, (kind,))
    return TypeAdapter(carried, config=_STRICT_FLOATS)


def _arguments(
    payload: type[BaseModel], parameters: list[inspect.Parameter], hints: Mapping[str, Any]
) -> Arguments | None:
    """None, where they would make a difference: a default that is checked, or that a handler might change for all."""
    defaults = [parameter.default for parameter in parameters]
    if not all(map(_hashable, defaults)) or any(field.validate_default for field in payload.model_fields.values()):
        return None
    types: dict[str, Any] = {}
    for parameter in parameters:
        kind: Any = Annotated[hints.get(parameter.name, Any), Field(alias=parameter.name)]
        types[parameter.name] = kind if parameter.default is inspect.Parameter.empty else NotRequired[kind]
    make: Any = TypedDict  # whose fields are known only now
    made = with_config(_CLOSED)(make(payload.__name__, types))
    return Arguments(TypeAdapter(made), _carrier(made))


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _title(name: str) -> str:
    return name.replace("_", " ").strip().capitalize()


def _escaped(part: object) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
