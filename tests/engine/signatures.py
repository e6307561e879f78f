"""Signatures of handlers made for a test."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from duly.engine.signature import Signature, signature_of


@dataclass(frozen=True)
class Size:
    width: int
    height: int = 1


class Label(BaseModel):
    text: str
    sizes: list[Size] = []


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
