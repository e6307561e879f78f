"""Payloads as arguments: JSON, a file, or standard input."""

import json
import sys
from pathlib import Path

from duly.domain.errors import Misconfigured

PAYLOAD_HELP = "JSON; @file reads a file, - reads standard input."


def parsed(text: str) -> object:
    """The payload that an argument stands for. Raises Misconfigured."""
    try:
        value: object = json.loads(_read(text), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Misconfigured(
            f'The payload is not JSON: {error}. Quote it for the shell: \'{{"text": "hello"}}\'.'
        ) from None
    except OSError as error:
        raise Misconfigured(f"The payload cannot be read: {error.filename}: {error.strerror}.") from None
    return value


def _read(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    return Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
