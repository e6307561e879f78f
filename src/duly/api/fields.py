"""The header fields of a request, found in one pass: most have few, and most questions are for those they lack."""

from collections.abc import Iterable

from starlette.types import Scope

FIELDS = "duly.fields"
"""Where they stand in a request's ASGI scope."""


class Fields:
    """Names are in lower case, as ASGI has them."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._values: dict[bytes, list[bytes]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def all(self, name: bytes) -> list[str]:
        """The values of the fields of this name, in their order."""
        values = self._values.get(name)
        return [] if values is None else [value.decode("latin-1") for value in values]

    def first(self, name: bytes) -> str | None:
        """The first value, or None."""
        values = self._values.get(name)
        return None if values is None else values[0].decode("latin-1")


def fields_of(scope: Scope) -> Fields:
    """Those of this request."""
    found: Fields | None = scope.get(FIELDS)
    if found is None:
        found = scope[FIELDS] = Fields(scope["headers"])
    return found
